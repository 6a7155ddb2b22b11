import { keyOf, type Row, type Table } from "../tables.js";
import type { AuditEntry } from "./read-postgres.js";

/** A row as the source showed it to others from `start` on, until `end` (exclusive; null = still). Canonical times, UTC. */
export interface Version {
  readonly row: Row;
  readonly start: string;
  readonly end: string | null;
}

/**
 * The history that follows from an audit trail: for each key, what the source held after each commit. States inside a
 * transaction are nobody's to see; a commit that leaves a row as it was makes no version. Entries may come in any order.
 */
export function referenceHistory(table: Table, entries: readonly AuditEntry[]): readonly Version[] {
  const changes = new Map<string, Change[]>();
  for (const entry of [...entries].sort((a, b) => (a.seq < b.seq ? -1 : 1))) {
    for (const [row, next] of sides(table, entry)) {
      const key = keyOf(table, row);
      const list = changes.get(key) ?? [];
      if (list.length === 0) changes.set(key, list);
      list.push({ time: entry.commitTime, row: next });
    }
  }
  return [...changes.values()].flatMap((list) => fold(list));
}

/** The row of a key after a change; undefined where there is none any more. */
interface Change {
  readonly time: string;
  readonly row: Row | undefined;
}

/** What an entry does, key by key: a changed key ends one row and begins another. */
function sides(table: Table, entry: AuditEntry): [Row, Row | undefined][] {
  const { old, new: next } = entry;
  if (next === undefined) return old === undefined ? [] : [[old, undefined]];
  if (old === undefined || keyOf(table, old) === keyOf(table, next)) return [[next, next]];
  return [
    [old, undefined],
    [next, next],
  ];
}

function fold(changes: readonly Change[]): Version[] {
  const versions: Version[] = [];
  let open: { row: Row; start: string } | undefined;
  for (const [index, { time, row }] of changes.entries()) {
    const following = changes[index + 1];
    if (following?.time === time) continue; // The last change of an instant is what others see from then on.
    if (following !== undefined && following.time < time) {
      throw new Error(
        `the source's clock went back from ${time} to ${following.time}: commits have no order in time`,
      );
    }
    if (open !== undefined && row !== undefined && sameRow(open.row, row)) continue;
    if (open !== undefined) versions.push({ ...open, end: time });
    open = row === undefined ? undefined : { row, start: time };
  }
  if (open !== undefined) versions.push({ ...open, end: null });
  return versions;
}

/** The part of a history from `time` on: what was there before begins at `time`, what ended by then is gone. */
export function historyFrom(versions: readonly Version[], time: string): readonly Version[] {
  return versions
    .filter(({ end }) => end === null || end > time)
    .map((version) => (version.start < time ? { ...version, start: time } : version));
}

/** The rows that hold at `time`: a version's start belongs to it, its end does not. */
export function rowsAsOf(versions: readonly Version[], time: string): readonly Row[] {
  return versions
    .filter(({ start, end }) => start <= time && (end === null || time < end))
    .map(({ row }) => row);
}

function sameRow(a: Row, b: Row): boolean {
  return a.every((cell, index) => cell === b[index]);
}
