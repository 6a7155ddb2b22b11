import { expect } from "chai";
import fc from "fast-check";
import { compareRows } from "../../../demo/proof/compare.js";
import { momentTimes } from "../../../demo/proof/checks.js";
import { readAudit, readTables, type AuditEntry } from "../../../demo/proof/read-postgres.js";
import { referenceHistory, rowsAsOf, type Version } from "../../../demo/proof/reference.js";
import { withConnection, type Connection } from "../../../demo/source/connection.js";
import { runWorkload, type WorkloadResult } from "../../../demo/source/run-workload.js";
import { shopWorkload } from "../../../demo/source/scenarios.js";
import { createSource } from "../../../demo/source/source.js";
import { initialRows, WorkloadBuilder, type State } from "../../../demo/source/workload.js";
import { keyOf, shop, type Row, type Table } from "../../../demo/tables.js";
import { startPostgres, type PostgresFixture } from "../../support/postgres.js";

interface Run {
  readonly connection: Connection;
  readonly result: WorkloadResult;
  readonly planned: State;
  readonly source: ReadonlyMap<string, readonly Row[]>;
  readonly audit: ReadonlyMap<string, readonly AuditEntry[]>;
  readonly history: ReadonlyMap<string, readonly Version[]>;
}

describe("the demo's source and the reference history, on a real PostgreSQL", function () {
  this.timeout(120_000);
  let postgres: PostgresFixture;
  let databases = 0;

  before(async () => {
    postgres = await startPostgres();
  });
  after(async () => {
    await postgres.stop();
  });

  async function run(seed: string, scale: number): Promise<Run> {
    const rows = initialRows(seed, shop, scale);
    const builder = new WorkloadBuilder(seed, shop, rows);
    const steps = shopWorkload(builder, 12);
    const { host, port, user, password, database } = postgres;
    const admin = { host, port, user, password, database };
    const name = `shop_${++databases}`;
    const connection = await createSource(admin, name, shop, rows, {
      user: `dms_${name}`,
      password: "only for the test",
    });
    const result = await runWorkload(connection, shop, steps);
    const [source, audit] = await withConnection(connection, async (client) => {
      const entries = new Map<string, readonly AuditEntry[]>();
      for (const table of shop) entries.set(table.name, await readAudit(client, table));
      return [await readTables(client, shop), entries] as const;
    });
    const history = new Map(
      shop.map((table) => [table.name, referenceHistory(table, audit.get(table.name) ?? [])]),
    );
    return { connection, result, planned: builder.finalState(), source, audit, history };
  }

  function expectSameRows(table: Table, expected: readonly Row[], found: readonly Row[], what: string): void {
    const items = (rows: readonly Row[]) =>
      rows.map((row) => ({
        identity: keyOf(table, row),
        cells: Object.fromEntries(table.columns.map(({ name }, index) => [name, row[index] ?? null])),
      }));
    const { differences } = compareRows(items(expected), items(found));
    expect(differences, `${table.name} ${what}`).to.deep.equal([]);
  }

  it("agree for any seed: the plan, the source, the history's end, and every recorded moment", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ maxLength: 12 }), async (seed) => {
        const { result, planned, source, history } = await run(seed, 0.08);
        expect(result.moments.map(({ name }) => name)).to.have.length(2);
        for (const table of shop) {
          const now = source.get(table.name) ?? [];
          const versions = history.get(table.name) ?? [];
          expectSameRows(table, [...(planned.get(table.name) ?? new Map()).values()], now, "as planned");
          expectSameRows(
            table,
            now,
            rowsAsOf(versions, "9999-12-31 23:59:59.999999"),
            "at the history's end",
          );
          for (const moment of result.moments) {
            expect(moment.until, `the commit after "${moment.name}"`).to.not.equal(undefined);
            for (const time of momentTimes(moment)) {
              expectSameRows(
                table,
                moment.rows.get(table.name) ?? [],
                rowsAsOf(versions, time),
                `as of ${time}`,
              );
            }
          }
        }
      }),
      { numRuns: 4 },
    );
  });

  it("cover what the history must get right, with several thousand rows", async () => {
    const { result, audit, history, source } = await run("coverage", 1);
    const total = [...source.values()].reduce((sum, rows) => sum + rows.length, 0);
    expect(total).to.be.greaterThan(4000);
    expect(result.transactions).to.be.greaterThan(100);
    for (const table of shop) {
      const entries = audit.get(table.name) ?? [];
      const versions = history.get(table.name) ?? [];
      const keyChanges = entries.filter((e) => e.old && e.new && keyOf(table, e.old) !== keyOf(table, e.new));
      expect(keyChanges.length, `${table.name}: changed keys`).to.be.greaterThan(4);
      expect(entries.length, `${table.name}: changes nobody sees`).to.be.greaterThan(versions.length);
      const gaps = versions.filter(({ row, end }) => {
        if (end === null) return false;
        const later = versions.filter((v) => keyOf(table, v.row) === keyOf(table, row) && v.start > end);
        return (
          later.length > 0 &&
          !versions.some((v) => keyOf(table, v.row) === keyOf(table, row) && v.start === end)
        );
      });
      expect(gaps.length, `${table.name}: keys that came back after a gap`).to.be.greaterThan(0);
    }
  });

  it("let the DMS user read, publish and replicate the shop, and nothing else", async () => {
    const { connection } = await run("grants", 0.05);
    const dms = { ...connection, user: `dms_${connection.database}`, password: "only for the test" };
    await withConnection(dms, async (client) => {
      const read = await client.query<{ count: string }>("SELECT count(*) FROM shop.customers");
      expect(Number(read.rows[0]?.count)).to.be.greaterThan(0);
      for (const table of shop) {
        await client.query(`CREATE PUBLICATION test_${table.name} FOR TABLE ${table.schema}.${table.name}`);
      }
      const slot = await client.query("SELECT pg_create_logical_replication_slot('test', 'pgoutput', true)");
      expect(slot.rowCount).to.equal(1);
      const denied = async (sql: string): Promise<string> =>
        client.query(sql).then(
          () => "allowed",
          (error: Error) => error.message,
        );
      expect(await denied("SELECT * FROM audit.customers")).to.contain("permission denied");
      expect(await denied("CREATE PUBLICATION audit FOR TABLE audit.customers")).to.contain(
        "permission denied",
      );
      expect(await denied("CREATE PUBLICATION everything FOR ALL TABLES")).to.contain("superuser");
      expect(await denied("CREATE ROLE another")).to.contain("permission denied");
      expect(await denied("CREATE DATABASE another")).to.contain("permission denied");
    });
  });
});
