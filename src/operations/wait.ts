import { setTimeout as sleep } from "node:timers/promises";
import { HeadwaterError } from "../model/errors.js";

/** Time, as the waits see it: tests hand in one that does not really pass. */
export interface Clock {
  /** Milliseconds since some fixed moment. */
  now(): number;
  /** Resolves after `ms`; rejects as soon as the signal is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  sleep: async (ms, signal) => {
    await sleep(ms, undefined, signal === undefined ? {} : { signal });
  },
};

/** What callers of every waiting operation may set. */
export interface WaitOptions {
  /** Milliseconds until the wait is given up. */
  readonly timeoutMs: number;
  /** Milliseconds before the second look; grows by a half each time up to `maxIntervalMs`. Default 500. */
  readonly intervalMs?: number;
  /** Default 10 times `intervalMs`. */
  readonly maxIntervalMs?: number;
  readonly signal?: AbortSignal;
  /** Told what was seen, whenever that changes. */
  readonly progress?: (seen: string) => void;
  readonly clock?: Clock;
}

/** One look at the thing waited for: there (with what it is), or not yet (with what was seen instead). */
export type Look<T> =
  { readonly done: true; readonly value: T } | { readonly done: false; readonly seen: string };

/**
 * Looks until the thing is there.
 * @param what names the thing in errors: "the replication to run".
 * @throws HeadwaterError `operations/timeout` with the last thing seen, `operations/cancelled` when the signal
 * is aborted (also before the first look); whatever `look` throws ends the wait at once.
 */
export async function waitFor<T>(
  what: string,
  options: WaitOptions,
  look: () => Promise<Look<T>>,
): Promise<T> {
  const {
    timeoutMs,
    intervalMs = 500,
    maxIntervalMs = intervalMs * 10,
    signal,
    clock = systemClock,
  } = options;
  const deadline = clock.now() + timeoutMs;
  let interval = intervalMs;
  let last: string | undefined;
  for (;;) {
    throwIfCancelled(what, signal, last);
    const seen = await look();
    if (seen.done) return seen.value;
    if (seen.seen !== last) options.progress?.(seen.seen);
    last = seen.seen;
    const left = deadline - clock.now();
    if (left <= 0) {
      throw new HeadwaterError("operations/timeout", `waited ${describeMs(timeoutMs)} for ${what}, in vain`, {
        found: last,
      });
    }
    try {
      await clock.sleep(Math.min(interval, left), signal);
    } catch (error) {
      throwIfCancelled(what, signal, last);
      throw error;
    }
    interval = Math.min(interval * 1.5, maxIntervalMs);
  }
}

/** Throws `operations/cancelled` when the signal is aborted. */
export function throwIfCancelled(what: string, signal: AbortSignal | undefined, found?: string): void {
  if (signal?.aborted !== true) return;
  throw new HeadwaterError(
    "operations/cancelled",
    `cancelled while waiting for ${what}`,
    { found },
    {
      cause: signal.reason,
    },
  );
}

/** 1500 -> "1.5 s", 90000 -> "1 min 30 s". */
export function describeMs(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${Math.round(ms / 100) / 10} s`;
  const minutes = Math.floor(ms / 60_000);
  const seconds = Math.round((ms % 60_000) / 1000);
  return seconds === 0 ? `${minutes} min` : `${minutes} min ${seconds} s`;
}
