import pg from "pg";
import { HeadwaterError } from "../../model/errors.js";
import type { CheckContext } from "./check.js";
import type { TableOutput } from "./outputs.js";
import { figuresSql, type Dialect, type Form, type SourceReader } from "./source-reader.js";

/** How to reach a PostgreSQL. */
export interface PostgresqlConnection {
  readonly host: string;
  /** Default: 5432. */
  readonly port?: number;
  readonly user: string;
  readonly password?: string | undefined;
  readonly database: string;
  /** As Node's `tls.connect` takes it; `true`: with the machine's certificates. Default: no TLS. */
  readonly ssl?: boolean | Readonly<Record<string, unknown>>;
}

export interface PostgresqlSourceOptions {
  /** Asked at each look. A replica serves as well. */
  readonly connect: (context: CheckContext) => PostgresqlConnection | Promise<PostgresqlConnection>;
  /** Milliseconds a statement may take. Default: 10 minutes. */
  readonly statementTimeoutMs?: number;
}

/**
 * A source in PostgreSQL. Its sessions are read-only, whatever the user may do; the user needs `SELECT` on the tables.
 * @returns a reader whose methods reject with HeadwaterError `driver/source` naming table and cause.
 */
export function postgresqlSource(options: PostgresqlSourceOptions): SourceReader {
  async function query(
    { schema, table }: TableOutput["source"],
    context: CheckContext,
    text: string,
    values: readonly string[] = [],
  ): Promise<(string | null)[][]> {
    const { statementTimeoutMs: timeout = 600_000 } = options;
    context.signal?.throwIfAborted();
    const client = new pg.Client({
      connectionTimeoutMillis: 30_000,
      ...((await options.connect(context)) as pg.ClientConfig),
      application_name: "headwater",
      options: `-c default_transaction_read_only=on -c timezone=UTC -c statement_timeout=${timeout}`,
    });
    // A connection that breaks rejects the query; without a listener it would end the process as well.
    client.on("error", () => undefined);
    const stop = (): void => void client.end().catch(() => undefined);
    context.signal?.addEventListener("abort", stop);
    try {
      await client.connect();
      const { rows } = await client.query<(string | null)[]>({ text, values: [...values], rowMode: "array" });
      return rows;
    } catch (error) {
      context.signal?.throwIfAborted();
      throw new HeadwaterError(
        "driver/source",
        "the source cannot be read",
        {
          where: `table ${schema}.${table}`,
          found: (error as Error).message,
          remedy: "The check needs a way to the source, and a user that may SELECT from its tables.",
        },
        { cause: error },
      );
    } finally {
      context.signal?.removeEventListener("abort", stop);
      await client.end().catch(() => undefined);
    }
  }
  return {
    async columns(table, context) {
      const catalog =
        "SELECT a.attname::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n " +
        "ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped " +
        "ORDER BY a.attnum";
      const rows = await query(table, context, catalog, [table.schema, table.table]);
      return rows.map(([name]) => name ?? "");
    },
    async figures(table, asked, context) {
      const { names, text } = figuresSql(
        DIALECT,
        `${pg.escapeIdentifier(table.schema)}.${pg.escapeIdentifier(table.table)}`,
        asked,
      );
      const [row] = await query(table, context, text);
      return Object.fromEntries(names.map((name, index) => [name, row?.[index] ?? "none"]));
    },
  };
}

const DIALECT: Dialect = {
  quote: pg.escapeIdentifier,
  write: (value: string, form: Form): string => {
    switch (form.kind) {
      case "text":
        return `${value}::text`;
      case "integer":
        return `${value}::bigint::text`;
      case "decimal":
        return `round(${value}::numeric, ${form.scale})::text`;
      case "date":
        return `to_char(${value}, 'YYYY-MM-DD')`;
      case "micros":
        return `(extract(epoch FROM ${value}) * 1000000)::bigint::text`;
      case "boolean":
        return `${value}::boolean::text`;
      case "binary":
        return `encode(${value}, 'hex')`;
    }
  },
  digits: (text, from, count) =>
    `('x' || substr(md5(${text}), ${from}, ${count}))::bit(${count * 4})::bigint`,
  sum: (expression) => `coalesce(sum(${expression}), 0)::text`,
};
