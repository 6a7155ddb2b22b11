import { expect } from "chai";
import { canonicalTime } from "../../demo/proof/canonical.js";
import { describeDifference } from "../../demo/proof/compare.js";
import type { LoadWindow } from "../../demo/proof/checks.js";
import { prove, type Proof } from "../../demo/proof/prove.js";
import { withConnection, type Connection } from "../../demo/source/connection.js";
import { runWorkload, type WorkloadResult } from "../../demo/source/run-workload.js";
import { shopWorkload } from "../../demo/source/scenarios.js";
import { createSource } from "../../demo/source/source.js";
import { initialRows, WorkloadBuilder } from "../../demo/source/workload.js";
import { shopTable } from "../../demo/tables.js";
import type { CheckContext } from "../../src/driver/checks/check.js";
import { postgresqlSource } from "../../src/driver/checks/postgresql-source.js";
import { rowsMatchSource, type RowsMatchSourceOptions } from "../../src/driver/checks/rows-match-source.js";
import { EnvironmentClients } from "../../src/driver/clients.js";
import { definePipeline } from "../../src/model/pipeline.js";
import { dmsClient, s3Client } from "../../src/operations/aws.js";
import { Replications } from "../../src/operations/dms.js";
import { hasEnded, hasSucceeded, Jobs } from "../../src/operations/jobs.js";
import { listFiles } from "../../src/operations/landing.js";
import { reload } from "../../src/operations/reload.js";
import { findWarehouse, Statements, type StatementResult } from "../../src/operations/statements.js";
import { waitFor } from "../../src/operations/wait.js";
import { WorkspaceClient } from "../../src/operations/workspace-client.js";
import { startSandbox, type Sandbox } from "../../src/sandbox/sandbox.js";
import { errorOf } from "../unit/operations/errors.js";
import { buildByHand, type HandBuilt, type Site } from "./by-hand.js";

const customers = shopTable("customers");
const tables = [customers];
const wait = { timeoutMs: 400_000, intervalMs: 250, maxIntervalMs: 500 };
const target = { catalog: "by_hand", schema: "shop", historyColumns: "paper" } as const;

/** What a check of the driver is given, of what was built by hand. */
function checkContext({ sandbox, pipeline }: Site, { jobId, replicationConfigArn }: HandBuilt): CheckContext {
  const config = { "databricks:host": sandbox.urls.workspace };
  const url = "s3://by-hand/";
  return {
    ...{
      environment: "hand",
      stack: "hand-hand",
      settings: {},
      pipeline,
      protected: true,
      since: new Date(),
    },
    outputs: {
      ...{ bucket: "by-hand", incomingUrl: url, processedUrl: url, replicationConfigArn, jobId },
      ...{ catalog: target.catalog, schema: target.schema },
      tables: [
        {
          source: { schema: "shop", table: "customers" },
          name: "customers",
          history: `${target.catalog}.${target.schema}.customers`,
        },
      ],
    },
    clients: new EnvironmentClients("hand-hand", config, { DATABRICKS_TOKEN: sandbox.workspaceToken }),
    preview: () => Promise.reject(new Error("nothing is deployed")),
    progress: () => undefined,
  };
}

