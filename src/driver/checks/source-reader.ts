import type { CheckContext } from "./check.js";
import type { TableFigures } from "./matches-source.js";
import type { TableOutput } from "./outputs.js";

/**
 * How a value is written as a text that is the same wherever it is written: `text` as it is, `integer` in decimal, `decimal` with
 * all digits of its scale, `date` as 2026-11-28, `micros` as microseconds since 1970 (a time without a zone counts as UTC),
 * `boolean` as true or false, `binary` in lower-case hex.
 */
export type Form =
  | { readonly kind: "text" | "integer" | "date" | "micros" | "boolean" | "binary" }
  | { readonly kind: "decimal"; readonly scale: number };

export interface ComparedColumn {
  readonly name: string;
  readonly form: Form;
}

/** What is asked of a table's rows, on both sides. */
export interface RowsQuery {
  readonly columns: readonly ComparedColumn[];
  /** Those of the columns that identify a row. */
  readonly keys: readonly ComparedColumn[];
  /** Of 65,536 classes that keys fall into, how many are looked at; absent: all rows. */
  readonly classes?: number;
  /** Only rows whose column is not later than this; those without a value are left out. */
  readonly upTo?: { readonly column: ComparedColumn; readonly micros: number };
}

/**
 * Reads a source database for a check, and only reads: counts, a hash and the watermark leave it, no row. The figures are
 * - `rows`: how many rows the query leaves;
 * - `hash`: the sum, over these rows, of the first 60 bits of the MD5 of the row's text. Any order gives the same. A row's text
 *   is its columns in order, each as `<characters>:<its form>`, or `-` for NULL;
 * - `latest`: the greatest value of the watermark's column among them, in its form; absent without `upTo`.
 *
 * A row's class is bits 60 to 75 of the MD5 of its keys' text.
 */
export interface SourceReader {
  /** Names of a table's columns, in its order. */
  columns(table: TableOutput["source"], context: CheckContext): Promise<readonly string[]>;
  figures(table: TableOutput["source"], query: RowsQuery, context: CheckContext): Promise<TableFigures>;
}

/** What differs from one dialect of SQL to the next. */
export interface Dialect {
  readonly quote: (name: string) => string;
  /** The value of an expression in a form, as text. */
  readonly write: (expression: string, form: Form) => string;
  /** A whole number out of the hex digits of the MD5 of a text, counted from 1. */
  readonly digits: (text: string, from: number, count: number) => string;
  /** The sum of whole numbers, as text; 0 of none. */
  readonly sum: (expression: string) => string;
}

/** The statement that gives the figures, as texts, in the order of the names. */
export function figuresSql(
  { quote, write, digits, sum }: Dialect,
  table: string,
  { columns, keys, classes, upTo }: RowsQuery,
): { readonly names: readonly string[]; readonly text: string } {
  const of = (each: readonly ComparedColumn[]): string =>
    each
      .map(({ name, form }) => write(quote(name), form))
      .map((text) => `coalesce(length(${text}) || ':' || ${text}, '-')`)
      .join(" || ");
  const latest =
    upTo === undefined ? {} : { latest: write(`max(${quote(upTo.column.name)})`, upTo.column.form) };
  const figures = { rows: "count(*)", hash: sum(digits(of(columns), 1, 15)), ...latest };
  const where = [
    ...(classes === undefined ? [] : [`${digits(of(keys), 16, 4)} < ${classes}`]),
    ...(upTo === undefined
      ? []
      : [`CAST(${write(quote(upTo.column.name), upTo.column.form)} AS bigint) <= ${upTo.micros}`]),
  ];
  const select = Object.values(figures).join(", ");
  const filter = where.length === 0 ? "" : ` WHERE ${where.join(" AND ")}`;
  return { names: Object.keys(figures), text: `SELECT ${select} FROM ${table}${filter}` };
}
