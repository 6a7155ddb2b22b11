import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, createWriteStream, openSync, readFileSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { HeadwaterError } from "../model/errors.js";
import { identify, type ProcessIdentity } from "../engine/processes.js";

/** The environment variable that marks a sandbox's processes, their descendants included, with the sandbox's id. */
export const MARK = "HEADWATER_SANDBOX_ID";

export interface ChildOptions {
  /** What people call it: `moto`, `source PostgreSQL`. */
  readonly name: string;
  readonly command: string;
  /** Never a secret: everybody on the machine may read it. */
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Takes all it prints, standard output and error alike. */
  readonly logFile: string;
  /** Runs as this user (only root may say so). */
  readonly user?: { readonly uid: number; readonly gid: number };
  /** What asks it to end. Default SIGTERM. */
  readonly stopSignal?: NodeJS.Signals;
  /** How long it may take to end before it is killed, in milliseconds. Default 10,000. */
  readonly graceMs?: number;
  /** Is told at once that it runs, long before it is ready. */
  readonly onStart?: ((child: Child) => void) | undefined;
}

export interface Readiness<T> {
  /** Asks once. Undefined means not yet, as does a rejection; its message is told when the deadline has passed. */
  readonly probe: (child: Child) => Promise<T | undefined>;
  readonly deadlineMs: number;
  readonly signal?: AbortSignal | undefined;
}

const LOG_LINES_SHOWN = 15;
const LAST_WORDS_MS = 300;

/**
 * A process in a group of its own. Its standard input is a pipe that ends when this process does, whatever ends it:
 * children that can, end with it.
 */
export class Child {
  readonly name: string;
  readonly identity: ProcessIdentity;
  readonly logFile: string;
  readonly stopSignal: NodeJS.Signals;
  /** Settles when it has ended: `exit code 1`, `signal SIGKILL`. */
  readonly ended: Promise<string>;
  #endedWith: string | undefined;
  #stopping: Promise<void> | undefined;
  #printed = "";
  readonly #process: ChildProcess;
  readonly #graceMs: number;

  /** @throws HeadwaterError `sandbox/child-not-started` when the command cannot be executed */
  static async start(options: ChildOptions): Promise<Child> {
    const log = openSync(options.logFile, "a", 0o600);
    writeSync(log, `# ${new Date().toISOString()} ${JSON.stringify([options.command, ...options.args])}\n`);
    const child = spawn(options.command, options.args, {
      env: options.env,
      cwd: options.cwd,
      detached: true,
      stdio: ["pipe", "pipe", log],
      ...options.user,
    });
    closeSync(log);
    try {
      await new Promise<void>((resolve, reject) => child.once("spawn", resolve).once("error", reject));
    } catch (cause) {
      throw new HeadwaterError(
        "sandbox/child-not-started",
        `${options.name} cannot be started`,
        { where: options.command, found: (cause as Error).message },
        { cause },
      );
    }
    const started = new Child(child, options);
    options.onStart?.(started);
    return started;
  }

