import { readdir, readFile, rm, writeFile } from "node:fs/promises";
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
  for (const process of left) send(process.pid, "SIGKILL");
  await ended(left, 2000);
}

async function ended(processes: readonly ProcessIdentity[], limitMs: number): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (processes.some(isRunning) && performance.now() < deadline) await sleep(20);
}

/** An engine whose driver was killed ends by itself: for that long, whoever needs its stack waits for it. */
const ABANDONED_MS = 30_000;

/**
 * Removes private folders of processes that died before they could, and what such a process had started. An engine that still
 * has a resource in hand is let finish and record it; its folder is left for the next time.
 * @param stack the one that is wanted: its engine is waited for, within bounds, before its lock would be in the way.
 * @param force kills the engines of that stack, whatever they have in hand.
 */
export async function removeAbandoned(parent: string, stack: string, force = false): Promise<void> {
  for (const entry of await readdir(parent)) {
    const [pid, name] = [Number(entry.split(".").at(-2)), entry.split(".").slice(0, -2).join(".")];
    if (!Number.isInteger(pid) || pid <= 0 || identify(pid) !== undefined) continue;
    const folder = path.join(parent, entry);
    const wanted = name === stack;
    if (!(wanted && force)) {
      // Only the engine: a plugin that is asked to end would leave its resource half-way.
      const engines = (await processesOf(folder)).filter((process) => process.name === "pulumi");
      for (const engine of engines) await askOnce(folder, engine);
      await ended(engines, wanted ? ABANDONED_MS : 0);
      if (engines.some(isRunning)) continue;
    }
    await endProcessesOf(folder);
    await rm(folder, { recursive: true, force: true });
  }
}

/** An engine that is asked a second time ends at once, and leaves its resource half-way. */
async function askOnce(folder: string, { pid }: ProcessIdentity): Promise<void> {
  try {
    await writeFile(path.join(folder, `asked-${pid}`), "", { flag: "wx" });
  } catch (error) {
    if (["EEXIST", "ENOENT"].includes((error as NodeJS.ErrnoException).code ?? "")) return;
    throw error;
  }
  send(pid, "SIGINT");
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
