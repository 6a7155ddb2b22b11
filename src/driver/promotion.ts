import { HeadwaterError } from "../model/errors.js";
import type { Pipeline } from "../model/pipeline.js";
import type { Check, CheckContext, CheckResult } from "./checks/check.js";
import type { Environment, RunOptions } from "./environment.js";
import { asHeadwaterError } from "./errors.js";
import {
  EventLog,
  type ChangeSummary,
  type NewEvent,
  type Outcome,
  type Phase,
  type PromotionEvent,
} from "./events.js";
import type { OperationResult } from "./operation.js";
import { OperationRecord } from "./record.js";
import type { Redactor } from "./redact.js";
import type { Release } from "./release.js";
import type { LoadedStack } from "./stack-settings.js";

/** What one is asked to agree to, before `up`. */
export interface Approval {
  readonly environment: string;
  readonly release: Release;
  readonly changes: ChangeSummary;
  readonly signal?: AbortSignal;
}

export interface PromoteOptions extends Omit<RunOptions, "emit"> {
  /** The environments, in order. */
  readonly through: readonly string[];
  /** Judgements on each environment after `up`, one after another. Default: none. */
  readonly checks?: readonly Check[];
  /** Asked after each preview that shows changes; false stops the promotion. Default: nobody is asked. */
  readonly approve?: (approval: Approval) => boolean | Promise<boolean>;
}

export interface CheckOutcome extends CheckResult {
  readonly name: string;
  readonly elapsedMs: number;
}

/** What was done in one environment. */
export interface StepResult {
  readonly environment: string;
  readonly stack: string;
  readonly preview: ChangeSummary;
  readonly changes: ChangeSummary;
  /** The stack's outputs; secret ones read `[secret]`. */
  readonly outputs: Readonly<Record<string, unknown>>;
  readonly checks: readonly CheckOutcome[];
  readonly elapsedMs: number;
}

export interface PromotionResult {
  readonly id: string;
  readonly release: Release;
  readonly steps: readonly StepResult[];
  /** The file it is recorded in. */
  readonly record: string;
  readonly elapsedMs: number;
}

/** A promotion under way. */
export interface Promotion {
  /** From the first event on, for as many readers as like; leaving the loop cancels nothing. */
  readonly events: AsyncIterable<PromotionEvent>;
  /** The truth; rejects with a HeadwaterError after the first failure. */
  readonly result: Promise<PromotionResult>;
}

/** What a promotion needs of its platform. */
export interface PromotionParts {
  readonly release: Release;
  readonly pipeline: Pipeline;
  readonly environments: readonly Environment[];
  readonly redactor: Redactor;
  readonly workFolder: string;
}

/** Starts a promotion; see `Platform.promote`. */
export function startPromotion(parts: PromotionParts, options: PromoteOptions): Promotion {
  const events = new EventLog<PromotionEvent>();
  const result = new Runner(parts, options, events).run().finally(() => events.end());
  // Whoever only follows the events must not be ended by a rejection; whoever awaits the result still gets it.
  result.catch(() => undefined);
  return { events, result };
}

class Runner {
  private readonly started = performance.now();
  private record: OperationRecord | undefined;

  constructor(
    private readonly parts: PromotionParts,
    private readonly options: PromoteOptions,
    private readonly events: EventLog<PromotionEvent>,
  ) {}

  async run(): Promise<PromotionResult> {
    const { release, workFolder } = this.parts;
    const through = this.options.through;
    const record = await OperationRecord.open(workFolder, {
      kind: "promotion",
      release: release.id,
      program: release.program,
      pipeline: release.pipeline,
      through,
    });
    this.record = record;
    try {
      await this.emit({ type: "started", id: record.id, release: release.id, through, record: record.file });
      const loaded = await this.phase("settings", undefined, () => this.loadAll());
      const steps: StepResult[] = [];
      for (const [index, environment] of this.parts.environments.entries()) {
        steps.push(await this.step(environment, loaded[index]!));
      }
      await this.finish("succeeded");
      return { id: record.id, release, steps, record: record.file, elapsedMs: this.elapsed() };
    } catch (error) {
      const known = asHeadwaterError(error, "driver/internal", "the promotion failed");
      // A record that cannot be written may be the very failure; the error that is known stays the one that is told.
      await this.finish(isCancellation(known) ? "cancelled" : "failed").catch(() => undefined);
      throw known;
    }
  }

  /** Every environment's settings are read and validated before the first one is touched. */
  private async loadAll(): Promise<LoadedStack[]> {
    const { release, environments } = this.parts;
    const all = await Promise.all(environments.map((environment) => environment.settings()));
    for (const { file, program } of all) {
      if (program.name !== release.program) {
        throw new HeadwaterError("driver/other-program", "the environment is built by another program", {
          where: file,
          field: "headwater:program",
          found: program.name,
          allowed: release.program,
        });
      }
    }
    return all;
  }

