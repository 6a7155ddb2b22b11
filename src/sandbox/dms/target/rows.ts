import type { SchemaElement } from "hyparquet";
import type { Header } from "../../../model/dms/expressions.js";
import type { TableMappings } from "../../../model/dms/mappings.js";
import { matches } from "../../../model/dms/patterns.js";
import type { S3Settings } from "../../../model/dms/s3-settings.js";
import { planTable, type TablePlan } from "../../../model/dms/table-plan.js";
import { formatMicros } from "../instants.js";
import type { SourceColumn } from "../source/catalog.js";
import type { Tuple } from "../source/stream.js";
import {
  sourceType,
  timestampType,
  type Domain,
  type SourceType,
  type TypeOptions,
} from "../source/types.js";
import { writeParquet, type FileColumn } from "./parquet.js";

/** A row as it goes into a file. */
export interface Row {
  readonly op: "I" | "U" | "D";
  /** The row's own image: after it for I and U, before it for D. A column it lacks is NULL. */
  readonly image: Tuple;
  /** Old values, on U and D; undefined otherwise. */
  readonly before: Tuple | undefined;
  /** Text of the timestamp column and of timestamp headers: commit time, or what stands for it during a load. */
  readonly micros: bigint;
  /** Header values; null during a load where that is the option. */
  readonly changeSeq: string | null;
  readonly position: string;
}

export interface FileShape {
  readonly mappings: TableMappings;
  readonly settings: S3Settings;
  readonly types: TypeOptions;
  readonly domains: ReadonlyMap<number, Domain>;
  /** undefined: LOB columns are left out. */
  readonly lobMaxSizeKb: number | undefined;
  readonly warn: (message: string) => void;
}

export interface ShapedTable {
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly SourceColumn[];
  readonly keys: readonly string[];
}

const text: Omit<SchemaElement, "name"> = { type: "BYTE_ARRAY", converted_type: "UTF8" };

/** A failure that suspends one table while the others go on. Its message names the table. */
export class TableFailure extends Error {
  override readonly name = "TableFailure";
}

/** Turns rows of one table, in one version of its columns, into files by mappings and settings. */
export class TableWriter {
  readonly plan: TablePlan;
  private readonly types: ReadonlyMap<string, SourceType>;
  private readonly lobMaxSizeKb: number;

  constructor(
    private readonly table: ShapedTable,
    private readonly shape: FileShape,
  ) {
    const types = table.columns.map(
      ({ name, typeOid, typmod }) => [name, sourceType(typeOid, typmod, shape.types, shape.domains)] as const,
    );
    this.types = new Map(types);
    const own = shape.mappings.lobLimits.findLast(
      ({ at }) => matches(at.schema, table.schema) && matches(at.table, table.name),
    );
    this.lobMaxSizeKb = own?.maxSizeKb ?? shape.lobMaxSizeKb ?? 0;
    const columns = types
      .filter(([, type]) => shape.lobMaxSizeKb !== undefined || !type.lob)
      .map(([name, { lob }]) => ({ name, lob, key: table.keys.includes(name) }));
    try {
      this.plan = planTable(shape.mappings, { schema: table.schema, table: table.name, columns });
    } catch (cause) {
      throw new TableFailure((cause as Error).message, { cause });
    }
  }

  /** Source columns whose values a row needs. */
  get needed(): string[] {
    const inExpressions = this.plan.added.flatMap(({ expression }) =>
      expression.flatMap((term) => (term.kind === "column" ? [term.column] : [])),
    );
    return [...new Set([...this.plan.columns.map(({ source }) => source), ...inExpressions])];
  }

