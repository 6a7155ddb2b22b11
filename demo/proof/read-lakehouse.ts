import type { Cell, Column, Row, Table } from "../tables.js";
import { canonical, canonicalTime } from "./canonical.js";

/** Runs one SQL statement in the workspace; values come as text or null, rows in the statement's column order. */
export type LakehouseQuery = (sql: string) => Promise<readonly (readonly Cell[])[]>;

/** Where a pipeline's tables are, and what the history columns are called there. */
export interface LakehouseTarget {
  readonly catalog: string;
  readonly schema: string;
  readonly historyColumns: "paper" | "autoCdc";
}

/** A row of a history table as it was found; `current` is null where the table has no such column (autoCdc). */
export interface HistoryRow {
  readonly row: Row;
  readonly start: Cell;
  readonly end: Cell;
  readonly current: Cell;
}

/**
 * Throws unless the warehouse's session is at UTC: elsewhere the text of a timestamp would be another, and a moment
 * written as text another moment.
 */
export async function requireUtc(query: LakehouseQuery): Promise<void> {
  const zone = (await query("SELECT current_timezone()"))[0]?.[0] ?? "none";
  if (!["UTC", "Etc/UTC", "GMT", "Z", "+00:00"].includes(zone)) {
    throw new Error(`the SQL warehouse's time zone is ${zone}; the proof needs UTC (SET TIME ZONE 'UTC')`);
  }
}

/** Every version the history table holds, in no order. */
export async function readHistory(
  query: LakehouseQuery,
  target: LakehouseTarget,
  table: Table,
): Promise<readonly HistoryRow[]> {
  const { start, end, current } = historyColumns(target);
  const columns = [
    `CAST(${start} AS STRING)`,
    `CAST(${end} AS STRING)`,
    current === undefined ? "CAST(NULL AS STRING)" : `CAST(${current} AS STRING)`,
    ...cellsSql(table, ""),
  ];
  const rows = await query(`SELECT ${columns.join(", ")} FROM ${tableName(target, table.name)}`);
  return rows.map(([from, until, isCurrent, ...cells]) => ({
    row: toRow(table, cells),
    start: timeOf(from),
    end: timeOf(until),
    current: isCurrent ?? null,
  }));
}

/** The table's columns of a view or table made from its history: `<table>_current`, `<table>__snapshot`. */
export async function readRows(
  query: LakehouseQuery,
  target: LakehouseTarget,
  table: Table,
  name: string,
): Promise<readonly Row[]> {
  const rows = await query(`SELECT ${cellsSql(table, "").join(", ")} FROM ${tableName(target, name)}`);
  return rows.map((cells) => toRow(table, cells));
}

/** The rows the history shows as of each of the times (canonical, UTC): a start is inside its version, an end is not. */
export async function readAsOf(
  query: LakehouseQuery,
  target: LakehouseTarget,
  table: Table,
  times: readonly string[],
): Promise<ReadonlyMap<string, readonly Row[]>> {
  const found = new Map<string, Row[]>(times.map((time) => [time, []]));
  if (times.length === 0) return found;
  const { start, end } = historyColumns(target);
  const points = times.map((time) => `('${canonicalTime(time)}')`).join(", ");
  const rows = await query(
    `SELECT p.point, ${cellsSql(table, "h.").join(", ")}
FROM ${tableName(target, table.name)} AS h JOIN (VALUES ${points}) AS p(point)
ON h.${start} <= CAST(p.point AS TIMESTAMP) AND (h.${end} IS NULL OR CAST(p.point AS TIMESTAMP) < h.${end})`,
  );
  for (const [point, ...cells] of rows) found.get(point ?? "")?.push(toRow(table, cells));
  return found;
}

function historyColumns({ historyColumns }: LakehouseTarget): {
  start: string;
  end: string;
  current?: string;
} {
  return historyColumns === "paper"
    ? { start: "`effective_date`", end: "`end_date`", current: "`current`" }
    : { start: "`__START_AT`", end: "`__END_AT`" };
}

function tableName({ catalog, schema }: LakehouseTarget, name: string): string {
  return [catalog, schema, name].map((part) => `\`${part.replaceAll("`", "``")}\``).join(".");
}

function cellsSql(table: Table, prefix: string): string[] {
  return table.columns.map(({ name, type }: Column) => {
    const column = `${prefix}\`${name}\``;
    return type.kind === "bytea" ? `lower(hex(${column}))` : `CAST(${column} AS STRING)`;
  });
}

function toRow(table: Table, cells: readonly Cell[]): Row {
  return table.columns.map((column, index) => canonical(column.type, cells[index] ?? null));
}

function timeOf(cell: Cell | undefined): Cell {
  return cell === null || cell === undefined ? null : canonicalTime(cell);
}
