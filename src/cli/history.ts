import type { Command } from "commander";
import type { PastOperation, RecordLine } from "../driver/record.js";
import { describeMs } from "../operations/wait.js";
import type { Interrupt } from "./interrupt.js";
import { count, environmentName, withCommonOptions, type CommonOptions } from "./options.js";
import { describeChanges } from "./render.js";

interface HistoryOptions extends CommonOptions {
  readonly environment?: string;
  readonly limit: number;
}

export function addHistory(program: Command, interrupt: Interrupt): void {
  withCommonOptions(program.command("history"))
    .description("what was done with this backend: who, when, release, environments, verdicts, changes")
    .argument("[id]", "one record, line by line")
    .option("-e, --environment <name>", "only what went through it", environmentName)
    .option("--limit <number>", "at most so many, the newest", count, 20)
    .addHelpText("after", "\nExample: headwater history --environment prod")
    .action((id: string | undefined, options: HistoryOptions) => history(id, options, interrupt));
}

async function history(id: string | undefined, options: HistoryOptions, interrupt: Interrupt): Promise<void> {
  const { withSession } = await import("./session.js");
  await withSession(options, interrupt, async (session) => {
    const { environment, limit } = options;
    if (id !== undefined) {
      const past = await session.platform.record(id);
      session.answer([summary(past), ...past.lines.flatMap(line)].join("\n"), { type: "record", ...past });
      return;
    }
    const all = await session.platform.history({
      limit,
      ...(environment === undefined ? {} : { environment }),
    });
    if (all.length === 0) session.tell("nothing was done with this backend yet");
    for (const past of all) {
      const { head, outcome, file } = past;
      session.answer(summary(past), { type: "operation", ...head, outcome, record: file });
    }
  });
}

function summary({ head, outcome, lines }: PastOperation): string {
  const { id, kind, by, startedBy, through, release } = head;
  const overridden = lines.flatMap((each) =>
    each.kind === "gate" && each.verdict === "overridden" ? [each.rule] : [],
  );
  const end = lines.findLast((each) => each.kind === "end");
  return [
    id,
    outcome.padEnd(11),
    kind.padEnd(9),
    through.join(",").padEnd(16),
    (release ?? "").slice(0, 12).padEnd(12),
    startedBy === undefined ? by : `${startedBy} (${by})`,
    ...(end === undefined ? [] : [describeMs(end.elapsedMs)]),
    ...(overridden.length === 0 ? [] : [`overridden: ${overridden.join(", ")}`]),
  ].join("  ");
}

function line(each: RecordLine): string[] {
  const label = `  ${each.at}  ${(each.environment ?? "all").padEnd(8)}`;
  switch (each.kind) {
    case "phase":
    case "check": {
      if (each.state === "started") return [];
      const parts = [
        each.state,
        ...(each.changes === undefined ? [] : [describeChanges(each.changes)]),
        ...(each.message === undefined ? [] : [each.message]),
        ...(each.error === undefined ? [] : [each.error.message.split("\n").join("; ")]),
        ...(each.elapsedMs === undefined ? [] : [describeMs(each.elapsedMs)]),
      ];
      return [`${label} ${each.name.padEnd(18)} ${parts.join("  ")}`];
    }
    case "gate": {
      if (each.verdict === "passed") return [];
      const why = each.reason === undefined ? "" : ` (${each.reason})`;
      const found = each.findings.map(
        ({ urn, message }) => `${urn === undefined ? "" : `${urn} `}${message}`,
      );
      return [`${label} gate ${each.rule.padEnd(13)} ${each.verdict}${why}: ${found.join("; ")}`];
    }
    case "settings":
      return [`${label} settings           ${each.digest}`];
    case "approval":
      return [`${label} approved           by ${each.by}`];
    case "resumed":
      return [`${label} resumed            by ${each.by}`];
    case "end":
      return [`${label} end                ${each.outcome}`];
  }
}
