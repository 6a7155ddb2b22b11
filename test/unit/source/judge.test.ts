import { expect } from "chai";
import { aboutOf } from "../../../src/source/check.js";
import type { CheckOptions, Facts, TableFacts } from "../../../src/source/check/facts.js";
import { judge } from "../../../src/source/check/judge.js";
import { definePipeline, type SourceEngine } from "../../../src/model/pipeline.js";
import { connectSource } from "../../../src/source/connection.js";
import { errorOf } from "../operations/errors.js";
import { createServer, type AddressInfo } from "node:net";
import { once } from "node:events";

/** A source in which all is well. */
const WELL: Record<Exclude<SourceEngine, "postgresql">, Facts> = {
  sqlserver: {
    settings: {
      edition: "Standard Edition (64-bit)",
      version: "15.0.4",
      recovery_model: "FULL",
      log_waits_for: "LOG_BACKUP",
      cdc: "true",
      published: "true",
      accelerated_recovery: "false",
      agent: "Running",
      full_backups: "3",
      polling_seconds: "3599",
    },
    permissions: { exists: true, owner: true, serverState: true },
    tables: [table({ captured: "true", replicated: "true" })],
    names: ["S.T"],
  },
  oracle: {
    settings: {
      log_mode: "ARCHIVELOG",
      minimal_logging: "YES",
      database_role: "PRIMARY",
      version: "Oracle Database 19c Enterprise Edition",
      container: "ORCL",
    },
    permissions: { exists: true, session: true, transactions: true, logMiner: true },
    tables: [table({ all_columns_logged: "true" }, "number", 10)],
    names: ["S.T"],
  },
  mysql: mysqlFacts(),
  mariadb: mysqlFacts(),
};

function mysqlFacts(): Facts {
  return {
    settings: {
      log_bin: "ON",
      binlog_format: "ROW",
      binlog_row_image: "FULL",
      binlog_checksum: "NONE",
      server_id: "1",
      binlog_expire_logs_seconds: "86400",
      rds_retention_known: "yes",
      rds_retention_hours: "24",
    },
    permissions: { exists: true, client: true, replica: true },
    tables: [table({ storage_engine: "InnoDB" })],
    names: ["S.T"],
  };
}

function table(more: TableFacts["more"], type = "int", size: number | null = null): TableFacts {
  return {
    ...{ schema: "S", table: "T", kind: "table", readable: true, more },
    columns: [{ name: "id", type, size }],
    keys: [{ columns: ["id"], primary: true, tellsApart: true }],
  };
}

interface Change extends Partial<CheckOptions> {
  readonly settings?: Facts["settings"];
  readonly permissions?: Facts["permissions"];
  readonly table?: Partial<TableFacts>;
  readonly columns?: [name: string, type: string, size: number | null][];
}

function codes(engine: Exclude<SourceEngine, "postgresql">, change: Change = {}): string[] {
  const { settings, permissions, table: changed, columns, ...options } = change;
  const well = WELL[engine];
  const own = well.tables[0]!;
  const added = (columns ?? []).map(([name, type, size]) => ({ name, type, size }));
  const facts: Facts = {
    settings: { ...well.settings, ...settings },
    permissions: { ...well.permissions, ...permissions },
    tables: [{ ...own, columns: [...own.columns, ...added], ...changed }],
    names: well.names,
  };
  const pipeline = definePipeline({ name: "shop", engine, tables: { S: { T: { keys: ["id"] } } } });
  const about = aboutOf(pipeline, { hosting: "self-managed", database: "shop", user: "dms", ...options });
  return judge(facts, about).map(({ severity, code, column }) =>
    [severity, code, column].filter(Boolean).join(" "),
  );
}

