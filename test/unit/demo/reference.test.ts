import { expect } from "chai";
import fc from "fast-check";
import type { AuditEntry } from "../../../demo/proof/read-postgres.js";
import { historyFrom, referenceHistory, rowsAsOf } from "../../../demo/proof/reference.js";
import { keyOf, shop, type Row, type Table } from "../../../demo/tables.js";
import { simulate } from "./world.js";

const table: Table = {
  schema: "s",
  name: "t",
  keys: ["id"],
  columns: [
    { name: "id", type: { kind: "bigint" }, nullable: false },
    { name: "v", type: { kind: "text" }, nullable: true },
  ],
};
const at = (second: number): string => `2026-01-01 00:00:0${second}.000000`;

/** Entries from [second, old, new] triples, in order. */
function entries(...changes: [number, Row | undefined, Row | undefined][]): AuditEntry[] {
  return changes.map(([second, old, next], index) => ({
    seq: BigInt(index + 1),
    commitTime: at(second),
    old,
    new: next,
  }));
}

describe("the reference history", () => {
  it("has half-open versions that meet", () => {
    const found = referenceHistory(table, entries([1, undefined, ["1", "a"]], [2, ["1", "a"], ["1", null]]));
    expect(found).to.deep.equal([
      { row: ["1", "a"], start: at(1), end: at(2) },
      { row: ["1", null], start: at(2), end: null },
    ]);
  });

  it("shows what a commit leaves, not what went on inside it", () => {
    const found = referenceHistory(
      table,
      entries(
        [1, undefined, ["1", "a"]],
        [2, ["1", "a"], ["1", "b"]],
        [2, ["1", "b"], ["1", "c"]],
        [3, ["1", "c"], ["1", "x"]],
        [3, ["1", "x"], ["1", "c"]],
        [4, undefined, ["2", "never seen"]],
        [4, ["2", "never seen"], undefined],
      ),
    );
    expect(found).to.deep.equal([
      { row: ["1", "a"], start: at(1), end: at(2) },
      { row: ["1", "c"], start: at(2), end: null },
    ]);
  });

  it("leaves a gap between a delete and the insert after it, and none if one transaction does both", () => {
    const gap = entries([1, undefined, ["1", "a"]], [2, ["1", "a"], undefined], [3, undefined, ["1", "a"]]);
    expect(referenceHistory(table, gap).map(({ start, end }) => [start, end])).to.deep.equal([
      [at(1), at(2)],
      [at(3), null],
    ]);
    const none = entries([1, undefined, ["1", "a"]], [2, ["1", "a"], undefined], [2, undefined, ["1", "a"]]);
    expect(referenceHistory(table, none)).to.deep.equal([{ row: ["1", "a"], start: at(1), end: null }]);
  });

  it("ends the old key and begins the new one when a key changes", () => {
    expect(
      referenceHistory(table, entries([1, undefined, ["1", "a"]], [2, ["1", "a"], ["9", "a"]])),
    ).to.deep.equal([
      { row: ["1", "a"], start: at(1), end: at(2) },
      { row: ["9", "a"], start: at(2), end: null },
    ]);
  });

  it("takes NULL and the empty text for two values", () => {
    const found = referenceHistory(table, entries([1, undefined, ["1", null]], [2, ["1", null], ["1", ""]]));
    expect(found).to.have.length(2);
  });

  it("refuses a clock that went back", () => {
    const back = entries([2, undefined, ["1", "a"]], [1, ["1", "a"], ["1", "b"]]);
    expect(() => referenceHistory(table, back)).to.throw("the source's clock went back");
  });

  it("begins at the load with what was there then", () => {
    const all = entries(
      [1, undefined, ["1", "a"]],
      [2, ["1", "a"], ["1", "b"]],
      [1, undefined, ["2", "gone before"]],
      [2, ["2", "gone before"], undefined],
      [4, ["1", "b"], ["1", "c"]],
    );
    expect(historyFrom(referenceHistory(table, all), at(3))).to.deep.equal([
      { row: ["1", "b"], start: at(3), end: at(4) },
      { row: ["1", "c"], start: at(4), end: null },
    ]);
  });

  it("shows, as of every commit and just before the next, what the source held: any workload", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 8 }), (seed) => {
        const world = simulate(seed);
        for (const each of shop) {
          const versions = referenceHistory(each, world.audit.get(each.name) ?? []);
          const sorted = (rows: readonly Row[]): readonly Row[] =>
            [...rows].sort((a, b) => (keyOf(each, a) < keyOf(each, b) ? -1 : 1));
          for (const { time, rows } of world.states) {
            expect(sorted(rowsAsOf(versions, time)), time).to.deep.equal(sorted(rows.get(each.name) ?? []));
          }
        }
      }),
      { numRuns: 5 },
    );
  });
});
