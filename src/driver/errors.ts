import { HeadwaterError, type ErrorDetails } from "../model/errors.js";
import type { EngineDiagnostic } from "./engine-events.js";

/** An operation of the engine that failed, with what the engine and the providers said, resource by resource. */
export class EngineError extends HeadwaterError {
  constructor(
    code: string,
    summary: string,
    details: ErrorDetails,
    /** What was said, secrets struck out; the first is the cause as far as the engine knows. */
    readonly diagnostics: readonly EngineDiagnostic[],
    options?: ErrorOptions,
  ) {
    super(code, summary, details, options);
  }
}

/** An operation that was stopped half-way in an earlier run, as the engine's state shows it. */
export interface PendingOperation {
  readonly urn: string;
  /** `creating`, `updating`, `deleting`, ...: the engine's word. */
  readonly type: string;
}

/** Refuses to go on over operations nobody knows the end of. */
export class PendingOperationsError extends HeadwaterError {
  constructor(
    stack: string,
    readonly pending: readonly PendingOperation[],
  ) {
    super(
      "driver/pending-operations",
      "an earlier run was stopped in the middle of operations whose outcome is unknown",
      {
        where: `stack ${stack}`,
        found: pending.map(({ type, urn }) => `${type} ${urn}`).join("; "),
        remedy:
          "Look in the cloud whether these resources exist: delete what was created but is not in the state (or import it). " +
          'Then run again with pendingOperations: "forget" (on the command line: --forget-pending).',
      },
    );
  }
}

/** `error` if it is ours already, else ours with `error` as its cause. */
export function asHeadwaterError(error: unknown, code: string, summary: string): HeadwaterError {
  if (error instanceof HeadwaterError) return error;
  const found = error instanceof Error ? error.message : String(error);
  return new HeadwaterError(code, summary, { found }, { cause: error });
}
