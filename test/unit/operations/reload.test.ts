import { expect } from "chai";
import { dmsClient, s3Client } from "../../../src/operations/aws.js";
import { Replications } from "../../../src/operations/dms.js";
import { reload, type ReloadMarker, type ReloadResult } from "../../../src/operations/reload.js";
import type { WaitOptions } from "../../../src/operations/wait.js";
import { errorOf } from "./errors.js";
import { FakeClock, FakeServer } from "./fake-server.js";

const ARN = "arn:aws:dms:eu-west-1:123456789012:replication-config:ABC";
const STOP = Date.parse("2026-11-24T12:00:00.250Z");
/** Moments in seconds since 1970, as DMS tells them: `at(5)` is five seconds after the stop. */
const at = (seconds: number): number => STOP / 1000 + seconds;

interface Table {
  readonly TableName: string;
  readonly TableState: string;
  readonly FullLoadRows?: number;
  readonly FullLoadStartTime?: number;
  readonly FullLoadEndTime?: number;
  readonly LastUpdateTime?: number;
}

/** DMS and S3 behind one address. The replication runs until it is stopped, then loads as `looks` tell. */
interface Cloud {
  status?: string;
  /** When it has stopped before; and what it tells once stopped here. */
  stopped?: number | undefined;
  stops?: number | undefined;
  before?: readonly Table[];
  /** Statistics after the start, one entry a look; the last stays. */
  looks?: readonly (readonly Table[])[];
  /** The replication's state in each look after the start. */
  states?: readonly string[];
}

const customers = (state: string, rows: number, end?: number): Table => table("customers", state, rows, end);
const orders = (state: string, rows: number, end?: number): Table => table("orders", state, rows, end);
function table(TableName: string, TableState: string, FullLoadRows: number, end?: number): Table {
  return {
    ...{ TableName, TableState, FullLoadRows },
    ...(end === undefined ? {} : { FullLoadEndTime: at(end), LastUpdateTime: at(end) }),
  };
}

