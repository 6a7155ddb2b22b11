import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { ensurePython, type PythonSetup } from "../../../src/engine/python.js";
import { isListening } from "../../../src/sandbox/ports.js";
import { markedProcesses, RunRegistry } from "../../../src/sandbox/registry.js";
import type { Sandbox } from "../../../src/sandbox/sandbox.js";

/** Enough of a sandbox to see later whether anything of it is left. */
export interface Traces {
  readonly id: string;
  readonly folder: string;
  readonly ports: readonly number[];
}

export function tracesOf({ id, folder, urls, source, target }: Sandbox): Traces {
  const ports = Object.values(urls).map((url) => Number(/:(\d+)$/.exec(url)?.[1]));
  return { id, folder, ports: [...ports, source.port, target.port] };
}

/** What of a sandbox is left; all of it empty is what is wanted. */
export async function leftOf({ id, folder, ports }: Traces) {
  const listening: number[] = [];
  for (const port of ports) if (await isListening(port)) listening.push(port);
  return { processes: await commandLines(id), listening, folder: existsSync(folder) ? folder : undefined };
}

export const NOTHING = { processes: [], listening: [], folder: undefined };

/** The command lines of a sandbox's processes. */
export async function commandLines(id: string): Promise<string[]> {
  const lines = (await markedProcesses(id)).map(({ pid }) =>
    readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => ""),
  );
  return (await Promise.all(lines)).map((line) => line.replaceAll("\0", " "));
}

/** A registry of its own, so that tests neither see nor touch other sandboxes of this user. */
export class TestRegistry {
  private constructor(readonly folder: string) {}

  static async make(): Promise<TestRegistry> {
    return new TestRegistry(await mkdtemp(path.join(os.tmpdir(), "headwater-runs-test-")));
  }

  get registry(): RunRegistry {
    return new RunRegistry(this.folder);
  }

  async entries(): Promise<string[]> {
    return (await readdir(this.folder)).sort();
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

let python: Promise<PythonSetup> | undefined;

/** Sets Python up, which takes minutes the first time on a machine. */
export function testPython(): Promise<PythonSetup> {
  python ??= ensurePython({ progress: (line) => console.log(`      ${line}`), dev: true });
  return python;
}

/** A folder name nobody has. */
export function newFolder(): string {
  return path.join("/var/tmp", `headwater-test-${randomBytes(5).toString("hex")}`);
}
