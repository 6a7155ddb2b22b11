import { expect } from "chai";
import type { CheckContext } from "../../../src/driver/checks/check.js";
import { filesLanded } from "../../../src/driver/checks/files-landed.js";
import { fresh } from "../../../src/driver/checks/fresh.js";
import { ingested } from "../../../src/driver/checks/ingested.js";
import { jobHealthy } from "../../../src/driver/checks/job-healthy.js";
import { matchesSource } from "../../../src/driver/checks/matches-source.js";
import { outputsPresent } from "../../../src/driver/checks/outputs-present.js";
import { lakehouseOutputs } from "../../../src/driver/checks/outputs.js";
import { replicationLoaded } from "../../../src/driver/checks/replication-loaded.js";
import { replicationRunning } from "../../../src/driver/checks/replication-running.js";
import { settled } from "../../../src/driver/checks/settled.js";
import { EnvironmentClients } from "../../../src/driver/clients.js";
import type { OperationResult } from "../../../src/driver/operation.js";
import { definePipeline } from "../../../src/model/pipeline.js";
import type { Replications } from "../../../src/operations/dms.js";
import { errorOf } from "../operations/errors.js";
import { FakeServer, type Answer } from "../operations/fake-server.js";

const ARN = "arn:aws:dms:eu-west-1:123456789012:replication-config:ABC";
const pipeline = definePipeline({
  name: "shop",
  engine: "postgresql",
  tables: { shop: { customers: { keys: ["id"] }, orders: { keys: ["id"] } } },
});
const outputs = {
  bucket: "b",
  incomingUrl: "s3://b/incoming/",
  processedUrl: "s3://b/processed/",
  replicationConfigArn: ARN,
  jobId: "7",
  catalog: "c",
  schema: "s",
  tables: ["customers", "orders"].map((table) => ({
    source: { schema: "shop", table },
    name: table,
    history: `c.s.${table}`,
  })),
};

interface Cloud {
  /** Keys below `incoming/`, as each listing sees them. */
  incoming?: (look: number) => readonly string[];
  processed?: readonly string[];
  runs?: (look: number) => readonly object[];
  /** What the notebook exited with. */
  summary?: object;
  /** Settings of the job; null: there is none. */
  job?: object | null;
  /** When the files were written. */
  modified?: Date;
  /** Answers to SQL statements, one after another; the last one stays. */
  rows?: readonly (readonly string[])[];
  error?: string;
  missing?: readonly string[];
}

