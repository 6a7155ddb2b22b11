import type { Command } from "commander";
import { HeadwaterError } from "../model/errors.js";
import type { Interrupt } from "./interrupt.js";
import { environmentName, withCommonOptions, type CommonOptions } from "./options.js";
import { describePlanned } from "./promote.js";

export function addDrift(program: Command, interrupt: Interrupt): void {
  withCommonOptions(program.command("drift"))
    .description(
      "compare the clouds with the state, notebooks by their content; ends with 3 where they differ",
    )
    .requiredOption("-e, --environment <name>", "the environment", environmentName)
    .addHelpText("after", "\nExample, for a scheduler: headwater drift --environment prod --json")
    .action((options: CommonOptions & { environment: string }) => drift(options, interrupt));
}

async function drift(options: CommonOptions & { environment: string }, interrupt: Interrupt): Promise<void> {
  const { withSession } = await import("./session.js");
  await withSession(options, interrupt, async (session) => {
    const { environment } = options;
    const found = await session.environment(environment).drift(session.run);
    const resources = found.map(({ urn, type, name, op, changedKeys }) => ({
      urn,
      type,
      name,
      op,
      changedKeys,
    }));
    const lines = found.map((change) => `  ${describePlanned(change)}`);
    session.answer(
      found.length === 0
        ? `${environment}: no drift`
        : [`${environment}: ${found.length} differ`, ...lines].join("\n"),
      { type: "drift", environment, resources },
    );
    if (found.length === 0) return;
    throw new HeadwaterError("driver/drift", "cloud and state differ", {
      where: `environment ${environment}`,
      found: `${found.length} resources`,
      remedy:
        "Promote the release again to bring them back, or take the change into the settings or the program.",
    });
  });
}
