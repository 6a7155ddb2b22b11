import type { Pipeline } from "../../model/pipeline.js";
import type { EnvironmentRules } from "../../settings/promotion-rules.js";
import type { PlannedChange } from "../engine-events.js";
import type { ChangeSummary, GateFinding } from "../events.js";
import type { Release } from "../release.js";

/** The last update of a stack, as the backend's own history tells it. */
export interface LastUpdate {
  readonly kind: string;
  readonly result: string;
  /** ISO time. */
  readonly at: string;
  readonly message: string;
  /** The release, when it was Headwater that ran it. */
  readonly release?: string;
  /** Digest of the settings it was run with. */
  readonly settings?: string;
}

/** That a release passed in an environment: `up` and every check. */
export interface Proof {
  readonly release: string;
  readonly environment: string;
  /** The record that tells how. */
  readonly record: string;
  /** ISO time. */
  readonly at: string;
}

/** What a gate may look at. */
export interface GateContext {
  readonly environment: string;
  readonly stack: string;
  readonly release: Release;
  readonly pipeline: Pipeline;
  /** The environment's settings, as the program is given them. */
  readonly settings: unknown;
  /** Digest of the configuration the engine is given. */
  readonly settingsDigest: string;
  readonly rules: EnvironmentRules;
  /** The environment before this one on the path; absent for the first, and where no path is ruled. */
  readonly before?: string;
  /** Resource by resource, without what stays the same. */
  readonly planned: readonly PlannedChange[];
  readonly changes: ChangeSummary;
  readonly last?: LastUpdate;
  /** Whether this is a way back to an earlier release. */
  readonly rollback: boolean;
  readonly now: Date;
  /** The proof that the release passed in an environment of its pipeline, if it did. */
  proofIn(environment: string): Promise<Proof | undefined>;
  /** Differences between cloud and state; asked of the clouds when first called. */
  drift(): Promise<readonly PlannedChange[]>;
  readonly signal?: AbortSignal;
}

/** A judgement on a preview, before anything changes. One that throws stops the promotion with that error. */
export interface Gate {
  /** What overrides name: `keeps-data`. */
  readonly rule: string;
  /** A reason why an override is out of the question in this case. */
  readonly final?: (context: GateContext) => string | undefined;
  /** What is held against the plan; empty where the gate is open. */
  judge(context: GateContext): readonly GateFinding[] | Promise<readonly GateFinding[]>;
}

/** A decision to go on against a rule, and why; recorded. */
export interface Override {
  readonly rule: string;
  /** Only there; default: in every environment of the promotion. */
  readonly environment?: string;
  readonly reason: string;
}
