import { HeadwaterError } from "../model/errors.js";
import type { Pipeline } from "../model/pipeline.js";
import { rulesFor, type PromotionRules } from "../settings/promotion-rules.js";
import type { Environment } from "./environment.js";
import { asHeadwaterError } from "./errors.js";
import { EventLog, type NewEvent, type PromotionEvent } from "./events.js";
import { standardGates } from "./gates/index.js";
import { checkOverrides } from "./gates/judge.js";
import type { Proofs } from "./proofs.js";
import { OperationRecord, type PastOperation } from "./record.js";
import type { Redactor } from "./redact.js";
import type { Release } from "./release.js";
import type { Releases } from "./release-store.js";
import type { LoadedStack } from "./stack-settings.js";
import { COMPLETE, takeStep, type StepOptions, type StepResult } from "./step.js";
import type { Store } from "./store/store.js";
import { Story, throwIfCancelled } from "./story.js";

export interface PromoteOptions extends StepOptions {
  /** The environments, in order. */
  readonly through: readonly string[];
}

export interface PromotionResult {
  readonly id: string;
  readonly release: Release;
  readonly steps: readonly StepResult[];
  /** Where it is recorded. */
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
  readonly rules: PromotionRules;
  readonly redactor: Redactor;
  readonly store: Store;
  readonly proofs: Proofs;
  readonly releases: Releases;
  /** The interrupted promotion that is gone on with. */
  readonly past?: PastOperation;
}

/** Starts a promotion, or goes on with one; see `Platform.promote` and `Platform.resume`. */
export function startPromotion(parts: PromotionParts, options: StepOptions): Promotion {
  const events = new EventLog<PromotionEvent>();
  const result = run(parts, options, (event) =>
    events.push({ ...event, at: new Date().toISOString() }),
  ).finally(() => events.end());
  // Whoever only follows the events must not be ended by a rejection; whoever awaits the result still gets it.
  result.catch(() => undefined);
  return { events, result };
}

async function run(
  parts: PromotionParts,
  options: StepOptions,
  show: (event: NewEvent) => void,
): Promise<PromotionResult> {
  const { release, past, environments } = parts;
  const record = await openRecord(parts, options);
  const story = new Story(record, show);
  const through = environments.map(({ name }) => name);
  try {
    await story.emit({ type: "started", id: record.id, release: release.id, through, record: record.file });
    const { gates = standardGates(), overrides = [] } = options;
    checkOverrides(overrides, [...gates.map(({ rule }) => rule), COMPLETE]);
    const loaded = await story.phase("settings", undefined, options.signal, () => loadAll(parts));
    const steps: StepResult[] = [];
    for (const [index, environment] of environments.entries()) {
      throwIfCancelled(options.signal, environment.name);
      const lines = past?.lines.filter((line) => line.environment === environment.name) ?? [];
      if (past !== undefined && (await hasPassed(parts, environment, past.head.id))) continue;
      const { path } = parts.rules;
      const before = path?.[path.indexOf(environment.name) - 1];
      const step = {
        ...parts,
        environment,
        gates,
        loaded: loaded[index]!,
        rules: rulesFor(parts.rules, environment.name),
        since: new Date(past?.head.at ?? Date.now()),
        past: lines,
        ...(before === undefined ? {} : { before }),
      };
      steps.push(await takeStep(step, options, story));
    }
    await story.end();
    return { id: record.id, release, steps, record: record.file, elapsedMs: story.elapsed() };
  } catch (error) {
    const known = asHeadwaterError(error, "driver/internal", "the promotion failed");
    await story.end(known);
    throw known;
  }
}

function openRecord(
  { store, release, environments, past }: PromotionParts,
  { startedBy }: StepOptions,
): Promise<OperationRecord> {
  if (past !== undefined) return OperationRecord.resume(store, past);
  return OperationRecord.open(store, {
    kind: "promotion",
    release: release.id,
    program: release.program,
    pipeline: release.pipeline,
    through: environments.map(({ name }) => name),
    ...(startedBy === undefined ? {} : { startedBy }),
  });
}

async function hasPassed(
  { proofs, release }: PromotionParts,
  { stackName }: Environment,
  id: string,
): Promise<boolean> {
  return (await proofs.read(stackName, release.id))?.record === id;
}

/** Every environment's settings are read and validated before the first one is touched. */
async function loadAll({ release, environments }: PromotionParts): Promise<LoadedStack[]> {
  const all = await Promise.all(environments.map((environment) => environment.settings(release)));
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
