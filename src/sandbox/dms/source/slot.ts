import type pg from "pg";
import type { SourceTable } from "./catalog.js";
import { quoted, quotedTable } from "./catalog.js";
import { SourceFailure } from "./database.js";
import { parseLsn } from "./lsn.js";

/**
 * The publications and the slot of one replication. There are two publications: a table without any replica identity
 * would refuse its owner's updates and deletes once it is in a publication that publishes them, so such tables go
 * into one that carries inserts and truncates only.
 */
export interface SlotNames {
  readonly slot: string;
  readonly publications: readonly [all: string, insertsOnly: string];
}

export function slotNames(name: string): SlotNames {
  return { slot: name, publications: [name, `${name}_i`] };
}

/** Makes the publications (before the slot: decoding needs them at the slot's position) and brings them up to date. */
export async function publish(
  client: pg.Client,
  names: SlotNames,
  tables: readonly SourceTable[],
): Promise<void> {
  const [all, insertsOnly] = names.publications;
  const sets = [
    {
      name: all,
      operations: "insert, update, delete, truncate",
      tables: tables.filter((table) => table.identified),
    },
    {
      name: insertsOnly,
      operations: "insert, truncate",
      tables: tables.filter((table) => !table.identified),
    },
  ];
  for (const { name, operations, tables } of sets) {
    const existing = await client.query("select 1 from pg_publication where pubname = $1", [name]);
    if (existing.rowCount === 0) {
      await client.query(
        `create publication ${quoted(name)} with (publish = '${operations}', publish_via_partition_root = true)`,
      );
    }
    const wanted = new Set(tables.map(quotedTable));
    const { rows } = await client.query<{ schema: string; name: string }>(
      "select schemaname as schema, tablename as name from pg_publication_tables where pubname = $1",
      [name],
    );
    const present = new Set(rows.map(quotedTable));
    // One by one, so that a table that stays is never out of the publication.
    for (const table of present) {
      if (!wanted.has(table)) await client.query(`alter publication ${quoted(name)} drop table ${table}`);
    }
    for (const table of wanted) {
      if (!present.has(table)) await client.query(`alter publication ${quoted(name)} add table ${table}`);
    }
  }
}

/**
 * Makes the slot and returns its position, where capturing begins. Waits for the transactions that run at this
 * moment to end. No snapshot is exported: DMS's loads are not cut exactly at the slot.
 */
export async function createSlot(client: pg.Client, { slot }: SlotNames): Promise<bigint> {
  const { rows } = await client.query<{ lsn: string }>(
    "select lsn::text from pg_create_logical_replication_slot($1, 'pgoutput')",
    [slot],
  );
  return parseLsn(rows[0]?.lsn ?? "");
}

export async function slotExists(client: pg.Client, { slot }: SlotNames): Promise<boolean> {
  const { rows } = await client.query<{ wal_status: string | null }>(
    "select wal_status from pg_replication_slots where slot_name = $1",
    [slot],
  );
  if (rows[0]?.wal_status === "lost") {
    throw new SourceFailure(
      `The replication slot ${slot} has lost its position in the log (max_slot_wal_keep_size); reload the target`,
    );
  }
  return rows.length > 0;
}

export async function dropSlot(client: pg.Client, { slot, publications }: SlotNames): Promise<void> {
  // A walsender that has just been left may hold the slot for a moment longer.
  await client.query(
    `select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1 and active_pid is not null`,
    [slot],
  );
  for (let tries = 0; ; tries++) {
    try {
      await client.query(
        "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1",
        [slot],
      );
      break;
    } catch (error) {
      const inUse = (error as pg.DatabaseError).code === "55006";
      if (!inUse || tries >= 50) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  for (const name of publications) await client.query(`drop publication if exists ${quoted(name)}`);
}
