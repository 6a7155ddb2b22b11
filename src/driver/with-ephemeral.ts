import { HeadwaterError } from "../model/errors.js";
import type { Environment } from "./environment.js";
import type { EphemeralOptions } from "./ephemeral.js";
import type { Promotion } from "./promotion.js";
import type { Release } from "./release.js";
import type { StepOptions, StepResult } from "./step.js";

/** An ephemeral environment that is up. */
export interface EphemeralEnvironment {
  readonly name: string;
  readonly environment: Environment;
  readonly step: StepResult;
  /** The stack's outputs; secret ones read `[secret]`. */
  readonly outputs: Readonly<Record<string, unknown>>;
  /** Aborted when the time is over, the caller's signal is, or the process is asked to end: it is destroyed then. */
  readonly signal: AbortSignal;
}

export interface WithEphemeralOptions extends EphemeralOptions, StepOptions {
  /** What is put there. Default: the program of `from`, as it is on disk. */
  readonly release?: Release;
  /** Milliseconds for everything but the destruction. Default: the time to live. */
  readonly timeoutMs?: number;
  /** Whether SIGINT and SIGTERM destroy it first, and then end the process as they would have. Default: yes. */
  readonly signals?: boolean;
}

/** An ephemeral environment that is on its way up. */
export interface RaisedEnvironment {
  readonly environment: Environment;
  readonly promotion: Promotion;
  /** ISO times. */
  readonly created: string;
  readonly expires: string;
}

/** What a platform does for it. */
interface Raiser {
  raise(options: WithEphemeralOptions): Promise<RaisedEnvironment>;
  destroyEphemeral(
    name: string,
    about: { readonly pipeline?: string; readonly created: string },
  ): Promise<unknown>;
}

/** See `Platform.withEphemeral`. */
export async function withEphemeral<T>(
  platform: Raiser,
  options: WithEphemeralOptions & { readonly timeoutMs: number },
  body: (environment: EphemeralEnvironment) => Promise<T> | T,
): Promise<T> {
  const { name, pipeline, timeoutMs, signals = true, signal: given } = options;
  const stopping = new Stopping(timeoutMs, given);
  if (signals) processSignals.join(stopping);
  let left = false;
  try {
    const { promotion, environment, created } = await platform.raise({ ...options, signal: stopping.signal });
    const about = { created, ...(pipeline === undefined ? {} : { pipeline }) };
    let failure: Error | undefined;
    let result: T | undefined;
    try {
      const [step] = (await promotion.result).steps;
      stopping.signal.throwIfAborted();
      const up = { name, environment, step: step!, outputs: step!.outputs, signal: stopping.signal };
      result = await Promise.race([body(up), stopping.asked]);
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error), { cause: error });
    }
    // Whatever happened: nothing stops this but a second signal, which ends the process; `reap` finds it then.
    await platform.destroyEphemeral(name, about).catch((error: unknown) => {
      // `reap` was quicker.
      if (error instanceof HeadwaterError && error.code === "driver/no-such-ephemeral") return;
      left = true;
      throw leftBehind(name, error, failure);
    });
    await environment.close();
    if (failure !== undefined) throw failure;
    return result as T;
  } finally {
    stopping.dispose();
    if (signals) await processSignals.leave(stopping, left);
  }
}

/** Everything that ends an ephemeral environment early, as one signal. */
class Stopping {
  private readonly controller = new AbortController();
  // Keeps the process alive: a body that waits for nothing would end it, and leave the environment behind.
  private readonly timer: NodeJS.Timeout;
  /** Rejects when asked to stop. */
  readonly asked: Promise<never>;

  constructor(
    timeoutMs: number,
    private readonly given: AbortSignal | undefined,
  ) {
    this.asked = new Promise((_resolve, reject) => {
      this.controller.signal.addEventListener("abort", () => reject(this.controller.signal.reason as Error));
    });
    this.asked.catch(() => undefined);
    this.timer = setTimeout(
      () => this.stop(`its ${timeoutMs} ms are over`),
      Math.min(timeoutMs, 2 ** 31 - 1),
    );
    if (given?.aborted === true) this.fromGiven();
    given?.addEventListener("abort", this.fromGiven);
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  stop(found: string): void {
    const error = new HeadwaterError("driver/cancelled", "the ephemeral environment was ended early", {
      found,
    });
    this.controller.abort(error);
  }

  dispose(): void {
    clearTimeout(this.timer);
    this.given?.removeEventListener("abort", this.fromGiven);
  }

  private readonly fromGiven = (): void => this.stop("the caller's signal");
}

/**
 * SIGINT and SIGTERM, for all ephemeral environments of this process: the first one ends them all, and the process once the last
 * of them is gone; ended by the first that is done, it would leave the others behind. A second one ends it at once.
 */
class ProcessSignals {
  private readonly living = new Set<Stopping>();
  private by: NodeJS.Signals | undefined;
  private left = false;
  private waiting: (() => void)[] = [];

  join(stopping: Stopping): void {
    this.living.add(stopping);
    if (this.by !== undefined) stopping.stop(this.by);
    else if (this.living.size === 1) for (const name of HEARD) process.on(name, this.hear);
  }

  /** Once the process was asked to end, this comes back only where there is an error to be seen, or others decide about the end. */
  async leave(stopping: Stopping, left: boolean): Promise<void> {
    this.living.delete(stopping);
    this.left ||= left;
    if (this.living.size === 0) this.end();
    else if (this.by !== undefined) await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  private end(): void {
    this.deafen();
    const { by, left, waiting } = this;
    [this.by, this.left, this.waiting] = [undefined, false, []];
    // Another listener has heard the signal as well, and does what it thinks right.
    if (by !== undefined && !left && process.listenerCount(by) === 0) process.kill(process.pid, by);
    for (const goOn of waiting) goOn();
  }

  private readonly hear = (name: NodeJS.Signals): void => {
    this.by = name;
    this.deafen();
    for (const stopping of this.living) stopping.stop(name);
  };

  private deafen(): void {
    for (const name of HEARD) process.off(name, this.hear);
  }
}

const HEARD = ["SIGINT", "SIGTERM"] as const;
const processSignals = new ProcessSignals();

function leftBehind(name: string, error: unknown, failure: unknown): HeadwaterError {
  const messages = [error, failure].flatMap((each) => (each instanceof Error ? [each.message] : []));
  return new HeadwaterError(
    "driver/ephemeral-left",
    "the ephemeral environment could not be destroyed",
    {
      where: `environment ${name}`,
      found: messages.join("\n"),
      remedy: `Mend the cause, then: headwater ephemeral destroy --name ${name}. \`headwater ephemeral reap\` tries again once it has expired.`,
    },
    { cause: error },
  );
}
