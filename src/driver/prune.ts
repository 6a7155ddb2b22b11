import { HeadwaterError } from "../model/errors.js";
import { parseTime } from "./ephemeral.js";
import type { Proofs } from "./proofs.js";
import { readRecords } from "./record.js";
import { releaseIds, releaseKey } from "./release-store.js";
import type { Store } from "./store/store.js";

/** What is to be done with a stored release, and why. */
export interface PruneVerdict {
  readonly release: string;
  /** Absent where nothing needs it: it is removed. */
  readonly keptFor?: string;
}

/** Whoever promotes a release that was made a moment ago must find it. */
const YOUNGEST_MS = 2 * 3_600_000;

/** Milliseconds. @throws HeadwaterError `driver/prune-age`. */
export function pruneAge(olderThan: number | string): number {
  const ms = parseTime(olderThan);
  if (ms !== undefined && ms >= YOUNGEST_MS) return ms;
  throw new HeadwaterError("driver/prune-age", "not an age that releases may be pruned at", {
    field: "olderThan",
    found: olderThan,
    allowed: "2h and more: younger ones may be about to be promoted",
  });
}

/** Releases that passed in a stack and may be needed there: the newest, and the one a rollback goes back to. */
const PROOFS_KEPT = 2;

/**
 * Judges every stored release. Kept is what an environment (an ephemeral one, too) has or may be rolled back to, what an
 * operation that has not ended was begun with, and what was made not long ago.
 * @param olderThanMs how long it must have been since it was last made.
 */
export async function judgeReleases(
  store: Store,
  proofs: Proofs,
  olderThanMs: number,
): Promise<PruneVerdict[]> {
  const needed = new Map<string, string>();
  const need = (release: string, why: string): void => {
    if (!needed.has(release)) needed.set(release, why);
  };
  const ids = await releaseIds(store);
  // Looked at after the releases: what is begun meanwhile is begun with a release that was just made.
  const seen = new Set<string>();
  for (const { head, outcome } of await readRecords(store)) {
    const { release, kind, through, pipeline, id } = head;
    if (release !== undefined && (outcome === "running" || outcome === "interrupted"))
      need(release, `${outcome}: ${id}`);
    for (const stack of through.map((name) => `${pipeline}-${name}`)) {
      // Newest first: the first to an environment is what it was built with last, whether it passed or not.
      if (release !== undefined && !seen.has(stack)) need(release, `the last in ${stack}`);
      if (release !== undefined || (kind === "destroy" && outcome === "succeeded")) seen.add(stack);
    }
  }
  for (const [stack, newest] of await proofs.newest(PROOFS_KEPT))
    for (const { release } of newest) need(release, `passed in ${stack}`);
  return Promise.all(
    ids.map(async (release) => {
      const made = await store.modified(releaseKey(release));
      const young = made !== undefined && Date.now() - made.getTime() < olderThanMs;
      const keptFor = needed.get(release) ?? (young ? `made ${made.toISOString()}` : undefined);
      return { release, ...(keptFor === undefined ? {} : { keptFor }) };
    }),
  );
}
