import { expect } from "chai";
import fc from "fast-check";
import { HeadwaterError } from "../../../src/model/errors.js";
import { layOut, refuseOverlaps, s3Url } from "../../../src/model/layout.js";
import { targetNames } from "../../../src/model/naming.js";
import { definePipeline, findTable, type PipelineDefinition } from "../../../src/model/pipeline.js";

const base = { name: "shop", engine: "postgresql" } as const;

function define(tables: PipelineDefinition["tables"], rest: Partial<PipelineDefinition> = {}) {
  return definePipeline({ ...base, tables, ...rest });
}

const sourceName = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_$-]{0,20}$/);
const tables = fc
  .dictionary(
    sourceName,
    fc.dictionary(sourceName, fc.record({ keys: fc.constant(["id"]) }), { minKeys: 1, maxKeys: 5 }),
    { minKeys: 1, maxKeys: 4 },
  )
  // Names of their own, so that no two tables meet and every source name will do.
  .map((schemas) => {
    let count = 0;
    return Object.fromEntries(
      Object.entries(schemas).map(([schema, tables]) => [
        schema,
        Object.fromEntries(
          Object.entries(tables).map(([table, entry]) => [table, { ...entry, name: `t${count++}` }]),
        ),
      ]),
    );
  });

describe("definePipeline", () => {
  it("gives defaults and a stable order", () => {
    const one = define({ b: { Z: { keys: ["id"] }, a: { keys: ["id"] } }, a: { x: { keys: ["k", "l"] } } });
    expect(one.tables.map(({ source, name }) => [source.schema, source.table, name])).to.deep.equal([
      ["a", "x", "x"],
      ["b", "Z", "z"],
      ["b", "a", "a"],
    ]);
    expect(one.historyColumns).to.equal("paper");
    expect(one.latenessHorizonDays).to.equal(7);
    expect(one.tables[0]?.rule).to.deep.equal({ scdType: 2, trackHistoryOn: null, deletePolicy: "close" });
    const first = define({ a: { x: { keys: ["k"], scdType: 1 } } }).tables[0];
    expect(first?.rule).to.deep.equal({ scdType: 1, trackHistoryOn: null, deletePolicy: "remove" });
    const other = define({ a: { x: { keys: ["k", "l"] } }, b: { a: { keys: ["id"] }, Z: { keys: ["id"] } } });
    expect(JSON.stringify(other)).to.equal(JSON.stringify(one));
    expect(findTable(one, "b", "Z")?.name).to.equal("z");
    expect(findTable(one, "b", "z")).to.equal(undefined);
  });

  const refusals: [string, () => unknown, string][] = [
    [
      "a horizon that is none",
      () =>
        definePipeline({
          name: "shop",
          engine: "postgresql",
          latenessHorizonDays: 0.5,
          tables: { shop: { a: { keys: ["id"] } } },
        }),
      "pipeline shop: latenessHorizonDays: not a lateness horizon\n  found: 0.5\n  allowed: whole days from 1 to 365\n",
    ],
    [
      "a column list to track that is empty",
      () => define({ shop: { t: { keys: ["id"], trackHistoryOn: [] } } }),
      "pipeline shop: tables.shop.t.trackHistoryOn: trackHistoryOn is empty or lists a column twice\n  found: []\n",
    ],
    [
      "SCD type 1 with columns to track",
      () => define({ shop: { t: { keys: ["id"], scdType: 1, trackHistoryOn: ["name"] } } }),
      'pipeline shop: tables.shop.t.trackHistoryOn: SCD type 1 keeps no history to track or to close\n  found: ["name"]\n',
    ],
    [
      "SCD type 1 that closes versions",
      () => define({ shop: { t: { keys: ["id"], scdType: 1, deletePolicy: "close" } } }),
      "pipeline shop: tables.shop.t.deletePolicy: SCD type 1 keeps no history to track or to close\n  found: close\n",
    ],
    [
      "an SCD type of its own",
      () => define({ shop: { t: { keys: ["id"], scdType: 3 as 2 } } }),
      "pipeline shop: tables.shop.t.scdType: tables.shop.t.scdType is not one Headwater knows\n  found: 3\n  allowed: 1, 2\n",
    ],
    [
      "a table without keys",
      () => define({ shop: { audit: { keys: [] } } }),
      "pipeline shop: tables.shop.audit.keys: the table has no keys\n  found: []\n  allowed: one or more column names\n" +
        "  remedy: List the primary key's columns. A table without a key has no history: give it one, or leave it out.",
    ],
    [
      "a table whose keys were forgotten",
      () => define({ shop: { audit: {} as { keys: [] } } }),
      "pipeline shop: tables.shop.audit.keys: the table has no keys\n  found: nothing\n",
    ],
    [
      "a key listed twice",
      () => define({ shop: { t: { keys: ["id", "id"] } } }),
      'pipeline shop: tables.shop.t.keys: a key is empty or listed twice\n  found: ["id","id"]\n',
    ],
    [
      "a key with a name the pipeline adds",
      () => define({ shop: { t: { keys: ["OP"] } } }),
      "pipeline shop: tables.shop.t.keys: a key has the name of a column the pipeline adds\n  found: OP\n",
    ],
    [
      "a key that looks like a before image",
      () => define({ shop: { t: { keys: ["BI_id"] } } }),
      "  found: BI_id\n  allowed: any name but op, tx_commit_time, change_seq, current, effective_date, end_date, " +
        "__start_at, __end_at and BI_*\n",
    ],
    ["no tables", () => define({ shop: {} }), "pipeline shop: tables: a pipeline needs at least one table\n"],
    [
      "two tables of one name",
      () => define({ a: { t: { keys: ["id"] } }, b: { T: { keys: ["id"] } } }),
      "tables.b.T.name: two tables would both make t\n  found: t, beside t of a.t\n" +
        "  allowed: a name that shares neither table, log, view nor volumes with another table\n" +
        '  remedy: Give one of them another name, for example "b_t".',
    ],
    [
      "a table with the name of another's view",
      () => define({ a: { t: { keys: ["id"] }, t_current: { keys: ["id"] } } }),
      "two tables would both make t_current\n",
    ],
    [
      "a reserved name",
      () => define({ a: { headwater_files: { keys: ["id"] } } }),
      "tables.a.headwater_files.name: a reserved name\n  found: headwater_files\n" +
        "  allowed: any name that does not begin with headwater_\n",
    ],
    [
      "a source table that cannot be a folder",
      () => define({ a: { "x/y": { keys: ["id"] } } }),
      "tables.a.x/y: a source name that cannot be a folder in S3\n  found: x/y\n",
    ],
    [
      "a source table whose name Unity Catalog cannot take",
      () => define({ a: { "x-y": { keys: ["id"] } } }),
      "tables.a.x-y.name: not a table's name in Unity Catalog\n  found: x-y\n",
    ],
    [
      "a pipeline with a hyphen",
      () => define({ a: { t: { keys: ["id"] } } }, { name: "web-shop" }),
      "pipeline web-shop: name: not a pipeline's name\n  found: web-shop\n" +
        "  allowed: a lower-case letter, then up to 19 lower-case letters and digits\n",
    ],
    [
      "an engine there is not",
      () => define({ a: { t: { keys: ["id"] } } }, { engine: "db2" as "oracle" }),
      "engine: engine is not one Headwater knows\n  found: db2\n  allowed: postgresql, mysql, mariadb, sqlserver, oracle\n",
    ],
  ];
  for (const [what, action, message] of refusals) {
    it(`refuses ${what}`, () => {
      expect(action).to.throw(HeadwaterError, message);
    });
  }
});

