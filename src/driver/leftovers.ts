import { readdir, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { identify, isRunning, type ProcessIdentity } from "../engine/processes.js";

/**
 * Marks the engine and its plugins (which lead process groups of their own, and outlive an engine that is killed) with the
 * private folder they work for.
 */
export const FOLDER_VARIABLE = "HEADWATER_STACK_FOLDER";

/**
 * Kills what still works for a private folder. Linux only: elsewhere a plugin whose engine was killed ends when it likes.
 * @param graceMs what it is given to end by itself, having been asked: an engine then finishes the resources in hand.
 */
export async function endProcessesOf(folder: string, graceMs = 0): Promise<void> {
  const left = await processesOf(folder);
  if (graceMs > 0) {
    // Only the engine: a plugin that is asked to end would leave its resource half-way.
    for (const { pid } of left.filter(({ name }) => name === "pulumi")) send(pid, "SIGINT");
    await ended(left, graceMs);
  }
  for (const process of left.filter(isRunning)) send(process.pid, "SIGKILL");
  await ended(left, 2000);
}

async function ended(processes: readonly ProcessIdentity[], limitMs: number): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (processes.some(isRunning) && performance.now() < deadline) await sleep(20);
}

/** An engine whose driver was killed may be in the middle of a resource. */
const ABANDONED_GRACE_MS = 30_000;

/** Private folders of processes that died before they could remove them, and what such a process had started. */
export async function removeAbandoned(parent: string): Promise<void> {
  for (const entry of await readdir(parent)) {
    const pid = Number(entry.split(".").at(-2));
    if (!Number.isInteger(pid) || pid <= 0 || identify(pid) !== undefined) continue;
    const folder = path.join(parent, entry);
    await endProcessesOf(folder, ABANDONED_GRACE_MS);
    await rm(folder, { recursive: true, force: true });
  }
}

interface Left extends ProcessIdentity {
  readonly name: string;
}

async function processesOf(folder: string): Promise<Left[]> {
  if (process.platform !== "linux") return [];
  const found: Left[] = [];
  for (const name of (await readdir("/proc")).filter((entry) => /^\d+$/.test(entry))) {
    // Other users' environments cannot be read, and processes come and go.
    const environment = await readFile(`/proc/${name}/environ`, "latin1").catch(() => "");
    if (!environment.split("\0").includes(`${FOLDER_VARIABLE}=${folder}`)) continue;
    const identity = identify(Number(name));
    const command = await readFile(`/proc/${name}/comm`, "utf8").catch(() => "");
    if (identity !== undefined) found.push({ ...identity, name: command.trim() });
  }
  return found;
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error; // ended by itself
  }
}
