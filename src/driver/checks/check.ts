import type { Pipeline } from "../../model/pipeline.js";
import type { EnvironmentClients } from "../clients.js";
import type { OperationResult } from "../operation.js";

/** What a check may look at. */
export interface CheckContext {
  readonly environment: string;
  readonly stack: string;
  /** The stack's outputs after `up`; secret ones read `[secret]`. */
  readonly outputs: Readonly<Record<string, unknown>>;
  /** The environment's settings, as the program was given them. */
  readonly settings: unknown;
  readonly pipeline: Pipeline;
  readonly clients: EnvironmentClients;
  /** Whether the rules call the environment protected: then a check only reads. */
  readonly protected: boolean;
  /** Previews the release here once more. */
  readonly preview: () => Promise<OperationResult>;
  /** When this environment's step began. */
  readonly since: Date;
  /** Tells people what is waited for. */
  readonly progress: (message: string) => void;
  readonly signal?: AbortSignal;
}

export interface CheckResult {
  readonly passed: boolean;
  /** What was found, as a sentence: shown and recorded whether passed or not. */
  readonly message: string;
}

/** A judgement on an environment after `up`. One that throws has failed with that error. */
export interface Check {
  readonly name: string;
  run(context: CheckContext): Promise<CheckResult>;
}
