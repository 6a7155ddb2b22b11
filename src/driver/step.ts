import { createHash } from "node:crypto";
import { HeadwaterError } from "../model/errors.js";
import type { Pipeline } from "../model/pipeline.js";
import { retryTransient } from "../operations/transient.js";
import { describeMs } from "../operations/wait.js";
import type { EnvironmentRules } from "../settings/promotion-rules.js";
import type { Check, CheckContext, CheckResult } from "./checks/check.js";
import { settingsDigest, type Environment, type RunOptions } from "./environment.js";
import type { PlannedChange } from "./engine-events.js";
import { asHeadwaterError } from "./errors.js";
import type { ChangeSummary } from "./events.js";
import type { Gate, GateContext, Override } from "./gates/gate.js";
import { judgeGates, type GateVerdict } from "./gates/judge.js";
import { checkIdentity } from "./identity.js";
import { refusePending, type OperationResult } from "./operation.js";
import type { Proofs } from "./proofs.js";
import type { RecordLine } from "./record.js";
import { whoami } from "./whoami.js";
import { withoutSecrets, type Redactor } from "./redact.js";
import { canonical, type Release } from "./release.js";
import type { Releases } from "./release-store.js";
import type { LoadedStack } from "./stack-settings.js";
import type { Store } from "./store/store.js";
import { isCancellation, throwIfCancelled, type Story } from "./story.js";

/** What one is asked to agree to, before `up`. */
export interface Approval {
  readonly environment: string;
  readonly release: Release;
  readonly changes: ChangeSummary;
  /** Resource by resource, without what stays the same. */
  readonly planned: readonly PlannedChange[];
  /** What the gates said; none has refused, some may have been overridden. */
  readonly verdicts: readonly GateVerdict[];
  readonly protected: boolean;
  readonly signal?: AbortSignal;
}

/** The answer: yes or no, or who gave it. Default for `by`: the user this process runs as. */
export type ApprovalAnswer = boolean | { readonly approved: boolean; readonly by: string };

export interface CheckOutcome extends CheckResult {
  readonly name: string;
  readonly elapsedMs: number;
}

/** What was done in one environment. */
export interface StepResult {
  readonly environment: string;
  readonly stack: string;
  readonly preview: ChangeSummary;
  readonly verdicts: readonly GateVerdict[];
  readonly changes: ChangeSummary;
  /** The stack's outputs; secret ones read `[secret]`. */
  readonly outputs: Readonly<Record<string, unknown>>;
  readonly checks: readonly CheckOutcome[];
  readonly elapsedMs: number;
}

/** How each step of a promotion is taken. */
export interface StepOptions extends Omit<RunOptions, "emit"> {
  /** Judgements on each environment after `up`, one after another. Default: none. */
  readonly checks?: readonly Check[];
  /** Judgements on each preview. Default: `standardGates()`. */
  readonly gates?: readonly Gate[];
  /** Rules that are not to stop the promotion, each with the reason. */
  readonly overrides?: readonly Override[];
  /** Asked after each preview that shows changes and passed its gates; no stops the promotion. Default: nobody is asked. */
  readonly approve?: (approval: Approval) => ApprovalAnswer | Promise<ApprovalAnswer>;
  /** What to do while somebody else works on an environment. Default: refuse. */
  readonly whenHeld?: "refuse" | "wait";
  /** After a failed `up` or check. Default: what the environment's rules say, else stop. */
  readonly onFailure?: "stop" | "rollback";
  /** On whose behalf the promotion is started; recorded. Default: the user this process runs as. */
  readonly startedBy?: string;
}

/** What a step needs of its platform. */
export interface StepParts {
  readonly release: Release;
  readonly pipeline: Pipeline;
  readonly environment: Environment;
  readonly loaded: LoadedStack;
  readonly rules: EnvironmentRules;
  /** The environment before this one on the path. */
  readonly before?: string;
  readonly gates: readonly Gate[];
  readonly redactor: Redactor;
  readonly store: Store;
  readonly proofs: Proofs;
  readonly releases: Releases;
  /** When the promotion began, and what its record holds of this environment if it was interrupted. */
  readonly since: Date;
  readonly past: readonly RecordLine[];
}

