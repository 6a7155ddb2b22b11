import { expect } from "chai";
import fc from "fast-check";
import { definePipeline } from "../../../src/model/pipeline.js";
import { checkSource } from "../../../src/source/check.js";
import type { Finding } from "../../../src/source/check/facts.js";
import { connectSource, type SourceAddress, type SourceConnection } from "../../../src/source/connection.js";
import type { PreparationOptions } from "../../../src/source/plan.js";
import { preparation } from "../../../src/source/preparation.js";
import { quoteIdentifier, quoteLiteral } from "../../../src/source/quoting.js";
import { runPreparation, runUndo } from "../../../src/source/run.js";
import { startMariaDb, type MariaDbFixture } from "../../support/mariadb-server.js";

const PASSWORD = "s'3cret\\%-of-DMS";
const OPTIONS: PreparationOptions = { hosting: "self-managed", database: "shop" };
const USER = "headwater_shop";

const pipeline = definePipeline({
  name: "shop",
  engine: "mariadb",
  tables: { shop: { Customers: { keys: ["id"] }, codes: { keys: ["land", "code"] } } },
});
const statements = preparation(pipeline, OPTIONS);

describe("a MariaDB source", function () {
  this.timeout(120_000);
  let server: MariaDbFixture;
  let admin: SourceConnection;
  before(async () => {
    server = await startMariaDb([
      "--log-bin=log",
      "--server-id=7",
      "--binlog-format=MIXED",
      "--binlog-row-image=MINIMAL",
      "--binlog-expire-logs-seconds=3600",
    ]);
    admin = await connectSource(as(server.user, ""));
  });
  after(async () => {
    await admin?.close();
    await server?.stop();
  });
  beforeEach(async () => {
    await runUndo(admin, statements);
    await server.query(`DROP DATABASE shop; CREATE DATABASE shop; CREATE TABLE shop.other (id int PRIMARY KEY);
      CREATE TABLE shop.Customers (id int PRIMARY KEY, name varchar(40), born date, spent decimal(12, 2));
      CREATE TABLE shop.codes (land char(2) NOT NULL, code int NOT NULL, label varchar(10), UNIQUE KEY by_code (code, land));
      SET GLOBAL binlog_format = 'MIXED'; SET GLOBAL binlog_row_image = 'MINIMAL'; SET GLOBAL binlog_checksum = 'CRC32';
      SET GLOBAL binlog_expire_logs_seconds = 3600`);
  });

  const as = (user: string, password: string, changes: Partial<SourceAddress> = {}): SourceAddress => ({
    ...{
      engine: "mariadb",
      host: server.host,
      port: server.port,
      database: "shop",
      user,
      password,
      tls: "none",
      ...changes,
    },
  });
  const prepare = (): Promise<void> => runPreparation(admin, statements, { password: PASSWORD });
  const check = (of = pipeline): Promise<readonly Finding[]> =>
    checkSource(as(server.user, ""), of, { ...OPTIONS, user: USER });

  /** All that a preparation may touch. */
  const state = async (): Promise<unknown[]> => [
    await server.query("SELECT user, host, priv FROM mysql.global_priv ORDER BY 1, 2"),
    await server.query("SELECT user, db, table_name, table_priv FROM mysql.tables_priv ORDER BY 1, 2, 3"),
    await server.query(
      "SELECT @@GLOBAL.binlog_format, @@GLOBAL.binlog_row_image, @@GLOBAL.binlog_checksum, @@GLOBAL.binlog_expire_logs_seconds",
    ),
  ];

  it("is prepared so that the check has nothing to say, also as DMS's user, who may read no other table", async () => {
    await prepare();
    expect(await check()).to.deep.equal([]);
    expect(await checkSource(as(USER, PASSWORD), pipeline, OPTIONS)).to.deep.equal([]);
    const dms = await connectSource(as(USER, PASSWORD));
    try {
      expect(await dms.query("SELECT * FROM shop.Customers")).to.deep.equal([]);
      expect(await dms.query("SHOW MASTER STATUS")).to.have.length(1);
      const refused = await dms.query("SELECT * FROM shop.other").then(
        () => undefined,
        (error: Error) => error.message,
      );
      expect(refused).to.contain("denied");
    } finally {
      await dms.close();
    }
  });

  it("keeps DMS's password out of what the server is sent", async () => {
    await server.query(
      "SET GLOBAL log_output = 'TABLE'; TRUNCATE mysql.general_log; SET GLOBAL general_log = 1",
    );
    try {
      await prepare();
    } finally {
      await server.query("SET GLOBAL general_log = 0");
    }
    const log = await server.query(
      "SELECT CONVERT(argument USING utf8mb4) AS argument FROM mysql.general_log",
    );
    const lines = log.map(({ argument }) => String(argument));
    expect(lines.some((line) => line.includes("CREATE USER"))).to.equal(true);
    expect(lines.filter((line) => line.includes("s'3cret") || line.includes("s''3cret"))).to.deep.equal([]);
  });

  it("is the same after a second preparation as after the first", async () => {
    await prepare();
    const once = await state();
    await prepare();
    expect(await state()).to.deep.equal(once);
  });

  it("is what it was after an undo, but for the log's settings, which are named", async () => {
    const before = await state();
    await prepare();
    const left = await runUndo(admin, statements);
    expect((await state()).slice(0, 2)).to.deep.equal(before.slice(0, 2));
    expect(left.map(({ undo }) => undo)).to.have.members(
      ["binlog_format", "binlog_row_image", "binlog_checksum", "binlog_expire_logs_seconds"].map(
        (name) => `SET GLOBAL ${name} = DEFAULT`,
      ),
    );
  });

  it("keeps a log longer where it is kept longer already", async () => {
    await server.query("SET GLOBAL binlog_expire_logs_seconds = 999999");
    await prepare();
    expect(await server.query("SELECT @@GLOBAL.binlog_expire_logs_seconds AS kept")).to.deep.equal([
      { kept: 999_999 },
    ]);
    await server.query("SET GLOBAL binlog_expire_logs_seconds = 0");
    await prepare();
    expect(await server.query("SELECT @@GLOBAL.binlog_expire_logs_seconds AS kept")).to.deep.equal([
      { kept: 0 },
    ]);
  });

  it("is told what is wrong before it is prepared", async () => {
    await server.query(`CREATE TABLE shop.odd (id mediumtext NOT NULL, doc json, at timestamp, span time, big bigint unsigned, place uuid,
        twice int GENERATED ALWAYS AS (1 + 1) STORED, flags bit(9), UNIQUE KEY part (id(10))) ENGINE = Aria;
      CREATE VIEW shop.seen AS SELECT 1 AS id`);
    const wrong = definePipeline({
      name: "shop",
      engine: "mariadb",
      tables: {
        shop: {
          Custmers: { keys: ["id"] },
          codes: { keys: ["code"] },
          odd: { keys: ["id"] },
          seen: { keys: ["id"] },
        },
      },
    });
    const findings = await check(wrong);
    const told = findings.map(({ code, severity, table, column }) =>
      [severity, code, [table, column].filter(Boolean).join(".")].join(" ").trim(),
    );
    expect(told).to.have.members([
      "error source/log-format",
      "error source/log-format",
      "error source/permission",
      "error source/no-table shop.Custmers",
      "error source/permission shop.codes",
      "error source/no-key shop.codes",
      "error source/permission shop.odd",
      "error source/no-key shop.odd",
      "error source/table-kind shop.seen",
      "error source/permission shop.seen",
      "error source/no-key shop.seen",
      "warning source/log-checksum",
      "warning source/log-retention",
      "warning source/storage-engine shop.odd",
      "warning source/lob-key shop.odd.id",
      "warning source/lob-size shop.odd.doc",
      "warning source/type shop.odd.place",
      "warning source/column-kind shop.odd.twice",
      "note source/type-changed shop.odd.at",
      "note source/type-changed shop.odd.span",
      "note source/type-changed shop.odd.big",
      "note source/type-changed shop.odd.flags",
    ]);
    expect(findings.find(({ code }) => code === "source/no-table")?.remedy).to.contain(
      "Did you mean shop.Customers?",
    );
  });

  it("tells port, encryption and login apart", async () => {
    const codes = async (address: SourceAddress): Promise<string[]> =>
      (await checkSource(address, pipeline, OPTIONS)).map(({ code }) => code);
    expect(await codes(as("x", "y", { port: 1 }))).to.deep.equal(["source/unreachable"]);
    // The server makes a certificate for itself, which nobody has signed.
    expect(await codes(as(server.user, "", { tls: "verify-full" }))).to.deep.equal(["source/tls"]);
    const findings = await checkSource(as(server.user, "not-the-password"), pipeline, OPTIONS);
    expect(findings.map(({ code }) => code)).to.deep.equal(["source/login"]);
    expect(JSON.stringify(findings)).not.to.contain("not-the-password");
  });

  it("takes every name and every text as it is", async () => {
    const texts = fc.string({ unit: "binary", maxLength: 40 }).filter((text) => !text.includes("\0"));
    await fc.assert(
      fc.asyncProperty(texts, async (text) => {
        const [row] = await admin.query(`SELECT ${quoteLiteral("mariadb", text)} AS text`);
        expect(row?.["text"]).to.equal(text);
      }),
    );
    // Names are of the first plane, and end in no blank.
    const names = fc.string({
      unit: fc.constantFrom("a", "`", "'", '"', "\\", "%", ";", ".", "é", "漢"),
      minLength: 1,
      maxLength: 60,
    });
    await fc.assert(
      fc.asyncProperty(names, async (name) => {
        const [row] = await admin.query(
          `SELECT n.* FROM (SELECT 1 AS ${quoteIdentifier("mariadb", name)}) AS n`,
        );
        expect(Object.keys(row ?? {})).to.deep.equal([name.toLowerCase()]);
      }),
    );
  });
});
