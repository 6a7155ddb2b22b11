import { describeChanges } from "../src/cli/render.js";
import type { PromotionEvent } from "../src/driver/events.js";
import type { LoadWindow } from "./proof/checks.js";
import type { ReportEnvironment, ReportStep } from "./report/model.js";
import type { Findings } from "./checks.js";

/** Makes the report's steps from a promotion's events. */
export class Recorder {
  private readonly steps = new Map<string, ReportStep[]>();
  private readonly started = new Map<string, number>();
  private readonly resources = new Map<string, number>();
  private readonly errors = new Map<string, string>();

  constructor(private readonly environments: readonly string[]) {}

  note(event: PromotionEvent): void {
    const { environment } = event;
    if (environment === undefined) return;
    const at = Date.parse(event.at);
    if (event.type === "check") {
      const key = `${environment} ${event.check}`;
      if (event.state === "started") this.started.set(key, at);
      else if (event.state !== "progress") {
        this.add(
          environment,
          event.check,
          this.started.get(key) ?? at,
          at,
          event.state === "failed",
          event.message,
        );
      }
    } else if (event.type === "phase" && event.phase !== "checks" && event.phase !== "settings") {
      const key = `${environment} ${event.phase}`;
      if (event.state === "started") this.started.set(key, at);
      else {
        const detail = event.changes === undefined ? undefined : describeChanges(event.changes);
        this.add(environment, event.phase, this.started.get(key) ?? at, at, event.state === "failed", detail);
      }
      if (event.phase === "up" && event.changes !== undefined) {
        this.resources.set(environment, countResources(event.changes));
      }
      if (event.error !== undefined) this.errors.set(environment, event.error.message);
    } else if (event.type === "phase" && event.phase === "checks" && event.error !== undefined) {
      this.errors.set(environment, event.error.message);
    }
  }

  /** Between the start of the replication and the end of its load, to the microsecond outward. */
  loadWindow(environment: string): LoadWindow {
    const step = this.steps.get(environment)?.find(({ name }) => name === "replication-loaded");
    if (step === undefined) throw new Error(`nothing has been loaded in ${environment}`);
    return { from: instant(step.startedAt, "000"), until: instant(step.endedAt, "999") };
  }

  report(pipeline: string, findings: (environment: string) => Findings): ReportEnvironment[] {
    return this.environments
      .filter((name) => this.steps.has(name))
      .map((name) => {
        const error = this.errors.get(name);
        return {
          name,
          stack: `${pipeline}-${name}`,
          resources: this.resources.get(name) ?? 0,
          steps: this.steps.get(name) ?? [],
          verdicts: findings(name).proof?.verdicts ?? [],
          ...(error === undefined ? {} : { error }),
        };
      });
  }

  private add(
    environment: string,
    name: string,
    startedAt: number,
    endedAt: number,
    failed: boolean,
    detail: string | undefined,
  ): void {
    const steps = this.steps.get(environment) ?? [];
    steps.push({ name, startedAt, endedAt, failed, ...(detail === undefined ? {} : { detail }) });
    this.steps.set(environment, steps);
  }
}

/** Resources the stack holds after an update. */
function countResources(changes: Readonly<Record<string, number>>): number {
  return Object.entries(changes).reduce((sum, [op, number]) => (op === "delete" ? sum : sum + number), 0);
}

function instant(milliseconds: number, micros: string): string {
  return `${new Date(milliseconds).toISOString().slice(0, 23).replace("T", " ")}${micros}`;
}