const CASES: [Exclude<SourceEngine, "postgresql">, string, Change, string[]][] = [
  ["sqlserver", "Express", { settings: { edition: "Express Edition" } }, ["error source/edition"]],
  [
    "sqlserver",
    "Express, even to be loaded in full",
    { load: "full-load", settings: { edition: "Express Edition (64-bit)" } },
    ["error source/edition"],
  ],
  ["sqlserver", "Web", { settings: { edition: "Web Edition (64-bit)" } }, ["error source/edition"]],
  [
    "sqlserver",
    "nothing of Web that is loaded in full",
    { load: "full-load", settings: { edition: "Web Edition", cdc: "false" } },
    [],
  ],
  ["sqlserver", "Standard 2014", { settings: { version: "12.0.6" } }, ["error source/edition"]],
  ["sqlserver", "an Agent that stands still", { settings: { agent: "Stopped" } }, ["error source/agent"]],
  [
    "sqlserver",
    "recovery model SIMPLE",
    { settings: { recovery_model: "SIMPLE" } },
    ["error source/recovery-model"],
  ],
  ["sqlserver", "no backup", { settings: { full_backups: "0" } }, ["error source/no-backup"]],
  [
    "sqlserver",
    "a capture job that lets the log be cut",
    { settings: { polling_seconds: "5" } },
    ["warning source/log-retention"],
  ],
  [
    "sqlserver",
    "an interval that some versions lose",
    { settings: { polling_seconds: "86399" } },
    ["warning source/log-retention"],
  ],
  [
    "sqlserver",
    "a capture job that is not shown",
    { settings: { polling_seconds: null } },
    ["note source/not-known"],
  ],
  [
    "sqlserver",
    "capture that is off",
    { settings: { cdc: "false" }, table: { more: { captured: "false" } } },
    ["error source/no-capture", "error source/no-capture"],
  ],
  [
    "sqlserver",
    "a table that is not published",
    { method: "ms-replication", table: { more: { replicated: "false" } } },
    ["error source/no-capture"],
  ],
  [
    "sqlserver",
    "a table without primary key, with MS-Replication",
    { method: "ms-replication", table: { keys: [{ columns: ["id"], primary: false, tellsApart: true }] } },
    ["error source/no-key"],
  ],
  [
    "sqlserver",
    "accelerated recovery",
    { settings: { accelerated_recovery: "true" } },
    ["error source/accelerated-recovery"],
  ],
  [
    "sqlserver",
    "a log that waits for capture",
    { settings: { log_waits_for: "REPLICATION" } },
    ["warning source/log-kept"],
  ],
  ["sqlserver", "a temporal table", { table: { kind: "temporal table" } }, ["error source/table-kind"]],
  ["sqlserver", "no right to the log", { permissions: { owner: false } }, ["error source/permission"]],
  [
    "sqlserver",
    "types",
    {
      columns: [
        ["a", "sql_variant", null],
        ["b", "nvarchar", null],
        ["c", "nvarchar", 40],
        ["d", "datetimeoffset", null],
        ["e", "vector", null],
      ],
    },
    [
      "error source/type a",
      "warning source/lob-size b",
      "warning source/type e",
      "note source/type-changed d",
    ],
  ],
  [
    "sqlserver",
    "no large object whose size was decided on",
    { lobMaxSizeKb: 64, columns: [["b", "nvarchar", null]] },
    [],
  ],
  [
    "sqlserver",
    "no large object of a table with a size of its own",
    { tables: { S: { T: { lob: { maxSizeKb: 9 } } } }, columns: [["b", "xml", null]] },
    [],
  ],
  [
    "sqlserver",
    "1001 columns",
    { columns: Array.from({ length: 1000 }, (_, at) => [`c${at}`, "int", null]) },
    ["error source/too-wide"],
  ],
  [
    "sqlserver",
    "a unique index that NULL may be in",
    { table: { keys: [{ columns: ["id"], primary: false, tellsApart: false }] } },
    ["error source/no-key"],
  ],
  ["oracle", "no archived logs", { settings: { log_mode: "NOARCHIVELOG" } }, ["error source/no-log"]],
  [
    "oracle",
    "no supplemental logging",
    { settings: { minimal_logging: "NO" }, table: { more: { all_columns_logged: "false" } } },
    ["error source/supplemental-logging", "error source/supplemental-logging"],
  ],
  ["oracle", "the root container", { settings: { container: "CDB$ROOT" } }, ["error source/container"]],
  [
    "oracle",
    "Express",
    { settings: { version: "Oracle Database 21c Express Edition" } },
    ["error source/edition"],
  ],
  ["oracle", "no LogMiner", { permissions: { logMiner: false } }, ["error source/permission"]],
  [
    "oracle",
    "types",
    {
      columns: [
        ["a", "bfile", null],
        ["b", "clob", null],
        ["c", "number", null],
        ["d", "timestamp(6) with time zone", null],
        ["e", "varchar2", 9],
      ],
    },
    [
      "error source/type a",
      "warning source/lob-size b",
      "note source/type-changed c",
      "note source/type-changed d",
    ],
  ],
  ["mysql", "no log", { settings: { log_bin: "OFF" } }, ["error source/no-log"]],
  ["mysql", "a log of statements", { settings: { binlog_format: "STATEMENT" } }, ["error source/log-format"]],
  [
    "mysql",
    "parts of JSON values",
    { settings: { binlog_row_value_options: "PARTIAL_JSON" } },
    ["error source/log-format"],
  ],
  [
    "mysql",
    "a compressed log",
    { settings: { binlog_transaction_compression: "ON" } },
    ["error source/log-format"],
  ],
  [
    "mysql",
    "a log kept for an hour",
    { settings: { binlog_expire_logs_seconds: "3600" } },
    ["warning source/log-retention"],
  ],
  ["mysql", "nothing of a log kept for ever", { settings: { binlog_expire_logs_seconds: "0" } }, []],
  [
    "mysql",
    "a log that RDS throws away",
    { hosting: "rds", settings: { rds_retention_hours: null } },
    ["error source/log-retention"],
  ],
  [
    "mysql",
    "a retention that is not shown",
    { hosting: "rds", settings: { rds_retention_known: "no" } },
    ["note source/not-known"],
  ],
  ["mariadb", "a compressed log", { settings: { log_bin_compress: "ON" } }, ["error source/log-format"]],
  [
    "mariadb",
    "an engine without transactions",
    { table: { more: { storage_engine: "MyISAM" } } },
    ["warning source/storage-engine"],
  ],
  [
    "mariadb",
    "a system-versioned table",
    { table: { kind: "system versioned" } },
    ["error source/table-kind"],
  ],
  ["mariadb", "no right to the log", { permissions: { replica: false } }, ["error source/permission"]],
];

describe("the check of a source", () => {
  for (const engine of Object.keys(WELL) as (keyof typeof WELL)[]) {
    it(`has nothing to say of a ${engine} that is well`, () => {
      expect(codes(engine)).to.deep.equal([]);
      expect(codes(engine, { hosting: "rds" })).to.deep.equal([]);
    });
  }
  for (const [engine, what, change, expected] of CASES) {
    it(`tells of ${what} (${engine})`, () => {
      expect(codes(engine, change)).to.deep.equal(expected);
    });
  }

  it("says which package a source needs that is not installed", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    try {
      for (const [engine, module] of [
        ["sqlserver", "mssql"],
        ["oracle", "oracledb"],
      ] as const) {
        const error = await errorOf(
          connectSource({
            engine,
            host: "127.0.0.1",
            port,
            database: "d",
            user: "u",
            password: "p",
            tls: "none",
          }),
        );
        expect(error.code).to.equal("source/no-driver");
        expect(error.message).to.contain(`npm install ${module}`);
      }
    } finally {
      server.close();
    }
  });
});
