import type { Command } from "commander";
import { agreed, requirePerson } from "./confirm.js";
import type { Interrupt } from "./interrupt.js";
import { environmentName, minutes, withAskingOptions, type AskingOptions } from "./options.js";

interface ReloadOptions extends AskingOptions {
  readonly environment: string;
  readonly ingest: boolean;
  readonly timeout: number;
}

export function addReload(program: Command, interrupt: Interrupt): void {
  withAskingOptions(program.command("reload"))
    .description(
      "load every table of one environment from its source again; keys that are gone there are closed",
    )
    .requiredOption("-e, --environment <name>", "the environment", environmentName)
    .option("--no-ingest", "do not start the job that takes the load in")
    .option("--timeout <minutes>", "how long stop, start and load may take each", minutes, 1440)
    .addHelpText(
      "after",
      "\nAfter a failure or an interruption run it again: it starts over. Until then the replication may stand still." +
        "\n\nExample: headwater reload --environment dev --sandbox --yes",
    )
    .action((options: ReloadOptions) => reload(options, interrupt));
}

async function reload(options: ReloadOptions, interrupt: Interrupt): Promise<void> {
  const { environment, ingest } = options;
  if (!options.yes) requirePerson();
  const { withSession } = await import("./session.js");
  await withSession(options, interrupt, async (session) => {
    const question = `Stop the replication of ${environment} and load every table again?`;
    await agreed(options, question, session.signal, "nothing was reloaded", environment);
    const { after, tables, runId } = await session.platform.reload(environment, {
      pipeline: session.pipeline,
      ingest,
      timeoutMs: options.timeout * 60_000,
      signal: session.run.signal,
      emit: session.run.emit,
    });
    const loaded = tables.map(({ schema, table, loadedRows: rows }) => ({
      table: `${schema}.${table}`,
      rows,
    }));
    const run = runId === undefined ? "" : `; run ${runId} of the job takes them in`;
    session.answer(
      [
        ...loaded.map(({ table, rows }) => `${table}: ${rows} rows`),
        `${environment}: ${tables.length} tables loaded again${run}`,
      ].join("\n"),
      { type: "reloaded", environment, after, tables: loaded, runId },
    );
  });
}
