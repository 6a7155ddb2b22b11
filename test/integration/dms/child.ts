import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { DmsServiceOptions } from "../../../src/sandbox/dms/service.js";

/** The DMS service as the process it is in the sandbox, to be killed. */
export class DmsChild {
  private constructor(
    private readonly child: ChildProcess,
    readonly port: number,
    private readonly log: string[],
  ) {}

  static async start(options: DmsServiceOptions): Promise<DmsChild> {
    const file = `${options.stateDir}.json`;
    await writeFile(file, JSON.stringify(options));
    const here = fileURLToPath(import.meta.url);
    const main = path.resolve(path.dirname(here), `../../../src/sandbox/dms/main${path.extname(here)}`);
    const child = spawn(process.execPath, [...process.execArgv, main, file], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    const log: string[] = [];
    createInterface({ input: child.stderr }).on("line", (line) => log.push(line));
    const lines = createInterface({ input: child.stdout });
    const first = await Promise.race([
      once(lines, "line").then(([line]) => String(line)),
      once(child, "exit").then(() => {
        throw new Error(`the DMS service ended at once:\n${log.join("\n")}`);
      }),
    ]);
    return new DmsChild(child, (JSON.parse(first) as { port: number }).port, log);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get lines(): readonly string[] {
    return this.log;
  }

  /** kill -9: nothing is tidied up. */
  async kill(): Promise<void> {
    await this.end(() => this.child.kill("SIGKILL"));
  }

  async terminate(): Promise<number | null> {
    return await this.end(() => this.child.kill("SIGTERM"));
  }

  async closeInput(): Promise<number | null> {
    return await this.end(() => this.child.stdin?.end());
  }

  private async end(how: () => unknown): Promise<number | null> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return this.child.exitCode;
    const ended = once(this.child, "exit");
    how();
    const [code] = (await ended) as [number | null];
    return code;
  }
}
