import type { Platform } from "../driver/platform.js";
import {
  recordIds,
  type PastOperation,
  type ProgressLine,
  type RecordHead,
  type RecordLine,
} from "../driver/record.js";
import type { Deployed, Operation, OperationDetail, Phase, Step, StepState } from "./schemas.js";

/** What an operation looks like, without whether a console has started it. */
export type Told = Omit<Operation, "ownedHere">;

export interface RecordQuery {
  readonly limit: number;
  /** Only what has a smaller id. */
  readonly before?: string | undefined;
  readonly kind?: RecordHead["kind"] | undefined;
  readonly pipeline?: string | undefined;
  readonly environment?: string | undefined;
}

/**
 * The records of a platform's store, as lists need them. What has ended does not change any more, and is read once; what goes on
 * is read anew each time.
 */
export class Records {
  private readonly ended = new Map<string, Told & { readonly deployed: readonly DeployedStep[] }>();

  constructor(private readonly platform: Platform) {}

  /** @throws HeadwaterError `driver/no-record`. */
  async tell(id: string): Promise<Told & { readonly deployed: readonly DeployedStep[] }> {
    const known = this.ended.get(id);
    if (known !== undefined) return known;
    const past = await this.platform.record(id);
    const told = { ...this.platform.shown(tell(past)), deployed: deployedIn(past) };
    if (told.outcome !== "running" && told.outcome !== "interrupted") this.ended.set(id, told);
    return told;
  }

  /** Newest first. */
  async list({ limit, before, kind, pipeline, environment }: RecordQuery): Promise<Told[]> {
    const found: Told[] = [];
    for await (const told of this.all((id) => before === undefined || id < before)) {
      if (kind !== undefined && told.kind !== kind) continue;
      if (pipeline !== undefined && told.pipeline !== pipeline) continue;
      if (environment !== undefined && !told.through.includes(environment)) continue;
      found.push(told);
      if (found.length === limit) break;
    }
    return found;
  }

  /** Those that have not ended. */
  async unfinished(): Promise<Told[]> {
    const found: Told[] = [];
    for await (const told of this.all((id) => !this.ended.has(id)))
      if (told.outcome === "running" || told.outcome === "interrupted") found.push(told);
    return found;
  }

  /** By stack, what was deployed last and by which operation; nothing where it was destroyed since. */
  async deployed(): Promise<Map<string, Deployed>> {
    const found = new Map<string, Deployed | undefined>();
    for await (const { id, kind, pipeline, through, deployed } of this.all()) {
      for (const { environment, ...rest } of deployed) {
        const stack = `${pipeline}-${environment}`;
        if (!found.has(stack)) found.set(stack, { ...rest, operation: id });
      }
      if (kind !== "destroy") continue;
      for (const name of through)
        if (!found.has(`${pipeline}-${name}`)) found.set(`${pipeline}-${name}`, undefined);
    }
    return new Map(
      [...found].flatMap(([stack, what]) => (what === undefined ? [] : [[stack, what] as const])),
    );
  }

  private async *all(wanted: (id: string) => boolean = () => true) {
    const ids = (await recordIds(this.platform.store)).filter(wanted);
    for (let start = 0; start < ids.length; start += AT_ONCE)
      yield* await Promise.all(ids.slice(start, start + AT_ONCE).map((id) => this.tell(id)));
  }
}

/** On S3 each is a request. */
const AT_ONCE = 16;

interface DeployedStep {
  readonly environment: string;
  readonly release: string;
  readonly at: string;
  readonly passed: boolean;
}

function tell(past: PastOperation): Told {
  const { head, lines, outcome } = past;
  const end = lines.findLast((line) => line.kind === "end");
  const failed = lines.findLast(
    (line): line is ProgressLine => line.kind === "phase" && line.error !== undefined,
  );
  return {
    id: head.id,
    kind: head.kind,
    at: head.at,
    startedBy: head.startedBy ?? head.by,
    ...(head.release === undefined ? {} : { release: head.release }),
    program: head.program,
    pipeline: head.pipeline,
    through: [...head.through],
    outcome,
    updated: lines.at(-1)?.at ?? head.at,
    ...(end === undefined || outcome === "running" ? {} : { elapsedMs: end.elapsedMs }),
    ...(failed?.error === undefined || outcome === "succeeded" ? {} : { error: failed.error }),
    steps: head.through.map((name, index) => step(past, name, index)),
  };
}

function linesOf(lines: readonly RecordLine[], environment: string): RecordLine[] {
  return lines.filter((line) => line.environment === environment);
}

