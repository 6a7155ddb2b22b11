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

/** What a platform does for it. */
interface Raiser {
  raise(
    options: WithEphemeralOptions,
  ): Promise<{ readonly environment: Environment; readonly promotion: Promotion }>;
  destroyEphemeral(name: string, about: { readonly pipeline?: string }): Promise<unknown>;
}

/** See `Platform.withEphemeral`. */
export async function withEphemeral<T>(
  platform: Raiser,
  options: WithEphemeralOptions & { readonly timeoutMs: number },
  body: (environment: EphemeralEnvironment) => Promise<T> | T,
): Promise<T> {
  const { name, pipeline, timeoutMs, signals = true, signal: given } = options;
  const stopping = new Stopping(timeoutMs, given, signals);
  const about = { ...(pipeline === undefined ? {} : { pipeline }) };
  let failure: Error | undefined;
  let result: T | undefined;
  try {
    const { promotion, environment } = await platform.raise({ ...options, signal: stopping.signal });
    try {
      const [step] = (await promotion.result).steps;
      const up = { name, environment, step: step!, outputs: step!.outputs, signal: stopping.signal };
      result = await Promise.race([body(up), stopping.asked]);
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error), { cause: error });
    }
    // Whatever happened: nothing stops this but a second signal, which ends the process; `reap` finds it then.
    await platform.destroyEphemeral(name, about).catch((error: unknown) => {
      throw leftBehind(name, error, failure);
    });
  } finally {
    stopping.dispose();
  }
  stopping.passOn();
  if (failure !== undefined) throw failure;
  return result as T;
}

/** Everything that ends an ephemeral environment early, as one signal. */
class Stopping {
  private readonly controller = new AbortController();
  private readonly timer: NodeJS.Timeout;
  private by: NodeJS.Signals | undefined;
  /** Rejects when asked to stop. */
  readonly asked: Promise<never>;

  constructor(
    timeoutMs: number,
    private readonly given: AbortSignal | undefined,
    private readonly hears: boolean,
  ) {
    this.asked = new Promise((_resolve, reject) => {
      this.controller.signal.addEventListener("abort", () => reject(this.controller.signal.reason as Error));
    });
    this.asked.catch(() => undefined);
    this.timer = setTimeout(
      () => this.stop(`its ${timeoutMs} ms are over`),
      Math.min(timeoutMs, 2 ** 31 - 1),
    );
    this.timer.unref();
    if (given?.aborted === true) this.fromGiven();
    given?.addEventListener("abort", this.fromGiven);
    if (hears) for (const name of HEARD) process.once(name, this.fromProcess);
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  dispose(): void {
    clearTimeout(this.timer);
    this.given?.removeEventListener("abort", this.fromGiven);
    if (this.hears) for (const name of HEARD) process.off(name, this.fromProcess);
  }

  /** What the process was asked for before, and what was put off. */
  passOn(): void {
    if (this.by !== undefined) process.kill(process.pid, this.by);
  }

  private readonly fromGiven = (): void => this.stop("the caller's signal");
  private readonly fromProcess = (name: NodeJS.Signals): void => {
    this.by = name;
    this.stop(name);
  };

  private stop(found: string): void {
    const error = new HeadwaterError("driver/cancelled", "the ephemeral environment was ended early", {
      found,
    });
    this.controller.abort(error);
  }
}

const HEARD = ["SIGINT", "SIGTERM"] as const;

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
