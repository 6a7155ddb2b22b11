import { fork } from "node:child_process";
import path from "node:path";
import { HeadwaterError } from "../../model/errors.js";
import type { OperationOptions, OperationResult } from "../operation.js";
import { FOLDER_VARIABLE } from "../leftovers.js";
import type { StackWorkspace } from "../stack-workspace.js";
import { fromPlain, type FromHost, type Request, type ToHost } from "./messages.js";

/** Milliseconds a process that was told to end at once gets for it. */
const FIRM_MS = 10_000;

/**
 * Runs one operation in a process of its own: what the program does there (exit, throw where nobody listens, leak, hang)
 * cannot reach this one, and several run at the same time.
 * @throws what the operation throws, as if it had run here; HeadwaterError `driver/host-died`.
 */
export async function runIsolated(
  request: Request,
  workspace: StackWorkspace,
  { emit, signal, firmSignal }: Pick<OperationOptions, "emit" | "signal" | "firmSignal">,
): Promise<OperationResult> {
  if (signal?.aborted === true) throw cancelled(request, signal);
  const host = fork(path.join(import.meta.dirname, `host${path.extname(import.meta.filename)}`), [], {
    // So that what is left of it is found by its stack's folder.
    env: { ...process.env, ...request.home.environment, [FOLDER_VARIABLE]: request.folder },
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    serialization: "advanced",
    // Ctrl-C in a terminal is for this process, which hands it on.
    detached: true,
  });
  let said = "";
  host.stderr?.setEncoding("utf8").on("data", (text: string) => (said = (said + text).slice(-2000)));
  const send = (message: ToHost): void => {
    if (host.connected) host.send(message);
  };
  let killer: NodeJS.Timeout | undefined;
  const stop = (): void => send({ type: "stop", firm: false });
  const stopFirmly = (): void => {
    send({ type: "stop", firm: true });
    killer = setTimeout(() => host.kill("SIGKILL"), FIRM_MS);
  };
  signal?.addEventListener("abort", stop);
  firmSignal?.addEventListener("abort", stopFirmly);
  try {
    return await new Promise<OperationResult>((resolve, reject) => {
      let ended = false;
      host.on("message", (message: FromHost) => {
        if (message.type === "event") return emit(message.event);
        ended = true;
        if (message.type === "result") resolve(message.result);
        else reject(fromPlain(message.error));
      });
      host.on("error", reject);
      host.on("close", (code, killedBy) => {
        if (ended) return;
        // The engine it had started may still be at work.
        workspace.clearAfterKill().then(
          () => reject(died(request, code, killedBy, said)),
          (error: unknown) => reject(error instanceof Error ? error : new Error(String(error))),
        );
      });
      send({ type: "run", request });
    });
  } finally {
    clearTimeout(killer);
    signal?.removeEventListener("abort", stop);
    firmSignal?.removeEventListener("abort", stopFirmly);
    if (host.connected) host.disconnect();
  }
}

function died(
  { stack, kind }: Request,
  code: number | null,
  by: NodeJS.Signals | null,
  said: string,
): HeadwaterError {
  return new HeadwaterError(
    "driver/host-died",
    `the process that ran the program of ${kind} ended in the middle of it`,
    {
      where: `stack ${stack}`,
      found: [by ?? `exit code ${code ?? "unknown"}`, said.trim()].filter((part) => part !== "").join(": "),
      remedy:
        "A program must not end its process. What was done already is kept: look at the program, then run again.",
    },
  );
}

function cancelled({ stack, kind }: Request, signal: AbortSignal): HeadwaterError {
  return new HeadwaterError(
    "driver/cancelled",
    `${kind} was cancelled`,
    { where: `stack ${stack}` },
    { cause: signal.reason },
  );
}
