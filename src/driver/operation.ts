import { setTimeout as sleep } from "node:timers/promises";
import type { OutputMap, PulumiFn, Stack } from "@pulumi/pulumi/automation/index.js";
import { HeadwaterError } from "../model/errors.js";
import { CommandFailure, Interruption } from "./engine-command.js";
import { counts, EngineEvents, plain, type PlannedChange } from "./engine-events.js";
import { EngineError, PendingOperationsError, type PendingOperation } from "./errors.js";
import type { ChangeSummary, NewEvent } from "./events.js";
import type { Redactor } from "./redact.js";
import { remedyFor } from "./remedies.js";
import { isNoStack, type StackState, type StackWorkspace } from "./stack-workspace.js";

/** `refresh` only looks: what the cloud holds is compared with the state, and neither is changed. */
export type OperationKind = "preview" | "up" | "destroy" | "refresh";

export interface OperationOptions {
  /** Absent for what runs no program: destroy, refresh. */
  readonly program?: PulumiFn;
  readonly redactor: Redactor;
  readonly emit: (event: NewEvent) => void;
  readonly signal?: AbortSignal;
  /** Milliseconds the engine gets to finish the resources in hand after the signal. Default 60,000. */
  readonly graceMs?: number;
  /** Cuts the grace short: the engine is killed at once. */
  readonly firmSignal?: AbortSignal;
  /** Milliseconds the operation may take; then it is stopped as by the signal. Default: as long as it likes. */
  readonly timeoutMs?: number;
  /** Recorded in the stack's history. */
  readonly message?: string;
  /**
   * What to do about operations an earlier run left half-way, where something is to be changed. Default `refuse`. `forget`: go
   * on, and drop the state's record of them once the operation has succeeded.
   */
  readonly pendingOperations?: "refuse" | "forget";
  /** Folders of Pulumi policy packs, for preview and `up`. */
  readonly policyPacks?: readonly string[];
}

export interface OperationResult {
  readonly changes: ChangeSummary;
  /** Resource by resource, without what stays the same. */
  readonly planned: readonly PlannedChange[];
  /** The stack's outputs after `up`; secret ones read `[secret]`. */
  readonly outputs: Readonly<Record<string, unknown>>;
  /** What an earlier run had begun to create, nobody saw the end of, and the state now knows no more. */
  readonly forgotten: readonly PendingOperation[];
}

/**
 * Runs one operation of the engine on one stack. Those that run a program in this process take turns: the SDK's handlers
 * for stray exceptions are process-wide, so two programs at once would get each other's errors.
 * @throws EngineError, PendingOperationsError, or HeadwaterError `driver/cancelled`, `driver/timeout`.
 */
export function runOperation(
  workspace: StackWorkspace,
  kind: OperationKind,
  options: OperationOptions,
): Promise<OperationResult> {
  if (options.program === undefined) return runNow(workspace, kind, options);
  const mine = turn.then(() => runNow(workspace, kind, options));
  turn = mine.then(
    () => undefined,
    () => undefined,
  );
  return mine;
}

let turn: Promise<void> = Promise.resolve();

async function runNow(
  workspace: StackWorkspace,
  kind: OperationKind,
  options: OperationOptions,
): Promise<OperationResult> {
  const { redactor, signal } = options;
  // The Automation API only listens: a signal that is aborted already would never be heard.
  if (signal?.aborted === true) throw cancelled(workspace.name, kind, signal);
  const events = new EngineEvents(kind, redactor, options.emit);
  const program = new GuardedProgram(options.program ?? nothing);
  const interruption = new Interruption();
  const stopper = new Stopper(interruption, options);
  let failure: unknown;
  let result: OperationResult | undefined;
  try {
    const ready = CHANGING.has(kind) ? mayBegin(workspace, options) : undefined;
    ready?.catch(() => interruption.gentle());
    // It is looked beside the engine, which takes as long to begin: its program, and so every change, waits.
    if (kind === "up" && ready !== undefined) program.holdFor(ready);
    if (kind === "destroy" && (await ready) === undefined) return NOTHING;
    const run = async (): Promise<Omit<OperationResult, "forgotten">> =>
      runOn(await workspace.stack(program.run, interruption), kind, events, options);
    const done = await run().catch(async (error: unknown) => {
      await ready;
      if (!isNoStack(error)) throw error;
      if (kind === "refresh") return NOTHING;
      await workspace.create();
      return run();
    });
    // Only now: before the engine had its lock, another may have been at work, and about to record what it had in hand.
    const forgotten = ((await ready)?.pending ?? []).length > 0 ? await workspace.forgetPending() : [];
    result = { ...done, forgotten };
  } catch (error) {
    failure = error;
  } finally {
    stopper.dispose();
    // A rejection that was on its way when the engine ended is reported one turn of the loop later.
    await sleep(0);
    program.dispose();
  }
  if (result !== undefined && program.errors.length === 0) return result;
  throw await explain(workspace, kind, { failure, events, program, stopper, redactor, signal });
}