/** Preview, gates, approval, `up`, checks, proof; under the environment's lease. */
export function takeStep(parts: StepParts, options: StepOptions, story: Story): Promise<StepResult> {
  return story.underLease(parts.store, parts.environment, options, (signal) =>
    new Step(parts, { ...options, signal }, story).run(),
  );
}

class Step {
  private readonly started = performance.now();
  private readonly name: string;

  constructor(
    private readonly parts: StepParts,
    private readonly options: StepOptions & { readonly signal: AbortSignal },
    private readonly story: Story,
  ) {
    this.name = parts.environment.name;
  }

  async run(): Promise<StepResult> {
    const { environment, loaded, rules, past } = this.parts;
    const { identity } = rules;
    if (identity !== undefined) {
      const look = async () =>
        checkIdentity(environment.stackName, identity, await environment.clients(), this.options.signal);
      await this.phase("identity", look, (message) => ({ message }));
    }
    const rolling = past.find((line) => line.kind === "phase" && line.name === "rollback");
    if (rolling !== undefined) await this.goOnRollingBack();
    const done = past.find(
      (line) => line.kind === "phase" && line.name === "up" && line.state === "succeeded",
    );
    let plan: Pick<StepResult, "preview" | "verdicts"> = { preview: {}, verdicts: [] };
    let up: Pick<OperationResult, "changes" | "outputs">;
    if (done?.kind === "phase") {
      up = { changes: done.changes ?? {}, outputs: (await environment.status()).outputs };
    } else {
      await this.story.record.write({
        kind: "settings",
        environment: this.name,
        digest: settingsDigest(loaded),
        config: withoutSecrets(loaded.document.config, this.parts.redactor) as Record<string, unknown>,
      });
      plan = await this.plan();
      up = await this.orRollBack(() => this.up(this.parts.release));
    }
    const checks = await this.orRollBack(() => this.checks(up.outputs));
    await this.prove();
    return {
      environment: this.name,
      stack: environment.stackName,
      ...plan,
      ...up,
      checks,
      elapsedMs: Math.round(performance.now() - this.started),
    };
  }

  /** Preview, gates and approval. */
  private async plan(): Promise<Pick<StepResult, "preview" | "verdicts">> {
    const { release } = this.parts;
    const preview = await this.preview(release);
    const verdicts = await this.judge(preview, release, false);
    await this.approve(preview, verdicts);
    return { preview: preview.changes, verdicts };
  }

  private up(
    release: Release,
    own: RunOptions = {},
    about: { message?: string } = {},
  ): Promise<OperationResult> {
    const { environment } = this.parts;
    // A lock was broken for the preview, or there was none: what holds it now is somebody else's.
    const run = { ...this.runOptions(), ...own, unlock: false };
    return this.phase(
      "up",
      () => this.untilItHolds(() => environment.up(release, run)),
      (result) => ({ ...changesOf(result), ...about }),
    );
  }

  private preview(release: Release): Promise<OperationResult> {
    const { environment } = this.parts;
    return this.phase("preview", () => environment.preview(release, this.runOptions()), changesOf);
  }

  /** What fails because the clouds do not know yet what they will know in a moment is done again: `up` goes on where it was. */
  private untilItHolds(up: () => Promise<OperationResult>): Promise<OperationResult> {
    const { environment } = this.parts;
    return retryTransient(up, {
      signal: this.options.signal,
      what: `up of stack ${environment.stackName}`,
      onRetry: ({ attempt, attempts, waitMs, transience }) => {
        const message = `try ${attempt} of ${attempts}: ${transience.why}; again in ${describeMs(waitMs)}`;
        const about = { type: "phase", phase: "up", environment: this.name } as const;
        this.story.tell({ ...about, state: "progress", message });
      },
    });
  }

