import type { TableVerdict } from "../proof/checks.js";
import type { Version } from "../proof/reference.js";
import type { Table } from "../tables.js";

/** A step of the run in one environment. Times are milliseconds since 1970. */
export interface ReportStep {
  readonly name: string;
  readonly startedAt: number;
  readonly endedAt: number;
  /** What it did, in a few words: "27 to create". */
  readonly detail?: string;
  readonly failed?: boolean;
}

export interface ReportEnvironment {
  readonly name: string;
  readonly stack: string;
  readonly resources: number;
  readonly steps: readonly ReportStep[];
  readonly verdicts: readonly TableVerdict[];
  /** Why the environment was not finished, if it was not. */
  readonly error?: string;
}

/** One row's history, to be drawn as a timeline: the versions of one key, in order. */
export interface Story {
  readonly title: string;
  readonly environment: string;
  readonly table: Table;
  readonly versions: readonly Version[];
}

/** Everything the report shows. */
export interface Report {
  readonly release: string;
  readonly seed: string;
  /** By how much the sandbox's clock was scaled; 1 = not. */
  readonly clockScale: number;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly environments: readonly ReportEnvironment[];
  readonly story?: Story;
}

/** "0.8 s", "12.3 s", "2 min 05 s" from milliseconds. */
export function duration(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  if (seconds < 99.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
}

/** 12,345 */
export function count(value: number): string {
  return value.toLocaleString("en");
}
