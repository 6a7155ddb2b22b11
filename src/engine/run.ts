import { spawn } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import path from "node:path";
import { elapsed, type Progress } from "./progress.js";

export interface RunOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly cwd?: string;
  readonly signal?: AbortSignal | undefined;
  /** After this time the command is killed and the run rejects. Default: none. */
  readonly timeoutMs?: number;
  /** Every line it prints, standard output and error alike. */
  readonly onLine?: (line: string) => void;
}

/** A command that could not be executed, ended with another code than 0, or took too long. */
export class RunError extends Error {
  override readonly name = "RunError";

  constructor(
    /** What went wrong, in a few words: `exit code 1`, `not found`, `took longer than 10 s`. */
    readonly reason: string,
    /** Its last lines. */
    readonly tail: string,
    command: string,
  ) {
    super(`${path.basename(command)}: ${reason}${tail === "" ? "" : `\n${tail}`}`);
  }
}

/**
 * Runs a command to its end and gives what it printed (both streams, in order of arrival). Runs in a process group of its
 * own, all of which is killed when the signal is aborted.
 */
export async function run(command: string, args: readonly string[], options: RunOptions): Promise<string> {
  const { env, cwd, signal, timeoutMs, onLine } = options;
  signal?.throwIfAborted();
  const child = spawn(command, args, { env, cwd, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    let rest = "";
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) onLine?.(line.trimEnd());
    });
  }
  let tooLong = false;
  const kill = (): void => {
    // A group that has ended by now is what is wanted.
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null)
      process.kill(-child.pid, "SIGKILL");
  };
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          tooLong = true;
          kill();
        }, timeoutMs);
  signal?.addEventListener("abort", kill);
  try {
    const reason = await new Promise<string | undefined>((resolve) => {
      child.once("error", (error: NodeJS.ErrnoException) =>
        resolve(
          error.code === "ENOENT" ? "not found" : error.code === "EACCES" ? "not executable" : error.message,
        ),
      );
      child.once("close", (code, killer) =>
        resolve(code === 0 ? undefined : killer === null ? `exit code ${code}` : `signal ${killer}`),
      );
    });
    signal?.throwIfAborted();
    if (tooLong)
      throw new RunError(`took longer than ${Math.round((timeoutMs ?? 0) / 1000)} s`, tail(output), command);
    if (reason !== undefined) throw new RunError(reason, tail(output), command);
    return output;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", kill);
  }
}

/** Tells every `everyMs` that `what` is still going on, until `body` has ended. */
export async function withHeartbeat<T>(
  progress: Progress,
  what: (sofar: string) => string,
  body: () => Promise<T>,
  everyMs = 15_000,
): Promise<T> {
  const since = Date.now();
  const timer = setInterval(() => progress(what(elapsed(since))), everyMs);
  try {
    return await body();
  } finally {
    clearInterval(timer);
  }
}

/** The path of an executable file of that name on `PATH`, or undefined. */
export function findOnPath(name: string, environment: NodeJS.ProcessEnv): string | undefined {
  const folders = (environment["PATH"] ?? "").split(path.delimiter).filter((folder) => folder !== "");
  return folders.map((folder) => path.resolve(folder, name)).find(isExecutable);
}

/** Whether it is a file this user may execute. */
export function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

function tail(output: string): string {
  return output.trimEnd().split("\n").slice(-8).join("\n").slice(-2_000);
}