  private judge(preview: OperationResult, release: Release, rollback: boolean): Promise<GateVerdict[]> {
    const { environment, pipeline, loaded, rules, before, gates, proofs } = this.parts;
    const { overrides = [], signal } = this.options;
    return this.phase("gates", async () => {
      // Before anybody is asked to agree to what `up` would refuse.
      const [last, pending] = await Promise.all([environment.last(), environment.pending()]);
      refusePending(environment.stackName, pending, rollback ? "refuse" : this.options.pendingOperations);
      const context: GateContext = {
        environment: this.name,
        stack: environment.stackName,
        ...{ release, pipeline, rules, rollback, signal, now: new Date() },
        settings: loaded.settings,
        settingsDigest: settingsDigest(loaded),
        ...(before === undefined ? {} : { before }),
        ...(last === undefined ? {} : { last }),
        planned: preview.planned.filter(({ type }) => type !== "pulumi:pulumi:Stack"),
        changes: preview.changes,
        proofIn: (name) => proofs.read(`${pipeline.name}-${name}`, release.id),
        drift: () => this.phase("refresh", () => environment.drift(this.runOptions())),
      };
      return judgeGates([complete(preview), ...gates], overrides, context, (verdict) =>
        this.story.emit({ type: "gate", environment: this.name, ...verdict }),
      );
    });
  }

  private async approve(preview: OperationResult, verdicts: readonly GateVerdict[]): Promise<void> {
    const { release, rules, past } = this.parts;
    const { approve, signal } = this.options;
    const { changes, planned } = preview;
    const plan = createHash("sha256").update(canonical(planned)).digest("hex");
    if (approve === undefined || planned.length === 0) return;
    // What was agreed to before the process was killed need not be asked again, as long as it is the same.
    if (past.some((line) => line.kind === "approval" && line.plan === plan)) return;
    const ask = async (): Promise<string> => {
      const approval = { environment: this.name, release, changes, planned, verdicts, signal };
      const answer = await approve({ ...approval, protected: rules.protected });
      const { approved, by } = typeof answer === "boolean" ? { approved: answer, by: whoami() } : answer;
      if (!approved) {
        throw new HeadwaterError("driver/not-approved", "the changes were not approved", {
          where: `environment ${this.name}`,
          found: `no, by ${by}`,
        });
      }
      await this.story.record.write({ kind: "approval", environment: this.name, by, plan });
      return by;
    };
    await this.phase("approve", ask, (by) => ({ message: `by ${by}` }));
  }

  private async checks(outputs: Readonly<Record<string, unknown>>): Promise<CheckOutcome[]> {
    const { checks = [], signal } = this.options;
    if (checks.length === 0) return [];
    const { environment, loaded, pipeline, rules, since, release } = this.parts;
    const clients = await environment.clients();
    const context = {
      ...{ environment: this.name, stack: environment.stackName, outputs, pipeline, clients, since, signal },
      settings: loaded.settings,
      protected: rules.protected,
      preview: () => environment.preview(release, this.runOptions()),
    };
    return this.phase("checks", async () => {
      const outcomes: CheckOutcome[] = [];
      for (const check of checks) outcomes.push(await this.check(check, context));
      return outcomes;
    });
  }

  private async check(check: Check, context: Omit<CheckContext, "progress">): Promise<CheckOutcome> {
    const about = { type: "check", environment: this.name, check: check.name } as const;
    const started = performance.now();
    const elapsedMs = (): number => Math.round(performance.now() - started);
    const redact = (text: string): string => this.parts.redactor.text(text);
    await this.story.emit({ ...about, state: "started" });
    try {
      throwIfCancelled(this.options.signal, this.name);
      const progress = (message: string): void =>
        this.story.tell({ ...about, state: "progress", message: redact(message) });
      const result = await check.run({ ...context, progress });
      const message = redact(result.message);
      if (!result.passed) {
        throw new HeadwaterError("driver/check-failed", `the check ${check.name} failed`, {
          where: `stack ${context.stack}`,
          found: message,
        });
      }
      await this.story.emit({ ...about, state: "passed", message, elapsedMs: elapsedMs() });
      return { name: check.name, passed: true, message, elapsedMs: elapsedMs() };
    } catch (error) {
      const known = asHeadwaterError(error, "driver/check-failed", `the check ${check.name} failed`);
      const message = redact(known.message);
      await this.story.emit({ ...about, state: "failed", message, elapsedMs: elapsedMs() });
      throw known;
    }
  }

