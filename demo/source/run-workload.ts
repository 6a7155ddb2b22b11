import type pg from "pg";
import { readTables } from "../proof/read-postgres.js";
import type { Row, Table } from "../tables.js";
import { connect, identifier, type Connection } from "./connection.js";
import { inputText } from "./source.js";
import type { Statement, Step, Transaction } from "./workload.js";

/**
 * What the source held at a quiet point: `at` is the source's own clock then. Nothing was committed from `since` (the
 * commit before) until `until` (the next commit; undefined if none followed), so the rows hold for the whole of [since, until).
 * Times are `yyyy-MM-dd HH:mm:ss.SSSSSS` in UTC.
 */
export interface Moment {
  readonly name: string;
  readonly at: string;
  readonly since: string;
  readonly until: string | undefined;
  readonly rows: ReadonlyMap<string, readonly Row[]>;
}

export interface WorkloadResult {
  readonly moments: readonly Moment[];
  readonly transactions: number;
  readonly statements: number;
  /** When the last transaction was committed; "" if none was. */
  readonly lastCommit: string;
}

/**
 * Runs the steps in order, one commit after the other but for the interleaved pairs.
 */
export async function runWorkload(
  connection: Connection,
  tables: readonly Table[],
  steps: readonly Step[],
  signal?: AbortSignal,
): Promise<WorkloadResult> {
  const client = await connect(connection);
  const second = await connect(connection);
  try {
    return await runSteps(client, second, tables, steps, signal);
  } finally {
    await client.end();
    await second.end();
  }
}

async function runSteps(
  client: pg.Client,
  second: pg.Client,
  tables: readonly Table[],
  steps: readonly Step[],
  signal: AbortSignal | undefined,
): Promise<WorkloadResult> {
  const moments: Moment[] = [];
  let [transactions, statements] = [0, 0];
  let lastCommit = "";
  let open: number | undefined;
  const committed = (time: string | undefined, count: number): void => {
    transactions += 1;
    statements += count;
    if (time === undefined) return;
    lastCommit = time;
    if (open !== undefined) moments[open] = { ...(moments[open] as Moment), until: time };
    open = undefined;
  };
  for (const step of steps) {
    signal?.throwIfAborted();
    switch (step.kind) {
      case "transaction":
        committed(await runTransaction(client, step.transaction), step.transaction.statements.length);
        break;
      case "interleaved": {
        await client.query("BEGIN");
        for (const statement of step.outer.statements) await runStatement(client, statement);
        committed(await runTransaction(second, step.inner), step.inner.statements.length);
        committed(await finish(client, step.outer), step.outer.statements.length);
        break;
      }
      case "moment":
        if (lastCommit === "") throw new Error(`the moment "${step.name}" comes before any commit`);
        open = moments.length;
        moments.push({
          ...(await readMoment(client, tables)),
          name: step.name,
          since: lastCommit,
          until: undefined,
        });
    }
  }
  return { moments, transactions, statements, lastCommit };
}

async function readMoment(client: pg.Client, tables: readonly Table[]): Promise<Pick<Moment, "at" | "rows">> {
  const clock = await client.query<{ at: string }>(
    "SELECT to_char(clock_timestamp(), 'YYYY-MM-DD HH24:MI:SS.US') AS at",
  );
  return { at: (clock.rows[0] as { at: string }).at, rows: await readTables(client, tables) };
}

async function runTransaction(client: pg.Client, transaction: Transaction): Promise<string | undefined> {
  await client.query("BEGIN");
  for (const statement of transaction.statements) await runStatement(client, statement);
  return finish(client, transaction);
}

/** Ends the transaction; the commit's time as the server recorded it, or undefined after a rollback. */
async function finish(client: pg.Client, transaction: Transaction): Promise<string | undefined> {
  if (transaction.outcome === "rollback") {
    await client.query("ROLLBACK");
    return undefined;
  }
  const xid = await client.query<{ xid: string }>("SELECT pg_current_xact_id()::text AS xid");
  await client.query("COMMIT");
  const time = await client.query<{ time: string }>(
    "SELECT to_char(pg_xact_commit_timestamp($1::xid8::xid), 'YYYY-MM-DD HH24:MI:SS.US') AS time",
    [xid.rows[0]?.xid],
  );
  return time.rows[0]?.time;
}

async function runStatement(client: pg.Client, statement: Statement): Promise<void> {
  const { table } = statement;
  const name = identifier(table.schema, table.name);
  const values: (string | null)[] = [];
  const bind = (column: string, cell: string | null | undefined): string => {
    const definition = table.columns.find((each) => each.name === column);
    if (definition === undefined) throw new Error(`${table.name} has no column ${column}`);
    values.push(inputText(definition, cell));
    return `$${values.length}`;
  };
  const where = (key: Row): string =>
    table.keys
      .map(
        (column) =>
          `${identifier(column)} = ${bind(column, key[table.columns.findIndex((c) => c.name === column)])}`,
      )
      .join(" AND ");
  let sql: string;
  switch (statement.op) {
    case "insert": {
      const bound = table.columns.map((column, index) => bind(column.name, statement.row[index]));
      sql = `INSERT INTO ${name} (${table.columns.map((c) => identifier(c.name)).join(", ")}) VALUES (${bound.join(", ")})`;
      break;
    }
    case "update": {
      const set = Object.entries(statement.changes).map(
        ([column, cell]) => `${identifier(column)} = ${bind(column, cell)}`,
      );
      sql = `UPDATE ${name} SET ${set.join(", ")} WHERE ${where(statement.key)}`;
      break;
    }
    case "delete":
      sql = `DELETE FROM ${name} WHERE ${where(statement.key)}`;
  }
  const result = await client.query(sql, values);
  if (result.rowCount !== 1)
    throw new Error(`${statement.op} on ${table.name} hit ${result.rowCount} rows, not one`);
}
