import type pg from "pg";
import { identifier, literal } from "../source/connection.js";
import { auditSchema } from "../source/schema.js";
import type { Cell, Column, Row, Table } from "../tables.js";
import { canonical } from "./canonical.js";

/** One change of one row, as the source's trigger recorded it. `commitTime` is canonical, in UTC. */
export interface AuditEntry {
  readonly seq: bigint;
  readonly commitTime: string;
  /** Undefined for an insert. */
  readonly old: Row | undefined;
  /** Undefined for a delete. */
  readonly new: Row | undefined;
}

/** All rows of the tables, by table name, as of one moment: one REPEATABLE READ transaction. */
export async function readTables(
  client: pg.Client,
  tables: readonly Table[],
  schema?: string,
): Promise<ReadonlyMap<string, readonly Row[]>> {
  await client.query("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY");
  try {
    const rows = new Map<string, readonly Row[]>();
    for (const table of tables) rows.set(table.name, await readTable(client, table, schema ?? table.schema));
    return rows;
  } finally {
    await client.query("COMMIT");
  }
}

async function readTable(client: pg.Client, table: Table, schema: string): Promise<readonly Row[]> {
  const cells = table.columns.map((column) => cellSql(column, identifier(column.name)));
  return query(client, `SELECT ${cells.join(", ")} FROM ${identifier(schema, table.name)}`, (values) =>
    table.columns.map((column, index) => canonical(column.type, values[index] ?? null)),
  );
}

/** The table's audit trail, every change ever committed, in the order of its sequence. */
export async function readAudit(client: pg.Client, table: Table): Promise<readonly AuditEntry[]> {
  const side = (name: string): string[] =>
    table.columns.map((column) => cellSql(column, `(${name}).${identifier(column.name)}`));
  const commitTime =
    "to_char(pg_xact_commit_timestamp(xid::xid) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')";
  const sql = `SELECT seq::text, ${commitTime}, op, ${[...side("old_row"), ...side("new_row")].join(", ")}
    FROM ${identifier(auditSchema, table.name)} ORDER BY seq`;
  return query(client, sql, ([seq, time, op, ...cells]) => {
    if (time === null || time === undefined) {
      throw new Error(`the source no longer knows when change ${seq} of ${table.name} was committed`);
    }
    const row = (from: number): Row =>
      table.columns.map((column, index) => canonical(column.type, cells[from + index] ?? null));
    return {
      seq: BigInt(seq ?? 0),
      commitTime: time,
      old: op === "INSERT" ? undefined : row(0),
      new: op === "DELETE" ? undefined : row(table.columns.length),
    };
  });
}

async function query<T>(client: pg.Client, sql: string, read: (values: Cell[]) => T): Promise<T[]> {
  const result = await client.query<Cell[]>({ text: sql, rowMode: "array" });
  return result.rows.map(read);
}

/**
 * The column as text. A time goes through `timestamp`, so that a target column that is `timestamptz` where the source's is
 * `timestamp` reads the same in a session at UTC.
 */
function cellSql({ type }: Column, expression: string): string {
  switch (type.kind) {
    case "timestamp":
    case "timestamptz":
      return `to_char((${expression})::timestamp, ${literal("YYYY-MM-DD HH24:MI:SS.US")})`;
    case "date":
      return `to_char(${expression}, 'YYYY-MM-DD')`;
    case "bytea":
      return `encode(${expression}, 'hex')`;
    case "bigint":
    case "boolean":
    case "double precision":
    case "integer":
    case "numeric":
    case "smallint":
    case "text":
    case "uuid":
      return `(${expression})::text`;
  }
}
