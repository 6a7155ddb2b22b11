import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmod, chown, mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { HeadwaterError } from "../model/errors.js";
import { elapsed, type Work } from "../engine/progress.js";
import { Child } from "./child.js";
import { childEnvironment } from "./environment.js";
import { freePort } from "./ports.js";
import { postgresBinaries, traversable, type PostgresBinaries } from "./postgres-binaries.js";

/** How to reach a database. Has no `url` with the password, so that nobody prints one. */
export interface PgConnection {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** `postgresql://user@host:port/database`, without the password. */
  readonly url: string;
}

export interface PostgresOptions extends Work {
  /** What people call it, also its log's name. Default `PostgreSQL`. */
  readonly name?: string;
  /** Exists and is this server's alone. All users must be able to enter it and its parents when this one is root. */
  readonly folder: string;
  /** Default: a free one. */
  readonly port?: number;
  /** A database made at the start. Default `postgres`. */
  readonly database?: string;
  /** Added to the server's command line: `["-c", "max_replication_slots=4"]`. */
  readonly flags?: readonly string[];
  /** The environment it runs in. Default: this one's, without what belongs to real accounts. */
  readonly env?: NodeJS.ProcessEnv;
  /** Is told of the process at once, long before it is ready. */
  readonly onStart?: ((child: Child) => void) | undefined;
}

export interface Postgres {
  readonly connection: PgConnection;
  readonly child: Child;
  stop(): Promise<void>;
}

const START_DEADLINE_MS = 60_000;
const FREE_PORT_ATTEMPTS = 3;

// `trust` in no case; nothing durable, since a sandbox's data lives no longer than its processes; no sockets or shared
// memory outside its folder; enough slots for every environment's replication and those that tests forget.
const SETTINGS = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  wal_level: "logical",
  track_commit_timestamp: "on",
  max_replication_slots: "50",
  max_wal_senders: "50",
  max_connections: "200",
  dynamic_shared_memory_type: "mmap",
  fsync: "off",
  full_page_writes: "off",
  autovacuum_naptime: "30s",
  timezone: "UTC",
  log_line_prefix: "%m [%p] ",
} as const;

/**
 * Initialises and starts a PostgreSQL 18 with logical decoding and commit timestamps, superuser `postgres` with a random
 * password (SCRAM).
 * @throws HeadwaterError `sandbox/folder-not-reachable`, `sandbox/postgres-init`, and those of {@link Child.ready}
 */
export async function startPostgres(options: PostgresOptions): Promise<Postgres> {
  const { folder, signal } = options;
  const binaries = await postgresBinaries(options);
  if (binaries.user !== undefined && !(await traversable(folder))) {
    throw new HeadwaterError(
      "sandbox/folder-not-reachable",
      "the user postgres cannot enter the folder or one above it",
      {
        where: folder,
        remedy: "choose a folder whose parents all others may enter (mode o+x), for example below /var/tmp",
      },
    );
  }
  const env = { ...(options.env ?? childEnvironment()), LC_ALL: "C", TZ: "UTC" };
  const password = randomBytes(18).toString("base64url");
  const data = await initialise(folder, password, binaries, env);
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted();
    const connection = connectionTo(options.port ?? (await freePort()), password, "postgres");
    const child = await Child.start({
      name: options.name ?? "PostgreSQL",
      command: binaries.postgres,
      args: ["-D", data, "-p", String(connection.port), ...flags(), ...(options.flags ?? [])],
      env,
      cwd: folder,
      onStart: options.onStart,
      logFile: path.join(folder, "postgres.log"),
      // Fast shutdown; SIGTERM would wait for clients to leave (postgres(1)).
      stopSignal: "SIGINT",
      graceMs: 5_000,
      ...(binaries.user && { user: binaries.user }),
    });
    try {
      await child.ready({ probe: () => answers(connection), deadlineMs: START_DEADLINE_MS, signal });
      const database = options.database ?? "postgres";
      if (database !== "postgres") await createDatabase(connection, database);
      return {
        child,
        connection: connectionTo(connection.port, password, database),
        stop: () => child.stop(),
      };
    } catch (error) {
      await child.stop();
      const taken = child.lastLines().some((line) => line.includes("could not bind"));
      if (options.port !== undefined || !taken || attempt === FREE_PORT_ATTEMPTS) throw error;
    }
  }
}

function connectionTo(port: number, password: string, database: string): PgConnection {
  const [host, user] = ["127.0.0.1", "postgres"];
  return { host, port, user, password, database, url: `postgresql://${user}@${host}:${port}/${database}` };
}

function flags(): string[] {
  return Object.entries(SETTINGS).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}

async function initialise(
  folder: string,
  password: string,
  { initdb, user }: PostgresBinaries,
  env: NodeJS.ProcessEnv,
): Promise<string> {
  const data = path.join(folder, "data");
  const passwordFile = path.join(folder, "password");
  await mkdir(data, { recursive: true, mode: 0o700 });
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  if (user !== undefined) {
    await chown(data, user.uid, user.gid);
    await chown(passwordFile, user.uid, user.gid);
    await chmod(folder, 0o711);
  }
  const started = Date.now();
  try {
    await promisify(execFile)(
      initdb,
      [
        `--pgdata=${data}`,
        "--username=postgres",
        `--pwfile=${passwordFile}`,
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        // The same collation and character classes on every machine.
        ...["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"],
        "--no-sync",
      ],
      { env, cwd: folder, ...user },
    );
  } catch (cause) {
    const found = (cause as { stderr?: string }).stderr?.trim() ?? (cause as Error).message;
    const unknown = found.includes("could not look up effective user ID");
    throw new HeadwaterError(
      "sandbox/postgres-init",
      `PostgreSQL's initdb failed after ${elapsed(started)}`,
      { where: data, found, ...(unknown && { remedy: "run as a user that /etc/passwd knows" }) },
      { cause },
    );
  } finally {
    await rm(passwordFile, { force: true });
  }
  return data;
}

async function answers(connection: PgConnection): Promise<true> {
  await query(connection, "SELECT 1");
  return true;
}

async function createDatabase(connection: PgConnection, name: string): Promise<void> {
  await query(connection, `CREATE DATABASE ${pg.escapeIdentifier(name)}`);
}

async function query({ host, port, user, password, database }: PgConnection, sql: string): Promise<void> {
  const client = new pg.Client({ host, port, user, password, database, connectionTimeoutMillis: 5_000 });
  client.on("error", () => undefined); // the query rejects with it
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