  /** Throws a TableFailure that names the column for a value that has no place in its parquet type. */
  file(rows: readonly Row[], phase: "load" | "changes"): Uint8Array {
    const { settings } = this.shape;
    const columns: FileColumn[] = [];
    const narrowed = settings.cdcInsertsOnly || settings.cdcInsertsAndUpdates;
    if (settings.includeOpForFullLoad || (phase === "changes" && !narrowed)) {
      columns.push({ name: "Op", element: text, values: rows.map(({ op }) => op) });
    }
    for (const { source, name } of this.plan.columns) {
      columns.push({
        name,
        element: this.type(source).element,
        values: rows.map((row) => this.value(source, row.image)),
      });
    }
    if (settings.timestampColumnName !== undefined) {
      const values = rows.map(({ micros }) => formatMicros(micros));
      columns.push({ name: settings.timestampColumnName, element: text, values });
    }
    for (const { name, expression, type } of this.plan.added) {
      const [first] = expression;
      if (type === "datetime" && first?.kind === "header") {
        const timestamp = timestampType(this.shape.types.timestampUnit);
        const values = rows.map(({ micros }) => timestamp.parse(formatMicros(micros)));
        columns.push({ name, element: timestamp.element, values });
      } else {
        columns.push({ name, element: text, values: rows.map((row) => this.evaluate(expression, row)) });
      }
    }
    for (const { source, name } of this.plan.beforeImages) {
      const values = rows.map(({ before }) => (before === undefined ? null : this.value(source, before)));
      columns.push({ name, element: this.type(source).element, values });
    }
    return writeParquet(columns, settings);
  }

  private type(column: string): SourceType {
    const type = this.types.get(column);
    if (type === undefined)
      throw new TableFailure(`${this.table.schema}.${this.table.name} has no column ${column}`);
    return type;
  }

  private value(column: string, image: Tuple): unknown {
    const raw = image[column];
    if (raw === null || raw === undefined) return null;
    const type = this.type(column);
    try {
      return type.lob ? this.cut(column, type.parse(raw)) : type.parse(raw);
    } catch (error) {
      const where = `${this.table.schema}.${this.table.name}.${column}`;
      throw new TableFailure(`${where}: ${(error as Error).message}`, { cause: error });
    }
  }

  /** Limited LOB mode: what is longer than LobMaxSize is cut, and only a warning says so. */
  private cut(column: string, value: unknown): unknown {
    const limit = this.lobMaxSizeKb * 1024;
    const bytes = typeof value === "string" ? Buffer.from(value) : (value as Uint8Array);
    if (bytes.length <= limit) return value;
    const where = `${this.table.schema}.${this.table.name}.${column}`;
    this.shape.warn(`${where}: a LOB of ${bytes.length} bytes is cut to ${this.lobMaxSizeKb} KB`);
    if (typeof value !== "string") return bytes.slice(0, limit);
    let end = limit;
    // Not in the middle of a character.
    while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
    return Buffer.from(bytes.subarray(0, end)).toString("utf8");
  }

  /** As SQLite joins: NULL if any term is NULL. */
  private evaluate(expression: TablePlan["added"][number]["expression"], row: Row): string | null {
    let joined = "";
    for (const term of expression) {
      let part: string | null;
      if (term.kind === "text") part = term.text;
      else if (term.kind === "column") part = row.image[term.column] ?? null;
      else if (term.kind === "indicator")
        part = { D: term.onDelete, U: term.onUpdate, I: term.onInsert }[row.op];
      else part = this.header(term.header, row);
      if (part === null) return null;
      joined += part;
    }
    return joined;
  }

  private header(header: Header, row: Row): string | null {
    switch (header) {
      case "AR_H_CHANGE_SEQ":
        return row.changeSeq;
      case "AR_H_STREAM_POSITION":
        return row.position;
      case "AR_H_TIMESTAMP":
      case "AR_H_COMMIT_TIMESTAMP":
        return formatMicros(row.micros);
      case "AR_H_OPERATION":
        return { I: "INSERT", U: "UPDATE", D: "DELETE" }[row.op];
      case "AR_M_SOURCE_SCHEMA":
        return this.table.schema;
      case "AR_M_SOURCE_TABLE_NAME":
        return this.table.name;
    }
  }
}
