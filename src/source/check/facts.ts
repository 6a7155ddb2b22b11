import type { Pipeline, PipelineTable } from "../../model/pipeline.js";
import type { TableOverridesByName } from "../../model/table-mappings.js";
import type { Hosting } from "../statement.js";

/** `error`: DMS will fail, or data will be lost or wrong. `warning`: it may. `note`: something arrives otherwise than it was. */
export type Severity = "error" | "warning" | "note";

/** One thing that was found in a source database. */
export interface Finding {
  /** Stable, for programs: `source/no-key`. */
  readonly code: string;
  readonly severity: Severity;
  /** `schema.table` of the source. */
  readonly table?: string;
  readonly column?: string;
  readonly found: string;
  readonly allowed: string;
  readonly remedy: string;
}

export interface CheckOptions {
  readonly hosting: Hosting;
  /** The database that is read. */
  readonly database: string;
  /** Whose permissions are looked at. Default: the user that connects. */
  readonly user?: string;
  /** Default: `cdc` too, not the full load alone. */
  readonly load?: "full-load" | "cdc";
  /** Hours the source should keep its log for. Default: 24. */
  readonly retentionHours?: number;
  /** KB of a large object that are kept, if somebody has decided on it; tables may have their own. */
  readonly lobMaxSizeKb?: number;
  readonly tables?: TableOverridesByName;
  /** PostgreSQL: default `headwater_<pipeline>`. */
  readonly publication?: string;
  /** SQL Server. Default: `ms-cdc`. */
  readonly method?: "ms-cdc" | "ms-replication";
}

/** What the queries are about. */
export interface About extends CheckOptions {
  readonly pipeline: Pipeline;
  readonly user: string;
  readonly load: "full-load" | "cdc";
  readonly retentionHours: number;
  readonly publication: string;
}

export interface ColumnFacts {
  readonly name: string;
  /** As the engine calls it, without its length: `character varying`, `mediumtext`. */
  readonly type: string;
  /** Length of texts, precision of numbers; null: without a bound, or no such thing. */
  readonly size: number | null;
  /** What DMS leaves out, or the target cannot have: computed, sparse. */
  readonly special?: string;
}

/** A primary key, or a unique index. */
export interface KeyFacts {
  readonly columns: readonly string[];
  readonly primary: boolean;
  /** All columns NOT NULL, whole, unconditional: it tells rows apart. */
  readonly tellsApart: boolean;
}

export interface TableFacts {
  readonly schema: string;
  readonly table: string;
  /** `table` for one that DMS can follow, else what it is: `view`, `temporal table`. */
  readonly kind: string;
  readonly columns: readonly ColumnFacts[];
  readonly keys: readonly KeyFacts[];
  /** DMS's user may read it. */
  readonly readable: boolean;
  /** What else an engine tells of a table. */
  readonly more: Readonly<Record<string, string | null>>;
}

/** All that the queries brought; what is judged. */
export interface Facts {
  /** Of server and database, by names of the engine's own. Null: not told, to this user at least. */
  readonly settings: Readonly<Record<string, string | null>>;
  /** What DMS's user needs and whether it has it. */
  readonly permissions: Readonly<Record<string, boolean>>;
  /** The pipeline's tables that exist. */
  readonly tables: readonly TableFacts[];
  /** Every table there is, for suggestions: `schema.table`. */
  readonly names: readonly string[];
}

/** What becomes of a type on its way through DMS into parquet. */
export type TypeVerdict =
  | { readonly is: "plain" | "lob" | "unreadable" | "unknown" }
  /** `into`: what it arrives as. */
  | { readonly is: "changed"; readonly into: string };

/** How one engine is asked and judged. */
export interface EngineCheck {
  read(query: Query, about: About): Promise<Facts>;
  /** Of server, database and permissions, and what only this engine has of tables. Pure. */
  judge(facts: Facts, about: About): Finding[];
  /** Pure. */
  type(column: ColumnFacts): TypeVerdict;
}