const nothing: PulumiFn = () => Promise.resolve();
const NOTHING: OperationResult = { changes: {}, planned: [], outputs: {}, forgotten: [] };
const CHANGING: ReadonlySet<OperationKind> = new Set(["up", "destroy"]);

async function runOn(
  stack: Stack,
  kind: OperationKind,
  events: EngineEvents,
  { redactor, message, policyPacks = [] }: OperationOptions,
): Promise<Omit<OperationResult, "forgotten">> {
  const common = {
    onEvent: events.accept,
    color: "never" as const,
    suppressProgress: true,
    ...(message === undefined ? {} : { message }),
  };
  const policies = policyPacks.length === 0 ? {} : { policyPacks: [...policyPacks] };
  const result = (
    summary: Readonly<Record<string, number | undefined>> | undefined,
    outputs: OutputMap = {},
  ) => ({
    changes: counts(summary),
    planned: events.planned,
    outputs: maskOutputs(outputs, redactor),
  });
  if (kind === "preview") return result((await stack.preview({ ...common, ...policies })).changeSummary);
  if (kind === "refresh") return result((await stack.previewRefresh({ ...common })).changeSummary);
  if (kind === "destroy") {
    const { summary } = await stack.destroy({ ...common, showSecrets: false });
    return result(summary.resourceChanges);
  }
  const { summary, outputs } = await stack.up({ ...common, ...policies, showSecrets: false });
  return result(summary.resourceChanges, outputs);
}

/** Plain outputs as they are, secret ones as `[secret]`; the redactor learns them. */
export function maskOutputs(outputs: OutputMap, redactor: Redactor): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(outputs).map(([name, { value, secret }]): [string, unknown] => {
      if (secret) redactor.add(value);
      return [name, secret ? "[secret]" : value];
    }),
  );
}

/** The state as it is before a change; undefined where there is none yet. Nothing is begun on what was left half-way. */
async function mayBegin(
  workspace: StackWorkspace,
  { pendingOperations }: OperationOptions,
): Promise<StackState | undefined> {
  const state = await workspace.state();
  refusePending(workspace.name, state?.pending, pendingOperations);
  return state;
}

/** @throws PendingOperationsError where there are operations left half-way that are not to be forgotten. */
export function refusePending(
  stack: string,
  pending: readonly PendingOperation[] = [],
  choice: OperationOptions["pendingOperations"] = "refuse",
): void {
  if (pending.length > 0 && choice === "refuse") throw new PendingOperationsError(stack, pending);
}

/**
 * The user's program, with an ear for what it throws: directly, and from an `apply` or a promise nobody awaits. The SDK
 * listens only while its server runs the program; what comes later would end the host process.
 */
class GuardedProgram {
  readonly errors: unknown[] = [];
  private held: Promise<unknown> = Promise.resolve();

  constructor(private readonly program: PulumiFn) {
    process.on("unhandledRejection", this.catch);
    process.on("uncaughtException", this.catch);
  }

  /** Runs it only when this has come to a good end: without the program, the engine has nothing to do. */
  holdFor(condition: Promise<unknown>): void {
    this.held = condition;
  }

  readonly run: PulumiFn = async () => {
    try {
      await this.held;
      return (await this.program()) as Record<string, unknown>;
    } catch (error) {
      this.catch(error);
      throw error;
    }
  };

  dispose(): void {
    process.off("unhandledRejection", this.catch);
    process.off("uncaughtException", this.catch);
  }

  private readonly catch = (error: unknown): void => {
    if (!this.errors.includes(error)) this.errors.push(error);
  };
}

/** Hands the caller's signal on to the engine: gently at once, firmly when the grace has passed. */
class Stopper {
  /** True once the engine had to be killed. */
  killed = false;
  /** True once the time was over. */
  timedOut = false;
  private limit: NodeJS.Timeout | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly interruption: Interruption,
    private readonly options: Pick<OperationOptions, "signal" | "firmSignal" | "graceMs" | "timeoutMs">,
  ) {
    const { timeoutMs } = options;
    if (timeoutMs !== undefined) this.limit = setTimeout(this.end, timeoutMs);
    options.signal?.addEventListener("abort", this.ask);
    options.firmSignal?.addEventListener("abort", this.kill);
  }

  dispose(): void {
    clearTimeout(this.timer);
    clearTimeout(this.limit);
    this.options.signal?.removeEventListener("abort", this.ask);
    this.options.firmSignal?.removeEventListener("abort", this.kill);
  }

  private readonly end = (): void => {
    this.timedOut = true;
    this.ask();
  };

  private readonly ask = (): void => {
    this.interruption.gentle();
    this.timer = setTimeout(this.kill, this.options.graceMs ?? 60_000);
  };

  private readonly kill = (): void => {
    this.killed = true;
    this.interruption.firm();
  };
}

