import { readdir, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { identify, isRunning, type ProcessIdentity } from "../engine/processes.js";

/**
 * Marks the engine and its plugins (which lead process groups of their own, and outlive an engine that is killed) with the
 * private folder they work for.
 */
export const FOLDER_VARIABLE = "HEADWATER_STACK_FOLDER";

/** Kills what still works for a private folder. Linux only: elsewhere a plugin whose engine was killed ends when it likes. */
export async function endProcessesOf(folder: string): Promise<void> {
  const left = await processesOf(folder);
  for (const { pid } of left) kill(pid);
  for (let tries = 0; left.some(isRunning) && tries < 100; tries++) await sleep(20);
}

/** Private folders of processes that died before they could remove them, and what such a process had started. */
export async function removeAbandoned(parent: string): Promise<void> {
  for (const entry of await readdir(parent)) {
    const pid = Number(entry.split(".").at(-2));
    if (!Number.isInteger(pid) || pid <= 0 || identify(pid) !== undefined) continue;
    const folder = path.join(parent, entry);
    await endProcessesOf(folder);
    await rm(folder, { recursive: true, force: true });
  }
}

async function processesOf(folder: string): Promise<ProcessIdentity[]> {
  if (process.platform !== "linux") return [];
  const found: ProcessIdentity[] = [];
  for (const name of (await readdir("/proc")).filter((entry) => /^\d+$/.test(entry))) {
    // Other users' environments cannot be read, and processes come and go.
    const environment = await readFile(`/proc/${name}/environ`, "latin1").catch(() => "");
    if (!environment.split("\0").includes(`${FOLDER_VARIABLE}=${folder}`)) continue;
    const identity = identify(Number(name));
    if (identity !== undefined) found.push(identity);
  }
  return found;
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error; // ended by itself
  }
}
