import { HeadwaterError } from "../../model/errors.js";
import { quoteName, type Statements } from "../../operations/statements.js";
import type { WaitOptions } from "../../operations/wait.js";
import type { Check, CheckContext } from "./check.js";
import { currentRows, untilAgreed, type AgreementOptions } from "./matches-source.js";
import type { TableOutput } from "./outputs.js";
import {
  figuresSql,
  type ComparedColumn,
  type Dialect,
  type Form,
  type SourceReader,
} from "./source-reader.js";

export interface RowsMatchSourceOptions extends AgreementOptions {
  /** Reads the source: `postgresqlSource`, or one of your own. */
  readonly source: SourceReader;
  /** The share of keys that is compared, above 0 and at most 1; the same keys on both sides and at each look. Default: 1. */
  readonly sample?: number;
  /**
   * Leaves out what has changed lately and may be on its way, for a source that never rests: only rows whose column (a time that
   * each change sets) is at least so many milliseconds ago. Default: all rows, looked at until both sides agree.
   */
  readonly upTo?: (table: TableOutput) => { readonly column: string; readonly lagMs: number } | undefined;
}

/**
 * The current rows of each history are the source's rows: their number and a hash over every column that both sides write alike,
 * whole or of a sample of keys. It only reads, and no row leaves either side, so it serves in protected environments. Looked at
 * again until both agree or the time (default 15 min, the promise of freshness) is over. Columns of other types (floating
 * point, arrays, structs) are not compared, and named in the message.
 */
export function rowsMatchSource(options: RowsMatchSourceOptions): Check {
  const { source, sample = 1, upTo = () => undefined } = options;
  if (!(sample > 0 && sample <= 1)) {
    throw new HeadwaterError("driver/bad-sample", "not a share of the keys", {
      ...{ field: "sample", found: sample, allowed: "above 0 and at most 1" },
    });
  }
  return {
    name: "rows-match-source",
    run: async (context) => {
      const left = new Set<string>();
      const agreed = await untilAgreed(context, options, async (table, statements, wait) => {
        const described = await describeTable(statements, table, wait);
        const theirs = await source.columns(table.source, context);
        const columns: ComparedColumn[] = [];
        for (const name of theirs) {
          const form = formOf(described.get(name) ?? "");
          if (form !== undefined) columns.push({ name, form });
          else if (described.has(name)) left.add(`${table.name}.${name} (${described.get(name)})`);
        }
        const asked = {
          columns,
          keys: keysOf(context, table, columns),
          ...(sample < 1 ? { classes: Math.max(1, Math.round(sample * 65_536)) } : {}),
          ...bound(upTo(table), table, columns),
        };
        const { names, text } = figuresSql(DIALECT, currentRows(table), asked);
        const [there, { rows }] = await Promise.all([
          source.figures(table.source, asked, context),
          statements.execute(text, {}, wait),
        ]);
        const here = Object.fromEntries(names.map((name, index) => [name, rows[0]?.[index] ?? "none"]));
        const known = theirs.filter((name) => described.has(name));
        return {
          here: { columns: known.join(" "), ...here },
          there: { columns: theirs.join(" "), ...there },
        };
      });
      const share = sample < 1 ? `, ${sample * 100} % of the keys` : "";
      const rest = left.size === 0 ? "" : `; not compared: ${[...left].join(", ")}`;
      return { passed: true, message: `${agreed}${share}${rest}` };
    },
  };
}

function keysOf(
  { pipeline }: CheckContext,
  { source, name }: TableOutput,
  columns: readonly ComparedColumn[],
) {
  const table = pipeline.tables.find(
    (each) => each.source.schema === source.schema && each.source.table === source.table,
  );
  const keys = (table?.keys ?? []).flatMap((key) => columns.filter((column) => column.name === key));
  if (table !== undefined && keys.length === table.keys.length) return keys;
  throw new HeadwaterError("driver/source", "the table's keys cannot be compared", {
    where: `table ${name}`,
    found: columns.map((column) => column.name).join(", "),
    allowed: table?.keys.join(", ") ?? "a table of the pipeline",
  });
}

function bound(
  wanted: { readonly column: string; readonly lagMs: number } | undefined,
  { name }: TableOutput,
  columns: readonly ComparedColumn[],
) {
  if (wanted === undefined) return {};
  const column = columns.find((each) => each.name === wanted.column && each.form.kind === "micros");
  if (column !== undefined) return { upTo: { column, micros: (Date.now() - wanted.lagMs) * 1000 } };
  throw new HeadwaterError("driver/source", "the watermark is no column that holds a time on both sides", {
    ...{ where: `table ${name}`, field: "upTo", found: wanted.column },
    allowed:
      columns
        .filter(({ form }) => form.kind === "micros")
        .map((each) => each.name)
        .join(", ") || "none here",
  });
}

/** Types of the current rows' columns, by name. */
async function describeTable(
  statements: Statements,
  table: TableOutput,
  wait: WaitOptions,
): Promise<Map<string, string>> {
  const { rows } = await statements.execute(`DESCRIBE TABLE ${currentRows(table)}`, {}, wait);
  const end = rows.findIndex(([name]) => name === null || name === "" || name?.startsWith("#"));
  return new Map((end < 0 ? rows : rows.slice(0, end)).map(([name, type]) => [name ?? "", type ?? ""]));
}

/** Undefined for what two databases do not write alike. */
function formOf(type: string): Form | undefined {
  const scale = /^decimal\(\d+, ?(\d+)\)$/.exec(type)?.[1];
  if (scale !== undefined) return { kind: "decimal", scale: Number(scale) };
  if (/^(tiny|small|big)?int$/.test(type)) return { kind: "integer" };
  if (/^(string|varchar\(\d+\)|char\(\d+\))$/.test(type)) return { kind: "text" };
  if (type === "timestamp") return { kind: "micros" };
  if (type === "date" || type === "boolean" || type === "binary") return { kind: type };
  return undefined;
}

const DIALECT: Dialect = {
  quote: quoteName,
  write: (value, form) => {
    switch (form.kind) {
      case "text":
        return value;
      case "integer":
      case "boolean":
        return `CAST(${value} AS STRING)`;
      case "decimal":
        // CAST would write an exponent for very small ones.
        return `replace(format_number(${value}, ${form.scale}), ',', '')`;
      case "date":
        return `date_format(${value}, 'yyyy-MM-dd')`;
      case "micros":
        return `CAST(unix_micros(${value}) AS STRING)`;
      case "binary":
        return `lower(hex(${value}))`;
    }
  },
  digits: (text, from, count) =>
    `CAST(conv(substr(md5(${text}), ${from}, ${count}), 16, 10) AS DECIMAL(20, 0))`,
  sum: (expression) => `CAST(coalesce(sum(${expression}), 0) AS STRING)`,
};
