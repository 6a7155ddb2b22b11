import { link, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isRunning, self, type ProcessIdentity } from "./processes.js";
import { elapsed, type Work } from "./progress.js";

interface Holder extends ProcessIdentity {
  /** What the holder is doing, for those who wait. */
  readonly doing: string;
}

const POLL_MS = 200;
const TELL_EVERY_MS = 15_000;

let counter = 0;

/**
 * Runs `body` while no other process (nor another call in this one) runs one under the same lock file.
 * The lock of a process that died is broken; those who wait are told who holds it.
 */
export async function withLock<T>(
  file: string,
  doing: string,
  work: Work,
  body: () => Promise<T>,
): Promise<T> {
  await mkdir(path.dirname(file), { recursive: true });
  await acquire(file, doing, work);
  try {
    return await body();
  } finally {
    await rm(file, { force: true });
  }
}

/**
 * Removes what was being made in a folder when its maker was killed: entries that begin with `draft-` or a dot. Call it under
 * the lock that guards the making.
 */
export async function removeDrafts(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const name of (await readdir(folder)).filter((entry) => /^(draft-|\.)/.test(entry))) {
    await rm(path.join(folder, name), { recursive: true, force: true });
  }
}

async function acquire(file: string, doing: string, { progress, signal }: Work): Promise<void> {
  const since = Date.now();
  let told = 0;
  while (!(await take(file, doing))) {
    signal?.throwIfAborted();
    const holder = await read(file);
    if (holder === undefined) continue; // released between the two looks
    if (!isRunning(holder)) {
      await breakStale(file, holder);
      continue;
    }
    if (Date.now() - told >= TELL_EVERY_MS) {
      told = Date.now();
      progress(`waiting for process ${holder.pid}, which is ${holder.doing} (${elapsed(since)})`);
    }
    await sleep(POLL_MS);
  }
}

/** Creates the lock file, contents and all, in one step: nobody ever sees an empty one. */
async function take(file: string, doing: string): Promise<boolean> {
  const draft = `${file}.${process.pid}.${counter++}`;
  await writeFile(draft, JSON.stringify({ ...self(), doing } satisfies Holder), { mode: 0o600 });
  try {
    await link(draft, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

async function read(file: string): Promise<Holder | undefined> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as Holder;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * Two who find the same stale lock must not both remove it: the slower one would remove the lock the faster has taken since.
 * So whoever removes holds a second lock meanwhile, and looks again under it.
 */
async function breakStale(file: string, stale: Holder): Promise<void> {
  const guard = `${file}.break`;
  if (!(await take(guard, `breaking ${file}`))) {
    const breaker = await read(guard);
    // Died within the few instructions below.
    if (breaker !== undefined && !isRunning(breaker)) await rm(guard, { force: true });
    await sleep(POLL_MS);
    return;
  }
  try {
    const now = await read(file);
    if (now?.pid === stale.pid && now.started === stale.started) await rm(file, { force: true });
  } finally {
    await rm(guard, { force: true });
  }
}
