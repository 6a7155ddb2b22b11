import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect } from "chai";
import fc from "fast-check";
import { packageRoot } from "../../../src/engine/paths.js";
import { HeadwaterError } from "../../../src/model/errors.js";
import { SOURCE_ENGINES } from "../../../src/model/pipeline.js";
import type { SourceConnection } from "../../../src/source/connection.js";
import { fillPassword, nativeHash, scramVerifier } from "../../../src/source/password.js";
import { preparation } from "../../../src/source/preparation.js";
import { quoteIdentifier, quoteLiteral } from "../../../src/source/quoting.js";
import { runPreparation } from "../../../src/source/run.js";
import { PASSWORD, printScript, undoOf } from "../../../src/source/statement.js";
import { errorOf } from "../operations/errors.js";
import { pipelineOn, scripts } from "./scripts.js";

const GOLDEN = path.join(packageRoot(), "test", "unit", "source", "golden");
const BASE = { hosting: "self-managed", database: "shop" } as const;

describe("the preparation of a source", () => {
  // HEADWATER_WRITE_GOLDEN=1 writes them anew: read the difference.
  const all = scripts();
  if (process.env["HEADWATER_WRITE_GOLDEN"]) {
    mkdirSync(GOLDEN, { recursive: true });
    for (const [name, text] of all) writeFileSync(path.join(GOLDEN, name), text);
  }
  for (const [name, text] of all) {
    it(`is what golden/${name} says`, () => {
      expect(existsSync(path.join(GOLDEN, name)), "no golden file").to.equal(true);
      expect(text).to.equal(readFileSync(path.join(GOLDEN, name), "utf8"));
    });
  }

  it("has no golden file that nothing writes", () => {
    expect(readdirSync(GOLDEN).filter((name) => !all.has(name))).to.deep.equal([]);
  });

  for (const engine of SOURCE_ENGINES) {
    it(`of ${engine} holds the password in one statement only, and prints none`, () => {
      const statements = preparation(pipelineOn(engine), BASE);
      expect(statements.filter(({ sql }) => sql.includes(PASSWORD))).to.have.length(1);
      expect(
        statements.filter(({ password }) => password).map(({ sql }) => sql.includes(PASSWORD)),
      ).to.deep.equal([true]);
      expect(printScript(engine, statements)).to.contain(PASSWORD);
    });

    it(`of ${engine} takes back nothing by itself that does not bear our name`, () => {
      const { own, byHand } = undoOf(
        preparation(pipelineOn(engine), { ...BASE, user: engine === "oracle" ? "DMS" : "dms" }),
      );
      const drops = own.map(({ undo }) => undo);
      expect(drops).to.deep.equal(
        engine === "postgresql" ? ['DROP PUBLICATION IF EXISTS "headwater_shop"'] : [],
      );
      expect(byHand.some(({ undo = "" }) => undo.includes("DROP"))).to.equal(true);
    });
  }

  const wrong: [string, Parameters<typeof preparation>, string][] = [
    [
      "MS-Replication on RDS",
      [pipelineOn("sqlserver"), { ...BASE, hosting: "rds", method: "ms-replication" }],
      "has no MS-Replication",
    ],
    ["sysadmin without need", [pipelineOn("sqlserver"), { ...BASE, sysadmin: true }], "needs no sysadmin"],
    [
      "an interval no version takes",
      [pipelineOn("sqlserver"), { ...BASE, pollingSeconds: 86_400 }],
      "1 to 86399",
    ],
    ["retention of a month", [pipelineOn("mysql"), { ...BASE, retentionHours: 720 }], "1 to 168"],
    [
      "a publication of others",
      [pipelineOn("postgresql"), { ...BASE, publication: "theirs" }],
      "begins with headwater_",
    ],
    [
      "a slot that cannot be",
      [pipelineOn("postgresql"), { ...BASE, slot: "headwater_Shop" }],
      "lower-case letters",
    ],
    ["a user in lower case in Oracle", [pipelineOn("oracle"), { ...BASE, user: "dms" }], "upper case"],
    [
      "a name that would be cut",
      [pipelineOn("postgresql"), { ...BASE, user: "headwater_".padEnd(64, "x") }],
      "1 to 63 bytes",
    ],
  ];
  for (const [what, [pipeline, options], message] of wrong) {
    it(`refuses ${what}`, () => {
      expect(() => preparation(pipeline, options)).to.throw(HeadwaterError, message);
    });
  }
});