/** Milliseconds since 1970 as the proof writes times. */
function instant(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 23).replace("T", " ")}000`;
}

for (const clockScale of [60, 1])
  describe(`one table, without Pulumi, the clock ${clockScale === 1 ? "not scaled" : `scaled by ${clockScale}`}`, function () {
    this.timeout(900_000);
    let sandbox: Sandbox;
    let site: Site;
    let source: Connection;
    let built: HandBuilt;
    let replications: Replications;
    let jobs: Jobs;
    let changes: WorkloadResult;
    let window: LoadWindow;
    let sql: (statement: string) => Promise<StatementResult>;
    const initial = initialRows("one table", tables, 0.5);

    before(async () => {
      sandbox = await startSandbox({ progress: () => undefined, clockScale });
      const user = { user: "dms_by_hand", password: "only-for-the-test" };
      const { host, port, user: admin, password, database } = sandbox.source;
      source = await createSource(
        { host, port, user: admin, password, database },
        "by_hand",
        tables,
        initial,
        user,
      );
      const aws = {
        region: "eu-west-1",
        endpoints: { dms: sandbox.urls.dms, s3: sandbox.urls.aws },
        credentials: { accessKeyId: "sandbox", secretAccessKey: "sandbox" },
      };
      const workspace = new WorkspaceClient({ host: sandbox.urls.workspace, token: sandbox.workspaceToken });
      const pipeline = definePipeline({
        name: "hand",
        engine: "postgresql",
        tables: { shop: { customers: { keys: ["id"] } } },
      });
      const dms = dmsClient(aws);
      site = { ...{ sandbox, dms, s3: s3Client(aws), workspace, pipeline, bucket: "by-hand" }, ...target };
      built = await buildByHand(site, source, user);
      replications = new Replications(dms);
      jobs = new Jobs(workspace);
      const statements = new Statements(workspace, await findWarehouse(workspace));
      sql = (statement) => statements.execute(statement, {}, { timeoutMs: 60_000, intervalMs: 50 });
    });

    after(async () => {
      site?.dms.destroy();
      site?.s3.destroy();
      await sandbox?.stop();
    });

    /** Waits until the job has taken all files and the history knows the commit time (if one is given). */
    async function ingested(commit?: string): Promise<void> {
      await waitFor("the job", wait, async () => {
        const runs = await jobs.runs(built.jobId);
        const failed = runs.find(
          (run) => hasEnded(run) && run.lifeCycleState !== "SKIPPED" && !hasSucceeded(run),
        );
        if (failed !== undefined) throw await jobs.failure(failed);
        const waiting = await listFiles(site.s3, { bucket: site.bucket, prefix: "incoming/" });
        if (waiting.length > 0 || runs.length === 0 || !runs.every(hasEnded))
          return { done: false, seen: "not yet" };
        if (commit === undefined) return { done: true, value: undefined };
        const newest = "SELECT CAST(max(effective_date) AS STRING) FROM by_hand.shop.customers";
        const [[found]] = (await sql(newest)).rows as [[string]];
        return canonicalTime(found) >= commit
          ? { done: true, value: undefined }
          : { done: false, seen: found };
      });
    }

    async function proof(): Promise<Proof> {
      const query = async (statement: string) => (await sql(statement)).rows;
      return prove(tables, { source, query, lakehouse: target, moments: changes.moments, window });
    }

    function failures({ verdicts }: Proof): string[] {
      return verdicts.filter(({ passed }) => !passed).map(({ check }) => check);
    }

    it("loads the table: the file lies where DMS puts it, the trigger starts the job, the file is moved", async () => {
      const began = Date.now();
      await replications.start(built.replicationConfigArn, wait);
      const [loaded] = await replications.awaitFullLoad(
        built.replicationConfigArn,
        [{ schema: "shop", table: "customers" }],
        wait,
      );
      window = { from: instant(began), until: instant(Date.now() + 1) };
      expect(loaded?.loadedRows).to.equal(initial.get("customers")?.length);
      await ingested();
      const [run] = await jobs.runs(built.jobId);
      expect(run?.trigger).to.equal("FILE_ARRIVAL");
      const moved = await listFiles(site.s3, { bucket: site.bucket, prefix: "processed/" });
      expect(moved.map(({ key }) => key)).to.deep.equal(["processed/shop/customers/LOAD00000001.parquet"]);
    });

    it("follows the changes: history, current view and snapshots equal the audit trail, row for row", async () => {
      const workload = new WorkloadBuilder("one table", tables, initial);
      changes = await runWorkload(source, tables, shopWorkload(workload));
      const committed = Date.now();
      await ingested(changes.lastCommit);
      // DMS batches changes for 60 s (CdcMaxBatchInterval) of its clock.
      if (clockScale === 1) expect(Date.now() - committed).to.be.greaterThan(50_000);
      const { verdicts } = await proof();
      expect(
        verdicts.flatMap(({ comparison }) => comparison.differences.map(describeDifference)),
      ).to.deep.equal([]);
      expect(verdicts.map(({ check, passed }) => [check, passed])).to.deep.equal([
        ["history", true],
        ["current", true],
        ["as-of", true],
      ]);
      for (const { comparison } of verdicts) expect(comparison.expected).to.be.greaterThan(400);
    });

    if (clockScale === 60)
      it("rowsMatchSource finds the rows of both sides equal, and what differs until it has arrived", async () => {
        const { host, port, user, password, database } = source;
        const reader = postgresqlSource({ connect: () => ({ host, port, user, password, database }) });
        const check = (options: Partial<RowsMatchSourceOptions> = {}) =>
          rowsMatchSource({ source: reader, ...wait, ...options }).run(checkContext(site, built));
        expect(await check()).to.deep.equal({ passed: true, message: "1 tables agree with the source" });
        const part = await check({ sample: 0.3, upTo: () => ({ column: "registered_at", lagMs: 0 }) });
        expect(part.message).to.equal("1 tables agree with the source, 30 % of the keys");
        const other = await errorOf(check({ upTo: () => ({ column: "name", lagMs: 0 }) }));
        expect(other.details.allowed).to.equal("registered_at, last_seen_at");
        await withConnection(source, (client) =>
          client.query(
            "UPDATE shop.customers SET credit_limit = 0, avatar = NULL WHERE id = (SELECT min(id) FROM shop.customers)",
          ),
        );
        // Not yet: DMS and the job take seconds.
        const error = await errorOf(check({ timeoutMs: 1 }));
        expect(error.message).to.match(/customers hash: \d+ here, \d+ in the source/);
        expect(error.message).not.to.contain("rows:");
        await check();
      });

    if (clockScale === 1)
      it("loads the table again after a loss of the source's log: rows that went unseen are closed", async () => {
        await replications.stop(built.replicationConfigArn, wait);
        const gone = await withConnection(source, async (client) => {
          await client.query("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots");
          const { rows } = await client.query<{ id: string }>(
            "DELETE FROM shop.customers WHERE id IN (SELECT id FROM shop.customers ORDER BY id LIMIT 3) RETURNING id",
          );
          return rows.map(({ id }) => Number(id)).sort((a, b) => a - b);
        });
        const began = Date.now();
        const { after, tables } = await reload(
          {
            ...{ replications, s3: site.s3, arn: built.replicationConfigArn },
            incoming: { bucket: site.bucket, prefix: "incoming/" },
            tables: [{ schema: "shop", table: "customers" }],
            ingest: () => jobs.runNow(built.jobId),
          },
          wait,
        );
        expect(after.getTime()).to.be.lessThan(began);
        await waitFor("the marker to be taken", wait, async () => {
          await ingested();
          const taken =
            "SELECT count(*) FROM by_hand.shop.headwater_files WHERE file = '_headwater_reload.json'";
          const [[count]] = (await sql(taken)).rows as [[string]];
          return count === "1" ? { done: true, value: undefined } : { done: false, seen: "not yet" };
        });
        const closed = await sql(
          `SELECT DISTINCT id FROM by_hand.shop.customers WHERE end_date >= TIMESTAMP '${instant(after.getTime())}'
           AND id NOT IN (SELECT id FROM by_hand.shop.customers_current) ORDER BY id`,
        );
        expect(closed.rows.map(([id]) => Number(id))).to.deep.equal(gone);
        expect(failures(await proof())).not.to.include("current");
        const [[counted]] = (await sql("SELECT count(*) FROM by_hand.shop.customers_current")).rows as [
          [string],
        ];
        expect(Number(counted)).to.equal(tables[0]?.loadedRows);
      });

    if (clockScale !== 1)
      it("sees what is broken in the history itself: a boundary one microsecond off, a version dropped, doubled, left open", async () => {
        // The history is a view, which cannot be broken row by row: the proof reads a copy of what it says instead.
        const history = "by_hand.shop.customers__copy";
        await sql(`CREATE TABLE ${history} AS SELECT * FROM by_hand.shop.customers`);
        await sql(`CREATE OR REPLACE VIEW by_hand.shop.customers AS SELECT * FROM ${history}`);
        await sql(
          `CREATE OR REPLACE VIEW by_hand.shop.customers_current AS
         SELECT * EXCEPT (current, effective_date, end_date) FROM ${history} WHERE end_date IS NULL`,
        );
        // A version between the last moment and the last commit: no snapshot shows it, only the history tells.
        const last = changes.moments.at(-1)?.until ?? "";
        const [[id, start]] = (
          await sql(
            `SELECT id, CAST(effective_date AS STRING) FROM ${history}
         WHERE end_date IS NOT NULL AND effective_date > TIMESTAMP '${last}' ORDER BY effective_date DESC LIMIT 1`,
          )
        ).rows as [[string, string]];
        const one = `id = ${id} AND effective_date = TIMESTAMP '${start}'`;
        const breaks: [string, string[]][] = [
          [
            `UPDATE ${history} SET end_date = end_date + INTERVAL '0.000001' SECOND WHERE ${one}`,
            ["history"],
          ],
          [`DELETE FROM ${history} WHERE ${one}`, ["history"]],
          [`INSERT INTO ${history} SELECT * FROM ${history} WHERE ${one}`, ["history"]],
          [`UPDATE ${history} SET end_date = NULL WHERE ${one}`, ["history", "current"]],
        ];
        for (const [statement, expected] of breaks) {
          const [version] = (await sql(`DESCRIBE HISTORY ${history} LIMIT 1`)).rows as [[string]];
          await sql(statement);
          expect(failures(await proof()), statement).to.deep.equal(expected);
          await sql(`RESTORE TABLE ${history} TO VERSION AS OF ${version[0]}`);
        }
        expect(failures(await proof()), "restored").to.deep.equal([]);
      });
  });