describe("reload", () => {
  let server: FakeServer | undefined;
  let objects: Map<string, string>;
  let calls: string[];
  afterEach(() => server?.stop());
  beforeEach(() => {
    objects = new Map([["/b/incoming/shop/orders/_headwater_reload.json", "stale"]]);
    calls = [];
  });

  async function run(cloud: Cloud, options: Partial<WaitOptions> = {}, ingest = true): Promise<ReloadResult> {
    let { status = "running", stopped } = cloud;
    let looks = -1;
    await server?.stop();
    server = await FakeServer.start(({ method, url, headers, body }) => {
      const operation = String(headers["x-amz-target"]).split(".")[1] ?? method;
      const nth = <T>(list: readonly T[]): T | undefined =>
        list[Math.min(Math.max(looks, 0), list.length - 1)];
      switch (String(operation)) {
        case "DescribeReplications": {
          if (looks >= 0) status = nth(cloud.states ?? []) ?? "running";
          const times = { ReplicationLastStopTime: stopped, ReplicationStats: { StopDate: stopped } };
          return { json: { Replications: [{ ReplicationConfigArn: ARN, Status: status, ...times }] } };
        }
        case "DescribeReplicationTableStatistics": {
          const tables = looks < 0 ? (cloud.before ?? []) : (nth(cloud.looks ?? []) ?? []);
          if (looks >= 0) looks++;
          const all = tables.map((one) => ({ SchemaName: "shop", ...one }));
          return { json: { ReplicationTableStatistics: all } };
        }
        case "StopReplication":
          calls.push("stop");
          [status, stopped] = ["stopped", "stops" in cloud ? cloud.stops : STOP / 1000];
          return { json: {} };
        case "StartReplication":
          calls.push(String((body as { StartReplicationType: string }).StartReplicationType));
          looks = 0;
          return { json: {} };
        default: {
          const key = new URL(url, "http://s3").pathname;
          calls.push(`${method} ${key.split("/").at(-2)}`);
          if (method === "PUT") objects.set(key, JSON.stringify(body));
          else objects.delete(key);
          return { text: "" };
        }
      }
    });
    const aws = {
      region: "eu-west-1",
      endpoints: { dms: server.url, s3: server.url },
      credentials: { accessKeyId: "a", secretAccessKey: "b" },
    };
    const target = {
      replications: new Replications(dmsClient(aws)),
      s3: s3Client(aws),
      arn: ARN,
      incoming: { bucket: "b", prefix: "incoming/" },
      tables: ["customers", "orders"].map((name) => ({ schema: "shop", table: name })),
      ...(ingest ? { ingest: async () => (calls.push("ingest"), 9) } : {}),
    };
    return reload(target, { timeoutMs: 60_000, clock: new FakeClock(), ...options });
  }

  const markers = (): Record<string, Partial<ReloadMarker>> =>
    Object.fromEntries(
      [...objects].map(([key, text]) => {
        const { markedAt, until, ...marker } = JSON.parse(text) as ReloadMarker;
        expect(Date.parse(until)).to.be.greaterThan(Date.parse(marker.after));
        expect(Date.parse(markedAt)).to.be.greaterThan(STOP - 1e12);
        return [key, marker];
      }),
    );
  const marker = (name: string, rows: number, after = "2026-11-24T12:00:00.250Z") => ({
    [`/b/incoming/shop/${name}/_headwater_reload.json`]: {
      ...{ version: 1, table: `shop.${name}`, after, rows },
    },
  });

  it("deletes stale markers, stops, starts anew, marks each table once it is loaded, and starts the job", async () => {
    const told: string[] = [];
    const result = await run(
      {
        before: [customers("Table completed", 90, -500), orders("Table completed", 80, -400)],
        looks: [
          // Statistics of the load before are no news.
          [customers("Table completed", 90, -500), orders("Table error", 80, -400)],
          [customers("Full load", 3), orders("Before load", 0)],
          [customers("Table completed", 7, 60), orders("Full load", 1)],
          [customers("Table completed", 7, 60), orders("Table completed", 5, 61)],
        ],
      },
      { progress: (seen) => told.push(seen) },
    );
    expect(calls.slice(0, 2)).to.have.members(["DELETE customers", "DELETE orders"]);
    expect(calls.slice(2)).to.deep.equal(["stop", "reload-target", "PUT customers", "PUT orders", "ingest"]);
    expect(markers()).to.deep.equal({ ...marker("customers", 7), ...marker("orders", 5) });
    expect(result.after.getTime()).to.equal(STOP);
    expect(result.runId).to.equal(9);
    expect(result.tables.map((one) => [one.table, one.loadedRows])).to.deep.equal([
      ["customers", 7],
      ["orders", 5],
    ]);
    expect(told.slice(-2)).to.deep.equal([
      "0 of 2 tables loaded, 3 rows; waiting for shop.customers, shop.orders",
      "1 of 2 tables loaded, 8 rows; waiting for shop.orders",
    ]);
  });

  it("marks the others when DMS gives up on a table, starts the job, and names the table", async () => {
    for (const given of [orders("Table error", 0, 60), orders("Table does not exist", 0)]) {
      const error = await errorOf(
        run({ stopped: at(-9), looks: [[customers("Table completed", 7, 60), given]] }),
      );
      expect(error.code).to.equal("operations/load-failed");
      expect(error.details.field).to.equal("shop.orders");
      expect(calls.at(-1)).to.equal("ingest");
      expect(markers()).to.deep.equal(marker("customers", 7));
    }
  });

  it("leaves a replication that has failed as it is, and goes by the last that came of a table when DMS tells no stop", async () => {
    const late = { ...orders("Full load", 1), FullLoadStartTime: at(-30) };
    await run(
      {
        status: "failed",
        before: [customers("Table completed", 90, -500), late],
        looks: [[customers("Table completed", 7, 60), orders("Table completed", 5, 61)]],
      },
      {},
      false,
    );
    expect(calls.slice(2)).to.deep.equal(["reload-target", "PUT customers", "PUT orders"]);
    const after = "2026-11-24T11:59:30.250Z";
    expect(markers()).to.deep.equal({ ...marker("customers", 7, after), ...marker("orders", 5, after) });
  });

  it("takes no load for the new one that ended before the last moment known, whatever stop DMS tells", async () => {
    const old = [customers("Table completed", 90, -100), orders("Table completed", 80, -99)];
    const error = await errorOf(run({ stops: at(-5000), before: old, looks: [old] }));
    expect(error.code).to.equal("operations/timeout");
    expect(error.message).to.contain("0 of 2 tables loaded");
    expect(objects.size).to.equal(0);
  });

  it("refuses one that has never loaded, before anything is changed", async () => {
    for (const status of ["created", "failed", "initializing"]) {
      const error = await errorOf(run({ status, before: [customers("Before load", 0)] }));
      expect(error.code).to.equal("operations/never-loaded");
      expect(error.message).to.contain("headwater up");
    }
    expect(calls).to.deep.equal([]);
    expect([...objects.values()]).to.deep.equal(["stale"]);
  });

  it("tells a replication that fails or is stopped while it loads; what was loaded before is marked", async () => {
    for (const ended of ["failed", "stopped"]) {
      objects.clear();
      const error = await errorOf(
        run({
          stopped: at(-9),
          looks: [[customers("Table completed", 7, 60), orders("Full load", 2)]],
          states: ["running", "running", ended],
        }),
      );
      expect(error.code).to.equal("operations/replication-failed");
      expect(error.message).to.contain(ended);
      expect(markers()).to.deep.equal(marker("customers", 7));
      expect(calls).not.to.include("ingest");
    }
  });

  it("does nothing when cancelled before, and ends when cancelled while it waits", async () => {
    const gone = await errorOf(run({ stopped: at(-9) }, { signal: AbortSignal.abort() }));
    expect(gone.code).to.equal("operations/cancelled");
    expect(calls).to.deep.equal([]);
    const controller = new AbortController();
    const looks = [[customers("Full load", 1), orders("Before load", 0)]];
    const progress = (seen: string): void => {
      if (seen.startsWith("0 of 2")) controller.abort();
    };
    const error = await errorOf(run({ stopped: at(-9), looks }, { signal: controller.signal, progress }));
    expect(error.code).to.equal("operations/cancelled");
    expect(objects.size).to.equal(0);
  });
});
