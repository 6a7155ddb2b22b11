import { chmod, mkdtemp, rm } from "node:fs/promises";
import path from "node:path";
import pg from "pg";
import { sharedTemporaryFolder } from "../../src/sandbox/postgres-binaries.js";
import { startPostgres as start } from "../../src/sandbox/postgres.js";

export interface PostgresFixture {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** One statement (or several without parameters) on a connection of its own. */
  query<Row extends pg.QueryResultRow = pg.QueryResultRow>(sql: string, values?: unknown[]): Promise<Row[]>;
  /** A connection the caller ends. */
  connect(): Promise<pg.Client>;
  stop(): Promise<void>;
}

/**
 * The sandbox's PostgreSQL (logical decoding, commit timestamps) on a free port, with a folder of its own.
 * `flags` are added to its command line: `["-c", "wal_level=replica"]`.
 */
export async function startPostgres({ flags = [] }: { flags?: string[] } = {}): Promise<PostgresFixture> {
  const folder = await mkdtemp(path.join(await sharedTemporaryFolder(), "headwater-test-pg-"));
  // As root, PostgreSQL runs as another user, who must be able to enter.
  await chmod(folder, 0o711);
  const remove = () => rm(folder, { recursive: true, force: true });
  const server = await start({ folder, flags, progress: () => undefined }).catch(async (error: unknown) => {
    await remove();
    throw error;
  });
  const { host, port, user, password, database } = server.connection;
  const connect = async (): Promise<pg.Client> => {
    const client = new pg.Client({ host, port, user, password, database });
    await client.connect();
    return client;
  };
  return {
    ...{ host, port, user, password, database, connect },
    async query<Row extends pg.QueryResultRow>(sql: string, values?: unknown[]) {
      const client = await connect();
      try {
        return (await client.query<Row>(sql, values)).rows;
      } finally {
        await client.end();
      }
    },
    async stop() {
      await server.stop();
      await remove();
    },
  };
}
