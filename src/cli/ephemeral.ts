import type { Command } from "commander";
import { HeadwaterError } from "../model/errors.js";
import type { EphemeralStatus } from "../driver/platform.js";
import { describeMs } from "../operations/wait.js";
import { agreed, requirePerson } from "./confirm.js";
import type { Interrupt } from "./interrupt.js";
import {
  environmentName,
  ttl,
  withAskingOptions,
  withCommonOptions,
  type AskingOptions,
  type CommonOptions,
} from "./options.js";
import { stepOptions, withStepOptions, type StepFlags } from "./promote.js";
import { describeChanges } from "./render.js";
import type { Session } from "./session.js";

interface Named {
  readonly name: string;
}

export function addEphemeral(program: Command, interrupt: Interrupt): void {
  const ephemeral = program
    .command("ephemeral")
    .description("environments with a time to live: names of their own, small, destroyed with their data");
  const name = ["-n, --name <name>", "its name, part of all names it makes: pr-12", environmentName] as const;
  withStepOptions(ephemeral.command("up"))
    .description("raise one with what is on disk, or a stored release")
    .requiredOption(...name)
    .requiredOption("--ttl <time>", "how long it may live: 90m, 2h, 1d", ttl)
    .option(
      "--from <environment>",
      "whose settings it starts from (default: the first on the path, else dev)",
      environmentName,
    )
    .option("--release <id>", "a stored release, by the beginning of its id")
    .addHelpText("after", "\nExample: headwater ephemeral up --name pr-12 --ttl 2h --sandbox --yes")
    .action((options: StepFlags & Named & { ttl: string; from?: string; release?: string }) =>
      raise(options, interrupt),
    );
  withCommonOptions(ephemeral.command("list"))
    .description("those there are, the next to expire first")
    .action((options: CommonOptions) =>
      inSession(options, interrupt, async (session) => {
        const all = await session.platform.ephemerals();
        if (all.length === 0) session.tell("there are none");
        for (const each of all) session.answer(describe(each), { type: "ephemeral", ...each });
      }),
    );
  withCommonOptions(ephemeral.command("extend"))
    .description("let one live for a while from now")
    .requiredOption(...name)
    .requiredOption("--ttl <time>", "how long from now", ttl)
    .action((options: CommonOptions & Named & { ttl: string }) =>
      inSession(options, interrupt, async (session) => {
        const expires = await session.platform.extendEphemeral(options.name, options.ttl, session.pipeline);
        session.answer(`${options.name} lives until ${expires}`, {
          type: "extended",
          name: options.name,
          expires,
        });
      }),
    );
  withAskingOptions(ephemeral.command("destroy"))
    .description("destroy one, its data and its stack")
    .requiredOption(...name)
    .action((options: AskingOptions & Named) => destroy(options, interrupt));
  withCommonOptions(ephemeral.command("reap"))
    .description("destroy all that have expired; for a scheduler, from any machine that reaches the backend")
    .action((options: CommonOptions) => reap(options, interrupt));
}

async function inSession(
  options: CommonOptions,
  interrupt: Interrupt,
  body: (session: Session) => Promise<void>,
): Promise<void> {
  const { withSession } = await import("./session.js");
  await withSession(options, interrupt, body);
}

async function raise(
  options: StepFlags & Named & { ttl: string; from?: string; release?: string },
  interrupt: Interrupt,
): Promise<void> {
  if (!options.yes) requirePerson();
  const { name, ttl: time, release: id } = options;
  await inSession(options, interrupt, async (session) => {
    const { platform, pipeline } = session;
    const from = options.from ?? platform.rules.path?.[0] ?? "dev";
    const release = await (id === undefined ? session.release(from) : platform.storedRelease(id));
    const step = await stepOptions(options, session, release.program);
    const { promotion, expires } = await platform.raise({
      name,
      pipeline,
      ttl: time,
      from,
      release,
      ...step,
    });
    for await (const event of promotion.events) session.show(event);
    const { steps, elapsedMs } = await promotion.result.catch((error: unknown) => {
      session.tell(`${name} stays as it is until ${expires}: headwater ephemeral destroy --name ${name}`);
      throw error;
    });
    const [{ changes = {}, outputs = {} } = {}] = steps;
    session.answer(
      `${name}: ${describeChanges(changes)} after ${describeMs(elapsedMs)}; it lives until ${expires}`,
      { type: "raised", name, release: release.id, expires, changes, outputs, elapsedMs },
    );
  });
}

async function destroy(options: AskingOptions & Named, interrupt: Interrupt): Promise<void> {
  if (!options.yes) requirePerson();
  const { name } = options;
  await inSession(options, interrupt, async (session) => {
    await agreed(options, `Destroy ${name} and its data?`, session.signal, "nothing was destroyed", name);
    const { changes, leftHalfWay } = await session.platform.destroyEphemeral(name, {
      ...session.run,
      pipeline: session.pipeline,
    });
    const left = leftHalfWay.map(({ type, urn }) => describeLeft(type, urn));
    session.answer([`${name}: ${describeChanges(changes)}`, ...left].join("\n"), {
      type: "destroyed",
      environment: name,
      changes,
      leftHalfWay,
    });
  });
}

async function reap(options: CommonOptions, interrupt: Interrupt): Promise<void> {
  await inSession(options, interrupt, async (session) => {
    const { destroyed, held, failed, leftHalfWay } = await session.platform.reap(session.run);
    const lines = [
      destroyed.length === 0 ? "nothing was destroyed" : `destroyed: ${destroyed.join(", ")}`,
      ...(held.length === 0 ? [] : [`somebody works on them, next time: ${held.join(", ")}`]),
      ...leftHalfWay.map(({ name, type, urn }) => describeLeft(`${name}, ${type}`, urn)),
    ];
    session.answer(lines.join("\n"), {
      type: "reaped",
      destroyed,
      held,
      leftHalfWay,
      failed: failed.map(({ name, error }) => ({ name, code: error.code, message: error.message })),
    });
    if (failed.length === 0) return;
    throw new HeadwaterError("driver/ephemeral-left", "some that have expired could not be destroyed", {
      found: failed.map(({ name, error }) => `${name}: ${error.message}`).join("\n"),
      remedy: "Mend the cause and reap again.",
    });
  });
}

function describeLeft(type: string, urn: string): string {
  return `  left half-way by an earlier run, look whether it exists: ${type} ${urn}`;
}

function describe({ name, pipeline, from, by, expires, expired, holder }: EphemeralStatus): string {
  const left = Date.parse(expires) - Date.now();
  const time = expired ? "expired" : `${describeMs(Math.round(left / 1000) * 1000)} left`;
  const busy = holder === undefined ? "" : `  (${holder.doing})`;
  return `${name.padEnd(20)} ${pipeline.padEnd(10)} like ${from.padEnd(8)} by ${by}  ${time}${busy}`;
}
