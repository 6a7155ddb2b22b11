import { ReloadReplicationTablesCommand } from "@aws-sdk/client-database-migration-service";
import { ListObjectsV2Command, PutObjectCommand } from "@aws-sdk/client-s3";
import { expect } from "chai";
import { eventually, headwaterRules, include, World } from "./world.js";

describe("DMS service: data", function () {
  this.timeout(60_000);
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
  const replicate = async (
    schema: string,
    options: { s3?: object; settings?: object; rules?: object[] } = {},
  ) => {
    const rules = [include(schema, "%"), ...(options.rules ?? headwaterRules)];
    const replication = await world.replication(service.client, { ...options, rules });
    await replication.start();
    await replication.reaches("running");
    return replication;
  };

  it("loads a table and then captures its changes, in DMS's files and form", async () => {
    await sql(`
      create schema shop;
      create table shop.customers (id int8 primary key, name text, at timestamptz);
      alter table shop.customers replica identity full;
      create table shop.empty (id int primary key);
      insert into shop.customers values
        (1, 'Ann "the first"' || chr(10) || '😀', '2026-01-02 03:04:05.678901+00'), (2, null, null)`);
    const replication = await replicate("shop");
    await replication.loaded("customers");
    await sql(`begin;
      insert into shop.customers values (3, 'Cy', null);
      update shop.customers set name = 'Bo' where id = 2;
      commit`);
    await sql("update shop.customers set id = 30 where id = 3");
    await sql("delete from shop.customers where id = 1");
    const changes = await replication.changes("shop", "customers", 4);
    const files = await replication.files("shop", "customers");
    const { ReplicationStats } = await replication.describe();

    expect(files[0]?.key).to.equal("incoming/shop/customers/LOAD00000001.parquet");
    expect(files[1]?.name).to.match(/^\d{8}-\d{9}\.parquet$/);
    const load = files[0]?.rows ?? [];
    expect(Object.keys(load[0] ?? {})).to.deep.equal([
      "Op",
      "id",
      "name",
      "at",
      "tx_commit_time",
      "change_seq",
      "BI_id",
    ]);
    expect(load[0]).to.deep.include({
      Op: "I",
      id: 1n,
      name: 'Ann "the first"\n😀',
      at: 1767323045678901n,
      change_seq: "",
      BI_id: null,
    });
    const start = String(load[0]?.["tx_commit_time"]);
    expect(start).to.match(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}$/);
    expect(load.every((row) => row["tx_commit_time"] === start)).to.equal(true);
    expect(start < String(changes[0]?.["tx_commit_time"])).to.equal(true);

    expect(changes.map(({ Op, id, name, BI_id }) => [Op, id, name, BI_id])).to.deep.equal([
      ["I", 3n, "Cy", null],
      ["U", 2n, "Bo", 2n],
      ["U", 30n, "Cy", 3n],
      ["D", 1n, 'Ann "the first"\n😀', 1n],
    ]);
    expect(changes[0]?.["tx_commit_time"]).to.equal(changes[1]?.["tx_commit_time"]);
    const sequences = changes.map((row) => String(row["change_seq"]));
    expect(sequences.every((sequence) => /^\d{35}$/.test(sequence))).to.equal(true);
    expect([...sequences].sort()).to.deep.equal(sequences);

    expect(await replication.files("shop", "empty")).to.deep.equal([]);
    expect(await replication.statistics("customers")).to.include({
      FullLoadRows: 2,
      Inserts: 1,
      Updates: 2,
      Deletes: 1,
      AppliedDeletes: 1,
      TableState: "Table completed",
    });
    expect(await replication.statistics("empty")).to.include({
      FullLoadRows: 0,
      TableState: "Table completed",
    });
    expect(ReplicationStats).to.include({ FullLoadProgressPercent: 100, TablesLoaded: 2, TablesErrored: 0 });
  });

  it("writes every type exactly, in load and changes alike", async () => {
    await sql(`
      create schema kinds;
      create domain kinds.price as numeric(20,4);
      create type kinds.mood as enum ('fine');
      create table kinds.t (
        id int2 primary key, i int4, b int8, n numeric(12,2), w numeric(38,10), u numeric, p kinds.price, f float4, d float8,
        yes bool, c char(5), v varchar(9), day date, at timestamp, tz timestamptz, bytes bytea, j jsonb, id2 uuid,
        m kinds.mood, arr int[], g int generated always as (id + 1) stored);
      insert into kinds.t values (1, -2147483648, 9223372036854775807, -0.05, 1234567890123456789012345678.0123456789,
        1.123456789, -9999999999999999.9999, 1.5, 0.1, true, 'ab', '', '1969-12-31', '1900-01-01 00:00:00.000001',
        '2026-07-01 12:00:00.123456+02', '\\x00ff0a', '{"a": "b"}', '0c4d4b4e-8f4e-4d0c-9a57-0a6b4f7f2e11', 'fine', '{1,2}')`);
    await sql("insert into kinds.t (id) values (2)");
    const replication = await replicate("kinds", { rules: [] });
    await replication.loaded("t");
    await sql("update kinds.t set v = 'changed' where id = 1");
    const [updated] = await replication.changes("kinds", "t", 1);
    const [load] = await replication.files("kinds", "t");
    const [row, nulls] = load?.rows ?? [];
    const type = (name: string) => load?.metadata.schema.find((element) => element.name === name);
    expect(row).to.deep.include({
      ...{
        Op: "I",
        id: 1,
        i: -2147483648,
        b: 9223372036854775807n,
        f: 1.5,
        d: 0.1,
        yes: true,
        c: "ab",
        v: "",
        day: -1,
      },
      ...{
        at: -2208988799999999n,
        tz: 1782900000123456n,
        bytes: new Uint8Array([0, 255, 10]),
        j: '{"a": "b"}',
      },
      ...{ id2: "0c4d4b4e-8f4e-4d0c-9a57-0a6b4f7f2e11", m: "fine", arr: "{1,2}", n: -0.05, u: 1.123456 },
    });
    expect(row).not.to.have.property("g");
    expect(type("w")).to.include({ converted_type: "DECIMAL", precision: 38, scale: 10 });
    expect(type("u")).to.include({ converted_type: "DECIMAL", precision: 28, scale: 6 });
    expect(type("p")).to.include({ converted_type: "DECIMAL", precision: 20, scale: 4 });
    expect(type("tz")).to.include({ type: "INT64", converted_type: "TIMESTAMP_MICROS" });
    expect(
      Object.entries(nulls ?? {}).filter(
        ([name, value]) => value !== null && !["Op", "id", "tx_commit_time"].includes(name),
      ),
    ).to.deep.equal([]);
    const committed = updated?.["tx_commit_time"];
    expect(updated).to.deep.equal({ ...row, Op: "U", v: "changed", tx_commit_time: committed });
  });

  it("changes committed between the slot and a table's read are in the load and in the changes", async () => {
    await sql(`
      create schema overlap;
      create table overlap.a (id int primary key, filler text);
      create table overlap.z (id int primary key);
      insert into overlap.a select i, repeat('x', 300) from generate_series(1, 60000) i;
      insert into overlap.z values (0)`);
    const replication = await world.replication(service.client, {
      rules: [include("overlap", "%"), ...headwaterRules],
    });
    await replication.start();
    await eventually(
      async () => ((await replication.statistics("a")).TableState === "Full load" ? true : undefined),
      "the first table to load",
    );
    await sql("insert into overlap.z values (1)");
    expect((await replication.statistics("z")).TableState).to.equal("Before load");
    await replication.loaded("z");
    const changes = await replication.changes("overlap", "z", 1);
    const load = await replication.loadRows("overlap", "z");
    expect(load.map(({ id }) => id)).to.deep.equal([0, 1]);
    expect(changes.map(({ Op, id }) => [Op, id])).to.deep.equal([["I", 1]]);
    expect(String(load[1]?.["tx_commit_time"]) < String(changes[0]?.["tx_commit_time"])).to.equal(true);
    expect(await replication.loadRows("overlap", "a")).to.have.length(60000);
  });

  it("an unchanged TOAST value never becomes NULL: from the old row, from the source, or the table is suspended", async () => {
    const big = "select string_agg(md5(i::text), '') from generate_series(1, 500) i";
    await sql(`
      create schema toast;
      create table toast.whole (id int primary key, n int, big text);
      create table toast.keyed (id int primary key, n int, big text);
      alter table toast.whole alter big set storage external, replica identity full;
      alter table toast.keyed alter big set storage external;
      insert into toast.whole select 1, 1, (${big});
      insert into toast.keyed select i, 1, (${big}) from generate_series(1, 2) i`);
    const replication = await replicate("toast", { rules: [] });
    await Promise.all([replication.loaded("whole"), replication.loaded("keyed")]);
    await sql("update toast.whole set n = 2; update toast.keyed set n = 2 where id = 1");
    const [whole] = await replication.changes("toast", "whole", 1);
    const [keyed] = await replication.changes("toast", "keyed", 1);
    expect(whole).to.include({ n: 2 }).and.have.property("big").with.length(16000);
    expect(keyed).to.include({ n: 2 }).and.have.property("big").with.length(16000);
    await sql("update toast.keyed set n = 3 where id = 2; delete from toast.keyed where id = 2");
    const failed = await eventually(async () => {
      const statistics = await replication.statistics("keyed");
      return statistics.TableState === "Table error" ? statistics : undefined;
    }, "the table to be suspended");
    expect(failed.ValidationStateDetails).to.include("toast.keyed").and.include("REPLICA IDENTITY FULL");
    expect((await replication.describe()).Status).to.equal("running");
    await sql("update toast.whole set n = 4");
    await replication.changes("toast", "whole", 2);
  });

  it("TRUNCATE leaves landed files alone if HandleSourceTableTruncated is false, and deletes them by DMS's default", async () => {
    await sql(
      "create schema trunc; create table trunc.t (id int primary key); insert into trunc.t values (1)",
    );
    const kept = await replicate("trunc");
    const lost = await replicate("trunc", { settings: {} });
    await Promise.all([kept.loaded("t"), lost.loaded("t")]);
    await sql("truncate trunc.t");
    await sql("insert into trunc.t values (2)");
    const changes = await kept.changes("trunc", "t", 1);
    expect(changes.map(({ Op, id }) => [Op, id])).to.deep.equal([["I", 2]]);
    expect(await kept.loadRows("trunc", "t")).to.have.length(1);
    expect(await kept.statistics("t")).to.include({ Ddls: 1, Inserts: 1 });
    await lost.changes("trunc", "t", 1);
    expect(await lost.loadRows("trunc", "t")).to.deep.equal([]);
  });

  it("a column added while capturing is in the next files", async () => {
    await sql("create schema ddl; create table ddl.t (id int primary key); insert into ddl.t values (1)");
    const replication = await replicate("ddl");
    await replication.loaded("t");
    await sql("insert into ddl.t values (2)");
    await sql("alter table ddl.t add column extra numeric(5,2) default 1.25");
    await sql("insert into ddl.t values (3, 3.5)");
    const changes = await replication.changes("ddl", "t", 2);
    expect(changes[0]).not.to.have.property("extra");
    expect(changes[1]).to.include({ id: 3, extra: 3.5 });
    expect(await replication.statistics("t")).to.include({ Ddls: 1 });
  });

  it("without REPLICA IDENTITY FULL a D row has the key only; without any identity only inserts are captured", async () => {
    await sql(`
      create schema ident;
      create table ident.keyed (id int primary key, v text);
      create table ident.bare (v text);
      insert into ident.keyed values (1, 'a'), (2, 'b'); insert into ident.bare values ('a')`);
    const replication = await replicate("ident");
    await Promise.all([replication.loaded("keyed"), replication.loaded("bare")]);
    await sql("delete from ident.keyed where id = 1; update ident.keyed set id = 3 where id = 2");
    // The source's own updates must go on working.
    await sql("update ident.bare set v = 'b'; insert into ident.bare values ('c')");
    const keyed = await replication.changes("ident", "keyed", 2);
    expect(keyed.map(({ Op, id, v, BI_id }) => [Op, id, v, BI_id])).to.deep.equal([
      ["D", 1, null, 1],
      ["U", 3, "b", 2],
    ]);
    const bare = await replication.changes("ident", "bare", 1);
    expect(bare.map(({ Op, v }) => [Op, v])).to.deep.equal([["I", "c"]]);
  });

  it("by option, a changed key is D and I, and load rows have a NULL change sequence", async () => {
    const other = await world.service({ keyChange: "deleteInsert", loadChangeSeq: "null" });
    try {
      await sql(`create schema keys; create table keys.t (id int primary key, v text);
        alter table keys.t replica identity full; insert into keys.t values (1, 'a')`);
      const replication = await world.replication(other.client, {
        rules: [include("keys", "%"), ...headwaterRules],
      });
      await replication.start();
      await replication.loaded("t");
      await sql("update keys.t set id = 2");
      const changes = await replication.changes("keys", "t", 2);
      expect(changes.map(({ Op, id, v, BI_id }) => [Op, id, v, BI_id])).to.deep.equal([
        ["D", 1, "a", 1],
        ["I", 2, "a", null],
      ]);
      expect((await replication.loadRows("keys", "t"))[0]).to.include({ change_seq: null });
    } finally {
      await other.stop();
    }
  });

  it("mappings and settings shape the files: names, removed and added columns, operations, cut LOBs, gzip", async () => {
    await sql(`create schema shape; create table shape."Things" (id int primary key, secret text, body text);
      create table shape.other (id int primary key);
      alter table shape."Things" replica identity full;
      insert into shape."Things" values (1, 's', repeat('é', 1000))`);
    const column = (action: string, more: object, name = "%") => ({
      ...{
        "rule-type": "transformation",
        "rule-id": "9",
        "rule-name": "9",
        "rule-target": "column",
        "rule-action": action,
      },
      ...{
        "object-locator": { "schema-name": "shape", "table-name": "Things", "column-name": name },
        ...more,
      },
    });
    const add = (value: string, expression: string, type = "string") =>
      column("add-column", { value, expression, "data-type": { type } });
    const replication = await replicate("shape", {
      rules: [
        { ...include("shape", "other"), "rule-action": "exclude" },
        column("remove-column", {}, "secret"),
        column("rename", { value: "text" }, "body"),
        {
          ...column("convert-lowercase", {}),
          "rule-target": "table",
          "object-locator": { "schema-name": "shape", "table-name": "Things" },
        },
        {
          ...{ "rule-type": "table-settings", "rule-id": "8", "rule-name": "8" },
          "object-locator": { "schema-name": "shape", "table-name": "Things" },
          "lob-settings": { mode: "limited", "bulk-max-size": "1" },
        },
        add("operation", "operation_indicator('gone', 'changed', 'new') || ' ' || $AR_H_OPERATION"),
        add("origin", "$AR_M_SOURCE_SCHEMA || '.' || $AR_M_SOURCE_TABLE_NAME || $id"),
        add("committed", "$AR_H_COMMIT_TIMESTAMP", "datetime"),
        add("position", "$AR_H_STREAM_POSITION"),
      ],
      s3: { CompressionType: "gzip", TimestampColumnName: "", CdcInsertsAndUpdates: true },
      settings: { TargetMetadata: { SupportLobs: true, LimitedSizeLobMode: true, LobMaxSize: 2 } },
    });
    await replication.loaded("Things");
    await sql(
      `update shape."Things" set secret = 't'; delete from shape."Things"; insert into shape."Things" values (2, null, null)`,
    );
    const changes = await replication.changes("shape", "things", 2);
    const [load] = await replication.files("shape", "things");
    expect(Object.keys(load?.rows[0] ?? {})).to.deep.equal([
      "Op",
      "id",
      "text",
      "operation",
      "origin",
      "committed",
      "position",
    ]);
    expect(load?.rows[0]).to.include({
      Op: "I",
      text: "é".repeat(512),
      operation: "new INSERT",
      origin: "shape.Things1",
      position: "",
    });
    expect(load?.metadata.row_groups[0]?.columns[0]?.meta_data?.codec).to.equal("GZIP");
    expect(changes.map(({ Op, id, operation }) => [Op, id, operation])).to.deep.equal([
      ["U", 1, "changed UPDATE"],
      ["I", 2, "new INSERT"],
    ]);
    expect(changes[0]?.["committed"]).to.be.a("bigint");
    expect(changes[0]?.["position"]).to.match(/^[0-9A-F]{8}\/[0-9A-F]{8}$/);
    expect(await replication.files("shape", "other")).to.deep.equal([]);
  });

  it("the Op column comes by IncludeOpForFullLoad and CdcInsertsOnly, as the user guide's table says", async () => {
    await sql("create schema ops; create table ops.t (id int primary key); insert into ops.t values (1)");
    const cases = [
      { IncludeOpForFullLoad: true, CdcInsertsOnly: true, load: ["I"], changes: ["I"] },
      { IncludeOpForFullLoad: false, CdcInsertsOnly: false, load: [undefined], changes: ["I", "U", "D"] },
      { IncludeOpForFullLoad: false, CdcInsertsOnly: true, load: [undefined], changes: [undefined] },
    ];
    const replications = await Promise.all(
      cases.map(({ load: _load, changes: _changes, ...s3 }) => replicate("ops", { s3, rules: [] })),
    );
    await Promise.all(replications.map((replication) => replication.loaded("t")));
    await sql(
      "insert into ops.t values (2); update ops.t set id = 3 where id = 2; delete from ops.t where id = 3",
    );
    for (const [index, { load, changes }] of cases.entries()) {
      const replication = replications[index];
      const captured = await replication?.changes("ops", "t", changes.length);
      expect(captured?.map(({ Op }) => Op)).to.deep.equal(changes);
      expect((await replication?.loadRows("ops", "t"))?.map(({ Op }) => Op)).to.deep.equal(load);
    }
  });

  it("a value without a place in parquet suspends its table by name; a reload takes it up again", async () => {
    await sql(
      "create schema bad; create table bad.t (id int primary key, at timestamp); insert into bad.t values (1, 'infinity')",
    );
    await sql("create table bad.good (id int primary key); insert into bad.good values (1)");
    const replication = await replicate("bad");
    await replication.loaded("good");
    const suspended = await eventually(async () => {
      const { TableState } = await replication.statistics("t");
      return TableState === "Table error" ? TableState : undefined;
    }, "the table to be suspended");
    expect(suspended).to.equal("Table error");
    expect((await replication.describe()).FailureMessages).to.deep.equal([
      "bad.t.at: infinity is no finite timestamp",
    ]);
    await sql("update bad.t set at = '2026-01-01'");
    const TablesToReload = [{ SchemaName: "bad", TableName: "t" }];
    await service.client.send(
      new ReloadReplicationTablesCommand({ ReplicationConfigArn: replication.arn, TablesToReload }),
    );
    const reloaded = await replication.loaded("t");
    expect(reloaded).to.include({ FullLoadRows: 1, FullLoadReloaded: true });
    await sql("insert into bad.t values (2, null)");
    await eventually(async () => {
      const files = await replication.files("bad", "t");
      return files.some(({ rows }) => rows.some(({ id }) => id === 2)) ? true : undefined;
    }, "changes after the reload");
  });

  it("a load deletes a table's older files first unless TargetTablePrepMode is DO_NOTHING", async () => {
    await sql("create schema prep; create table prep.t (id int primary key); insert into prep.t values (1)");
    for (const mode of ["DO_NOTHING", "DROP_AND_CREATE"]) {
      const settings = { FullLoadSettings: { TargetTablePrepMode: mode } };
      const replication = await world.replication(service.client, {
        rules: [include("prep", "%")],
        settings,
      });
      const Key = "incoming/prep/t/20200101-000000000.parquet";
      await world.s3.send(new PutObjectCommand({ Bucket: replication.bucket, Key, Body: "old" }));
      await replication.start();
      await replication.loaded("t");
      const { Contents = [] } = await world.s3.send(new ListObjectsV2Command({ Bucket: replication.bucket }));
      expect(Contents.some((item) => item.Key === Key)).to.equal(mode === "DO_NOTHING");
    }
  });

  it("many replications of one source do not disturb each other", async () => {
    await sql("create schema many; create table many.t (id int primary key); insert into many.t values (1)");
    const replications = await Promise.all([1, 2, 3].map(() => replicate("many")));
    await Promise.all(replications.map((replication) => replication.loaded("t")));
    await sql("insert into many.t values (2)");
    for (const replication of replications) {
      const changes = await replication.changes("many", "t", 1);
      expect(changes.map(({ id }) => id)).to.deep.equal([2]);
    }
  });
});