describe("layOut", () => {
  it("shows in each volume exactly what DMS writes for the table", () => {
    const [table] = layOut(define({ shop: { order_lines: { keys: ["order_id", "line_no"] } } }), {
      catalog: "shop_dev",
      schema: "crm",
    });
    expect(table).to.deep.equal({
      source: { schema: "shop", table: "order_lines" },
      name: "order_lines",
      keys: ["order_id", "line_no"],
      rule: { scdType: 2, trackHistoryOn: null, deletePolicy: "close" },
      folders: { incoming: "incoming/shop/order_lines/", processed: "processed/shop/order_lines/" },
      volumes: { incoming: "order_lines_incoming", processed: "order_lines_processed" },
      paths: {
        incoming: "/Volumes/shop_dev/crm/order_lines_incoming",
        processed: "/Volumes/shop_dev/crm/order_lines_processed",
      },
      history: "shop_dev.crm.order_lines",
    });
  });

  it("never lets two folders or two names meet, whatever the tables are called", () => {
    fc.assert(
      fc.property(tables, (tables) => {
        const pipeline = define(tables);
        const layout = layOut(pipeline, { catalog: "c", schema: "s" });
        const folders = layout.flatMap(({ folders }) => [folders.incoming, folders.processed]);
        for (const folder of folders) {
          expect(folders.filter((other) => other.startsWith(folder))).to.deep.equal([folder]);
        }
        // Processed files are outside what the trigger watches.
        expect(layout.every(({ folders }) => folders.processed.startsWith("processed/"))).to.be.true;
        const names = layout.flatMap(({ name }) => Object.values(targetNames(name)));
        expect(new Set(names).size).to.equal(names.length);
      }),
    );
  });
});

describe("refuseOverlaps", () => {
  const owned = (...paths: string[]) => paths.map((path, index) => ({ owner: `owner ${index}`, path }));

  it("takes folders that only begin alike", () => {
    expect(() => refuseOverlaps("test", owned("a/b/", "a/bc/", "a/b-c", "a/b.d/"))).not.to.throw();
  });

  it("names both folders and both owners", () => {
    expect(() => refuseOverlaps("pipeline shop", owned("a/b/c", "x/", "a/b/"))).to.throw(
      HeadwaterError,
      "pipeline shop: owner 0: two paths overlap\n  found: a/b/c/ and a/b/ of owner 2\n",
    );
    expect(() => refuseOverlaps("pipeline shop", owned("a/b", "a/b/"))).to.throw(
      HeadwaterError,
      "two paths overlap",
    );
  });

  it("agrees with the plain definition", () => {
    const path = fc
      .array(fc.constantFrom("a", "b", "a-", "a0"), { minLength: 1, maxLength: 3 })
      .map((p) => p.join("/"));
    fc.assert(
      fc.property(fc.array(path, { maxLength: 6 }), (paths) => {
        const slashed = paths.map((one) => `${one}/`);
        const overlap = slashed.some((a, i) => slashed.some((b, j) => i !== j && b.startsWith(a)));
        let refused = false;
        try {
          refuseOverlaps("test", owned(...paths));
        } catch {
          refused = true;
        }
        expect(refused).to.equal(overlap);
      }),
    );
  });
});

describe("s3Url", () => {
  it("always ends in one slash", () => {
    expect(s3Url("b")).to.equal("s3://b/");
    expect(s3Url("b", "/incoming/")).to.equal("s3://b/incoming/");
    expect(s3Url("b", "incoming/shop")).to.equal("s3://b/incoming/shop/");
  });
});
