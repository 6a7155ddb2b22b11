import { expect } from "chai";
import { shopWorkload } from "../../../demo/source/scenarios.js";
import { initialRows, WorkloadBuilder } from "../../../demo/source/workload.js";
import { keyOf, shop } from "../../../demo/tables.js";

function build(seed: string): string {
  const rows = initialRows(seed, shop, 0.1);
  return JSON.stringify([[...rows], shopWorkload(new WorkloadBuilder(seed, shop, rows), 12)]);
}

describe("the demo's generator", () => {
  it("gives the same rows and changes for the same seed, others for another", () => {
    expect(build("a seed")).to.equal(build("a seed"));
    expect(build("a seed")).to.not.equal(build("a seed."));
  });

  it("loads several thousand rows with unique keys, NULLs and empty texts in every table", () => {
    const rows = initialRows("size", shop);
    expect([...rows.values()].reduce((sum, list) => sum + list.length, 0)).to.be.within(4000, 9999);
    for (const table of shop) {
      const list = rows.get(table.name) ?? [];
      expect(new Set(list.map((row) => keyOf(table, row))).size).to.equal(list.length);
      expect(
        list.some((row) => row.includes(null)),
        `${table.name}: NULL`,
      ).to.equal(true);
      expect(
        list.some((row) => row.includes("")),
        `${table.name}: ''`,
      ).to.equal(true);
      const texts = list.flat().join("\n");
      expect(texts).to.match(/'/).and.match(/"/).and.match(/😀/);
    }
  });

  it("changes every table by insert, update, delete, a changed key, a re-insert and a rolled back transaction", () => {
    const rows = initialRows("kinds", shop);
    const steps = shopWorkload(new WorkloadBuilder("kinds", shop, rows));
    const transactions = steps.flatMap((step) =>
      step.kind === "transaction"
        ? [step.transaction]
        : step.kind === "interleaved"
          ? [step.outer, step.inner]
          : [],
    );
    for (const table of shop) {
      const statements = transactions.flatMap((tx) => tx.statements).filter((each) => each.table === table);
      for (const op of ["insert", "update", "delete"]) {
        expect(statements.filter((each) => each.op === op).length, `${table.name}: ${op}`).to.be.greaterThan(
          5,
        );
      }
      const keys = statements.filter((s) => s.op === "update" && table.keys.some((key) => key in s.changes));
      expect(keys.length, `${table.name}: changed keys`).to.be.greaterThan(4);
      const deleted = new Set(statements.flatMap((s) => (s.op === "delete" ? [keyOf(table, s.key)] : [])));
      const again = statements.filter((s) => s.op === "insert" && deleted.has(keyOf(table, s.row)));
      expect(again.length, `${table.name}: re-inserts`).to.be.greaterThan(2);
      expect(
        transactions.some((tx) => tx.outcome === "rollback" && tx.about.startsWith(table.name)),
      ).to.equal(true);
    }
    expect(steps.filter(({ kind }) => kind === "moment")).to.have.length(2);
    expect(steps.filter(({ kind }) => kind === "interleaved")).to.have.length(shop.length);
  });

  it("refuses a statement the source would refuse", () => {
    const table = shop[0]!;
    const rows = initialRows("refuse", shop, 0.1);
    const builder = new WorkloadBuilder("refuse", shop, rows);
    const row = builder.anyRow(table);
    expect(() => builder.transaction("twice", (tx) => tx.insert(table, row))).to.throw(
      "is taken in customers",
    );
    builder.transaction("once", (tx) => tx.delete(table, row));
    expect(() => builder.transaction("twice", (tx) => tx.delete(table, row))).to.throw("no row");
  });
});
