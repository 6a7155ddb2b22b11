import type { Command } from "commander";
import type { Approval } from "../driver/step.js";
import { describeMs } from "../operations/wait.js";
import { confirm, requirePerson } from "./confirm.js";
import type { Interrupt } from "./interrupt.js";
import {
  environmentList,
  environmentName,
  minutes,
  withChangeOptions,
  type ChangeOptions,
} from "./options.js";
import { describeChanges } from "./render.js";
import type { Session } from "./session.js";

interface PromoteOptions extends ChangeOptions {
  readonly checks: boolean;
  readonly checkTimeout: number;
}

export function addUp(program: Command, interrupt: Interrupt): void {
  withCheckOptions(withChangeOptions(program.command("up")))
    .description("bring one environment up to what is on disk, then check it")
    .requiredOption("-e, --environment <name>", "the environment", environmentName)
    .addHelpText("after", "\nExample: headwater up --environment dev --sandbox --yes")
    .action((options: PromoteOptions & { environment: string }) =>
      promote(options, [options.environment], interrupt),
    );
}

export function addPromote(program: Command, interrupt: Interrupt): void {
  withCheckOptions(withChangeOptions(program.command("promote")))
    .description("carry one release through environments, in order; the first failure stops it")
    .requiredOption(
      "-t, --through <names>",
      "the environments, in order, separated by commas",
      environmentList,
    )
    .addHelpText("after", "\nExample: headwater promote --through dev,staging,prod")
    .action((options: PromoteOptions & { through: string[] }) =>
      promote(options, options.through, interrupt),
    );
}

function withCheckOptions(command: Command): Command {
  return command
    .option("--no-checks", "do not check the environments after `up`")
    .option("--check-timeout <minutes>", "how long each check may wait", minutes, 60);
}

async function promote(
  options: PromoteOptions,
  through: readonly string[],
  interrupt: Interrupt,
): Promise<void> {
  if (!options.yes) requirePerson();
  const { withSession } = await import("./session.js");
  const { lakehouseChecks } = await import("../driver/checks/index.js");
  await withSession(options, interrupt, async (session) => {
    const release = await session.release(through[0] ?? "");
    const timeoutMs = options.checkTimeout * 60_000;
    const promotion = session.platform.promote(release, {
      through,
      signal: session.signal,
      firmSignal: session.firmSignal,
      checks: options.checks && release.program === "cdc-lakehouse" ? lakehouseChecks({ timeoutMs }) : [],
      unlock: options.unlock,
      pendingOperations: options.forgetPending ? "forget" : "refuse",
      ...(options.yes ? {} : { approve: (approval: Approval) => agree(session, approval) }),
    });
    for await (const event of promotion.events) session.show(event);
    const { id, steps, record, elapsedMs } = await promotion.result;
    const lines = steps.map(({ environment, changes }) => `${environment}: ${describeChanges(changes)}`);
    session.answer(
      [
        ...lines,
        `release ${release.id.slice(0, 12)} is in ${through.join(", ")} after ${describeMs(elapsedMs)}`,
      ].join("\n"),
      { type: "result", id, release: release.id, steps, record, elapsedMs },
    );
  });
}

function agree({ tell, signal }: Session, { environment, changes }: Approval): Promise<boolean> {
  tell(`${environment} would change: ${describeChanges(changes)}`);
  return confirm(`Change ${environment}?`, signal);
}