  private async step(environment: Environment, loaded: LoadedStack): Promise<StepResult> {
    const started = performance.now();
    const since = new Date();
    const { release } = this.parts;
    const run: RunOptions = { ...this.options, emit: (event) => this.tell(event) };
    const preview = await this.phase(
      "preview",
      environment,
      () => environment.preview(release, run),
      changesOf,
    );
    await this.approve(environment, preview.changes);
    // A lock was broken for the preview, or there was none: what holds it now is somebody else's.
    const up = await this.phase(
      "up",
      environment,
      () => environment.up(release, { ...run, unlock: false }),
      changesOf,
    );
    const checks = await this.checks(environment, loaded, up.outputs, since);
    return {
      environment: environment.name,
      stack: environment.stackName,
      preview: preview.changes,
      changes: up.changes,
      outputs: up.outputs,
      checks,
      elapsedMs: Math.round(performance.now() - started),
    };
  }

  private async approve({ name }: Environment, changes: ChangeSummary): Promise<void> {
    const { approve, signal } = this.options;
    const changing = Object.keys(changes).some((op) => op !== "same");
    if (approve === undefined || !changing) return;
    await this.phase("approve", { name }, async () => {
      const agreed = await approve({ environment: name, release: this.parts.release, changes, signal });
      if (agreed) return;
      throw new HeadwaterError("driver/not-approved", "the changes were not approved", {
        where: `environment ${name}`,
      });
    });
  }

  private async checks(
    environment: Environment,
    loaded: LoadedStack,
    outputs: Readonly<Record<string, unknown>>,
    since: Date,
  ): Promise<CheckOutcome[]> {
    const { checks = [] } = this.options;
    if (checks.length === 0) return [];
    const clients = await environment.clients();
    return this.phase("checks", environment, async () => {
      const outcomes: CheckOutcome[] = [];
      const { settings } = loaded;
      for (const check of checks) {
        outcomes.push(await this.check(check, environment, { settings, outputs, clients, since }));
      }
      return outcomes;
    });
  }

  private async check(
    check: Check,
    { name: environment, stackName: stack }: Environment,
    seen: Pick<CheckContext, "settings" | "outputs" | "clients" | "since">,
  ): Promise<CheckOutcome> {
    const { signal } = this.options;
    const about = { type: "check", environment, check: check.name } as const;
    const started = performance.now();
    const elapsedMs = (): number => Math.round(performance.now() - started);
    await this.emit({ ...about, state: "started" });
    try {
      throwIfCancelled(signal, environment);
      const result = await check.run({
        ...{ ...seen, environment, stack, signal },
        pipeline: this.parts.pipeline,
        progress: (message) => this.tell({ ...about, state: "progress", message: this.redact(message) }),
      });
      const message = this.redact(result.message);
      if (!result.passed) {
        throw new HeadwaterError("driver/check-failed", `the check ${check.name} failed`, {
          where: `stack ${stack}`,
          found: message,
        });
      }
      await this.emit({ ...about, state: "passed", message, elapsedMs: elapsedMs() });
      return { name: check.name, passed: true, message, elapsedMs: elapsedMs() };
    } catch (error) {
      const known = asHeadwaterError(error, "driver/check-failed", `the check ${check.name} failed`);
      await this.emit({
        ...about,
        state: "failed",
        message: this.redact(known.message),
        elapsedMs: elapsedMs(),
      });
      throw known;
    }
  }

  private async phase<T>(
    phase: Phase,
    environment: { readonly name: string } | undefined,
    body: () => Promise<T>,
    changesOf: (result: T) => { changes?: ChangeSummary } = () => ({}),
  ): Promise<T> {
    const started = performance.now();
    const about = {
      type: "phase",
      phase,
      ...(environment === undefined ? {} : { environment: environment.name }),
    } as const;
    const elapsedMs = (): number => Math.round(performance.now() - started);
    await this.emit({ ...about, state: "started" });
    try {
      throwIfCancelled(this.options.signal, environment?.name);
      const result = await body();
      await this.emit({ ...about, state: "succeeded", elapsedMs: elapsedMs(), ...changesOf(result) });
      return result;
    } catch (caught) {
      const error = asHeadwaterError(caught, "driver/internal", `${phase} failed`);
      await this.emit({ ...about, state: "failed", elapsedMs: elapsedMs(), error });
      throw error;
    }
  }

  private finish(outcome: Outcome): Promise<void> {
    return this.emit({ type: "done", outcome, elapsedMs: this.elapsed() });
  }

  /** Recorded first, then shown: what was seen is in the record. */
  private async emit(event: NewEvent): Promise<void> {
    const at = new Date().toISOString();
    try {
      await this.record?.note(event);
    } finally {
      this.events.push({ ...event, at });
    }
  }

  /** For what is shown in passing: when the record cannot be written, the next phase fails of it. */
  private tell(event: NewEvent): void {
    this.emit(event).catch(() => undefined);
  }

  private redact(text: string): string {
    return this.parts.redactor.text(text);
  }

  private elapsed(): number {
    return Math.round(performance.now() - this.started);
  }
}

function changesOf({ changes }: OperationResult): { changes: ChangeSummary } {
  return { changes };
}

export function isCancellation({ code }: HeadwaterError): boolean {
  return code === "driver/cancelled" || code === "operations/cancelled";
}

function throwIfCancelled(signal: AbortSignal | undefined, environment: string | undefined): void {
  if (signal?.aborted !== true) return;
  throw new HeadwaterError(
    "driver/cancelled",
    "the promotion was cancelled",
    environment === undefined ? {} : { where: `environment ${environment}` },
    { cause: signal.reason },
  );
}