describe("names and texts in SQL", () => {
  const texts = fc.string({
    unit: fc.constantFrom("a", "'", '"', "`", "]", "[", "\\", ";", "-", "\n", " ", "é"),
    maxLength: 30,
  });

  /** What an engine reads: the quote doubled is one of it, and alone it ends the text. */
  const read = (quoted: string, open: string, close: string, escape = false): string => {
    expect(quoted.startsWith(open) && quoted.endsWith(close)).to.equal(true);
    const inner = quoted.slice(open.length, quoted.length - close.length);
    const found = inner.replaceAll(close + close, "").replaceAll(escape ? "\\\\" : "\0", "");
    expect(found).not.to.contain(close);
    return inner.replaceAll(close + close, close).replaceAll(escape ? "\\\\" : "\0", escape ? "\\" : "");
  };

  it("come back as they were: SQL Server, Oracle, MySQL", () => {
    fc.assert(
      fc.property(texts, (text) => {
        expect(read(quoteLiteral("sqlserver", text), "N'", "'")).to.equal(text);
        expect(read(quoteLiteral("oracle", text), "'", "'")).to.equal(text);
        expect(read(quoteLiteral("mysql", text), "'", "'", true)).to.equal(text);
        fc.pre(text !== "");
        expect(read(quoteIdentifier("sqlserver", text), "[", "]")).to.equal(text);
        expect(read(quoteIdentifier("mysql", text), "`", "`")).to.equal(text);
        fc.pre(!text.includes('"'));
        expect(read(quoteIdentifier("oracle", text), '"', '"')).to.equal(text);
      }),
    );
  });

  it("are refused where no engine could have them", () => {
    for (const engine of SOURCE_ENGINES) {
      expect(() => quoteIdentifier(engine, "")).to.throw(HeadwaterError);
      expect(() => quoteIdentifier(engine, "a\0b")).to.throw(HeadwaterError);
      expect(() => quoteIdentifier(engine, "x".repeat(129))).to.throw(HeadwaterError);
      expect(() => quoteLiteral(engine, "a\0b")).to.throw(HeadwaterError);
    }
    expect(() => quoteIdentifier("oracle", 'a"b')).to.throw(HeadwaterError);
  });
});

describe("the password of DMS's user", () => {
  it("goes to PostgreSQL as the verifier of RFC 7677's example", () => {
    const salt = Buffer.from("W22ZaJ0SNY7soEsUEjb6gQ==", "base64");
    expect(scramVerifier("pencil", salt)).to.equal(
      "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
    );
  });

  it("goes to MariaDB as its hash", () => {
    expect(nativeHash("password")).to.equal("*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19");
  });

  it("stays inside its quotes in every engine", () => {
    const password = "it's\\a]$&'word";
    for (const engine of SOURCE_ENGINES) {
      const [statement] = preparation(pipelineOn(engine), BASE).filter(({ password }) => password);
      expect(statement, engine).not.to.equal(undefined);
      const { sql } = fillPassword(engine, statement!, password);
      expect(sql).not.to.contain(PASSWORD);
      if (engine === "postgresql" || engine === "mariadb") expect(sql).not.to.contain(password);
      else expect(sql).to.contain(engine === "mysql" ? "'it''s\\\\a]$&''word'" : "it''s\\a]$&''word");
    }
  });

  it("is refused where DMS could not use it, and is in no error", async () => {
    const said: string[] = [];
    const connection: SourceConnection = {
      engine: "mysql",
      query: (sql) => {
        said.push(sql);
        return Promise.reject(new Error(`You have an error near '${sql}'`));
      },
      close: () => Promise.resolve(),
    };
    const statements = preparation(pipelineOn("mysql"), BASE).filter(({ password }) => password);
    for (const bad of ["short", "with;semicolon", "with a blank", 'with"quotes', "plus+plus1"]) {
      const error = await errorOf(runPreparation(connection, statements, { password: bad }));
      expect(error.code).to.equal("source/password");
      expect(error.message).not.to.contain(bad);
    }
    expect(said).to.deep.equal([]);
    const error = await errorOf(runPreparation(connection, statements, { password: "it's-secret" }));
    expect(said[0]).to.contain("it''s-secret");
    expect(JSON.stringify([error.message, String(error.cause), error.stack])).not.to.contain("s-secret");
  });
});
