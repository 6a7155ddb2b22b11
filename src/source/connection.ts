import { readFileSync } from "node:fs";
import { lookup } from "node:dns/promises";
import { connect as connectTcp } from "node:net";
import type { ConnectionOptions as TlsOptions } from "node:tls";
import { HeadwaterError } from "../model/errors.js";
import type { SourceEngine } from "../model/pipeline.js";

/** How to reach a source database. */
export interface SourceAddress {
  readonly engine: SourceEngine;
  readonly host: string;
  readonly port: number;
  /** The database; Oracle's service name. */
  readonly database: string;
  readonly user: string;
  readonly password: string;
  /** DMS's ssl modes. `verify-*` look at the certificate by the machine's authorities, or those of `caFile`. */
  readonly tls: "none" | "require" | "verify-ca" | "verify-full";
  /** A file with certificates of authorities (PEM), for `verify-ca` and `verify-full`. */
  readonly caFile?: string;
  /** Milliseconds for a connection, and for each query. Default: 15,000 and 60,000. */
  readonly connectTimeoutMs?: number;
  readonly queryTimeoutMs?: number;
}

export type Row = Readonly<Record<string, unknown>>;

/** A session of a source database. Names of columns come in lower case. */
export interface SourceConnection {
  readonly engine: SourceEngine;
  /** Parameters are `$1` (PostgreSQL), `?` (MySQL, MariaDB), `@p1` (SQL Server), `:name` (Oracle, by their order). */
  query(sql: string, parameters?: readonly unknown[]): Promise<readonly Row[]>;
  close(): Promise<void>;
}

type Open = (
  address: Required<Omit<SourceAddress, "caFile">>,
  tls: TlsOptions | undefined,
) => Promise<SourceConnection>;

/** Modules of drivers are loaded when a source needs them: SQL Server's and Oracle's are for those who have such a source. */
const DRIVERS: Record<SourceEngine, { readonly module: string; readonly open: Open }> = {
  postgresql: { module: "pg", open: openPostgresql },
  mysql: { module: "mysql2", open: openMysql },
  mariadb: { module: "mysql2", open: openMysql },
  sqlserver: { module: "mssql", open: openSqlserver },
  oracle: { module: "oracledb", open: openOracle },
};

/**
 * Opens a session; the four ways in which that fails are told apart.
 * @throws HeadwaterError `source/no-driver`, `source/unreachable` (name or port), `source/tls`, `source/login`. None holds the password.
 */
export async function connectSource(address: SourceAddress): Promise<SourceConnection> {
  const full = { connectTimeoutMs: 15_000, queryTimeoutMs: 60_000, ...address };
  await reach(full);
  try {
    return await DRIVERS[address.engine].open(full, tlsOf(address));
  } catch (error) {
    if (error instanceof HeadwaterError) throw error;
    throw refused(address, error as Error & { code?: string });
  }
}

/** Name and port, before a driver says it its own way. */
async function reach({
  host,
  port,
  connectTimeoutMs,
}: {
  host: string;
  port: number;
  connectTimeoutMs: number;
}): Promise<void> {
  const unreachable = (found: string, remedy: string, cause: unknown): HeadwaterError =>
    new HeadwaterError(
      "source/unreachable",
      "the source does not answer",
      { where: `${host}:${port}`, found, remedy },
      { cause },
    );
  const { address } = await lookup(host).catch((cause: unknown) => {
    throw unreachable(
      "the name is not known",
      "Correct the host; a private name is known inside its network only.",
      cause,
    );
  });
  await new Promise<void>((resolve, reject) => {
    const socket = connectTcp({ host: address, port, timeout: connectTimeoutMs });
    const failed = (found: string, cause?: unknown): void => {
      socket.destroy();
      reject(
        unreachable(
          found,
          "A refusal means that nothing listens there; silence, that a security group or firewall drops it, or that the " +
            "database can be reached from inside its network only: use a tunnel, and name its end by --host and --port.",
          cause,
        ),
      );
    };
    socket.once("connect", () => {
      socket.destroy();
      resolve();
    });
    socket.once("timeout", () => failed(`no answer within ${connectTimeoutMs} ms`));
    socket.once("error", (error) => failed(error.message, error));
  });
}

