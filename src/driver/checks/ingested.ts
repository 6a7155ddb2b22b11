import { hasEnded, hasSucceeded, type JobRun } from "../../operations/jobs.js";
import { listFiles, parseS3Url, tableFolder } from "../../operations/landing.js";
import { waitFor, type WaitOptions } from "../../operations/wait.js";
import type { Check, CheckContext, CheckResult } from "./check.js";
import { lakehouseOutputs, type LakehouseOutputs } from "./outputs.js";
import { runSummaries } from "./run-summaries.js";

/** `timeoutMs` until the job has taken every file: default 60 min. `intervalMs`: default 1 s. */
export type IngestedOptions = Partial<Pick<WaitOptions, "timeoutMs" | "intervalMs" | "maxIntervalMs">>;

/**
 * What had landed when the check began has been taken in: the job started by itself (file arrival; where settings start it
 * otherwise, the check starts it), its newest run succeeded, none of those files is left in the landing zone, every
 * table's history exists, and no file was set aside.
 */
export function ingested(options: IngestedOptions = {}): Check {
  return {
    name: "ingested",
    async run(context) {
      const { stack, clients, progress, signal } = context;
      const outputs = lakehouseOutputs(stack, context.outputs);
      const wait = { timeoutMs: 3_600_000, intervalMs: 1000, ...options, progress, signal };
      const landed = await landedKeys(context, outputs);
      const own = startsByItself(context.settings);
      const startedByUs = own ? undefined : await clients.jobs.runNow(outputs.jobId, {}, signal);
      const run =
        startedByUs === undefined
          ? await awaitIngestion(context, outputs, landed, wait)
          : await clients.jobs.awaitRun(startedByUs, wait);
      return judge(context, outputs, landed.size, run);
    },
  };
}

async function judge(
  context: CheckContext,
  outputs: LakehouseOutputs,
  files: number,
  run: JobRun,
): Promise<CheckResult> {
  const missing = await missingHistories(context, outputs);
  if (missing.length > 0) return { passed: false, message: `no history of ${missing.join(", ")}` };
  const aside = await setAside(context, outputs);
  if (aside.length > 0) return { passed: false, message: `set aside: ${aside.join(", ")}` };
  const how = `run ${run.runId} (${run.trigger ?? "trigger unknown"}) succeeded`;
  return { passed: true, message: `${files} files taken in, ${outputs.tables.length} histories, ${how}` };
}

/** Waits until the job, started by arriving files, has taken those that were there. */
function awaitIngestion(
  context: CheckContext,
  outputs: LakehouseOutputs,
  landed: ReadonlySet<string>,
  wait: WaitOptions,
): Promise<JobRun> {
  const { jobs } = context.clients;
  return waitFor("the job to take in what has landed", wait, async () => {
    // Runs are looked at last: one that takes the files between two looks is then seen, active or ended.
    const waiting = [...(await landedKeys(context, outputs))].filter((key) => landed.has(key)).length;
    const runs = await jobs.runs(outputs.jobId, { limit: 25, signal: context.signal });
    const active = runs.find((run) => !hasEnded(run));
    const newest = runs.find((run) => hasEnded(run) && run.lifeCycleState !== "SKIPPED");
    if (active === undefined && newest !== undefined && !hasSucceeded(newest)) {
      throw await jobs.failure(newest, context.signal);
    }
    const own = runs.find((run) => hasSucceeded(run) && run.trigger === "FILE_ARRIVAL");
    if (waiting === 0 && active === undefined && own !== undefined) return { done: true, value: own };
    const doing =
      active === undefined
        ? "no run of the job yet"
        : `run ${active.runId} is ${active.lifeCycleState.toLowerCase()}`;
    return { done: false, seen: `${waiting} files wait, ${doing}` };
  });
}

async function landedKeys(
  { clients, pipeline }: CheckContext,
  { incomingUrl }: LakehouseOutputs,
): Promise<Set<string>> {
  const root = parseS3Url(incomingUrl);
  const lists = await Promise.all(
    pipeline.tables.map(({ source }) => listFiles(clients.s3, tableFolder(root, source))),
  );
  return new Set(lists.flat().map(({ key }) => key));
}

async function missingHistories(
  { clients, signal }: CheckContext,
  { tables }: LakehouseOutputs,
): Promise<string[]> {
  const missing = await Promise.all(
    tables.map(async ({ history }) => {
      const path = `/api/2.1/unity-catalog/tables/${encodeURIComponent(history)}/exists`;
      const { table_exists: exists } = await clients.workspace.get<{ table_exists: boolean }>(path, {
        signal,
      });
      return exists ? [] : [history];
    }),
  );
  return missing.flat();
}

/** Files that runs since the step began have set aside, by the summary each leaves when it exits. */
async function setAside(context: CheckContext, { jobId }: LakehouseOutputs): Promise<string[]> {
  const tables = await runSummaries(context, jobId, context.since);
  const files = tables.flatMap(({ table, filesSetAside = [] }) =>
    filesSetAside.map(({ file, reason }) => `${file} of ${table} (${reason})`),
  );
  return [...new Set(files)];
}

function startsByItself(settings: unknown): boolean {
  const { job } = (settings ?? {}) as { job?: { trigger?: { on?: string } } };
  return (job?.trigger?.on ?? "fileArrival") === "fileArrival";
}
