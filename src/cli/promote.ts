import { InvalidArgumentError, type Command } from "commander";
import type { PlannedChange } from "../driver/engine-events.js";
import type { Override } from "../driver/gates/gate.js";
import type { Promotion } from "../driver/promotion.js";
import type { Approval, StepOptions } from "../driver/step.js";
import { describeMs } from "../operations/wait.js";
import { confirm, requirePerson } from "./confirm.js";
import type { Interrupt } from "./interrupt.js";
import {
  environmentList,
  environmentName,
  minutes,
  override,
  withChangeOptions,
  type ChangeOptions,
} from "./options.js";
import { describeChanges } from "./render.js";
import type { Session } from "./session.js";

/** What every command takes that carries a release into environments. */
export interface StepFlags extends ChangeOptions {
  readonly checks: boolean;
  readonly checkTimeout: number;
  readonly override: readonly Override[];
  readonly onFailure?: "stop" | "rollback";
  readonly policyPack?: readonly string[];
  readonly wait: boolean;
}

export function addUp(program: Command, interrupt: Interrupt): void {
  withStepOptions(program.command("up"))
    .description("bring one environment up to what is on disk, then check it")
    .requiredOption("-e, --environment <name>", "the environment", environmentName)
    .addHelpText("after", "\nExample: headwater up --environment dev --sandbox --yes")
    .action((options: StepFlags & { environment: string }) =>
      promote(options, [options.environment], interrupt),
    );
}

export function addPromote(program: Command, interrupt: Interrupt): void {
  withStepOptions(program.command("promote"))
    .description("carry one release through environments, in order; the first failure stops it")
    .requiredOption(
      "-t, --through <names>",
      "the environments, in order, separated by commas",
      environmentList,
    )
    .option("--release <id>", "a stored release, by the beginning of its id (default: what is on disk)")
    .addHelpText(
      "after",
      "\nExamples: headwater promote --through dev,staging,prod\n          headwater promote --through prod --release 3f9a01c2",
    )
    .action((options: StepFlags & { through: string[]; release?: string }) =>
      promote(options, options.through, interrupt, options.release),
    );
}

export function addResume(program: Command, interrupt: Interrupt): void {
  withStepOptions(program.command("resume"))
    .description("go on with a promotion whose process was killed, exactly where it stopped")
    .argument("[id]", "of its record (default: the newest that was interrupted)")
    .addHelpText("after", "\nExample: headwater resume --yes")
    .action((id: string | undefined, options: StepFlags) =>
      run(options, interrupt, async (session) => {
        const step = await stepOptions(options, session, "cdc-lakehouse");
        return session.platform.resume({ ...step, ...(id === undefined ? {} : { id }) });
      }),
    );
}

export function withStepOptions(command: Command): Command {
  return withChangeOptions(command)
    .option("--no-checks", "do not check the environments after `up`")
    .option("--check-timeout <minutes>", "how long each check may wait", minutes, 60)
    .option(
      '--override <rule="why">',
      "go on against a gate's rule, which is recorded; repeatable",
      override,
      [],
    )
    .option(
      "--on-failure <what>",
      "stop, or rollback to the last release that passed (default: the rules')",
      whatThen,
    )
    .option(
      "--policy-pack <folder>",
      "a Pulumi policy pack to ask as well; repeatable",
      (folder, others: string[] = []) => [...others, folder],
    )
    .option("--wait", "wait while somebody else works on an environment, instead of giving up", false);
}

function whatThen(text: string): "stop" | "rollback" {
  if (text === "stop" || text === "rollback") return text;
  throw new InvalidArgumentError("Either stop or rollback.");
}

function promote(
  options: StepFlags,
  through: readonly string[],
  interrupt: Interrupt,
  id?: string,
): Promise<void> {
  return run(options, interrupt, async (session) => {
    const { platform } = session;
    const release = await (id === undefined ? session.release(through[0] ?? "") : platform.storedRelease(id));
    return platform.promote(release, { through, ...(await stepOptions(options, session, release.program)) });
  });
}

async function run(
  options: StepFlags,
  interrupt: Interrupt,
  start: (session: Session) => Promise<Promotion>,
): Promise<void> {
  if (!options.yes) requirePerson();
  const { withSession } = await import("./session.js");
  await withSession(options, interrupt, async (session) => {
    const promotion = await start(session);
    for await (const event of promotion.events) session.show(event);
    const { id, release, steps, record, elapsedMs } = await promotion.result;
    const lines = steps.map(({ environment, changes }) => `${environment}: ${describeChanges(changes)}`);
    const where = steps.map(({ environment }) => environment).join(", ") || "every environment already";
    session.answer(
      [...lines, `release ${release.id.slice(0, 12)} is in ${where} after ${describeMs(elapsedMs)}`].join(
        "\n",
      ),
      { type: "result", id, release: release.id, steps: steps.map(withoutPlan), record, elapsedMs },
    );
  });
}

/** The step's options that the flags ask for. */
export async function stepOptions(
  options: StepFlags,
  session: Session,
  program: string,
): Promise<StepOptions> {
  const { lakehouseChecks } = await import("../driver/checks/index.js");
  const {
    checks,
    checkTimeout,
    override: overrides,
    onFailure,
    policyPack,
    wait,
    unlock,
    forgetPending,
    yes,
  } = options;
  return {
    signal: session.signal,
    firmSignal: session.firmSignal,
    checks:
      checks && program === "cdc-lakehouse" ? lakehouseChecks({ timeoutMs: checkTimeout * 60_000 }) : [],
    overrides,
    ...(onFailure === undefined ? {} : { onFailure }),
    ...(policyPack === undefined ? {} : { policyPacks: policyPack }),
    whenHeld: wait ? "wait" : "refuse",
    unlock,
    pendingOperations: forgetPending ? "forget" : "refuse",
    ...(yes ? {} : { approve: (approval: Approval) => agree(session, approval) }),
  };
}

/** Resources shown before a question; a first deployment has more than anybody reads. */
const SHOWN = 20;

function agree({ tell, signal }: Session, approval: Approval): Promise<boolean> {
  const { environment, changes, planned, verdicts } = approval;
  tell(`${environment} would change: ${describeChanges(changes)}`);
  const made = planned.filter(({ op }) => op === "create").length;
  const notable = planned.filter(({ op }) => op !== "create");
  for (const change of notable.slice(0, SHOWN)) tell(`  ${describePlanned(change)}`);
  if (notable.length > SHOWN) tell(`  and ${notable.length - SHOWN} more`);
  if (made > 0 && notable.length > 0) tell(`  and ${made} to create`);
  for (const { rule, verdict, reason = "" } of verdicts)
    if (verdict === "overridden") tell(`  overridden: ${rule} (${reason})`);
  const mark = approval.protected ? ", which is protected" : "";
  return confirm(`Change ${environment}${mark}?`, signal);
}

/** `replace Bucket landing (bucket)`. */
export function describePlanned({ op, type, name, changedKeys, replaceKeys }: PlannedChange): string {
  const keys = [...new Set([...replaceKeys, ...changedKeys])];
  return `${op} ${type.split(":").at(-1)} ${name}${keys.length === 0 ? "" : ` (${keys.join(", ")})`}`;
}

function withoutPlan({
  verdicts,
  ...step
}: {
  verdicts: readonly { rule: string; verdict: string }[];
}): object {
  return { ...step, verdicts: verdicts.map(({ rule, verdict }) => ({ rule, verdict })) };
}
