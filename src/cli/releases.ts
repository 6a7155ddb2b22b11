import type { Command } from "commander";
import { agreed, requirePerson } from "./confirm.js";
import type { Interrupt } from "./interrupt.js";
import { ttl, withAskingOptions, type AskingOptions } from "./options.js";

interface PruneOptions extends AskingOptions {
  readonly olderThan: string;
  readonly dryRun: boolean;
}

export function addReleases(program: Command, interrupt: Interrupt): void {
  const releases = program.command("releases").description("what is stored to be promoted");
  withAskingOptions(releases.command("prune"))
    .description(
      "remove stored releases that nothing needs: no environment, no rollback, no promotion under way",
    )
    .option("--older-than <time>", "how long ago they must have been made: 2h, 30d", ttl, "30d")
    .option("--dry-run", "only tell", false)
    .addHelpText("after", "\nExample: headwater releases prune --older-than 90d")
    .action((options: PruneOptions) => prune(options, interrupt));
}

async function prune({ olderThan, dryRun, ...options }: PruneOptions, interrupt: Interrupt): Promise<void> {
  const asks = { yes: options.yes || dryRun };
  if (!asks.yes) requirePerson();
  const { withSession } = await import("./session.js");
  await withSession(options, interrupt, async ({ platform, tell, answer, signal }) => {
    const verdicts = await platform.pruneReleases({ olderThan, dryRun: true });
    const [kept, unneeded] = [true, false].map((needed) =>
      verdicts.filter(({ keptFor }) => (keptFor !== undefined) === needed),
    ) as [typeof verdicts, typeof verdicts];
    for (const { release, keptFor } of kept) tell(`${release.slice(0, 12)} stays: ${keptFor}`);
    for (const { release } of unneeded) tell(`${release.slice(0, 12)} is needed by nothing`);
    if (unneeded.length > 0)
      await agreed(asks, `Remove ${unneeded.length} releases?`, signal, "nothing was removed");
    // Judged once more: what is needed by now stays.
    const done = dryRun ? verdicts : await platform.pruneReleases({ olderThan });
    const gone = done.filter(({ keptFor }) => keptFor === undefined);
    answer(`${gone.length} of ${done.length} releases ${dryRun ? "would be removed" : "removed"}`, {
      type: "pruned",
      dryRun,
      releases: done,
    });
  });
}
