import { HeadwaterError } from "../model/errors.js";
import {
  transientErrorIn,
  transientErrorOf,
  type ResourceError,
  type Transience,
} from "../model/transient-errors.js";
import { systemClock, throwIfCancelled, type Clock } from "./wait.js";

export {
  transientErrorIn,
  transientErrorOf,
  transientErrors,
  type Transience,
  type TransientError,
} from "../model/transient-errors.js";

/** One try that failed and will be followed by another. */
export interface Retry {
  /** How many tries there were so far, this one included. */
  readonly attempt: number;
  readonly attempts: number;
  /** Milliseconds until the next one. */
  readonly waitMs: number;
  readonly transience: Transience;
  readonly error: unknown;
}

export interface RetryOptions {
  /** Tries in all. Default 5. */
  readonly attempts?: number;
  /** Milliseconds before the second try; doubles each time up to `maxDelayMs`. Default 2,000. */
  readonly delayMs?: number;
  /** Default 30,000. */
  readonly maxDelayMs?: number;
  readonly signal?: AbortSignal;
  readonly onRetry?: (retry: Retry) => void;
  /** Default: {@link transienceOf}. */
  readonly isTransient?: (error: unknown) => Transience | undefined;
  /** What is tried, in errors: "up of stack shop-dev". */
  readonly what?: string;
  readonly clock?: Clock;
}

/**
 * Does something again while it fails with a named transient error; any other error is thrown as it came.
 * @param body is told which try it is, from 1
 * @throws HeadwaterError `operations/gave-up` after the last try, with its error's message and, as cause, that error;
 * `operations/cancelled` when the signal is aborted between two tries.
 */
export async function retryTransient<T>(
  body: (attempt: number) => Promise<T>,
  options: RetryOptions = {},
): Promise<T> {
  const { attempts = 5, delayMs = 2000, maxDelayMs = 30_000, signal, clock = systemClock } = options;
  const { isTransient = transienceOf, what = "the operation" } = options;
  for (let attempt = 1; ; attempt++) {
    try {
      return await body(attempt);
    } catch (error) {
      const transience = isTransient(error);
      if (transience === undefined) throw error;
      if (attempt >= attempts) throw gaveUp(what, attempt, transience, error);
      const waitMs = Math.min(delayMs * 2 ** (attempt - 1), maxDelayMs);
      throwIfCancelled(`the next try of ${what}`, signal, messageOf(error));
      options.onRetry?.({ attempt, attempts, waitMs, transience, error });
      try {
        await clock.sleep(waitMs, signal);
      } catch (cause) {
        throwIfCancelled(`the next try of ${what}`, signal, messageOf(error));
        throw cause;
      }
    }
  }
}

/**
 * The transient error behind an error: of one that carries the engine's `diagnostics` all of them count, of any other its
 * message does.
 */
export function transienceOf(error: unknown): Transience | undefined {
  const { diagnostics } = (error ?? {}) as { diagnostics?: readonly ResourceError[] };
  if (Array.isArray(diagnostics)) return transientErrorIn(diagnostics as ResourceError[]);
  return transientErrorOf(messageOf(error));
}

function gaveUp(what: string, attempts: number, { name, why, message }: Transience, cause: unknown) {
  return new HeadwaterError(
    "operations/gave-up",
    `${what} still failed after ${attempts} ${attempts === 1 ? "try" : "tries"}: ${why}`,
    {
      field: name,
      found: message,
      remedy: "Run again in some minutes; if it stays, the cause the message names is no delay: mend it.",
    },
    { cause },
  );
}

/** The SDKs' errors carry the service's code as their name only. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.name === "Error" || error instanceof HeadwaterError
    ? error.message
    : `${error.name}: ${error.message}`;
}
