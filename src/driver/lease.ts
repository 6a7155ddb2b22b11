import { setMaxListeners } from "node:events";
import os from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { isRunning, self, type ProcessIdentity } from "../engine/processes.js";
import { HeadwaterError } from "../model/errors.js";
import { whoami } from "./whoami.js";
import { getJson, StoreConflict, type Store } from "./store/store.js";

/** Who works on a stack. */
export interface LeaseHolder {
  readonly by: string;
  readonly host: string;
  readonly process: ProcessIdentity;
  /** What for: `promotion 20261124-...`. */
  readonly doing: string;
  /** ISO time. */
  readonly since: string;
  /** ISO time of the last sign of life. */
  readonly renewed: string;
}

export interface LeaseOptions {
  /** What to do while somebody else holds the stack. Default: refuse. */
  readonly whenHeld?: "refuse" | "wait";
  readonly signal?: AbortSignal;
  /** Told who is waited for. */
  readonly progress?: (message: string) => void;
  /** Milliseconds without a sign of life after which a lease counts as left behind. Default 120,000. Clocks have to agree by as much. */
  readonly ttlMs?: number;
}

/** Milliseconds without a sign of life after which a lease counts as left behind. */
export const TTL_MS = 120_000;

/**
 * Runs `body` while nobody else works on the stack, on any machine that shares the store. The engine's own lock covers one
 * operation; the lease covers a whole step: preview, gates, `up`, checks. It is renewed as long as this process lives; one whose
 * process is gone (known at once on the same machine) is taken over.
 * @param body is given a signal that is aborted when the lease is lost, or the caller's is.
 * @throws HeadwaterError `driver/held` naming the holder, when the choice is to refuse.
 */
export async function withLease<T>(
  store: Store,
  stack: string,
  doing: string,
  options: LeaseOptions,
  body: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { ttlMs = TTL_MS } = options;
  const key = `leases/${stack}`;
  const since = new Date().toISOString();
  const mine = (): string => {
    const holder = {
      by: whoami(),
      host: os.hostname(),
      process: self(),
      doing,
      since,
      renewed: new Date().toISOString(),
    };
    return JSON.stringify(holder satisfies LeaseHolder);
  };
  let version = await acquire(store, key, stack, mine, options);
  const lost = new AbortController();
  let renewing: Promise<void> = Promise.resolve();
  let lastRenewal = Date.now();
  const renew = async (): Promise<void> => {
    try {
      version = await store.put(key, mine(), { version });
      lastRenewal = Date.now();
    } catch (error) {
      // A store that cannot be reached for a moment takes nothing from us; one that is away for longer lets others in.
      if (!(error instanceof StoreConflict) && Date.now() - lastRenewal < ttlMs / 2) return;
      const holder = await getJson<LeaseHolder>(store, key).catch(() => undefined);
      lost.abort(heldError(stack, holder?.value));
    }
  };
  const timer = setInterval(() => {
    renewing = renewing.then(renew);
  }, ttlMs / 6).unref();
  try {
    const signals = options.signal === undefined ? [lost.signal] : [options.signal, lost.signal];
    const held = AbortSignal.any(signals);
    // Checks wait for many things at once: that is no leak.
    setMaxListeners(0, held);
    return await body(held);
  } finally {
    clearInterval(timer);
    await renewing;
    await store.remove(key, { version }).catch((error: unknown) => {
      if (!(error instanceof StoreConflict)) throw error; // somebody has taken it over
    });
  }
}

async function acquire(
  store: Store,
  key: string,
  stack: string,
  mine: () => string,
  { whenHeld = "refuse", signal, progress, ttlMs = TTL_MS }: LeaseOptions,
): Promise<string> {
  for (let told = ""; ;) {
    signal?.throwIfAborted();
    const held = await getJson<LeaseHolder>(store, key);
    if (held === undefined || isLeftBehind(held.value, ttlMs)) {
      try {
        return await store.put(key, mine(), held === undefined ? "absent" : { version: held.version });
      } catch (error) {
        if (!(error instanceof StoreConflict)) throw error;
        continue; // somebody was quicker
      }
    }
    if (whenHeld === "refuse") throw heldError(stack, held.value);
    const who = describe(held.value);
    if (who !== told) progress?.(`waiting for ${who}`);
    told = who;
    await sleep(Math.min(2000, ttlMs / 6), undefined, signal === undefined ? {} : { signal });
  }
}

/** Stacks that somebody holds, or has left behind held. */
export async function leasedStacks(store: Store): Promise<string[]> {
  return (await store.list("leases/")).map((key) => key.slice("leases/".length));
}

/** Who holds a stack now, if anybody does. */
export async function holderOf(store: Store, stack: string): Promise<LeaseHolder | undefined> {
  const held = await getJson<LeaseHolder>(store, `leases/${stack}`);
  return held === undefined || isLeftBehind(held.value, TTL_MS) ? undefined : held.value;
}

function isLeftBehind({ host, process, renewed }: LeaseHolder, ttlMs: number): boolean {
  if (host === os.hostname()) return !isRunning(process);
  return Date.now() - Date.parse(renewed) > ttlMs;
}

function describe({ by, process, doing, since }: LeaseHolder): string {
  return `${by} (process ${process.pid}), ${doing}, since ${since}`;
}

function heldError(stack: string, holder: LeaseHolder | undefined): HeadwaterError {
  return new HeadwaterError("driver/held", "somebody else works on the environment", {
    where: `stack ${stack}`,
    found: holder === undefined ? "a lease that was taken away" : describe(holder),
    remedy: 'Wait until it has ended, or run with whenHeld: "wait" (on the command line: --wait).',
  });
}
