import { HeadwaterError } from "../../model/errors.js";
import { hasSucceeded } from "../../operations/jobs.js";
import type { CheckContext } from "./check.js";

/** A table's part of what the notebook `apply` exits with, as far as checks read it. */
export interface TableSummary {
  readonly table: string;
  readonly filesSetAside?: readonly { readonly file: string; readonly reason: string }[];
  /** Seconds from the newest event's commit in the source to the end of the run; null where there was none. */
  readonly lagSeconds?: number | null;
}

/** Clocks here and in the workspace may differ by as much. */
const SKEW_MS = 60_000;

/** What the runs that succeeded since a moment say of each table, the newest run first. */
export async function runSummaries(
  { clients, signal }: Pick<CheckContext, "clients" | "signal">,
  jobId: number,
  since: Date,
): Promise<TableSummary[]> {
  const { jobs } = clients;
  const all = await jobs.runs(jobId, { limit: 25, signal });
  const runs = all.filter((run) => hasSucceeded(run) && run.startTime >= since.getTime() - SKEW_MS);
  const outputs = await Promise.all(runs.map((run) => jobs.outputs(run, signal)));
  return outputs.flatMap((tasks) => [...tasks.values()].flatMap(({ result }) => tablesIn(result)));
}

function tablesIn(result: string | undefined): readonly TableSummary[] {
  if (result === undefined) return [];
  try {
    return (JSON.parse(result) as { tables?: readonly TableSummary[] }).tables ?? [];
  } catch (error) {
    throw new HeadwaterError(
      "driver/run-summary",
      "the run's summary is not JSON",
      { found: result.slice(0, 200), remedy: "Look whether the job's notebooks are those of the release." },
      { cause: error },
    );
  }
}
