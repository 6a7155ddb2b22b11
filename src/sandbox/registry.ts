import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { readdir, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { withLock } from "../engine/lock.js";
import { cacheRoot } from "../engine/paths.js";
import { identify, isRunning, self, type ProcessIdentity } from "../engine/processes.js";
import type { Work } from "../engine/progress.js";
import { MARK, signalGroup, signalProcess, type Child } from "./child.js";

/** What is known of one sandbox that is up, or was when its owner was killed. */
interface Run {
  readonly id: string;
  readonly owner: ProcessIdentity;
  readonly started: string;
  readonly folder: string;
  /** Whether the folder outlives the sandbox. */
  readonly keep: boolean;
  readonly children: readonly (ProcessIdentity & {
    readonly name: string;
    readonly stopSignal: NodeJS.Signals;
  })[];
}

/** Marks a folder as a sandbox's, with its id in it: no other folder is ever removed. */
export const FOLDER_MARK = ".headwater-sandbox";

const GRACE_MS = 3_000;

/** This user's list of sandboxes: one file each, written before the first child starts and removed after the last one ended. */
export class RunRegistry {
  readonly #folder: string;

  constructor(folder = path.join(cacheRoot(), "runs")) {
    this.#folder = folder;
  }

  /** Enters a sandbox of this process; the children are added as they start. */
  enter(id: string, folder: string, keep: boolean): RunEntry {
    mkdirSync(this.#folder, { recursive: true });
    const file = path.join(this.#folder, `${id}.json`);
    return new RunEntry(file, {
      id,
      owner: self(),
      started: new Date().toISOString(),
      folder,
      keep,
      children: [],
    });
  }

  /** Ends what sandboxes left whose owner was killed, and removes their folders. Sandboxes of running owners stay as they are. */
  async cleanUp(work: Work): Promise<void> {
    mkdirSync(this.#folder, { recursive: true });
    await withLock(path.join(this.#folder, "lock"), "cleaning up after an earlier run", work, async () => {
      for (const name of (await readdir(this.#folder)).filter((entry) => entry.endsWith(".json"))) {
        const file = path.join(this.#folder, name);
        const run = await readRun(file);
        if (run === undefined || isRunning(run.owner)) continue;
        work.progress(`cleaning up after sandbox ${run.id}, whose process ${run.owner.pid} was killed`);
        await endProcesses(run);
        if (!run.keep) await removeFolder(run.folder, run.id);
        await rm(file, { force: true });
      }
    });
  }
}

/** One sandbox' file. */
export class RunEntry {
  readonly #file: string;
  #run: Run;

  constructor(file: string, run: Run) {
    this.#file = file;
    this.#run = run;
    this.#write();
  }

  /** Synchronous, so that no moment passes between the start of a child and its entry. */
  add({ name, identity, stopSignal }: Child): void {
    this.#run = { ...this.#run, children: [...this.#run.children, { name, stopSignal, ...identity }] };
    this.#write();
  }

  remove(): void {
    rmSync(this.#file, { force: true });
  }

  #write(): void {
    const draft = `${this.#file}.draft`;
    writeFileSync(draft, JSON.stringify(this.#run), { mode: 0o600 });
    renameSync(draft, this.#file);
  }
}

/** Removes a sandbox's folder; refuses any that does not carry its mark. */
export async function removeFolder(folder: string, id: string): Promise<void> {
  const mark = await readFile(path.join(folder, FOLDER_MARK), "utf8").catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined; // removed before, or never finished being made
      throw error;
    },
  );
  if (mark !== id) return;
  // Spark and PostgreSQL may still be writing their last file.
  await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}

/**
 * The processes that carry a sandbox's id in their environment: children's children included, whatever process group they are
 * in. Linux only; elsewhere none is found, and the process groups have to do.
 */
export async function markedProcesses(id: string): Promise<ProcessIdentity[]> {
  if (process.platform !== "linux") return [];
  const found: ProcessIdentity[] = [];
  for (const name of (await readdir("/proc")).filter((entry) => /^\d+$/.test(entry))) {
    // Other users' environments cannot be read, and processes come and go.
    const environment = await readFile(`/proc/${name}/environ`, "latin1").catch(() => "");
    if (!environment.split("\0").includes(`${MARK}=${id}`)) continue;
    const identity = identify(Number(name));
    if (identity !== undefined) found.push(identity);
  }
  return found;
}

async function readRun(file: string): Promise<Run | undefined> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as Run;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined; // its owner stopped it just now
    throw error;
  }
}

async function endProcesses(run: Run): Promise<void> {
  const children = run.children.filter(isRunning);
  for (const { pid, stopSignal } of children) signalProcess(pid, stopSignal);
  const deadline = Date.now() + GRACE_MS;
  while (children.some(isRunning) && Date.now() < deadline) await sleep(50);
  for (const { pid } of children.filter(isRunning)) signalGroup(pid, "SIGKILL");
  await killMarked(run.id);
}

/** Kills whatever still carries the sandbox's id, and waits until it is gone. */
export async function killMarked(id: string): Promise<void> {
  const left = (await markedProcesses(id)).filter(({ pid }) => pid !== process.pid);
  for (const { pid } of left) signalProcess(pid, "SIGKILL");
  const deadline = Date.now() + GRACE_MS;
  while (left.some(isRunning) && Date.now() < deadline) await sleep(20);
}
