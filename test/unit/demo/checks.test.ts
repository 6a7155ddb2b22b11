import { expect } from "chai";
import { addMicroseconds } from "../../../demo/proof/canonical.js";
import {
  checkAsOf,
  checkCurrent,
  checkHistory,
  checkTarget,
  momentTimes,
  taskStart,
  type TableVerdict,
} from "../../../demo/proof/checks.js";
import { describeDifference } from "../../../demo/proof/compare.js";
import type { HistoryRow } from "../../../demo/proof/read-lakehouse.js";
import { historyFrom, referenceHistory } from "../../../demo/proof/reference.js";
import { columnIndex, keyOf, shop, type Cell, type Row, type Table } from "../../../demo/tables.js";
import { historyRows, simulate } from "./world.js";

const world = simulate("broken on purpose");
const window = { from: addMicroseconds(world.loadedAt, -2), until: world.loadedAt };

/** What the proof reads of one table, as it would be found were all well: derived from the history, as views are. */
interface Found {
  history: HistoryRow[];
  current: Row[];
  snapshots: Map<string, readonly Row[]>;
  target: Row[];
}

function healthy(table: Table): Found {
  const history = historyRows(
    historyFrom(
      referenceHistory(table, world.audit.get(table.name) ?? []),
      addMicroseconds(world.loadedAt, -1),
    ),
  );
  const target = [...(world.now.get(table.name) ?? [])];
  return { history, target, ...views(history) };
}

/** The view and the snapshots over a history table, as SQL computes them. */
function views(history: readonly HistoryRow[]): Pick<Found, "current" | "snapshots"> {
  const times = world.moments.flatMap(momentTimes);
  const holds = ({ start, end }: HistoryRow, time: string): boolean =>
    (start ?? "") <= time && (end === null || time < end);
  return {
    current: history.filter(({ current }) => current === "true").map(({ row }) => row),
    snapshots: new Map(
      times.map((time) => [time, history.filter((h) => holds(h, time)).map(({ row }) => row)]),
    ),
  };
}

function verdicts(table: Table, found: Found): TableVerdict[] {
  const reference = referenceHistory(table, world.audit.get(table.name) ?? []);
  const source = world.now.get(table.name) ?? [];
  return [
    checkHistory(table, reference, found.history, window),
    checkCurrent(table, source, found.current),
    checkAsOf(table, world.moments, found.snapshots),
    checkTarget(table, source, found.target),
  ];
}

function failures(table: Table, found: Found): string[] {
  return verdicts(table, found)
    .filter(({ passed }) => !passed)
    .map(({ check }) => check);
}

/** A history table in which the version at `index` is another, with the views that follow from it. */
function withVersion(found: Found, index: number, changes: Partial<HistoryRow>): Found {
  const history = found.history.map((row, each) => (each === index ? { ...row, ...changes } : row));
  return { ...found, history, ...views(history) };
}

/** A closed version that no moment's snapshot shows: what is wrong with it only the history can tell. */
function unseenVersion({ history }: Found): number {
  const times = world.moments.flatMap(momentTimes);
  const near = (a: string, b: string): boolean => a >= addMicroseconds(b, -2) && a <= addMicroseconds(b, 2);
  return history.findIndex(
    ({ start, end }) =>
      start !== null &&
      end !== null &&
      start > world.loadedAt &&
      times.every((time) => (time < start || time >= end) && !near(start, time) && !near(end, time)),
  );
}

function changed(table: Table, row: Row, name: string, cell: Cell): Row {
  return row.map((old, index) => (index === columnIndex(table, name) ? cell : old));
}

const columns: Readonly<Record<string, string>> = {
  customers: "note",
  products: "description",
  orders: "remark",
  order_lines: "gift_message",
};

