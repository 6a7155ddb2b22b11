import { hostname } from "node:os";
import { identify } from "../engine/processes.js";
import { HeadwaterError } from "../model/errors.js";

/** Who holds the engine's lock, as `driver/stack-locked` tells it in the engine's own words. */
interface LockHolder {
  readonly host: string;
  readonly pid: number;
  /** Milliseconds since 1970. */
  readonly since: number;
}

/** The holders behind an error; none when it is another error, or in words that are not known here. */
function holdersIn(error: unknown): LockHolder[] {
  if (!(error instanceof HeadwaterError) || error.code !== "driver/stack-locked") return [];
  const told = String(error.details.found).matchAll(/created by \S+@(\S+) \(pid (\d+)\)(?: at (\S+))?/g);
  return [...told].map(([, host = "", pid, at = ""]) => ({ host, pid: Number(pid), since: Date.parse(at) }));
}

/** Whether the engine found its lock held by processes of this machine that are gone. */
export function isLockOfTheDead(error: unknown): boolean {
  const holders = holdersIn(error);
  return (
    holders.length > 0 && holders.every(({ host, pid }) => host === hostname() && identify(pid) === undefined)
  );
}

/** No single resource takes longer, and an engine whose driver was killed begins no other. */
const OLD_LOCK_MS = 3_600_000;

/** Whether the engine found a lock that was left behind, on whatever machine. */
export function isOldLock(error: unknown): boolean {
  const holders = holdersIn(error);
  return holders.length > 0 && holders.every(({ since }) => Date.now() - since > OLD_LOCK_MS);
}
