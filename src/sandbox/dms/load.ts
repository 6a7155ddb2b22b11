import type pg from "pg";
import { nowMicros } from "./instants.js";
import { quoted, quotedTable, type SourceTable } from "./source/catalog.js";
import type { Tuple } from "./source/stream.js";
import type { TargetFiles } from "./target/files.js";
import { TableWriter, type FileShape, type Row } from "./target/rows.js";

const fetchSize = 5_000;
/** assumed: DMS documents MaxFileSize for csv only; a load file here ends at this many rows or characters. */
const rowsPerFile = 100_000;
const charactersPerFile = 64_000_000;

export interface LoadOptions {
  readonly client: pg.Client;
  readonly table: SourceTable;
  readonly shape: FileShape;
  readonly files: TargetFiles;
  /** Timestamp of every row; undefined: the moment its rows are transferred. */
  readonly taskStart: bigint | undefined;
  readonly changeSeq: string | null;
  /** Whether files of earlier loads and changes are deleted first. */
  readonly clean: boolean;
  readonly signal: AbortSignal;
  readonly progress: (rows: number) => void;
}

/** Reads one table as it is now and stores it. Returns the number of rows; an empty table gets no file. */
export async function loadTable(options: LoadOptions): Promise<number> {
  const { client, table, shape, files, signal } = options;
  const writer = new TableWriter(table, shape);
  const folder = files.folder(writer.plan.schema, writer.plan.table);
  if (options.clean) await files.deleteAll(folder);
  const columns = writer.needed;
  let total = 0;
  let fileCount = 0;
  let rows: Row[] = [];
  let characters = 0;
  const store = async (): Promise<void> => {
    if (rows.length === 0) return;
    await files.putLoad(folder, ++fileCount, writer.file(rows, "load"));
    [rows, characters] = [[], 0];
  };
  await client.query("begin isolation level repeatable read read only");
  try {
    const selected = columns.length === 0 ? "1" : columns.map(quoted).join(", ");
    await client.query(
      `declare load_cursor no scroll cursor for select ${selected} from ${quotedTable(table)}`,
    );
    for (;;) {
      signal.throwIfAborted();
      const micros = options.taskStart ?? nowMicros();
      const { rows: fetched } = await client.query<(string | null)[]>({
        text: `fetch ${fetchSize} from load_cursor`,
        rowMode: "array",
        types: rawText,
      });
      if (fetched.length === 0) break;
      for (const values of fetched) {
        const image: Record<string, string | null> = {};
        columns.forEach((name, index) => {
          const value = values[index] ?? null;
          image[name] = value;
          characters += value?.length ?? 0;
        });
        rows.push({ op: "I", image, before: undefined, micros, changeSeq: options.changeSeq, position: "" });
      }
      total += fetched.length;
      options.progress(total);
      if (rows.length >= rowsPerFile || characters >= charactersPerFile) await store();
    }
    await store();
  } finally {
    await client.query("rollback");
  }
  return total;
}

/** Gives every value in PostgreSQL's text form. */
export const rawText = { getTypeParser: () => (text: unknown) => text } as unknown as pg.CustomTypesConfig;

/** Present values of some columns of one row, by key: for TOAST values the log does not repeat. */
export async function lookUp(
  client: pg.Client,
  table: SourceTable,
  key: Tuple,
  columns: readonly string[],
): Promise<Tuple | undefined> {
  const { rows } = await client.query<Record<string, string | null>>({
    text: `select ${columns.map(quoted).join(", ")} from ${quotedTable(table)}
            where ${table.keys.map((name, index) => `${quoted(name)} = $${index + 1}`).join(" and ")}`,
    values: table.keys.map((name) => key[name]),
    types: rawText,
  });
  return rows[0];
}
