import { HeadwaterError, type ErrorDetails } from "../../model/errors.js";
import type { EngineDiagnostic } from "../engine-events.js";
import { EngineError, PendingOperationsError, type PendingOperation } from "../errors.js";
import type { NewEvent } from "../events.js";
import type { OperationKind, OperationOptions, OperationResult } from "../operation.js";
import type { StackDocument, StackHome } from "../stack-workspace.js";

/** What a process of its own is told to do. It travels over the channel between the two: never argv, never a file. */
export interface Request {
  readonly kind: OperationKind;
  readonly stack: string;
  /** The stack's private folder, which the asking process made and removes. */
  readonly folder: string;
  readonly home: Omit<StackHome, "command">;
  readonly document: StackDocument;
  /** The release's modules, and what to run of them. */
  readonly entry: { readonly programs: string; readonly pipelines: string };
  readonly program: string;
  readonly pipeline: string;
  readonly environment: string;
  readonly release: string;
  readonly options: Pick<
    OperationOptions,
    "graceMs" | "timeoutMs" | "message" | "pendingOperations" | "policyPacks"
  >;
}

/** To the process: what to do, and that it should end. */
export type ToHost =
  { readonly type: "run"; readonly request: Request } | { readonly type: "stop"; readonly firm: boolean };

/** From the process. */
export type FromHost =
  | { readonly type: "event"; readonly event: NewEvent }
  | { readonly type: "result"; readonly result: OperationResult }
  | { readonly type: "error"; readonly error: PlainError };

/** An error without its class. */
export interface PlainError {
  readonly code: string;
  readonly summary: string;
  readonly details: ErrorDetails;
  readonly diagnostics?: readonly EngineDiagnostic[];
  readonly pending?: { readonly stack: string; readonly operations: readonly PendingOperation[] };
  readonly cause?: { readonly message: string; readonly stack: string };
}

export function toPlain(error: HeadwaterError, stack: string): PlainError {
  const { code, summary, details, cause } = error;
  return {
    ...{ code, summary, details },
    ...(error instanceof EngineError ? { diagnostics: error.diagnostics } : {}),
    ...(error instanceof PendingOperationsError ? { pending: { stack, operations: error.pending } } : {}),
    ...(cause instanceof Error ? { cause: { message: cause.message, stack: cause.stack ?? "" } } : {}),
  };
}

export function fromPlain({
  code,
  summary,
  details,
  diagnostics,
  pending,
  cause,
}: PlainError): HeadwaterError {
  const options: ErrorOptions = {};
  if (cause !== undefined) {
    const original = new Error(cause.message);
    original.stack = cause.stack;
    options.cause = original;
  }
  if (pending !== undefined) return new PendingOperationsError(pending.stack, pending.operations);
  if (diagnostics !== undefined) return new EngineError(code, summary, details, diagnostics, options);
  return new HeadwaterError(code, summary, details, options);
}