  private constructor(process: ChildProcess, options: ChildOptions) {
    if (process.pid === undefined) throw new Error(`${options.name} was spawned without a pid`);
    this.name = options.name;
    this.logFile = options.logFile;
    this.stopSignal = options.stopSignal ?? "SIGTERM";
    this.#graceMs = options.graceMs ?? 10_000;
    this.#process = process;
    // One that has ended already has no start time any more; nothing of it remains to be found later either.
    this.identity = identify(process.pid) ?? { pid: process.pid, started: "ended" };
    const closed = new Promise((resolve) => process.once("close", resolve));
    this.ended = new Promise((resolve) => {
      process.once("exit", (code, signal) => {
        const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
        // Its last words may still be in the pipe; but children of its own may hold that open for ever.
        void Promise.race([closed, sleep(LAST_WORDS_MS)]).then(() => {
          this.#endedWith = how;
          resolve(how);
        });
      });
    });
    // A child that ended leaves its pipe broken; that it ended is told by `ended`.
    process.stdin?.on("error", () => undefined);
    process.stdout?.on("data", (chunk: Buffer) => {
      // What is waited for is among the first lines; the log has the rest.
      if (this.#printed.length < 100_000) this.#printed += chunk.toString("utf8");
    });
    process.stdout?.pipe(createWriteStream(options.logFile, { flags: "a", mode: 0o600 }));
  }

  /** `exit code 1`, `signal SIGKILL`, or undefined while it runs. */
  get endedWith(): string | undefined {
    return this.#endedWith;
  }

  /** Whether `stop()` or `kill()` was called: an end after that is no failure. */
  get stopping(): boolean {
    return this.#stopping !== undefined;
  }

  /** The first line on its standard output that is a JSON object with `"ready": true`. */
  readyLine(): Record<string, unknown> | undefined {
    for (const line of this.#printed.split("\n").slice(0, -1)) {
      if (!line.startsWith("{")) continue;
      try {
        const value = JSON.parse(line) as Record<string, unknown>;
        if (value["ready"] === true) return value;
      } catch {
        continue; // some other output that happens to start with a brace
      }
    }
    return undefined;
  }

  /** The last lines of its log. */
  lastLines(): string[] {
    const lines = readFileSync(this.logFile, "utf8").trimEnd().split("\n").slice(1);
    return lines.slice(-LOG_LINES_SHOWN).map((line) => line.slice(0, 400));
  }

  /** The error for an end nobody asked for. */
  died(when: string): HeadwaterError {
    return new HeadwaterError("sandbox/child-died", `${this.name} ended ${when} (${this.#endedWith})`, {
      where: this.logFile,
      found: this.#lastWords(),
    });
  }

  /**
   * Waits until the probe answers. When the child ends first or the deadline passes, the child is stopped.
   * @throws HeadwaterError `sandbox/child-died` or `sandbox/child-not-ready`, with the last lines of the log
   */
  async ready<T>({ probe, deadlineMs, signal }: Readiness<T>): Promise<T> {
    const deadline = Date.now() + deadlineMs;
    let last = "nothing yet";
    try {
      for (let pause = 20; ; pause = Math.min(pause * 1.5, 250)) {
        signal?.throwIfAborted();
        if (this.#endedWith !== undefined) throw this.died("while it was starting");
        try {
          const answer = await probe(this);
          if (answer !== undefined) return answer;
        } catch (error) {
          last = (error as Error).message;
        }
        if (Date.now() > deadline) {
          throw new HeadwaterError(
            "sandbox/child-not-ready",
            `${this.name} did not answer within ${Math.round(deadlineMs / 1000)} s (last: ${last})`,
            { where: this.logFile, found: this.#lastWords() },
          );
        }
        await Promise.race([sleep(pause), this.ended]);
      }
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Asks it to end, and kills its group when it does not within its grace. Safe to call again. */
  stop(): Promise<void> {
    this.#stopping ??= this.#end();
    return this.#stopping;
  }

  /** Kills its process group at once. */
  kill(): void {
    this.#stopping ??= this.ended.then(() => undefined);
    signalGroup(this.identity.pid, "SIGKILL");
  }

  async #end(): Promise<void> {
    if (this.#endedWith === undefined) {
      this.#process.kill(this.stopSignal);
      this.#process.stdin?.end();
      await Promise.race([this.ended, sleep(this.#graceMs, undefined, { ref: false })]);
    }
    // Also when it ended by itself: its own children may be left in its group.
    signalGroup(this.identity.pid, "SIGKILL");
    await this.ended;
  }

  #lastWords(): string {
    const lines = this.lastLines();
    return lines.length === 0 ? "its log is empty" : ["the last lines of its log", ...lines].join("\n    ");
  }
}

/** Sends the signal to every process of the group, if there is one. */
export function signalGroup(group: number, signal: NodeJS.Signals): void {
  signalProcess(-group, signal);
}

/** Sends the signal to a process, if it is still there. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
