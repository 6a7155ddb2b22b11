/** A PostgreSQL column type of the demo's source. `precision` and `scale` are decimal digits. */
export type ColumnType =
  | {
      readonly kind:
        | "bigint"
        | "boolean"
        | "bytea"
        | "date"
        | "double precision"
        | "integer"
        | "smallint"
        | "text"
        | "timestamp"
        | "timestamptz"
        | "uuid";
    }
  | { readonly kind: "numeric"; readonly precision: number; readonly scale: number };

export interface Column {
  readonly name: string;
  readonly type: ColumnType;
  readonly nullable: boolean;
}

/** A table of the source as the generator, the audit trail and the proof know it: one description, in column order. */
export interface Table {
  readonly schema: string;
  readonly name: string;
  /** Columns of the primary key, in its order. */
  readonly keys: readonly string[];
  readonly columns: readonly Column[];
}

/** A value in canonical text (see proof/canonical.ts), or NULL; the empty string is a value of its own. */
export type Cell = string | null;

/** One row, its cells in the order of the table's columns. */
export type Row = readonly Cell[];

/** The key's cells as one string; injective, so that ("a,b") and ("a", "b") stay apart. */
export function keyOf(table: Table, row: Row): string {
  return JSON.stringify(table.keys.map((key) => row[columnIndex(table, key)]));
}

/** Throws if the table has no such column, as a wrong name here is a bug of the demo's. */
export function columnIndex(table: Table, name: string): number {
  const index = table.columns.findIndex((column) => column.name === name);
  if (index < 0) throw new Error(`${table.schema}.${table.name} has no column ${name}`);
  return index;
}

/** The row's cell of that column. */
export function cellOf(table: Table, row: Row, name: string): Cell {
  return row[columnIndex(table, name)] ?? null;
}

const required = (name: string, type: ColumnType): Column => ({ name, type, nullable: false });
const optional = (name: string, type: ColumnType): Column => ({ name, type, nullable: true });
const of = (kind: Exclude<ColumnType["kind"], "numeric">): ColumnType => ({ kind });
const numeric = (precision: number, scale: number): ColumnType => ({ kind: "numeric", precision, scale });

/**
 * The shop. No foreign keys: the workload deletes, re-inserts and re-keys rows of any table freely, as sources that
 * keep their constraints in the application do, and so does the target database, which is loaded table by table.
 */
export const shop: readonly Table[] = [
  {
    schema: "shop",
    name: "customers",
    keys: ["id"],
    columns: [
      required("id", of("bigint")),
      required("name", of("text")),
      optional("email", of("text")),
      optional("credit_limit", numeric(12, 2)),
      required("active", of("boolean")),
      optional("born_on", of("date")),
      required("registered_at", of("timestamp")),
      optional("last_seen_at", of("timestamptz")),
      optional("avatar", of("bytea")),
      optional("external_id", of("uuid")),
      optional("note", of("text")),
    ],
  },
  {
    schema: "shop",
    name: "products",
    keys: ["sku"],
    columns: [
      required("sku", of("text")),
      required("title", of("text")),
      required("price", numeric(12, 2)),
      optional("margin", numeric(38, 18)),
      optional("weight_kg", of("double precision")),
      required("stock", of("integer")),
      optional("discontinued_on", of("date")),
      optional("description", of("text")),
    ],
  },
  {
    schema: "shop",
    name: "orders",
    keys: ["id"],
    columns: [
      required("id", of("bigint")),
      required("customer_id", of("bigint")),
      required("status", of("text")),
      required("placed_at", of("timestamptz")),
      optional("shipped_at", of("timestamp")),
      required("total", numeric(12, 2)),
      optional("exchange_rate", numeric(20, 10)),
      optional("paid", of("boolean")),
      optional("remark", of("text")),
    ],
  },
  {
    schema: "shop",
    name: "order_lines",
    keys: ["order_id", "line_no"],
    columns: [
      required("order_id", of("bigint")),
      required("line_no", of("smallint")),
      required("sku", of("text")),
      required("quantity", of("integer")),
      required("unit_price", numeric(12, 4)),
      optional("discount", numeric(5, 4)),
      optional("gift_message", of("text")),
    ],
  },
];

/** The shop's table of that name; throws if there is none. */
export function shopTable(name: string): Table {
  const table = shop.find((candidate) => candidate.name === name);
  if (table === undefined) throw new Error(`the shop has no table ${name}`);
  return table;
}
