import pg from "pg";
import type { TableMappings } from "../../../model/dms/mappings.js";
import { isSelected } from "../../../model/dms/mappings.js";
import type { Domain } from "./types.js";

export interface SourceTable {
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly SourceColumn[];
  /** Names of the primary key's columns, in its order; empty without one. */
  readonly keys: readonly string[];
  /** Whether updates and deletes can be captured: there is a key, or REPLICA IDENTITY says how else. */
  readonly identified: boolean;
}

export interface SourceColumn {
  readonly name: string;
  readonly typeOid: number;
  readonly typmod: number;
}

/** The selected ordinary and partitioned tables (no views, no partitions), by schema and name. */
export async function readTables(client: pg.Client, mappings: TableMappings): Promise<SourceTable[]> {
  const { rows } = await client.query<{
    schema: string;
    name: string;
    identity: string;
    columns: { name: string; typeOid: number; typmod: number }[];
    keys: string[] | null;
  }>(`
    select n.nspname as schema, c.relname as name, c.relreplident as identity,
      (select json_agg(json_build_object('name', a.attname, 'typeOid', a.atttypid::int8, 'typmod', a.atttypmod)
                       order by a.attnum)
         from pg_attribute a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '') as columns,
      (select json_agg(a.attname order by k.position)
         from pg_index i, unnest(i.indkey::int2[]) with ordinality as k(attnum, position), pg_attribute a
        where i.indrelid = c.oid and i.indisprimary and a.attrelid = c.oid and a.attnum = k.attnum) as keys
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and not c.relispartition and c.relpersistence = 'p'
      and n.nspname <> 'information_schema' and n.nspname not like 'pg\\_%'
    order by n.nspname, c.relname`);
  return rows
    .filter(({ schema, name }) => isSelected(mappings, schema, name))
    .map(({ schema, name, identity, columns, keys }) => ({
      schema,
      name,
      columns: columns ?? [],
      keys: keys ?? [],
      identified: identity === "f" || identity === "i" || (identity === "d" && (keys ?? []).length > 0),
    }));
}

/** Domains by their type's oid: the log names the domain, files are written as its base type. */
export async function readDomains(client: pg.Client): Promise<Map<number, Domain>> {
  const { rows } = await client.query<{ oid: number; base: number; typmod: number }>(
    "select oid::int8 as oid, typbasetype::int8 as base, typtypmod as typmod from pg_type where typtype = 'd'",
  );
  return new Map(rows.map(({ oid, base, typmod }) => [Number(oid), { base: Number(base), typmod }]));
}

export function quoted(name: string): string {
  return pg.escapeIdentifier(name);
}

export function quotedTable({ schema, name }: { schema: string; name: string }): string {
  return `${quoted(schema)}.${quoted(name)}`;
}
