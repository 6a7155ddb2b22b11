import { expect } from "chai";
import fc from "fast-check";
import { definePipeline, type Pipeline } from "../../../src/model/pipeline.js";
import { checkSource } from "../../../src/source/check.js";
import type { Finding } from "../../../src/source/check/facts.js";
import { connectSource, type SourceAddress, type SourceConnection } from "../../../src/source/connection.js";
import type { PreparationOptions } from "../../../src/source/plan.js";
import { preparation } from "../../../src/source/preparation.js";
import { quoteIdentifier, quoteLiteral } from "../../../src/source/quoting.js";
import { runPreparation, runUndo } from "../../../src/source/run.js";
import { startPostgres, type PostgresFixture } from "../../support/postgres.js";
import { errorOf } from "../../unit/operations/errors.js";

const PASSWORD = "s'3cret\\%-of-DMS";
const OPTIONS: PreparationOptions = { hosting: "self-managed", database: "postgres" };
const USER = "headwater_shop";

const pipeline = definePipeline({
  name: "shop",
  engine: "postgresql",
  tables: { Shop: { Customers: { keys: ["id"] }, codes: { keys: ["Land", "code"] } } },
});

describe("a PostgreSQL source", function () {
  this.timeout(60_000);
  let server: PostgresFixture;
  let admin: SourceConnection;
  before(async () => {
    server = await startPostgres();
    admin = await connectSource(as(server.user, server.password));
  });
  after(async () => {
    await admin?.close();
    await server?.stop();
  });
  beforeEach(async () => {
    await runUndo(admin, preparation(pipeline, { ...OPTIONS, slot: "headwater_shop" }));
    await server.query(`DROP SCHEMA IF EXISTS "Shop" CASCADE; CREATE SCHEMA "Shop";
      CREATE TABLE "Shop"."Customers" (id int PRIMARY KEY, name varchar(40), born date);
      CREATE TABLE "Shop".codes ("Land" char(2) NOT NULL, code int NOT NULL, label varchar(10), CONSTRAINT codes_key UNIQUE (code, "Land"));
      CREATE TABLE "Shop".other (id int PRIMARY KEY)`);
  });

  const as = (user: string, password: string, changes: Partial<SourceAddress> = {}): SourceAddress => ({
    ...{
      engine: "postgresql",
      host: server.host,
      port: server.port,
      database: "postgres",
      user,
      password,
      tls: "none",
      ...changes,
    },
  });
  const prepare = (of: Pipeline = pipeline, options = OPTIONS): Promise<void> =>
    runPreparation(admin, preparation(of, options), { password: PASSWORD });
  const check = (of: Pipeline = pipeline, options: object = {}): Promise<readonly Finding[]> =>
    checkSource(as(server.user, server.password), of, { ...OPTIONS, user: USER, ...options });

  /** All that a preparation may touch. */
  const state = async (): Promise<unknown[]> => [
    await server.query(
      `SELECT rolname, rolreplication, rolcanlogin, rolpassword FROM pg_authid WHERE rolname NOT LIKE 'pg\\_%' ORDER BY 1`,
    ),
    await server.query(
      `SELECT relname, relacl::text, relreplident::text FROM pg_class WHERE relnamespace = '"Shop"'::regnamespace ORDER BY 1`,
    ),
    await server.query(`SELECT nspname, nspacl::text FROM pg_namespace ORDER BY 1`),
    await server.query(`SELECT datname, datacl::text FROM pg_database ORDER BY 1`),
    await server.query(`SELECT pubname, oid::text FROM pg_publication`),
    await server.query(`SELECT pubname, schemaname, tablename FROM pg_publication_tables ORDER BY 1, 2, 3`),
    await server.query(`SELECT slot_name, restart_lsn::text FROM pg_replication_slots`),
  ];

  it("is prepared so that the check has nothing to say, also as DMS's user, who may read no other table", async () => {
    await prepare();
    expect(await check()).to.deep.equal([]);
    expect(await checkSource(as(USER, PASSWORD), pipeline, OPTIONS)).to.deep.equal([]);
    const dms = await connectSource(as(USER, PASSWORD));
    try {
      expect(await dms.query('SELECT * FROM "Shop"."Customers"')).to.deep.equal([]);
      expect(
        await dms.query(
          "SELECT * FROM pg_create_logical_replication_slot('headwater_probe', 'test_decoding')",
        ),
      ).to.have.length(1);
      await dms.query("SELECT pg_drop_replication_slot('headwater_probe')");
      const refused = await dms.query('SELECT * FROM "Shop".other').then(
        () => undefined,
        (error: Error) => error.message,
      );
      expect(refused).to.contain("permission denied");
    } finally {
      await dms.close();
    }
  });

  it("is the same after a second preparation as after the first, slot, position and stored password included", async () => {
    const options = { ...OPTIONS, slot: "headwater_shop" };
    await prepare(pipeline, options);
    const once = await state();
    await prepare(pipeline, options);
    expect(await state()).to.deep.equal(once);
  });

  it("is what it was after an undo, but for what is named to be undone by hand", async () => {
    const before = await state();
    const options = { ...OPTIONS, slot: "headwater_shop" };
    const statements = preparation(pipeline, options);
    await prepare(pipeline, options);
    const left = await runUndo(admin, statements);
    expect(left.map(({ undo }) => undo)).to.include('ALTER TABLE "Shop"."codes" REPLICA IDENTITY DEFAULT');
    for (const { undo = "" } of left) await admin.query(undo);
    // An ACL that was granted and revoked is written out, where it was implied before: both say the owner's rights.
    const implied = (text: unknown): string =>
      JSON.stringify(text).replaceAll(
        /"(rel|nsp|dat)acl":("\{(postgres=[A-Za-z]+\/postgres,?)+\}"|null)/g,
        '"acl":null',
      );
    expect(implied(await state())).to.equal(implied(before));
    await runUndo(admin, statements);
  });

  it("leaves a user alone who does not bear our name", async () => {
    await server.query("CREATE ROLE dms LOGIN PASSWORD 'x'");
    try {
      const statements = preparation(pipeline, { ...OPTIONS, user: "dms" });
      await runPreparation(admin, statements, { password: PASSWORD });
      const left = await runUndo(admin, statements);
      expect(left.map(({ undo }) => undo)).to.satisfy((all: string[]) =>
        all.some((sql) => sql.includes('DROP ROLE IF EXISTS "dms"')),
      );
      expect(await server.query("SELECT 1 FROM pg_roles WHERE rolname = 'dms'")).to.have.length(1);
    } finally {
      await server.query("DROP OWNED BY dms; DROP ROLE dms");
    }
  });

  it("publishes exactly the pipeline's tables, also after they changed", async () => {
    await prepare();
    const smaller = definePipeline({
      name: "shop",
      engine: "postgresql",
      tables: { Shop: { other: { keys: ["id"] } } },
    });
    expect((await check(smaller)).map(({ code }) => code)).to.include("source/publication");
    await prepare(smaller);
    expect(
      await server.query("SELECT tablename FROM pg_publication_tables WHERE pubname = 'headwater_shop'"),
    ).to.deep.equal([{ tablename: "other" }]);
    expect(await check(smaller)).to.deep.equal([]);
  });

  it("refuses a table without the key, and says which; with before images it takes it", async () => {
    const keyless = definePipeline({
      name: "shop",
      engine: "postgresql",
      tables: { Shop: { codes: { keys: ["code"] } } },
    });
    const error = await errorOf(prepare(keyless));
    expect(error.code).to.equal("source/statement");
    expect(error.message).to.contain("Shop.codes").and.contain("neither its primary key nor a unique index");
    await prepare(keyless, { ...OPTIONS, beforeImages: true });
    expect((await check(keyless)).map(({ code }) => code)).to.deep.equal(["source/no-key"]);
  });

  it("is told what is wrong before it is prepared, each with its remedy", async () => {
    const wrong = definePipeline({
      name: "shop",
      engine: "postgresql",
      tables: {
        Shop: {
          Custmers: { keys: ["id"] },
          codes: { keys: ["Land", "cod"] },
          odd: { keys: ["id"] },
          seen: { keys: ["id"] },
        },
      },
    });
    await server.query(`CREATE TYPE "Shop".mood AS ENUM ('a'); CREATE DOMAIN "Shop".amount AS numeric(50, 2);
      CREATE TABLE "Shop".odd (id text PRIMARY KEY, free varchar, doc jsonb, tags int[], n numeric, wide "Shop".amount,
        at timestamptz, span tsrange, mood "Shop".mood, twice int GENERATED ALWAYS AS (1 + 1) STORED, kept varchar(9));
      CREATE VIEW "Shop".seen AS SELECT 1 AS id`);
    const findings = await check(wrong);
    const told = findings.map(({ code, severity, table, column }) =>
      [severity, code, [table, column].filter(Boolean).join(".")].join(" ").trim(),
    );
    expect(told).to.have.members([
      "error source/permission",
      "error source/no-table Shop.Custmers",
      "error source/permission Shop.codes",
      "error source/no-key-column Shop.codes.cod",
      "error source/permission Shop.odd",
      "error source/table-kind Shop.seen",
      "error source/permission Shop.seen",
      "error source/no-key Shop.seen",
      "warning source/publication",
      "warning source/lob-key Shop.odd.id",
      "warning source/lob-size Shop.odd.free",
      "warning source/lob-size Shop.odd.doc",
      "warning source/lob-size Shop.odd.tags",
      "warning source/type Shop.odd.span",
      "warning source/column-kind Shop.odd.twice",
      "note source/type-changed Shop.odd.n",
      "note source/type-changed Shop.odd.wide",
      "note source/type-changed Shop.odd.at",
      "note source/type-changed Shop.odd.mood",
    ]);
    expect(findings.find(({ code }) => code === "source/no-table")?.remedy).to.contain(
      "Did you mean Shop.Customers?",
    );
    expect(findings.find(({ code }) => code === "source/no-key-column")?.remedy).to.contain(
      "Did you mean code?",
    );
    const decided = await check(wrong, { lobMaxSizeKb: 64 });
    expect(decided.map(({ code }) => code)).not.to.include("source/lob-size");
  });

  it("is told when a change of a key would not be logged", async () => {
    await prepare();
    await server.query(`ALTER TABLE "Shop"."Customers" REPLICA IDENTITY NOTHING`);
    const [only, ...others] = await check();
    expect(others).to.deep.equal([]);
    expect(only).to.include({ code: "source/replica-identity", table: "Shop.Customers" });
  });

  it("tells name, port, encryption and login apart", async () => {
    const codes = async (address: SourceAddress): Promise<string[]> =>
      (await checkSource(address, pipeline, OPTIONS)).map(({ code }) => code);
    expect(await codes(as("x", "y", { host: "no-such-host.invalid" }))).to.deep.equal(["source/unreachable"]);
    expect(await codes(as("x", "y", { port: 1 }))).to.deep.equal(["source/unreachable"]);
    expect(await codes(as(server.user, server.password, { tls: "require" }))).to.deep.equal(["source/tls"]);
    const findings = await checkSource(as(server.user, "not-the-password"), pipeline, OPTIONS);
    expect(findings.map(({ code }) => code)).to.deep.equal(["source/login"]);
    expect(JSON.stringify(findings)).not.to.contain("not-the-password");
  });

  it("takes every name and every text as it is", async () => {
    const client = await connectSource(as(server.user, server.password));
    const texts = fc.string({ unit: "binary", maxLength: 60 }).filter((text) => !text.includes("\0"));
    try {
      await fc.assert(
        fc.asyncProperty(texts, async (text) => {
          const [row] = await client.query(`SELECT ${quoteLiteral("postgresql", text)} AS text`);
          expect(row?.["text"]).to.equal(text);
        }),
      );
      await fc.assert(
        fc.asyncProperty(texts, async (name) => {
          fc.pre(name !== "" && Buffer.byteLength(name) <= 63);
          const [row] = await client.query(`SELECT 1 AS ${quoteIdentifier("postgresql", name)}`);
          expect(Object.keys(row ?? {})).to.deep.equal([name]);
        }),
      );
    } finally {
      await client.close();
    }
  });

  it("is prepared whatever its keys are called, and nothing in a name is run", async () => {
    const names = fc.string({
      unit: fc.constantFrom("a", "'", '"', "\\", "$", "d", "o", "%", ";", " ", "é"),
      minLength: 1,
      maxLength: 20,
    });
    await fc.assert(
      fc.asyncProperty(names, async (key) => {
        await server.query(
          `DROP TABLE IF EXISTS "Shop".named; CREATE TABLE "Shop".named (${quoteIdentifier("postgresql", key)} int NOT NULL UNIQUE)`,
        );
        const named = definePipeline({
          name: "shop",
          engine: "postgresql",
          tables: { Shop: { named: { keys: [key] } } },
        });
        await prepare(named);
        expect(await check(named)).to.deep.equal([]);
      }),
      { numRuns: 25 },
    );
  });
});

describe("a PostgreSQL source that logs too little", function () {
  this.timeout(60_000);
  it("is refused before anything is made, and the check says what to set", async () => {
    const server = await startPostgres({ flags: ["-c", "wal_level=replica", "-c", "wal_sender_timeout=5s"] });
    const { host, port, user, password } = server;
    const address: SourceAddress = {
      engine: "postgresql",
      host,
      port,
      database: "postgres",
      user,
      password,
      tls: "none",
    };
    try {
      const connection = await connectSource(address);
      const error = await errorOf(
        runPreparation(connection, preparation(pipeline, { ...OPTIONS, hosting: "rds" }), {
          password: PASSWORD,
        }),
      );
      await connection.close();
      expect(error.message).to.contain("wal_level is replica").and.contain("rds.logical_replication = 1");
      expect(await server.query("SELECT 1 FROM pg_roles WHERE rolname = 'headwater_shop'")).to.deep.equal([]);
      const codes = (await checkSource(address, pipeline, OPTIONS)).map(({ code }) => code);
      expect(codes).to.include.members(["source/log-level", "source/sender-timeout"]);
    } finally {
      await server.stop();
    }
  });
});