interface Ending {
  readonly failure: unknown;
  readonly events: EngineEvents;
  readonly program: GuardedProgram;
  readonly stopper: Stopper;
  readonly redactor: Redactor;
  readonly signal: AbortSignal | undefined;
}

/** The error for people that tells why an operation did not succeed. */
async function explain(
  workspace: StackWorkspace,
  kind: OperationKind,
  ending: Ending,
): Promise<HeadwaterError> {
  const { failure, events, program, stopper, redactor, signal } = ending;
  if (failure instanceof HeadwaterError) return failure;
  if (stopper.killed) await workspace.clearAfterKill();
  if (signal?.aborted === true) return cancelled(workspace.name, kind, signal, await leftHalfWay(workspace));
  if (stopper.timedOut) return timedOut(workspace.name, kind, await leftHalfWay(workspace));
  const where = `stack ${workspace.name}`;
  const said = events.errors;
  const [ours] = program.errors.filter((error) => error instanceof HeadwaterError);
  if (ours !== undefined) return ours;
  const stderr = failure instanceof CommandFailure ? redactor.text(plain(failure.output.stderr)).trim() : "";
  const lock = /the stack is currently locked by[\s\S]*/.exec(stderr)?.[0];
  if (lock !== undefined) {
    return new EngineError(
      "driver/stack-locked",
      "another operation holds the stack",
      {
        where,
        found: lock
          .split("\n")
          .map((line) => line.trim())
          .join(" "),
        remedy:
          "Wait until it has ended. If its process is gone, run again with unlock (on the command line: --unlock).",
      },
      said,
      { cause: failure },
    );
  }
  const resource = said.find(({ urn }) => urn !== undefined && events.failed.includes(urn));
  if (resource !== undefined) {
    return new EngineError(
      "driver/resource-failed",
      `${kind} failed on a resource`,
      {
        where,
        field: resource.urn,
        found: said
          .filter(({ urn }) => urn === resource.urn)
          .map(({ message }) => message)
          .join("\n"),
        remedy: [
          remedyFor(resource.message) ?? "Mend the cause the provider names.",
          "What was done already is kept: run again.",
        ].join(" "),
      },
      said,
      { cause: failure },
    );
  }
  const [thrown] = program.errors;
  if (thrown !== undefined) {
    const found = redactor.text(messageOf(thrown));
    return new EngineError("driver/program-error", "the program failed", { where, found }, said, {
      cause: thrown,
    });
  }
  const found = said.map(({ message }) => message).join("\n") || stderr || String(failure);
  return new EngineError("driver/engine-failed", `${kind} failed`, { where, found }, said, {
    cause: failure,
  });
}

/** Programs may throw anything. */
function messageOf(thrown: unknown): string {
  if (thrown instanceof Error) return thrown.message;
  return typeof thrown === "string" ? thrown : `not an Error: ${JSON.stringify(thrown)}`;
}

function cancelled(
  stack: string,
  kind: OperationKind,
  signal: AbortSignal,
  left?: readonly string[],
): HeadwaterError {
  return new HeadwaterError(
    "driver/cancelled",
    `${kind} was cancelled`,
    {
      where: `stack ${stack}`,
      ...(left === undefined || left.length === 0
        ? {}
        : {
            found: `left half-way: ${left.join("; ")}`,
            remedy: "Look in the cloud how these ended before you run again.",
          }),
    },
    { cause: signal.reason },
  );
}

function timedOut(stack: string, kind: OperationKind, left: readonly string[]): HeadwaterError {
  return new HeadwaterError("driver/timeout", `${kind} took too long and was stopped`, {
    where: `stack ${stack}`,
    ...(left.length === 0 ? {} : { found: `left half-way: ${left.join("; ")}` }),
    remedy: "What was done is kept: look what it waited for, and run again with more time.",
  });
}

async function leftHalfWay(workspace: StackWorkspace): Promise<string[]> {
  const { pending = [] } = (await workspace.state()) ?? {};
  return pending.map(({ type, urn }) => `${type} ${urn}`);
}
