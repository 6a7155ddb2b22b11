import type { Moment } from "../source/run-workload.js";
import { keyOf, type Cell, type Row, type Table } from "../tables.js";
import { addMicroseconds } from "./canonical.js";
import { compareRows, isEqual, type Comparison, type Item } from "./compare.js";
import type { HistoryRow } from "./read-lakehouse.js";
import { historyFrom, type Version } from "./reference.js";

/** The four checks of the proof, in the order they are told. */
export const checkNames = ["history", "current", "as-of", "target"] as const;
export type CheckName = (typeof checkNames)[number];

export const checkTitles: Readonly<Record<CheckName, string>> = {
  history: "the history equals the source's own audit trail, version for version",
  current: "the current view equals the source",
  "as-of": "snapshots as of moments in the middle equal what the source held then",
  target: "the snapshot pushed into the target database equals the source",
};

/** What one check found for one table. */
export interface TableVerdict {
  readonly check: CheckName;
  readonly table: string;
  readonly passed: boolean;
  readonly comparison: Comparison;
}

/** When DMS may have started its task: from the call that started the replication to the end of the load (canonical). */
export interface LoadWindow {
  readonly from: string;
  readonly until: string;
}

/**
 * The history, version for version. DMS stamps all rows of the load with one time, its task's start, which nobody but DMS
 * knows beforehand: it is taken from the history (the most frequent start inside the load window) and the reference
 * begins there. Rows that begin at any other time are not excused by this.
 */
export function checkHistory(
  table: Table,
  reference: readonly Version[],
  found: readonly HistoryRow[],
  window: LoadWindow,
): TableVerdict {
  const expected = historyFrom(reference, taskStart(found, window)).map(
    ({ row, start, end }): HistoryRow => ({ row, start, end, current: end === null ? "true" : "false" }),
  );
  // Without a column of its own, "current" is what has no end.
  const known = found.map((row) =>
    row.current === null ? { ...row, current: String(row.end === null) } : row,
  );
  return verdict("history", table, expected.map(versionItem(table)), known.map(versionItem(table)));
}

export function checkCurrent(table: Table, source: readonly Row[], view: readonly Row[]): TableVerdict {
  return verdict("current", table, source.map(rowItem(table)), view.map(rowItem(table)));
}

export function checkTarget(table: Table, source: readonly Row[], target: readonly Row[]): TableVerdict {
  return verdict("target", table, source.map(rowItem(table)), target.map(rowItem(table)));
}

/** What the snapshot notebook left when it was run as of a moment. */
export interface NotebookSnapshot {
  readonly moment: Moment;
  readonly rows: readonly Row[];
}

/**
 * Snapshots by time, as `momentTimes` lists them; a time without a snapshot counts as an empty one. The notebook's
 * snapshot, where it was run, must be right as well.
 */
export function checkAsOf(
  table: Table,
  moments: readonly Moment[],
  snapshots: ReadonlyMap<string, readonly Row[]>,
  notebook?: NotebookSnapshot,
): TableVerdict {
  const items = (when: string, rows: readonly Row[]): Item[] =>
    rows.map((row) => ({ ...rowItem(table)(row), identity: `${keyOf(table, row)} as of ${when}` }));
  const held = (moment: Moment): readonly Row[] => moment.rows.get(table.name) ?? [];
  const times = moments.flatMap((moment) =>
    momentTimes(moment).map((time) => ({ time, rows: held(moment) })),
  );
  const byNotebook = (rows: readonly Row[]): Item[] =>
    notebook === undefined ? [] : items(`${notebook.moment.at} (snapshot notebook)`, rows);
  return verdict(
    "as-of",
    table,
    [
      ...times.flatMap(({ time, rows }) => items(time, rows)),
      ...(notebook ? byNotebook(held(notebook.moment)) : []),
    ],
    [
      ...times.flatMap(({ time }) => items(time, snapshots.get(time) ?? [])),
      ...byNotebook(notebook?.rows ?? []),
    ],
  );
}

/** Times at which the source held the moment's rows: the commit before, its clock then, and just before the next commit. */
export function momentTimes({ since, at, until }: Moment): readonly string[] {
  return [since, at, ...(until === undefined ? [] : [addMicroseconds(until, -1)])];
}

/** The load's common start; the window's end if nothing starts within it (the table was empty then). */
export function taskStart(found: readonly HistoryRow[], window: LoadWindow): string {
  const counts = new Map<string, number>();
  for (const { start } of found) {
    if (start !== null && start >= window.from && start <= window.until) {
      counts.set(start, (counts.get(start) ?? 0) + 1);
    }
  }
  const [most] = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  return most?.[0] ?? window.until;
}

function verdict(
  check: CheckName,
  table: Table,
  expected: readonly Item[],
  found: readonly Item[],
): TableVerdict {
  const comparison = compareRows(expected, found);
  return { check, table: table.name, passed: isEqual(comparison), comparison };
}

function rowItem(table: Table): (row: Row) => Item {
  return (row) => ({
    identity: keyOf(table, row),
    cells: Object.fromEntries(table.columns.map(({ name }, index) => [name, row[index] ?? null])),
  });
}

function versionItem(table: Table): (version: HistoryRow) => Item {
  return ({ row, start, end, current }) => {
    const { identity, cells } = rowItem(table)(row);
    const times: Record<string, Cell> = { "valid from": start, "valid until": end, "is current": current };
    return { identity, cells: { ...cells, ...times } };
  };
}