describe("the proof", () => {
  for (const table of shop) {
    describe(`of ${table.name}`, () => {
      const column = columns[table.name] as string;

      it("passes when all is well, and compares every row", () => {
        const all = verdicts(table, healthy(table));
        expect(all.filter(({ passed }) => !passed)).to.deep.equal([]);
        expect(all.map(({ comparison }) => comparison.expected).every((rows) => rows > 0)).to.equal(true);
      });

      it("fails the history alone for a dropped CDC row", () => {
        // An update followed by another one of the same row, both between two moments: afterwards the row is as it should be.
        const audit = world.audit.get(table.name) ?? [];
        const times = world.moments.flatMap(momentTimes);
        const index = audit.findIndex((entry, at) => {
          const next = audit
            .slice(at + 1)
            .find((e) => e.old && entry.new && keyOf(table, e.old) === keyOf(table, entry.new));
          return (
            entry.commitTime > world.loadedAt &&
            entry.old !== undefined &&
            next?.new !== undefined &&
            entry.new !== undefined &&
            keyOf(table, entry.old) === keyOf(table, entry.new) &&
            entry.old.join() !== entry.new.join() &&
            entry.new.join() !== next.new.join() &&
            next.commitTime > entry.commitTime &&
            times.every((time) => time < entry.commitTime || time >= next.commitTime)
          );
        });
        expect(index, "a row to drop").to.be.greaterThan(-1);
        // What SCD2 makes of a feed that lacks the row: an after image replaces the version before it, unseen.
        const feed = audit.filter((_, at) => at !== index);
        const history = historyRows(
          historyFrom(referenceHistory(table, feed), addMicroseconds(world.loadedAt, -1)),
        );
        expect(failures(table, { ...healthy(table), history, ...views(history) })).to.deep.equal(["history"]);
      });

      it("fails the history alone for a doubled version that no snapshot shows", () => {
        const found = healthy(table);
        const index = unseenVersion(found);
        const history = [...found.history, found.history[index] as HistoryRow];
        expect(failures(table, { ...found, history, ...views(history) })).to.deep.equal(["history"]);
      });

      it("fails the history for an interval left open, which the view and the snapshots then show as well", () => {
        const found = healthy(table);
        const index = unseenVersion(found);
        const open = withVersion(found, index, { end: null });
        expect(failures(table, open)).to.contain("history");
        expect(failures(table, { ...found, history: open.history }), "the table alone").to.deep.equal([
          "history",
        ]);
        const current = withVersion(found, index, { end: null, current: "true" });
        expect(failures(table, { ...found, current: current.current }), "the view alone").to.deep.equal([
          "current",
        ]);
      });

      for (const boundary of ["start", "end"] as const) {
        for (const by of [-1, 1]) {
          it(`fails the history alone for a${boundary === "end" ? "n" : ""} ${boundary} ${by} µs off`, () => {
            const found = healthy(table);
            const index = unseenVersion(found);
            const time = found.history[index]?.[boundary] as string;
            const wrong = withVersion(found, index, { [boundary]: addMicroseconds(time, by) });
            expect(failures(table, wrong)).to.deep.equal(["history"]);
          });
        }
      }

      it("fails the as-of check too for a boundary 1 µs off at the commit before or after a moment", () => {
        const found = healthy(table);
        const [moment] = world.moments;
        const early = found.history.findIndex(({ start, end }) => start === world.loadedAt && end === null);
        expect(early, "no version may begin at the load itself here").to.equal(-1);
        // Rows that hold over the moment, cut at its first and its last instant.
        const holding = found.history.findIndex(
          ({ start, end }) =>
            (start ?? "") < (moment?.since ?? "") && (end === null || end > (moment?.until ?? "")),
        );
        const late = withVersion(found, holding, { start: addMicroseconds(moment?.since ?? "", 1) });
        expect(failures(table, late)).to.deep.equal(["history", "as-of"]);
        const short = withVersion(found, holding, { end: addMicroseconds(moment?.until ?? "", -1) });
        expect(failures(table, short)).to.include.members(["history", "as-of"]);
      });

      it("fails the history alone for a value changed in the past, and the flag of a closed version", () => {
        const found = healthy(table);
        const index = unseenVersion(found);
        const row = found.history[index]?.row as Row;
        const wrong = withVersion(found, index, {
          row: changed(table, row, column, `${row[columnIndex(table, column)]}!`),
        });
        expect(failures(table, wrong)).to.deep.equal(["history"]);
        expect(
          failures(table, { ...found, history: withVersion(found, index, { current: "true" }).history }),
        ).to.deep.equal(["history"]);
      });

      it("fails the check whose rows hold '' where NULL was expected, or the other way round", () => {
        const found = healthy(table);
        const swap = (rows: readonly Row[]): Row[] => {
          const at = rows.findIndex((row) => [null, ""].includes(row[columnIndex(table, column)] ?? null));
          return rows.map((row, index) =>
            index === at
              ? changed(table, row, column, row[columnIndex(table, column)] === null ? "" : null)
              : row,
          );
        };
        expect(failures(table, { ...found, current: swap(found.current) })).to.deep.equal(["current"]);
        expect(failures(table, { ...found, target: swap(found.target) })).to.deep.equal(["target"]);
      });

      it("fails the target alone for a row missing, one too many, and one doubled there", () => {
        const found = healthy(table);
        const first = found.target[0] as Row;
        const key = table.keys[0] as string;
        const stale = changed(table, first, key, "123456");
        for (const target of [found.target.slice(1), [...found.target, stale], [...found.target, first]]) {
          expect(failures(table, { ...found, target })).to.deep.equal(["target"]);
        }
      });

      it("fails the as-of check alone for a snapshot that lacks a row, or is missing", () => {
        const found = healthy(table);
        const [time] = [...found.snapshots.keys()];
        const lacking = new Map(found.snapshots).set(
          time as string,
          (found.snapshots.get(time as string) ?? []).slice(1),
        );
        expect(failures(table, { ...found, snapshots: lacking })).to.deep.equal(["as-of"]);
        const missing = new Map(found.snapshots);
        missing.delete(time as string);
        expect(failures(table, { ...found, snapshots: missing })).to.deep.equal(["as-of"]);
      });

      it("fails the history if the load's rows begin at two times, or outside the load's window", () => {
        const found = healthy(table);
        const loaded = found.history.findIndex(({ start }) => start === addMicroseconds(world.loadedAt, -1));
        const one = withVersion(found, loaded, { start: addMicroseconds(world.loadedAt, -2) });
        expect(failures(table, one)).to.deep.equal(["history"]);
        const early = "2026-02-28 00:00:00.000000";
        const all = found.history.map((h) =>
          h.start === addMicroseconds(world.loadedAt, -1) ? { ...h, start: early } : h,
        );
        expect(failures(table, { ...found, history: all })).to.deep.equal(["history"]);
      });
    });
  }

  it("names the row, what was expected and what was found, and counts them all", () => {
    const table = shop[0] as Table;
    const found = healthy(table);
    const rows = found.target.map((row) => changed(table, row, "name", "Nobody"));
    const { comparison } = checkTarget(table, found.target, rows);
    expect(comparison.changed).to.equal(rows.length);
    expect(comparison.differences).to.have.length(5);
    const first = describeDifference(comparison.differences[0] as (typeof comparison.differences)[number]);
    expect(first).to.match(/^changed \["\d+"\]: expected name=".*", found name="Nobody"$/);
  });

  it("fails the as-of check alone if the snapshot notebook left a row out, or other values", () => {
    const table = shop[0] as Table;
    const [moment] = world.moments;
    if (moment === undefined) throw new Error("no moment");
    const rows = moment.rows.get(table.name) ?? [];
    const { snapshots } = healthy(table);
    const judge = (left: readonly Row[]) =>
      checkAsOf(table, world.moments, snapshots, { moment, rows: left });
    expect(judge(rows).passed).to.equal(true);
    expect(judge(rows).comparison.expected).to.equal(
      checkAsOf(table, world.moments, snapshots).comparison.expected + rows.length,
    );
    const lacking = judge(rows.slice(1)).comparison;
    expect([lacking.missing, lacking.unexpected, lacking.changed]).to.deep.equal([1, 0, 0]);
    expect(lacking.differences[0]?.identity).to.contain("(snapshot notebook)");
    expect(judge(rows.map((row) => changed(table, row, "name", "Nobody"))).passed).to.equal(false);
  });

  it("takes a history without a flag column (autoCdc) by its ends", () => {
    const table = shop[1] as Table;
    const found = healthy(table);
    const history = found.history.map((row) => ({ ...row, current: null }));
    expect(failures(table, { ...found, history })).to.deep.equal([]);
  });

  it("takes the load's time from within its window only", () => {
    const row = (start: string): HistoryRow => ({ row: [], start, end: null, current: "true" });
    const at = (second: number): string => `2026-01-01 00:00:0${second}.000000`;
    const rows = [at(1), at(1), at(3), at(3), at(4), at(9), at(9), at(9)].map(row);
    expect(taskStart(rows, { from: at(2), until: at(5) })).to.equal(at(3));
    expect(taskStart([row(at(9))], { from: at(2), until: at(5) })).to.equal(at(5));
  });
});