function tlsOf({ tls, caFile }: SourceAddress): TlsOptions | undefined {
  if (tls === "none") return undefined;
  return {
    rejectUnauthorized: tls !== "require",
    ...(tls === "verify-ca" ? { checkServerIdentity: () => undefined } : {}),
    ...(caFile === undefined ? {} : { ca: readFileSync(caFile, "utf8") }),
  };
}

const TLS = /certificate|self.signed|SSL|TLS|altname|handshake/i;

function refused(
  { engine, host, port, user, tls, password }: SourceAddress,
  error: Error & { code?: string },
): HeadwaterError {
  const found = error.message.replaceAll(password, "[secret]");
  const where = `${host}:${port}`;
  // PostgreSQL says of a login that only TLS may have that it has no pg_hba.conf entry with "no encryption".
  const encryption = TLS.test(`${error.code} ${found}`) || /no encryption/.test(found);
  if (encryption) {
    return new HeadwaterError("source/tls", "encryption could not be agreed on", {
      ...{ where, field: "tls", found: `${tls}: ${found}` },
      remedy:
        "Choose the mode the server offers; to verify, give the file of its authority (--ca): RDS has its own.",
    });
  }
  return new HeadwaterError("source/login", `the source let nobody in as ${user}`, {
    ...{ where, found },
    remedy: `Look at the user's name and password, whether it may connect from here, and at the database's name (${engine}).`,
  });
}

async function load(engine: SourceEngine): Promise<never> {
  const { module } = DRIVERS[engine];
  try {
    const loaded = (await import(module)) as { default?: unknown };
    return (loaded.default ?? loaded) as never;
  } catch (cause) {
    throw new HeadwaterError(
      "source/no-driver",
      `${engine} needs the package ${module}, which is not installed`,
      {
        remedy: `npm install ${module}. Or print the script (--print) and run it with the database's own client.`,
      },
      { cause },
    );
  }
}

async function openPostgresql(
  address: Required<Omit<SourceAddress, "caFile">>,
  ssl: TlsOptions | undefined,
): Promise<SourceConnection> {
  const { default: pg } = await import("pg");
  const { host, port, user, password, database, connectTimeoutMs, queryTimeoutMs } = address;
  const client = new pg.Client({
    ...{ host, port, user, password, database, ssl: ssl ?? false },
    connectionTimeoutMillis: connectTimeoutMs,
    query_timeout: queryTimeoutMs,
    application_name: "headwater source",
  });
  client.on("error", () => undefined); // the query rejects with it
  await client.connect();
  return {
    engine: "postgresql",
    query: async (sql, parameters = []) => (await client.query<Row>(sql, [...parameters])).rows,
    close: () => client.end(),
  };
}

async function openMysql(
  address: Required<Omit<SourceAddress, "caFile">>,
  ssl: TlsOptions | undefined,
): Promise<SourceConnection> {
  const { createConnection } = await import("mysql2/promise");
  const { engine, host, port, user, password, connectTimeoutMs, queryTimeoutMs } = address;
  // No database: it may not be visible to the user, which is a finding and not a reason to be turned away.
  const connection = await createConnection({
    ...{ host, port, user, password, connectTimeout: connectTimeoutMs },
    ...(ssl === undefined
      ? {}
      : {
          ssl: {
            rejectUnauthorized: ssl.rejectUnauthorized !== false,
            ...(ssl.ca === undefined ? {} : { ca: ssl.ca as string }),
            // mysql2 looks at the host only when told to.
            verifyIdentity: address.tls === "verify-full",
          },
        }),
    multipleStatements: false,
    supportBigNumbers: true,
  });
  connection.on("error", () => undefined);
  try {
    // A backslash escapes in our literals, and " is no identifier.
    await connection.query("SET SESSION sql_mode = 'TRADITIONAL'");
  } catch (error) {
    connection.destroy();
    throw error;
  }
  return {
    engine,
    query: async (sql, parameters = []) => {
      const [rows] = await connection.query({ sql, values: [...parameters], timeout: queryTimeoutMs });
      return Array.isArray(rows) ? (rows as Row[]).map(lowered) : [];
    },
    close: () => connection.end(),
  };
}

