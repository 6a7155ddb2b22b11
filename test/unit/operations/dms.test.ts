import { expect } from "chai";
import { dmsClient } from "../../../src/operations/aws.js";
import { Replications } from "../../../src/operations/dms.js";
import { errorOf } from "./errors.js";
import { FakeClock, FakeServer, type Answer } from "./fake-server.js";

const ARN = "arn:aws:dms:eu-west-1:123456789012:replication-config:ABC";
const customers = { schema: "shop", table: "customers" };
const orders = { schema: "shop", table: "orders" };

type Operation =
  "DescribeReplications" | "StartReplication" | "StopReplication" | "DescribeReplicationTableStatistics";
type Handlers = Partial<Record<Operation, (body: Record<string, unknown>, call: number) => Answer>>;

describe("Replications", () => {
  let server: FakeServer | undefined;
  afterEach(() => server?.stop());

  /** A DMS that answers by operation; handlers get the number of calls of their operation so far. */
  async function dms(handlers: Handlers): Promise<{ replications: Replications; calls: string[] }> {
    const calls: string[] = [];
    server = await FakeServer.start(({ headers, body }) => {
      const operation = String(headers["x-amz-target"]).split(".")[1] as Operation;
      const handler = handlers[operation];
      if (handler === undefined) throw new Error(`unexpected ${operation}`);
      const answer = handler(
        body as Record<string, unknown>,
        calls.filter((call) => call === operation).length,
      );
      calls.push(operation);
      return answer;
    });
    const client = dmsClient({
      region: "eu-west-1",
      endpoints: { dms: server.url },
      credentials: { accessKeyId: "a", secretAccessKey: "b" },
    });
    return { replications: new Replications(client), calls };
  }

  const state = (status: string, more: Record<string, unknown> = {}): Answer => ({
    json: { Replications: [{ ReplicationConfigArn: ARN, Status: status, ...more }] },
  });
  const sequence =
    (...statuses: string[]) =>
    (_: unknown, call: number): Answer =>
      state(statuses[Math.min(call, statuses.length - 1)]!);
  const statistics = (...tables: [string, string, number][]): Answer => ({
    json: {
      ReplicationTableStatistics: tables.map(([TableName, TableState, FullLoadRows]) => ({
        ...{ SchemaName: "shop", TableName, TableState, FullLoadRows },
      })),
    },
  });

  it("starts a new replication and waits through DMS's states, stale ones included", async () => {
    const started: unknown[] = [];
    const { replications } = await dms({
      // The second answer is stale: DMS has accepted the start already.
      DescribeReplications: sequence(
        "created",
        "created",
        "provisioning_capacity",
        "replication_starting",
        "running",
      ),
      StartReplication: (body) => {
        started.push(body);
        return { json: {} };
      },
    });
    const told: string[] = [];
    await replications.start(ARN, {
      timeoutMs: 60_000,
      clock: new FakeClock(),
      progress: (text) => told.push(text),
    });
    expect(started).to.deep.equal([{ ReplicationConfigArn: ARN, StartReplicationType: "start-replication" }]);
    expect(told).to.deep.equal(["created", "provisioning_capacity", "replication_starting"]);
  });

  it("resumes one that was stopped, and does not start one that runs", async () => {
    const types: unknown[] = [];
    const start = (body: Record<string, unknown>): Answer => {
      types.push(body["StartReplicationType"]);
      return { json: {} };
    };
    const stopped = await dms({
      DescribeReplications: sequence("stopped", "running"),
      StartReplication: start,
    });
    await stopped.replications.start(ARN, { timeoutMs: 1000, clock: new FakeClock() });
    expect(types).to.deep.equal(["resume-processing"]);
    await server?.stop();
    const running = await dms({ DescribeReplications: sequence("running") });
    await running.replications.start(ARN, { timeoutMs: 1000, clock: new FakeClock() });
    expect(running.calls).not.to.include("StartReplication");
  });

  it("fails with DMS's own message when the replication fails after the start", async () => {
    const { replications } = await dms({
      DescribeReplications: (_, call) =>
        call < 2
          ? state("failed")
          : call < 3
            ? state("testing_connection")
            : state("failed", { FailureMessages: ["no route to host"] }),
      StartReplication: () => ({ json: {} }),
    });
    const error = await errorOf(replications.start(ARN, { timeoutMs: 600_000, clock: new FakeClock() }));
    expect(error.code).to.equal("operations/replication-failed");
    expect(error.message).to.contain("no route to host");
  });

  it("says so when DMS knows no such replication, whichever way it says it", async () => {
    for (const answer of [
      { json: { Replications: [] } },
      { status: 400, json: { __type: "ResourceNotFoundFault", message: "no such thing" } },
    ]) {
      const { replications } = await dms({ DescribeReplications: () => answer });
      const wait = { timeoutMs: 60_000, clock: new FakeClock() };
      expect((await errorOf(replications.start(ARN, wait))).code).to.equal("operations/replication-missing");
      expect(wait.clock.time).to.be.at.most(10_000);
      await server?.stop();
    }
  });

  it("lets DMS some seconds to know a replication made just now, and to let one changed just now start", async () => {
    let starts = 0;
    const missing = { status: 400, json: { __type: "ResourceNotFoundFault", message: "no such thing" } };
    const { replications } = await dms({
      DescribeReplications: (_, call) => (call < 3 ? missing : state(starts < 3 ? "stopped" : "running")),
      StartReplication: () =>
        ++starts < 3
          ? {
              status: 400,
              json: {
                __type: "InvalidResourceStateFault",
                message: `Replication for Replication Config: ${ARN} is in MODIFYING state and cannot start`,
              },
            }
          : { json: {} },
    });
    await replications.start(ARN, { timeoutMs: 60_000, clock: new FakeClock() });
    expect(starts).to.equal(3);
  });

  it("gives up on one that cannot start for long, with DMS's last words", async () => {
    let starts = 0;
    const { replications } = await dms({
      DescribeReplications: sequence("stopped"),
      StartReplication: () => ({
        status: 400,
        json: {
          __type: "InvalidResourceStateFault",
          message: `Replication for Replication Config: r${++starts} is in MODIFYING state and cannot start`,
        },
      }),
    });
    const error = await errorOf(replications.start(ARN, { timeoutMs: 60_000, clock: new FakeClock() }));
    expect(error.code).to.equal("operations/gave-up");
    expect(error.message).to.contain("after 6 tries").and.to.contain("r6 is in MODIFYING state");
  });

  it("passes on DMS's fault when it refuses", async () => {
    const { replications } = await dms({
      DescribeReplications: sequence("created"),
      StartReplication: () => ({
        status: 400,
        json: { __type: "InvalidResourceStateFault", message: "is MODIFYING" },
      }),
    });
    const error = await errorOf(replications.start(ARN, { timeoutMs: 1000 }));
    expect(error.code).to.equal("operations/dms");
    expect(error.message).to.contain("InvalidResourceStateFault: is MODIFYING");
  });

  it("waits for every table, also those DMS does not list yet, and reads every page", async () => {
    const pages = [
      statistics(),
      statistics(["customers", "Full load", 10]),
      statistics(["customers", "Table completed", 20], ["orders", "Full load", 5]),
    ];
    const { replications } = await dms({
      DescribeReplications: sequence("running"),
      DescribeReplicationTableStatistics: ({ Marker }, call) => {
        const page = pages[call];
        if (page !== undefined) return page;
        return Marker === undefined
          ? {
              json: {
                ...(statistics(["customers", "Table completed", 20]) as { json: object }).json,
                Marker: "next",
              },
            }
          : statistics(["orders", "Table completed", 0]);
      },
    });
    const told: string[] = [];
    const loaded = await replications.awaitFullLoad(ARN, [customers, orders], {
      timeoutMs: 60_000,
      clock: new FakeClock(),
      progress: (text) => told.push(text),
    });
    expect(loaded.map(({ table, loadedRows }) => [table, loadedRows])).to.deep.equal([
      ["customers", 20],
      ["orders", 0],
    ]);
    expect(told).to.deep.equal([
      "0 of 2 tables loaded, 0 rows; waiting for shop.customers, shop.orders",
      "0 of 2 tables loaded, 10 rows; waiting for shop.customers, shop.orders",
      "1 of 2 tables loaded, 25 rows; waiting for shop.orders",
    ]);
  });

  it("gives up at once on a table DMS gave up on, and on a replication that fails during the load", async () => {
    const bad = await dms({
      DescribeReplications: sequence("running"),
      DescribeReplicationTableStatistics: () => statistics(["customers", "Table error", 0]),
    });
    const wait = { timeoutMs: 60_000, clock: new FakeClock() };
    const error = await errorOf(bad.replications.awaitFullLoad(ARN, [customers], wait));
    expect(error.code).to.equal("operations/load-failed");
    expect(error.details.field).to.equal("shop.customers");
    await server?.stop();
    const failing = await dms({
      DescribeReplications: () => state("failed", { StopReason: "Stop Reason FATAL_ERROR" }),
    });
    expect((await errorOf(failing.replications.awaitFullLoad(ARN, [customers], wait))).message).to.contain(
      "FATAL_ERROR",
    );
  });

  it("stops a running replication and waits; leaves a resting one alone", async () => {
    const running = await dms({
      DescribeReplications: sequence("running", "running", "stopping", "stopped"),
      StopReplication: () => ({ json: {} }),
    });
    await running.replications.stop(ARN, { timeoutMs: 60_000, clock: new FakeClock() });
    expect(running.calls.filter((call) => call === "StopReplication")).to.have.length(1);
    await server?.stop();
    const resting = await dms({ DescribeReplications: sequence("created") });
    await resting.replications.stop(ARN, { timeoutMs: 1000 });
    expect(resting.calls).to.deep.equal(["DescribeReplications"]);
  });
});
