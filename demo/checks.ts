import type { Check, CheckContext } from "../src/driver/checks/check.js";
import { lakehouseOutputs, type LakehouseOutputs } from "../src/driver/checks/outputs.js";
import { hasEnded, hasSucceeded } from "../src/operations/jobs.js";
import { listFiles, parseS3Url } from "../src/operations/landing.js";
import { findWarehouse, Statements } from "../src/operations/statements.js";
import { waitFor } from "../src/operations/wait.js";
import { environmentSeed, type DemoDatabases } from "./bootstrap.js";
import { checkNames, type LoadWindow } from "./proof/checks.js";
import { describeDifference } from "./proof/compare.js";
import { prove, type Proof } from "./proof/prove.js";
import type { LakehouseQuery } from "./proof/read-lakehouse.js";
import { runWorkload, type WorkloadResult } from "./source/run-workload.js";
import { shopWorkload } from "./source/scenarios.js";
import { initialRows, WorkloadBuilder } from "./source/workload.js";
import { shop } from "./tables.js";

const statementTimeout = { timeoutMs: 120_000, intervalMs: 50, maxIntervalMs: 250 };
const ingestionTimeoutMs = 900_000;

/** What the demo learns of one environment on its way through the checks. */
export interface Findings {
  changes?: WorkloadResult;
  proof?: Proof;
}

export interface DemoCheckOptions {
  readonly seed: string;
  readonly databases: (environment: string) => DemoDatabases;
  readonly findings: (environment: string) => Findings;
  /** When the environment's replication was started and had loaded everything. */
  readonly loadWindow: (environment: string) => LoadWindow;
}

/** Commits the change workload to the environment's source. Only right once the load has been ingested. */
export function sourceChanged({ seed, databases, findings }: DemoCheckOptions): Check {
  return {
    name: "source-changed",
    async run({ environment, signal }) {
      const own = environmentSeed(seed, environment);
      const workload = new WorkloadBuilder(own, shop, initialRows(own, shop));
      const steps = shopWorkload(workload);
      const changes = await runWorkload(databases(environment).source, shop, steps, signal);
      findings(environment).changes = changes;
      return { passed: true, message: `${changes.transactions} transactions, ${changes.statements} changes` };
    },
  };
}

/**
 * Waits until the job, started by the arriving files, has taken in all changes and pushed the snapshot: no file waits, no run is
 * active, and every table's runs have recorded the workload's last transaction, which touches all tables.
 */
export function changesIngested({ findings }: DemoCheckOptions): Check {
  return {
    name: "changes-ingested",
    async run(context) {
      const { stack, clients, progress, signal } = context;
      const outputs = lakehouseOutputs(stack, context.outputs);
      const lastCommit = findings(context.environment).changes?.lastCommit;
      if (lastCommit === undefined) throw new Error("the source has not been changed");
      const query = await lakehouseQuery(context);
      const wait = { timeoutMs: ingestionTimeoutMs, intervalMs: 250, maxIntervalMs: 500, progress, signal };
      let arrived = false;
      const runs = await waitFor("the job to take in the changes", wait, async () => {
        const waiting = (await listFiles(clients.s3, parseS3Url(outputs.incomingUrl))).length;
        const all = await clients.jobs.runs(outputs.jobId, { limit: 25, signal });
        const failed = all.find(
          (run) => hasEnded(run) && run.lifeCycleState !== "SKIPPED" && !hasSucceeded(run),
        );
        if (failed !== undefined) throw await clients.jobs.failure(failed, signal);
        const active = all.filter((run) => !hasEnded(run)).length;
        if (active + waiting > 0)
          return { done: false, seen: `${waiting} files wait, ${active} runs are active` };
        if (arrived) return { done: true, value: all.length };
        const behind = await tablesBehind(query, outputs, lastCommit);
        arrived = behind.length === 0;
        // Files and runs are looked at once more: the run that brought the last change may not have ended.
        const seen = arrived ? "the changes have arrived" : `changes are missing in ${behind.join(", ")}`;
        return { done: false, seen };
      });
      return { passed: true, message: `all changes are in the history after ${runs} runs of the job` };
    },
  };
}

