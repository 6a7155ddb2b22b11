import type { Command } from "commander";
import type { PhaseEvent } from "../driver/events.js";
import { asHeadwaterError } from "../driver/errors.js";
import type { Interrupt } from "./interrupt.js";
import { environmentList, withCommonOptions, type CommonOptions } from "./options.js";
import { describeChanges } from "./render.js";

interface PreviewOptions extends CommonOptions {
  readonly environment: readonly string[];
}

export function addPreview(program: Command, interrupt: Interrupt): void {
  withCommonOptions(program.command("preview"))
    .description("show what `up` would change; nothing is changed")
    .requiredOption("-e, --environment <names>", "the environments, separated by commas", environmentList)
    .addHelpText("after", "\nExample: headwater preview --environment dev --sandbox")
    .action((options: PreviewOptions) => preview(options, interrupt));
}

async function preview(options: PreviewOptions, interrupt: Interrupt): Promise<void> {
  const { withSession } = await import("./session.js");
  await withSession(options, interrupt, async (session) => {
    for (const name of options.environment) {
      const started = performance.now();
      const note = (event: Pick<PhaseEvent, "state" | "changes" | "error">): void =>
        session.show({
          type: "phase",
          phase: "preview",
          environment: name,
          at: new Date().toISOString(),
          elapsedMs: Math.round(performance.now() - started),
          ...event,
        });
      note({ state: "started" });
      try {
        const environment = session.environment(name);
        const { changes } = await environment.preview(await session.release(name), session.run);
        const pending = await environment.pending();
        note({ state: "succeeded", changes });
        const left = pending.map(({ type, urn }) => `  left half-way: ${type} ${urn}`);
        session.answer([`${name}: ${describeChanges(changes)}`, ...left].join("\n"), {
          ...{ type: "preview", environment: name, changes, pending },
        });
      } catch (caught) {
        const error = asHeadwaterError(caught, "driver/internal", "preview failed");
        note({ state: "failed", error });
        throw error;
      }
    }
  });
}