describe("the checks of cdc-lakehouse", () => {
  let server: FakeServer | undefined;
  afterEach(() => server?.stop());

  /** S3 and the workspace behind one address. */
  async function context(
    cloud: Cloud,
    settings: unknown = {},
  ): Promise<{ context: CheckContext; told: string[] }> {
    const looks = { incoming: 0, runs: 0, statements: 0 };
    await server?.stop();
    server = await FakeServer.start(({ method, url }): Answer => {
      const { pathname, searchParams } = new URL(url, "http://x");
      if (searchParams.get("list-type") === "2") {
        const prefix = searchParams.get("prefix") ?? "";
        // Every look at the landing zone lists two tables.
        const keys = prefix.startsWith("incoming/")
          ? (cloud.incoming?.(Math.floor(looks.incoming++ / 2)) ?? [])
          : (cloud.processed ?? []);
        return listing(
          keys.filter((key) => key.startsWith(prefix)),
          cloud.modified,
        );
      }
      if (pathname.endsWith("/exists")) {
        const name = decodeURIComponent(pathname.split("/").at(-2) ?? "");
        return { json: { table_exists: !(cloud.missing ?? []).includes(name) } };
      }
      if (pathname.endsWith("/runs/list")) return { json: { runs: cloud.runs?.(looks.runs++) ?? [] } };
      if (pathname.endsWith("/runs/get")) return { json: cloud.runs?.(looks.runs++)[0] };
      if (pathname.endsWith("/runs/get-output")) {
        return {
          json: {
            notebook_output: { result: JSON.stringify(cloud.summary ?? { tables: [] }) },
            error: cloud.error,
          },
        };
      }
      if (pathname.endsWith("/jobs/get")) {
        if (cloud.job === null)
          return {
            status: 400,
            json: { error_code: "INVALID_PARAMETER_VALUE", message: "Job 7 does not exist." },
          };
        return { json: { job_id: 7, settings: cloud.job ?? { trigger: { pause_status: "UNPAUSED" } } } };
      }
      if (pathname.endsWith("/sql/warehouses")) return { json: { warehouses: [{ id: "w", name: "w" }] } };
      if (pathname.endsWith("/sql/statements")) {
        const all = cloud.rows ?? [];
        const row = all[Math.min(Math.floor(looks.statements++ / 2), all.length - 1)];
        return { json: { statement_id: "s", status: { state: "SUCCEEDED" }, result: { data_array: [row] } } };
      }
      if (pathname.endsWith("/run-now") && method === "POST") return { json: { run_id: 1 } };
      throw new Error(`unexpected ${method} ${url}`);
    });
    const told: string[] = [];
    const config = {
      "aws:region": "eu-west-1",
      "aws:endpoints": [{ s3: server.url }],
      "databricks:host": server.url,
    };
    const environment = { AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b", DATABRICKS_TOKEN: "t" };
    return {
      told,
      context: {
        environment: "dev",
        stack: "shop-dev",
        outputs,
        settings,
        pipeline,
        clients: new EnvironmentClients("shop-dev", config, environment),
        since: new Date(),
        protected: false,
        preview: () => Promise.reject(new Error("no preview here")),
        progress: (message) => told.push(message),
      },
    };
  }

  const run = (id: number, life: string, result?: string, trigger = "FILE_ARRIVAL") => ({
    ...{ run_id: id, job_id: 7, trigger, start_time: Date.now() + id },
    state: { life_cycle_state: life, result_state: result },
    tasks: [{ task_key: "apply", run_id: id * 10 }],
  });
  const wait = { timeoutMs: 5000, intervalMs: 1 };
  const load = ["incoming/shop/customers/LOAD00000001.parquet", "incoming/shop/orders/LOAD00000001.parquet"];

  describe("fresh", () => {
    const lag = (customers: number | null, orders: number | null) => ({
      summary: {
        tables: [
          { table: "customers", lagSeconds: customers },
          { table: "orders", lagSeconds: orders },
        ],
      },
      runs: () => [run(1, "TERMINATED", "SUCCESS")],
    });

    it("passes within the promise, and tells how far behind the slowest table is", async () => {
      const { context: given } = await context(lag(12, 61));
      const { passed, message } = await fresh().run(given);
      expect(passed).to.equal(true);
      expect(message).to.contain("2 tables").and.to.contain("1 min 1 s");
    });

    it("fails where a table's events needed longer, and not for a table nothing happened to", async () => {
      const { context: given } = await context(lag(901, null));
      expect(await fresh().run(given)).to.deep.equal({
        passed: false,
        message: "behind the promise of 15 min: customers 15 min 1 s",
      });
      const { context: other } = await context(lag(901, null));
      expect((await fresh({ promiseMs: 3_600_000 }).run(other)).passed).to.equal(true);
    });

    it("fails where a file waits for too long", async () => {
      const modified = new Date(Date.now() - 20 * 60_000);
      const { context: given } = await context({ ...lag(1, 1), incoming: () => load, modified });
      const { passed, message } = await fresh().run(given);
      expect(passed).to.equal(false);
      expect(message).to.contain("2 files wait").and.to.contain(load[0]).and.to.contain("for 20 min");
    });
  });

  describe("job-healthy", () => {
    it("passes after a run that succeeded, and before the first", async () => {
      const { context: given } = await context({
        runs: () => [run(2, "RUNNING"), run(1, "TERMINATED", "SUCCESS")],
      });
      expect(await jobHealthy().run(given)).to.deep.equal({
        passed: true,
        message: "run 1 succeeded, trigger active",
      });
      const { context: young } = await context({ runs: () => [] });
      expect((await jobHealthy().run(young)).passed).to.equal(true);
    });

    it("fails where the job is gone, its trigger paused, or its newest run failed", async () => {
      const { context: gone } = await context({ job: null });
      expect(await jobHealthy().run(gone)).to.deep.equal({ passed: false, message: "job 7 does not exist" });
      const { context: paused } = await context({ job: { schedule: { pause_status: "PAUSED" } } });
      expect((await jobHealthy().run(paused)).message).to.contain("paused");
      const { context: failed } = await context({
        runs: () => [run(1, "TERMINATED", "FAILED")],
        error: "a column",
      });
      expect((await errorOf(jobHealthy().run(failed))).message).to.contain("a column");
    });
  });

  describe("replication-running", () => {
    it("passes while it runs, and names tables DMS has given up", async () => {
      const { context: given } = await context({});
      const states = {
        value: { require: async () => ({ status: "running" }), tables: async () => [] as object[] },
      };
      Object.defineProperty(given.clients, "replications", states);
      expect((await replicationRunning().run(given)).passed).to.equal(true);
      states.value.tables = async () => [{ schema: "shop", table: "orders", state: "Table error" }];
      expect((await replicationRunning().run(given)).message).to.contain("given up shop.orders");
      states.value.tables = async () => [];
      states.value.require = async () => ({ status: "stopped" });
      expect(await replicationRunning().run(given)).to.deep.include({ passed: false });
    });
  });

  it("settled names what a second preview would still do", async () => {
    const { context: given } = await context({});
    const preview = (planned: readonly object[]) => ({
      ...given,
      preview: async () => ({ changes: {}, planned, outputs: {} }) as unknown as OperationResult,
    });
    expect((await settled().run(preview([]))).passed).to.equal(true);
    const change = { op: "update", urn: "urn:job", changedKeys: ["tags"] };
    const { passed, message } = await settled().run(preview([change, change]));
    expect(passed).to.equal(false);
    expect(message).to.equal("a second preview would update urn:job (tags) and 1 more");
  });

  it("outputs-present names what is missing or empty", async () => {
    const { context: given } = await context({});
    expect((await outputsPresent(["bucket", "jobId"]).run(given)).passed).to.equal(true);
    const { message } = await outputsPresent(["bucket", "url"]).run({ ...given, outputs: { bucket: "" } });
    expect(message).to.equal("no bucket, no url");
  });

  describe("matches-source", () => {
    it("looks again until the figures agree", async () => {
      const { context: given, told } = await context({ rows: [["4"], ["5"]] });
      const check = matchesSource({ ...wait, source: async () => ({ rows: 5 }) });
      expect(await check.run(given)).to.deep.equal({
        passed: true,
        message: "2 tables agree with the source",
      });
      expect(told[0]).to.contain("customers rows: 4 here, 5 in the source");
    });

    it("fails with what differs, by the caller's own figures", async () => {
      const { context: given } = await context({ rows: [["9", "abc"]] });
      const check = matchesSource({
        timeoutMs: 30,
        intervalMs: 5,
        tables: ({ name }) => name === "orders",
        figures: () => ({ rows: "count(*)", sum: "hex(sum(crc32(note)))" }),
        source: async () => ({ rows: "9", sum: "abd" }),
      });
      const error = await errorOf(check.run(given));
      expect(error.code).to.equal("operations/timeout");
      expect(error.message).to.contain("orders sum: abc here, abd in the source").and.not.to.contain("rows:");
    });
  });

  describe("ingested", () => {
    it("passes once the run the files started has taken them all", async () => {
      const { context: given, told } = await context({
        incoming: (look) => (look < 3 ? load : []),
        runs: (look) =>
          look === 0 ? [] : [run(1, look < 3 ? "RUNNING" : "TERMINATED", look < 3 ? undefined : "SUCCESS")],
      });
      const { passed, message } = await ingested(wait).run(given);
      expect(passed).to.equal(true);
      expect(message).to.contain("2 files taken in").and.to.contain("FILE_ARRIVAL");
      expect(told).to.deep.equal([
        "2 files wait, no run of the job yet",
        "2 files wait, run 1 is running",
        "0 files wait, run 1 is running",
      ]);
    });

    it("waits for a run that takes the files between the look at them and the look at the runs", async () => {
      let [moved, looks] = [false, 0];
      const first = run(1, "TERMINATED", "SUCCESS");
      const { context: given } = await context({
        incoming: (look) => {
          moved = look > 0;
          return moved ? [] : load;
        },
        runs: () => {
          if (!moved) return [first];
          return looks++ < 2 ? [run(2, "RUNNING"), first] : [run(2, "TERMINATED", "SUCCESS"), first];
        },
      });
      expect((await ingested(wait).run(given)).message).to.contain("run 2 (FILE_ARRIVAL) succeeded");
    });

    it("does not count files that landed since, nor a run somebody started by hand", async () => {
      const late = "incoming/shop/orders/20261122-184510123.parquet";
      const { context: given } = await context({
        incoming: (look) => (look === 0 ? load : [late]),
        runs: (look) => [run(1, "TERMINATED", "SUCCESS", look < 3 ? "ONE_TIME" : "FILE_ARRIVAL")],
      });
      expect((await ingested(wait).run(given)).passed).to.equal(true);
    });

    it("fails when nothing starts the job", async () => {
      const { context: given } = await context({ incoming: () => load });
      const error = await errorOf(ingested({ timeoutMs: 30, intervalMs: 1 }).run(given));
      expect(error.message).to.contain("2 files wait, no run of the job yet");
    });

    it("fails with the notebook's error", async () => {
      const { context: given } = await context({
        incoming: () => load,
        runs: () => [run(1, "TERMINATED", "FAILED")],
        error: "AnalysisException: no such table",
      });
      expect((await errorOf(ingested(wait).run(given))).message).to.contain(
        "AnalysisException: no such table",
      );
    });

    it("fails when a file was set aside, naming it", async () => {
      const { context: given } = await context({
        runs: () => [run(1, "TERMINATED", "SUCCESS")],
        summary: {
          tables: [
            { table: "orders", filesSetAside: [{ file: "LOAD00000002.parquet", reason: "not parquet" }] },
          ],
        },
      });
      const { passed, message } = await ingested(wait).run(given);
      expect(passed).to.equal(false);
      expect(message).to.equal("set aside: LOAD00000002.parquet of orders (not parquet)");
    });

    it("fails when a table has no history", async () => {
      const { context: given } = await context({
        runs: () => [run(1, "TERMINATED", "SUCCESS")],
        missing: ["c.s.orders"],
      });
      expect(await ingested(wait).run(given)).to.deep.equal({
        passed: false,
        message: "no history of c.s.orders",
      });
    });

    it("starts the job itself where settings leave that to people", async () => {
      const { context: given } = await context(
        { runs: () => [run(1, "TERMINATED", "SUCCESS", "ONE_TIME")] },
        { job: { trigger: { on: "manual" } } },
      );
      expect((await ingested(wait).run(given)).passed).to.equal(true);
      expect(server!.requests.some(({ url }) => url.endsWith("/run-now"))).to.equal(true);
    });
  });

  const replications = (rows: Record<string, number>): Replications =>
    ({
      start: async () => undefined,
      awaitFullLoad: async (_: string, tables: { table: string }[]) =>
        tables.map(({ table }) => ({
          schema: "shop",
          table,
          state: "Table completed",
          loadedRows: rows[table] ?? 0,
        })),
      tables: async () =>
        Object.entries(rows).map(([table, loadedRows]) => ({ schema: "shop", table, loadedRows })),
    }) as unknown as Replications;

  it("replication-loaded tells tables and rows", async () => {
    const { context: given } = await context({});
    Object.defineProperty(given.clients, "replications", {
      value: replications({ customers: 3, orders: 4 }),
    });
    expect(await replicationLoaded(wait).run(given)).to.deep.equal({
      passed: true,
      message: "2 tables loaded, 7 rows",
    });
  });

  it("files-landed looks in both roots and expects nothing of empty tables", async () => {
    const { context: given } = await context({
      processed: ["processed/shop/customers/LOAD00000001.parquet"],
    });
    Object.defineProperty(given.clients, "replications", {
      value: replications({ customers: 3, orders: 0 }),
    });
    expect(await filesLanded(wait).run(given)).to.deep.equal({
      passed: true,
      message: "1 files of 1 tables, 5 bytes",
    });
    const { context: empty } = await context({});
    Object.defineProperty(empty.clients, "replications", { value: replications({ customers: 3 }) });
    const error = await errorOf(filesLanded({ timeoutMs: 20, intervalMs: 1 }).run(empty));
    expect(error.message).to.contain("no files yet of shop.customers");
  });

  it("name the output that is missing", () => {
    expect(() => lakehouseOutputs("shop-dev", { ...outputs, bucket: undefined })).to.throw(/bucket/);
    expect(() => lakehouseOutputs("shop-dev", { ...outputs, jobId: "not a number" })).to.throw(/jobId/);
  });
});

function listing(keys: readonly string[], modified = new Date()): Answer {
  const about = `<Size>5</Size><LastModified>${modified.toISOString()}</LastModified>`;
  const contents = keys.map((key) => `<Contents><Key>${key}</Key>${about}</Contents>`).join("");
  return {
    text: `<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated>${contents}</ListBucketResult>`,
  };
}
