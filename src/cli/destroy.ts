import type { Command } from "commander";
import { agreed, requirePerson } from "./confirm.js";
import type { Interrupt } from "./interrupt.js";
import { environmentName, withChangeOptions, type ChangeOptions } from "./options.js";
import { describeChanges } from "./render.js";

interface DestroyOptions extends ChangeOptions {
  readonly environment: string;
  readonly remove: boolean;
}

export function addDestroy(program: Command, interrupt: Interrupt): void {
  withChangeOptions(program.command("destroy"))
    .description("destroy every resource of one environment, data included")
    .requiredOption("-e, --environment <name>", "the environment", environmentName)
    .option("--remove", "also remove the stack and its history, once it is empty", false)
    .addHelpText("after", "\nExample: headwater destroy --environment dev --remove")
    .action((options: DestroyOptions) => destroy(options, interrupt));
}

async function destroy(options: DestroyOptions, interrupt: Interrupt): Promise<void> {
  const { environment, remove } = options;
  if (!options.yes) requirePerson();
  const { withSession } = await import("./session.js");
  await withSession(options, interrupt, async (session) => {
    const question = `Destroy everything in ${environment}?`;
    await agreed(options, question, session.signal, "nothing was destroyed", environment);
    const { changes } = await session.platform.destroy(environment, {
      pipeline: session.pipeline,
      remove,
      ...session.run,
      unlock: options.unlock,
      pendingOperations: options.forgetPending ? "forget" : "refuse",
    });
    session.answer(`${environment}: ${describeChanges(changes)}`, {
      type: "destroyed",
      environment,
      changes,
    });
  });
}