async function tablesBehind(
  query: LakehouseQuery,
  { catalog, schema, tables }: LakehouseOutputs,
  lastCommit: string,
): Promise<string[]> {
  const runs = [catalog, schema, "headwater_runs"].map(quote).join(".");
  const rows = await query(
    `SELECT DISTINCT \`table\` FROM ${runs} WHERE newest_commit >= TIMESTAMP '${lastCommit}'`,
  );
  const there = new Set(rows.map(([table]) => table));
  return tables.map(({ name }) => name).filter((name) => !there.has(name));
}

/** The four checks of the proof for every table; fails with the first differences of each that does not hold. */
export function proven({ databases, findings, loadWindow }: DemoCheckOptions): Check {
  return {
    name: "proven",
    async run(context) {
      const { environment, pipeline } = context;
      const { catalog, schema, notebooksPath } = outputsOf(context);
      const { source, target, targetSchema } = databases(environment);
      const found = findings(environment);
      const proof = await prove(shop, {
        source,
        query: await lakehouseQuery(context),
        lakehouse: { catalog, schema, historyColumns: pipeline.historyColumns },
        target: { connection: target, schema: targetSchema },
        moments: found.changes?.moments ?? [],
        window: loadWindow(environment),
        runSnapshotNotebook: (asOf) => runSnapshotNotebook(context, notebooksPath, asOf),
      });
      found.proof = proof;
      return judge(proof);
    },
  };
}

/** Runs the release's own snapshot notebook once, outside the job. */
async function runSnapshotNotebook(
  { environment, clients, signal }: CheckContext,
  notebooksPath: string,
  asOf: string,
): Promise<void> {
  const { run_id: runId } = await clients.workspace.post<{ run_id: number }>(
    "/api/2.2/jobs/runs/submit",
    {
      run_name: `snapshot of ${environment} as of ${asOf}`,
      tasks: [
        {
          task_key: "snapshot",
          notebook_task: {
            notebook_path: `${notebooksPath}/snapshot`,
            base_parameters: { tables: "", as_of: `${asOf.replace(" ", "T")}Z` },
          },
          environment_key: "headwater",
        },
      ],
      environments: [{ environment_key: "headwater", spec: { environment_version: "4" } }],
    },
    { signal },
  );
  await clients.jobs.awaitRun(runId, {
    timeoutMs: ingestionTimeoutMs,
    intervalMs: 100,
    maxIntervalMs: 500,
    signal,
  });
}

/** The outputs the checks know, and where the release's notebooks are. */
function outputsOf({ stack, outputs }: CheckContext): LakehouseOutputs & { readonly notebooksPath: string } {
  return { ...lakehouseOutputs(stack, outputs), notebooksPath: String(outputs["notebooksPath"]) };
}

function judge({ verdicts }: Proof): { passed: boolean; message: string } {
  const failed = verdicts.filter(({ passed }) => !passed);
  if (failed.length === 0) {
    const rows = verdicts.reduce((sum, { comparison }) => sum + comparison.expected, 0);
    return {
      passed: true,
      message: `${checkNames.length} checks of ${shop.length} tables, ${rows} rows compared`,
    };
  }
  const lines = failed.map(({ check, table, comparison }) => {
    const { missing, unexpected, changed, differences } = comparison;
    const counts = `${missing} missing, ${unexpected} unexpected, ${changed} changed`;
    return [
      `${check} of ${table}: ${counts}`,
      ...differences.map((each) => `  ${describeDifference(each)}`),
    ].join("\n");
  });
  return { passed: false, message: lines.join("\n") };
}

async function lakehouseQuery({ clients, signal }: CheckContext): Promise<LakehouseQuery> {
  const statements = new Statements(
    clients.workspace,
    await findWarehouse(clients.workspace, undefined, signal),
  );
  return async (sql) => (await statements.execute(sql, {}, { ...statementTimeout, signal })).rows;
}

function quote(name: string): string {
  return `\`${name.replaceAll("`", "``")}\``;
}
