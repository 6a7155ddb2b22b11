import { HeadwaterError } from "../model/errors.js";
import { asHeadwaterError } from "./errors.js";
import type { ChangeSummary, NewEvent, Outcome, Phase } from "./events.js";
import { withLease, type LeaseOptions } from "./lease.js";
import type { OperationRecord } from "./record.js";
import type { Store } from "./store/store.js";

/** Tells what happens: to the record first, then to whoever watches. What was seen is in the record. */
export class Story {
  private readonly started = performance.now();

  constructor(
    readonly record: OperationRecord,
    private readonly show: (event: NewEvent) => void,
  ) {}

  async emit(event: NewEvent): Promise<void> {
    try {
      await this.record.note(event);
    } finally {
      this.show(event);
    }
  }

  /** For what is shown in passing: when the record cannot be written, the next phase fails of it. */
  tell(event: NewEvent): void {
    this.emit(event).catch(() => undefined);
  }

  /** Milliseconds since it began. */
  elapsed(): number {
    return Math.round(performance.now() - this.started);
  }

  /**
   * Runs one phase and tells how it went. What `body` throws becomes a HeadwaterError.
   * @param about what is said of a phase that succeeded.
   */
  async phase<T>(
    phase: Phase,
    environment: string | undefined,
    signal: AbortSignal | undefined,
    body: () => Promise<T>,
    about: (result: T) => { changes?: ChangeSummary; message?: string } = () => ({}),
  ): Promise<T> {
    const started = performance.now();
    const common = { type: "phase", phase, ...(environment === undefined ? {} : { environment }) } as const;
    const elapsedMs = (): number => Math.round(performance.now() - started);
    await this.emit({ ...common, state: "started" });
    try {
      throwIfCancelled(signal, environment);
      const result = await body();
      await this.emit({ ...common, state: "succeeded", elapsedMs: elapsedMs(), ...about(result) });
      return result;
    } catch (caught) {
      const error = asHeadwaterError(caught, "driver/internal", `${phase} failed`);
      await this.emit({ ...common, state: "failed", elapsedMs: elapsedMs(), error });
      throw error;
    }
  }

  /**
   * Runs `body` under the lease of an environment's stack, and tells whom it waits for.
   * @param body is given a signal that is aborted when the lease is lost, or the caller's is.
   */
  underLease<T>(
    store: Store,
    { name, stackName }: { readonly name: string; readonly stackName: string },
    { signal, whenHeld }: Pick<LeaseOptions, "signal" | "whenHeld">,
    body: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const progress = (message: string): void =>
      this.tell({ type: "phase", phase: "lease", environment: name, state: "progress", message });
    const { kind, id } = this.record.head;
    return withLease(
      store,
      stackName,
      `${kind} ${id}`,
      { progress, ...(signal && { signal }), ...(whenHeld && { whenHeld }) },
      body,
    );
  }

  /** Tells the end of it all. `failure` stays the one that is thrown when the end cannot be recorded. */
  async end(failure?: HeadwaterError): Promise<void> {
    const outcome: Outcome =
      failure === undefined ? "succeeded" : isCancellation(failure) ? "cancelled" : "failed";
    const told = this.emit({ type: "done", outcome, elapsedMs: this.elapsed() });
    await (failure === undefined ? told : told.catch(() => undefined));
  }
}

export function isCancellation({ code }: HeadwaterError): boolean {
  return code === "driver/cancelled" || code === "operations/cancelled";
}

export function throwIfCancelled(signal: AbortSignal | undefined, environment: string | undefined): void {
  if (signal?.aborted !== true) return;
  // A lease that was lost aborts with an error that says so.
  if (signal.reason instanceof HeadwaterError) throw signal.reason;
  throw new HeadwaterError(
    "driver/cancelled",
    "it was cancelled",
    environment === undefined ? {} : { where: `environment ${environment}` },
    { cause: signal.reason },
  );
}
