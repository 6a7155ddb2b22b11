import type { Command } from "commander";
import type { EnvironmentStatus } from "../driver/environment.js";
import type { Interrupt } from "./interrupt.js";
import { environmentList, withCommonOptions, type CommonOptions } from "./options.js";

interface StatusOptions extends CommonOptions {
  readonly environment?: readonly string[];
}

export function addStatus(program: Command, interrupt: Interrupt): void {
  withCommonOptions(program.command("status"))
    .description("what the state backend knows of the environments")
    .option(
      "-e, --environment <names>",
      "the environments, separated by commas (default: all)",
      environmentList,
    )
    .action((options: StatusOptions) => status(options, interrupt));
}

async function status(options: StatusOptions, interrupt: Interrupt): Promise<void> {
  const { withSession } = await import("./session.js");
  await withSession(options, interrupt, async (session) => {
    const names = options.environment ?? (await session.platform.environmentNames(session.pipeline));
    for (const name of names) {
      session.signal.throwIfAborted();
      const found = await session.environment(name).status();
      session.answer(describe(found), { type: "status", ...found });
    }
    const [last] = await session.platform.history();
    if (last?.outcome === "interrupted") {
      session.tell(
        `the last ${last.head.kind} was interrupted; its record tells how far it came: ${last.file}`,
      );
    }
  });
}

function describe({ environment, exists, resources, pending, last }: EnvironmentStatus): string {
  if (!exists) return `${environment.padEnd(8)} not deployed`;
  const lines = [`${environment.padEnd(8)} ${resources} resources`];
  if (last !== undefined) {
    const release = last.release === undefined ? "" : `, release ${last.release.slice(0, 12)}`;
    lines[0] += `; last ${last.kind} ${last.result} at ${last.at}${release}`;
  }
  for (const { type, urn } of pending) lines.push(`         left half-way: ${type} ${urn}`);
  return lines.join("\n");
}