  private async prove(): Promise<void> {
    const { environment, release, proofs } = this.parts;
    const at = new Date().toISOString();
    const proof = { release: release.id, environment: this.name, record: this.story.record.id, at };
    await proofs.write(environment.stackName, proof);
  }

  /** What fails because of the release is followed by the way back, where that is asked for. The failure stays the failure. */
  private async orRollBack<T>(body: () => Promise<T>): Promise<T> {
    try {
      return await body();
    } catch (caught) {
      const error = asHeadwaterError(caught, "driver/internal", "the step failed");
      const { onFailure = this.parts.rules.onFailure } = this.options;
      // A cancelled operation did not fail; and without a lease nothing may be touched.
      if (onFailure === "rollback" && !isCancellation(error) && !this.options.signal.aborted) {
        // That it did not work out either is told and recorded by its phase.
        await this.rollBack().catch(() => undefined);
      }
      throw error;
    }
  }

  /** Applies the last release that passed here again, through the same gates; none may cost data. */
  private async rollBack(): Promise<void> {
    const { environment, release, proofs, releases } = this.parts;
    const rollBack = async (): Promise<string> => {
      const proof = await proofs.newestBut(environment.stackName, release.id);
      if (proof === undefined) {
        throw new HeadwaterError(
          "driver/no-rollback",
          "no other release has passed here: there is no way back",
          {
            where: `stack ${environment.stackName}`,
            remedy: "Mend the cause and promote again.",
          },
        );
      }
      const last = await releases.find(proof.release);
      // What the failed `up` left half-way is not to be forgotten on the way.
      const own = { pendingOperations: "refuse" } as const;
      const preview = await this.preview(last);
      await this.judge(preview, last, true);
      await this.up(last, own, { message: "rollback" });
      return last.id;
    };
    await this.phase("rollback", rollBack, (id) => ({ message: `back at release ${id.slice(0, 12)}` }));
  }

  /** The process died on the way back: that way is gone to its end, and the promotion has failed. */
  private async goOnRollingBack(): Promise<never> {
    const { environment, past } = this.parts;
    const ended = past.some(
      (line) => line.kind === "phase" && line.name === "rollback" && line.state !== "started",
    );
    if (!ended) await this.rollBack();
    const failed = past.find((line) => line.kind === "phase" && line.error !== undefined);
    throw new HeadwaterError("driver/rolled-back", "the step had failed and was rolled back", {
      where: `stack ${environment.stackName}`,
      found: failed?.kind === "phase" ? failed.error?.message : undefined,
      remedy: "Mend the cause and promote a new release.",
    });
  }

  private phase<T>(
    phase: Parameters<Story["phase"]>[0],
    body: () => Promise<T>,
    about?: (result: T) => { changes?: ChangeSummary; message?: string },
  ): Promise<T> {
    return this.story.phase(phase, this.name, this.options.signal, body, about);
  }

  private runOptions(): RunOptions {
    const {
      checks: _c,
      gates: _g,
      overrides: _o,
      approve: _a,
      whenHeld: _w,
      onFailure: _f,
      startedBy: _s,
      ...run
    } = this.options;
    return { ...run, emit: (event) => this.story.tell(event) };
  }
}

/** Rule of the gate that every promotion has besides those of the caller. */
export const COMPLETE = "complete";

/** The engine's events are best effort: where they do not add up to its own count, nobody can judge the plan. */
function complete({ planned, changes }: OperationResult): Gate {
  return {
    rule: COMPLETE,
    judge: () => {
      const unchanged = (changes["same"] ?? 0) + (changes["read"] ?? 0);
      const counted = Object.values(changes).reduce((sum, count) => sum + count, 0) - unchanged;
      if (planned.length === counted) return [];
      return [
        { message: `the engine counted ${counted} changes and told of ${planned.length}: preview again` },
      ];
    },
  };
}

function changesOf({ changes }: OperationResult): { changes: ChangeSummary } {
  return { changes };
}