/** As much of mssql as is used here; the package is the user's. */
interface Mssql {
  readonly ConnectionPool: new (config: object) => {
    connect(): Promise<{ request(): MssqlRequest }>;
    close(): Promise<void>;
  };
}
interface MssqlRequest {
  input(name: string, value: unknown): MssqlRequest;
  query(sql: string): Promise<{ recordset?: readonly Row[] }>;
  batch(sql: string): Promise<{ recordset?: readonly Row[] }>;
}

async function openSqlserver(
  address: Required<Omit<SourceAddress, "caFile">>,
  tls: TlsOptions | undefined,
): Promise<SourceConnection> {
  const { ConnectionPool }: Mssql = await load("sqlserver");
  const { host, port, user, password, database, connectTimeoutMs, queryTimeoutMs } = address;
  const pool = new ConnectionPool({
    ...{ server: host, port, user, password, database },
    // One session, so that USE holds for what follows.
    pool: { max: 1, min: 1 },
    connectionTimeout: connectTimeoutMs,
    requestTimeout: queryTimeoutMs,
    options: {
      encrypt: tls !== undefined,
      trustServerCertificate: tls?.rejectUnauthorized !== true,
      ...(tls?.ca === undefined ? {} : { cryptoCredentialsDetails: { ca: tls.ca } }),
    },
  });
  const session = await pool.connect();
  return {
    engine: "sqlserver",
    query: async (sql, parameters = []) => {
      const request = parameters.reduce<MssqlRequest>(
        (to, value, at) => to.input(`p${at + 1}`, value),
        session.request(),
      );
      // A batch, as sqlcmd would send it: what is declared or used in one stays there.
      const { recordset = [] } = await (parameters.length === 0 ? request.batch(sql) : request.query(sql));
      return recordset.map(lowered);
    },
    close: () => pool.close(),
  };
}

/** As much of oracledb as is used here; its thin mode needs no client of Oracle's. */
interface Oracledb {
  readonly OUT_FORMAT_OBJECT: number;
  getConnection(config: object): Promise<{
    callTimeout: number;
    execute(sql: string, binds: unknown[], options: object): Promise<{ rows?: readonly Row[] }>;
    close(): Promise<void>;
  }>;
}

async function openOracle(
  address: Required<Omit<SourceAddress, "caFile">>,
  tls: TlsOptions | undefined,
): Promise<SourceConnection> {
  const oracledb: Oracledb = await load("oracle");
  const { host, port, user, password, database, connectTimeoutMs, queryTimeoutMs } = address;
  const connection = await oracledb.getConnection({
    ...{ user, password },
    connectString: `${tls === undefined ? "tcp" : "tcps"}://${host}:${port}/${database}`,
    sslServerDNMatch:
      tls !== undefined && tls.checkServerIdentity === undefined && tls.rejectUnauthorized === true,
    transportConnectTimeout: Math.ceil(connectTimeoutMs / 1000),
    ...(tls?.ca === undefined ? {} : { walletContent: tls.ca }),
  });
  connection.callTimeout = queryTimeoutMs;
  return {
    engine: "oracle",
    query: async (sql, parameters = []) =>
      (
        (
          await connection.execute(sql, [...parameters], {
            outFormat: oracledb.OUT_FORMAT_OBJECT,
            autoCommit: true,
          })
        ).rows ?? []
      ).map(lowered),
    close: () => connection.close(),
  };
}

function lowered(row: Row): Row {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name.toLowerCase(), value]));
}
