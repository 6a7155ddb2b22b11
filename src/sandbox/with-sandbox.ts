import { setTimeout as sleep } from "node:timers/promises";
import { HeadwaterError } from "../model/errors.js";
import { startSandbox, type Sandbox, type SandboxOptions } from "./sandbox.js";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** How long the body may take to end once it was told to. */
const BODY_GRACE_MS = 20_000;

/**
 * Starts a sandbox, runs `body` and stops the sandbox, whatever happens: success, failure, a part of the sandbox that dies, SIGINT,
 * SIGTERM, SIGHUP, or `options.signal`. The body is handed a signal and is to end soon when it is aborted; a second SIGINT or SIGTERM
 * waits for nothing.
 * @throws HeadwaterError `sandbox/interrupted` (its details' `found` is the signal) after SIGINT or SIGTERM; otherwise what the body throws
 */
export async function withSandbox<T>(
  options: SandboxOptions,
  body: (sandbox: Sandbox, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const interrupted = new AbortController();
  const insisted = new AbortController();
  const onSignal = (name: NodeJS.Signals): void => {
    if (interrupted.signal.aborted) return insisted.abort();
    options.progress(`${name}: stopping the sandbox`);
    interrupted.abort(new HeadwaterError("sandbox/interrupted", "interrupted", { found: name }));
  };
  for (const name of SIGNALS) process.on(name, onSignal);
  const signal = AbortSignal.any([interrupted.signal, ...(options.signal ? [options.signal] : [])]);
  try {
    const sandbox = await startSandbox({ ...options, signal });
    insisted.signal.addEventListener("abort", () => sandbox.kill());
    try {
      return await uninterrupted(sandbox, signal, insisted.signal, body);
    } finally {
      await sandbox.stop();
    }
  } finally {
    for (const name of SIGNALS) process.off(name, onSignal);
  }
}

async function uninterrupted<T>(
  sandbox: Sandbox,
  interrupted: AbortSignal,
  insisted: AbortSignal,
  body: (sandbox: Sandbox, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const failure = new AbortController();
  sandbox.failed.catch((error: unknown) => failure.abort(error));
  const stop = AbortSignal.any([interrupted, failure.signal]);
  const running = body(sandbox, stop);
  const first = await Promise.race([running.then((value) => ({ value })), abortOf(stop)]);
  if (first !== "aborted") return first.value;
  // Whether it ends well, with an error of its own or not in time: the reason is what people are told.
  const grace = sleep(BODY_GRACE_MS, undefined, { ref: false });
  await Promise.race([Promise.allSettled([running]), grace, abortOf(insisted)]);
  throw stop.reason;
}

async function abortOf(signal: AbortSignal): Promise<"aborted"> {
  if (!signal.aborted)
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  return "aborted";
}
