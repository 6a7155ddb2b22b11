import type pg from "pg";
import type { Row, Table } from "../tables.js";
import { identifier, literal, withConnection, type Connection } from "./connection.js";
import { schemaDdl, typeName } from "./schema.js";

/** The user DMS connects as. Its password reaches DMS through a secret only. */
export interface DmsUser {
  readonly user: string;
  readonly password: string;
}

/**
 * Creates the database with the tables and the audit trail, loads the rows and grants the DMS user what change data
 * capture needs and no more: to connect and replicate, and, of the source schemas only, to publish and read the tables. PostgreSQL
 * lets none but a table's owner publish it ("ALTER PUBLICATION": the invoking user must own the table), so the tables
 * belong to a role that cannot log in and the DMS user is a member of it; the audit trail stays the administrator's.
 * `admin` is a superuser's connection to any database of the server; returns the connection to the new one.
 */
export async function createSource(
  admin: Connection,
  database: string,
  tables: readonly Table[],
  rows: ReadonlyMap<string, readonly Row[]>,
  dms: DmsUser,
): Promise<Connection> {
  const [name, user, owner] = [identifier(database), identifier(dms.user), identifier(`${database}_owner`)];
  await withConnection(admin, async (client) => {
    await requireSetting(client, "wal_level", "logical");
    await requireSetting(client, "track_commit_timestamp", "on");
    await client.query(`CREATE DATABASE ${name} ENCODING 'UTF8' TEMPLATE template0`);
    await client.query(`CREATE ROLE ${owner} NOLOGIN`);
    await client.query(
      `CREATE ROLE ${user} LOGIN REPLICATION IN ROLE ${owner} PASSWORD ${literal(dms.password)}`,
    );
    // PUBLIC may connect to a new database by default: then the grant would say nothing.
    await client.query(`REVOKE CONNECT ON DATABASE ${name} FROM PUBLIC`);
    await client.query(`GRANT CONNECT, CREATE ON DATABASE ${name} TO ${user}`);
  });
  const connection = { ...admin, database };
  await withConnection(connection, async (client) => {
    await client.query(schemaDdl(tables));
    for (const table of tables) {
      await client.query(`ALTER TABLE ${identifier(table.schema, table.name)} OWNER TO ${owner}`);
      await insertRows(client, table, rows.get(table.name) ?? []);
    }
    for (const schema of new Set(tables.map((table) => table.schema))) {
      await client.query(`GRANT USAGE ON SCHEMA ${identifier(schema)} TO ${user}`);
    }
  });
  return connection;
}

/** The secret DMS reads for a PostgreSQL endpoint: the keys its user guide names ("Using secrets to access endpoints"). */
export function dmsSecret(dms: DmsUser, { host, port }: { host: string; port: number }): string {
  return JSON.stringify({ username: dms.user, password: dms.password, host, port });
}

async function requireSetting(client: pg.Client, name: string, value: string): Promise<void> {
  const found = await client.query<{ setting: string }>("SELECT current_setting($1) AS setting", [name]);
  if (found.rows[0]?.setting !== value) {
    throw new Error(`the source server must run with ${name} = ${value}, it has ${found.rows[0]?.setting}`);
  }
}

/** Inserts the rows in few statements; the texts go through each type's own input function, so they arrive exactly. */
export async function insertRows(client: pg.Client, table: Table, rows: readonly Row[]): Promise<void> {
  const columns = table.columns.map(({ name }) => identifier(name)).join(", ");
  const types = table.columns.map(({ name, type }) => `${identifier(name)} ${typeName(type)}`).join(", ");
  for (let start = 0; start < rows.length; start += 1000) {
    const batch = rows
      .slice(start, start + 1000)
      .map((row) =>
        Object.fromEntries(
          table.columns.map((column, index) => [column.name, inputText(column, row[index])]),
        ),
      );
    await client.query(
      `INSERT INTO ${identifier(table.schema, table.name)} (${columns})
       SELECT ${columns} FROM json_to_recordset($1::json) AS row(${types})`,
      [JSON.stringify(batch)],
    );
  }
}

/** A canonical cell as PostgreSQL reads it: bytes are hex with its prefix, a timestamptz is in UTC, the session's zone. */
export function inputText(
  { type }: Table["columns"][number],
  cell: string | null | undefined,
): string | null {
  if (cell === null || cell === undefined) return null;
  return type.kind === "bytea" ? `\\x${cell}` : cell;
}
