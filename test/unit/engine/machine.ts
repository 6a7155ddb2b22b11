import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { findOnPath } from "../../../src/engine/run.js";

/** A machine whose PATH has only what a test puts there, with a cache of its own. */
export class Machine {
  private constructor(readonly folder: string) {}

  static async make(): Promise<Machine> {
    const machine = new Machine(await mkdtemp(path.join(os.tmpdir(), "headwater-machine-test-")));
    await mkdir(machine.bin);
    return machine;
  }

  get bin(): string {
    return path.join(this.folder, "bin");
  }

  /** Nobody listens at its release server, so that downloads fail at once. */
  environment(more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
    return {
      PATH: this.bin,
      HOME: this.folder,
      HEADWATER_CACHE: path.join(this.folder, "cache"),
      HEADWATER_PULUMI_RELEASES: "http://127.0.0.1:9",
      ...more,
    };
  }

  /** Puts a shell script on its PATH, or elsewhere. */
  async script(name: string, body: string, folder = this.bin): Promise<string> {
    await mkdir(folder, { recursive: true });
    const file = path.join(folder, name);
    await writeFile(file, `#!/bin/sh\n${body}\n`);
    await chmod(file, 0o755);
    return file;
  }

  /** Puts one of the real machine's programs on its PATH. */
  async real(...names: string[]): Promise<void> {
    for (const name of names) {
      const file = findOnPath(name, process.env);
      if (file === undefined) throw new Error(`the tests need ${name} on PATH`);
      await symlink(file, path.join(this.bin, name));
    }
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** What a promise rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error("it did not reject");
}
