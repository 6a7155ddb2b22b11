import { StopReplicationCommand } from "@aws-sdk/client-database-migration-service";
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand } from "@aws-sdk/client-s3";
import { expect } from "chai";
import { HeadwaterError } from "../../../src/model/errors.js";
import { Replications } from "../../../src/operations/dms.js";
import { reload, type ReloadMarker, type ReloadTarget } from "../../../src/operations/reload.js";
import { eventually, headwaterRules, include, World, type TestReplication } from "./world.js";

const wait = { timeoutMs: 60_000, intervalMs: 20 };

describe("DMS service: a reload", function () {
  this.timeout(120_000);
  let world: World;
  let service: Awaited<ReturnType<World["service"]>>;

  before(async () => {
    world = await World.create();
    service = await world.service();
  });
  after(async () => {
    await service?.stop();
    await world?.destroy();
  });

  const sql = (text: string) => world.source.query(text);

  async function markers(bucket: string): Promise<Record<string, ReloadMarker>> {
    const { Contents = [] } = await world.s3.send(new ListObjectsV2Command({ Bucket: bucket }));
    const keys = Contents.flatMap(({ Key = "" }) => (Key.endsWith(".json") ? [Key] : []));
    const read = keys.map(async (Key) => {
      const { Body } = await world.s3.send(new GetObjectCommand({ Bucket: bucket, Key }));
      return [Key, JSON.parse((await Body?.transformToString()) ?? "") as ReloadMarker] as const;
    });
    return Object.fromEntries(await Promise.all(read));
  }

  /** The timestamps of a table's load rows, each once, as ISO times. */
  async function loadMoments(replication: TestReplication, table: string): Promise<string[]> {
    const rows = await replication.loadRows("again", table);
    const stamps = rows.map((row) => `${String(row["tx_commit_time"]).replace(" ", "T")}Z`);
    return [...new Set(stamps)];
  }

  it("after a loss of the log brings what is there now, later than the stop, and marks each complete load", async () => {
    await sql(`
      create schema again;
      create table again.customers (id int primary key);
      create table again.orders (id int primary key, at timestamp);
      create table again.empty (id int primary key);
      insert into again.customers values (1), (2), (3);
      insert into again.orders values (1, '2026-01-01');
      insert into again.empty values (1)`);
    const replication = await world.replication(service.client, {
      rules: [include("again", "%"), ...headwaterRules],
      settings: { FullLoadSettings: { TargetTablePrepMode: "DO_NOTHING" } },
    });
    const { arn, bucket } = replication;
    const target: ReloadTarget = {
      ...{ replications: new Replications(service.client), s3: world.s3, arn },
      incoming: { bucket, prefix: "incoming/" },
      tables: ["customers", "orders", "empty"].map((table) => ({ schema: "again", table })),
    };
    const refused = await reload(target, wait).catch((error: unknown) => error as HeadwaterError);
    expect(refused).to.include({ code: "operations/never-loaded" });

    await replication.start();
    await Promise.all(target.tables.map(({ table }) => replication.loaded(table)));
    const [first = ""] = await loadMoments(replication, "customers");
    await service.client.send(new StopReplicationCommand({ ReplicationConfigArn: arn }));
    const { ReplicationLastStopTime: stopped } = await replication.reaches("stopped");
    await sql("delete from again.customers where id in (1, 2); insert into again.customers values (4)");
    await sql("delete from again.empty");
    await sql("update again.orders set at = 'infinity'"); // has no place in parquet: DMS gives the table up
    await sql("select pg_drop_replication_slot(slot_name) from pg_replication_slots");
    const stale = "incoming/again/orders/_headwater_reload.json";
    await world.s3.send(new PutObjectCommand({ Bucket: bucket, Key: stale, Body: "{}" }));

    const failure = await reload(target, wait).catch((error: unknown) => error as HeadwaterError);
    expect(failure).to.include({ code: "operations/load-failed" });
    expect((failure as HeadwaterError).details.field).to.equal("again.orders");
    const marked = await markers(bucket);
    const after = stopped?.toISOString() ?? "";
    const common = { version: 1, after };
    expect(Object.keys(marked)).to.deep.equal([
      "incoming/again/customers/_headwater_reload.json",
      "incoming/again/empty/_headwater_reload.json",
    ]);
    expect(marked["incoming/again/customers/_headwater_reload.json"]).to.include({
      ...{ ...common, table: "again.customers", rows: 2 },
    });
    expect(marked["incoming/again/empty/_headwater_reload.json"]).to.include({ ...common, rows: 0 });
    const moments = await loadMoments(replication, "customers");
    expect(moments).to.have.length(1);
    expect(moments[0]! > after && after > first, `${first} ${after} ${moments[0]}`).to.equal(true);
    expect((await replication.loadRows("again", "customers")).map(({ id }) => id)).to.deep.equal([3, 4]);
    await sql("insert into again.customers values (5)");
    expect((await replication.changes("again", "customers", 1)).at(-1)).to.include({ Op: "I", id: 5 });

    // While it runs, and with the cause mended: everything once more, later than its own stop.
    await sql("update again.orders set at = '2026-01-02'");
    const result = await reload(target, wait);
    expect(result.tables.map(({ table, loadedRows }) => [table, loadedRows])).to.deep.equal([
      ["customers", 3],
      ["orders", 1],
      ["empty", 0],
    ]);
    expect(result.after.toISOString() > moments[0]!).to.equal(true);
    const again = await markers(bucket);
    expect(Object.values(again).map(({ rows }) => rows)).to.deep.equal([3, 0, 1]);
    for (const table of ["customers", "orders"]) {
      const [moment = "", ...others] = await loadMoments(replication, table);
      expect(others).to.deep.equal([]);
      const marker = again[`incoming/again/${table}/_headwater_reload.json`];
      expect(moment > (marker?.after ?? "~") && moment <= (marker?.until ?? "")).to.equal(true);
    }
    const { ReplicationStats: stats } = await replication.describe();
    expect(stats?.FreshStartDate?.getTime()).to.be.greaterThan(stats?.StopDate?.getTime() ?? Infinity);
    expect(stats).to.include({ TablesLoaded: 3, TablesErrored: 0, FullLoadProgressPercent: 100 });
  });

  it("begun while another load is under way, starts over when that one runs", async () => {
    await sql(
      "create schema twice; create table twice.t (id int primary key); insert into twice.t values (1)",
    );
    const replication = await world.replication(service.client, { rules: [include("twice", "%")] });
    const { arn, bucket } = replication;
    const target: ReloadTarget = {
      ...{ replications: new Replications(service.client), s3: world.s3, arn },
      ...{ incoming: { bucket, prefix: "incoming/" }, tables: [{ schema: "twice", table: "t" }] },
    };
    await replication.start();
    await replication.loaded("t");
    await service.client.send(new StopReplicationCommand({ ReplicationConfigArn: arn }));
    await replication.reaches("stopped");
    await replication.start("reload-target"); // a first try, whose process was killed
    await eventually(
      async () => ((await replication.describe()).Status === "initializing" ? undefined : true),
      "the start",
    );
    const { after } = await reload(target, wait);
    const [marker] = Object.values(await markers(bucket));
    expect(marker).to.include({ table: "twice.t", after: after.toISOString(), rows: 1 });
    const stats = (await replication.describe()).ReplicationStats;
    expect(after.getTime()).to.equal(stats?.StopDate?.getTime());
  });
});