function step({ head, lines, outcome }: PastOperation, environment: string, index: number): Step {
  const own = linesOf(lines, environment);
  const phases = own.filter((line): line is ProgressLine => line.kind === "phase");
  const last = phases.at(-1);
  const resumedAt = lines.findLastIndex((line) => line.kind === "resumed");
  const later = head.through.slice(index + 1).some((name) => linesOf(lines, name).length > 0);
  const up = phases.findLast(({ name, state }) => name === "up" && state === "succeeded");
  const changes = up?.changes ?? phases.findLast((line) => line.changes !== undefined)?.changes;
  return {
    environment,
    // What a process that was killed had begun does not go on by itself once another has taken over.
    state: stateOf(
      own,
      last !== undefined && lines.indexOf(last) > resumedAt ? last : undefined,
      later,
      outcome,
    ),
    ...(last === undefined ? {} : { phase: last.name }),
    ...(changes === undefined ? {} : { changes }),
    ...(up === undefined ? {} : { deployedAt: up.at }),
  };
}

function stateOf(
  own: readonly RecordLine[],
  last: ProgressLine | undefined,
  later: boolean,
  outcome: PastOperation["outcome"],
): StepState {
  // With none of its own, an environment that had passed already is told by those behind it.
  if (later || outcome === "succeeded") return "passed";
  if (own.length === 0) return "pending";
  const failed = own.some((line) => line.kind === "phase" && line.state === "failed");
  if (failed) return outcome === "cancelled" ? "stopped" : "failed";
  if (outcome === "running")
    return last?.name === "approve" && last.state === "started" ? "waiting" : "running";
  return "stopped";
}

/** Environments in which `up` succeeded, and of which release; the way back is one of an earlier release. */
function deployedIn({ head, lines, outcome }: PastOperation): DeployedStep[] {
  return head.through.flatMap((environment, index) => {
    const own = linesOf(lines, environment);
    const up = own.findLast(
      (line) => line.kind === "phase" && line.name === "up" && line.state === "succeeded",
    );
    if (up?.kind !== "phase" || head.release === undefined) return [];
    const later = head.through.slice(index + 1).some((name) => linesOf(lines, name).length > 0);
    const back = own.findLast(
      (line) => line.kind === "phase" && line.name === "rollback" && line.state === "succeeded",
    );
    const [, earlier] =
      back?.kind === "phase" ? (/release ([0-9a-f]{12})/.exec(back.message ?? "") ?? []) : [];
    return [
      {
        environment,
        release: earlier ?? head.release,
        at: up.at,
        passed: earlier !== undefined || later || outcome === "succeeded",
      },
    ];
  });
}

/** All that a record holds, by environment. */
export function detailOf(past: PastOperation): Pick<OperationDetail, "parts" | "resumed"> {
  const { head, lines } = past;
  const names = [undefined, ...head.through];
  return {
    parts: names.flatMap((environment) => {
      const own = lines.filter(
        (line) => line.environment === environment && line.kind !== "end" && line.kind !== "resumed",
      );
      if (own.length === 0) return [];
      const settings = own.findLast((line) => line.kind === "settings");
      return [
        {
          ...(environment === undefined ? {} : { environment }),
          phases: latest(lines, "phase", environment),
          checks: latest(lines, "check", environment),
          verdicts: verdictsOf(own),
          ...(settings?.kind === "settings" ? { settingsDigest: settings.digest } : {}),
          approvals: own.flatMap((line) =>
            line.kind === "approval" ? [{ at: line.at, by: line.by, approved: true }] : [],
          ),
        },
      ];
    }),
    resumed: lines.flatMap((line) => (line.kind === "resumed" ? [{ at: line.at, by: line.by }] : [])),
  };
}

/** The last word of each gate on an environment's preview. */
export function verdictsOf(lines: readonly RecordLine[]): OperationDetail["parts"][number]["verdicts"] {
  const found = new Map<string, OperationDetail["parts"][number]["verdicts"][number]>();
  for (const line of lines) {
    if (line.kind !== "gate") continue;
    const { rule, verdict, findings, reason } = line;
    found.set(rule, { rule, verdict, findings: [...findings], ...(reason === undefined ? {} : { reason }) });
  }
  return [...found.values()];
}

/** Each phase or check once, as it stands; what a process was killed in the middle of is left out once another goes on. */
function latest(
  lines: readonly RecordLine[],
  kind: "phase" | "check",
  environment: string | undefined,
): Phase[] {
  let found: Phase[] = [];
  for (const line of lines) {
    if (line.kind === "resumed") found = found.filter(({ state }) => state !== "started");
    if (line.kind !== kind || line.environment !== environment) continue;
    const { name, state, at, elapsedMs, changes, message, error } = line;
    const phase: Phase = {
      name,
      state: state as Phase["state"],
      at,
      ...(elapsedMs === undefined ? {} : { elapsedMs }),
      ...(changes === undefined ? {} : { changes }),
      ...(message === undefined ? {} : { message }),
      ...(error === undefined ? {} : { error }),
    };
    const open = found.findLastIndex((each) => each.name === name && each.state === "started");
    if (state !== "started" && open >= 0) found[open] = phase;
    else found.push(phase);
  }
  return found;
}