/** One read-only query. */
export type Query = (
  sql: string,
  parameters?: readonly unknown[],
) => Promise<readonly Readonly<Record<string, unknown>>[]>;

export const nameOf = ({ source: { schema, table } }: PipelineTable): string => `${schema}.${table}`;

/** A column of an answer as a text; null where it is NULL. */
export function text(row: Readonly<Record<string, unknown>> | undefined, column: string): string | null {
  const value = row?.[column];
  if (value === null || value === undefined) return null;
  if (Buffer.isBuffer(value)) return value.toString("utf8");
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** 1, true, "YES" and their like. */
export function truth(row: Readonly<Record<string, unknown>> | undefined, column: string): boolean {
  return ["1", "true", "t", "yes", "y", "on"].includes((text(row, column) ?? "").toLowerCase());
}

/** Rows by `schema` and `table` of the pipeline's tables, as every engine's queries name these columns. */
function byTable<Row extends Readonly<Record<string, unknown>>>(rows: readonly Row[]): Map<string, Row[]> {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const name = qualified(row);
    groups.set(name, [...(groups.get(name) ?? []), row]);
  }
  return groups;
}

/** Keys of rows with `key_name`, `column_name`, `is_primary` and `tells_apart`, one a column. */
function keysOf(rows: readonly Readonly<Record<string, unknown>>[]): KeyFacts[] {
  const names = [...new Set(rows.map((row) => text(row, "key_name")))];
  return names.map((name) => {
    const own = rows.filter((row) => text(row, "key_name") === name);
    return {
      columns: own.map((row) => text(row, "column_name") ?? ""),
      primary: own.every((row) => truth(row, "is_primary")),
      tellsApart: own.every((row) => truth(row, "tells_apart")),
    };
  });
}

/** Columns of rows with `column_name`, `type_name`, `size` and, perhaps, `special`. */
function columnsOf(rows: readonly Readonly<Record<string, unknown>>[]): ColumnFacts[] {
  return rows.map((row) => {
    const size = text(row, "size");
    const special = text(row, "special");
    return {
      name: text(row, "column_name") ?? "",
      type: (text(row, "type_name") ?? "").toLowerCase(),
      size: size === null ? null : Number(size),
      ...(special === null || special === "" ? {} : { special }),
    };
  });
}

/** The pipeline's tables as two lists, as queries take them. */
export function sourceNames({ tables }: Pipeline): { readonly schemas: string[]; readonly tables: string[] } {
  return {
    schemas: tables.map(({ source }) => source.schema),
    tables: tables.map(({ source }) => source.table),
  };
}

/** The same as one text, for databases that take apart JSON. */
export function sourceNamesJson({ tables }: Pipeline): string {
  return JSON.stringify(tables.map(({ source }) => [source.schema, source.table]));
}

type Rows = readonly Readonly<Record<string, unknown>>[];

/** Tables of what an engine's queries brought; `readable` and what only this engine tells are made of a table's own row. */
export function tablesIn(
  { tables, columns, keys }: { readonly tables: Rows; readonly columns: Rows; readonly keys: Rows },
  own: (row: Rows[number]) => Pick<TableFacts, "readable" | "more">,
): TableFacts[] {
  const [columnsBy, keysBy] = [byTable(columns), byTable(keys)];
  return tables.map((row) => {
    const name = qualified(row);
    return {
      ...{ schema: text(row, "schema_name") ?? "", table: text(row, "table_name") ?? "" },
      kind: text(row, "kind") ?? "",
      columns: columnsOf(columnsBy.get(name) ?? []),
      keys: keysOf(keysBy.get(name) ?? []),
      ...own(row),
    };
  });
}

/** `schema.table` of a row. */
export function qualified(row: Rows[number]): string {
  return `${text(row, "schema_name")}.${text(row, "table_name")}`;
}
