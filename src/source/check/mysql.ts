import { quoteTable } from "../quoting.js";
import {
  sourceNames,
  qualified,
  tablesIn,
  text,
  type About,
  type ColumnFacts,
  type EngineCheck,
  type Facts,
  type Finding,
  type Query,
  type TypeVerdict,
} from "./facts.js";

/** Variables that are there in some versions only come as they are. */
const VARIABLES = `SHOW GLOBAL VARIABLES WHERE Variable_name IN ('log_bin', 'binlog_format', 'binlog_row_image', 'binlog_checksum', 'server_id',
  'binlog_expire_logs_seconds', 'expire_logs_days', 'log_bin_compress', 'binlog_transaction_compression', 'binlog_row_value_options')`;

const RETENTION = "SELECT value FROM mysql.rds_configuration WHERE name = 'binlog retention hours'";

const SELF = "SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', 1) AS user_name";

const NAMES = `SELECT table_schema AS schema_name, table_name AS table_name FROM information_schema.tables
WHERE table_schema NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys') ORDER BY 1, 2`;

/** Pairs of database and table, as many as there are tables. */
const wanted = (count: number, prefix = ""): string =>
  `(${prefix}table_schema, ${prefix}table_name) IN (${Array.from({ length: count }, () => "(?, ?)").join(", ")})`;

const tablesOf = (count: number): string => `SELECT table_schema AS schema_name, table_name AS table_name,
  CASE table_type WHEN 'BASE TABLE' THEN 'table' ELSE LOWER(table_type) END AS kind, engine AS storage_engine
FROM information_schema.tables WHERE ${wanted(count)}`;

const columnsFor = (
  count: number,
): string => `SELECT table_schema AS schema_name, table_name AS table_name, column_name AS column_name,
  CONCAT(data_type, IF(column_type LIKE '%unsigned%', ' unsigned', '')) AS type_name,
  COALESCE(character_maximum_length, numeric_precision) AS size,
  IF(COALESCE(generation_expression, '') = '', NULL, 'generated column') AS special
FROM information_schema.columns WHERE ${wanted(count)} ORDER BY table_schema, table_name, ordinal_position`;

const keysFor = (
  count: number,
): string => `SELECT s.table_schema AS schema_name, s.table_name AS table_name, s.index_name AS key_name,
  s.column_name AS column_name, s.index_name = 'PRIMARY' AS is_primary, s.nullable <> 'YES' AND s.sub_part IS NULL AS tells_apart
FROM information_schema.statistics AS s WHERE s.non_unique = 0 AND ${wanted(count, "s.")}
ORDER BY s.table_schema, s.table_name, s.index_name, s.seq_in_index`;

/** Privileges by grantee, as far as the asking user may see them; a table's name is NULL for a whole database, both for all. */
const GRANTS = `SELECT grantee AS grantee, privilege_type AS privilege, NULL AS schema_name, NULL AS table_name FROM information_schema.user_privileges
  WHERE SUBSTRING_INDEX(grantee, '@', 1) = CONCAT('''', ?, '''')
UNION ALL SELECT grantee, privilege_type, table_schema, NULL FROM information_schema.schema_privileges
  WHERE SUBSTRING_INDEX(grantee, '@', 1) = CONCAT('''', ?, '''') AND privilege_type = 'SELECT'
UNION ALL SELECT grantee, privilege_type, table_schema, table_name FROM information_schema.table_privileges
  WHERE SUBSTRING_INDEX(grantee, '@', 1) = CONCAT('''', ?, '''') AND privilege_type = 'SELECT'`;

const ACCESS_DENIED = [
  "ER_TABLEACCESS_DENIED_ERROR",
  "ER_DBACCESS_DENIED_ERROR",
  "ER_COLUMNACCESS_DENIED_ERROR",
];

export const mysqlCheck: EngineCheck = {
  async read(query, { pipeline, user, hosting }): Promise<Facts> {
    const { schemas, tables: names } = sourceNames(pipeline);
    const pairs = schemas.flatMap((schema, at) => [schema, names[at] ?? ""]);
    const variables = await query(VARIABLES);
    const [self] = await query(SELF);
    const grants = await query(GRANTS, [user, user, user]);
    const has = (privileges: readonly string[], schema?: string, table?: string): boolean =>
      grants.some((row) => {
        const [of, on] = [text(row, "schema_name"), text(row, "table_name")];
        return (
          privileges.includes(text(row, "privilege") ?? "") &&
          (of === null || (of === schema && (on === null || on === table)))
        );
      });
    const columns = await query(columnsFor(names.length), pairs);
    const keys = await query(keysFor(names.length), pairs);
    const tables = await query(tablesOf(names.length), pairs);
    const all = await query(NAMES);
    const readable = new Set<string>();
    for (const row of tables) {
      const [schema, table] = [text(row, "schema_name") ?? "", text(row, "table_name") ?? ""];
      // Whoever asks for itself sees at once, roles included, what lists of grants show in part.
      const may =
        text(self, "user_name") === user
          ? await mayRead(query, quoteTable(pipeline.engine, { schema, table }))
          : has(["SELECT", "ALL PRIVILEGES"], schema, table);
      if (may) readable.add(qualified(row));
    }
    return {
      settings: {
        ...Object.fromEntries(variables.map((row) => [text(row, "variable_name") ?? "", text(row, "value")])),
        ...(hosting === "rds" ? await retention(query) : {}),
      },
      permissions: {
        exists: grants.length > 0,
        client: has(["REPLICATION CLIENT", "BINLOG MONITOR", "SUPER"]),
        replica: has(["REPLICATION SLAVE"]),
      },
      tables: tablesIn({ tables, columns, keys }, (row) => ({
        readable: readable.has(qualified(row)),
        more: { storage_engine: text(row, "storage_engine") },
      })),
      names: all.map(qualified),
    };
  },

  judge(facts, about): Finding[] {
    return [...server(facts, about), ...permissions(facts, about), ...engines(facts)];
  },

  type: mysqlType,
};

async function mayRead(query: Query, table: string): Promise<boolean> {
  try {
    await query(`SELECT 1 FROM ${table} LIMIT 0`);
    return true;
  } catch (error) {
    if (ACCESS_DENIED.includes((error as { code?: string }).code ?? "")) return false;
    throw error;
  }
}

/** The table is not for every user: then nothing is said of it. */
async function retention(query: Query): Promise<Record<string, string | null>> {
  try {
    const [row] = await query(RETENTION);
    return { rds_retention_known: "yes", rds_retention_hours: text(row, "value") };
  } catch (error) {
    if (ACCESS_DENIED.includes((error as { code?: string }).code ?? "")) return { rds_retention_known: "no" };
    throw error;
  }
}

function server({ settings }: Facts, about: About): Finding[] {
  const { hosting, load } = about;
  if (load === "full-load") return [];
  const by =
    hosting === "rds" ? "Set it in the parameter group of the instance." : "Run headwater source prepare.";
  const must = (
    name: string,
    allowed: readonly string[],
    code: string,
    severity: "error" | "warning",
    remedy = by,
  ): Finding[] => {
    const found = settings[name];
    // A variable that this version does not have is as it should be.
    if (found === undefined || found === null || allowed.includes(found.toUpperCase())) return [];
    return [
      {
        ...{ code, severity, found: `${name} = ${found}` },
        allowed: allowed[0] === "" ? "empty" : (allowed[0] ?? ""),
        remedy,
      },
    ];
  };
  const on =
    hosting === "rds"
      ? "Turn automated backups of the instance on."
      : "Start the server with log_bin (and a server_id).";
  return [
    ...must("log_bin", ["ON", "1"], "source/no-log", "error", on),
    ...must("binlog_format", ["ROW"], "source/log-format", "error"),
    ...must("binlog_row_image", ["FULL"], "source/log-format", "error"),
    ...must("binlog_checksum", ["NONE"], "source/log-checksum", "warning"),
    ...must(
      "log_bin_compress",
      ["OFF", "0"],
      "source/log-format",
      "error",
      "DMS cannot read a compressed log: turn it off.",
    ),
    ...must(
      "binlog_transaction_compression",
      ["OFF", "0"],
      "source/log-format",
      "error",
      "DMS cannot read a compressed log: turn it off.",
    ),
    ...must(
      "binlog_row_value_options",
      [""],
      "source/log-format",
      "error",
      "DMS cannot read parts of JSON values: leave it empty.",
    ),
    ...(settings["server_id"] === "0"
      ? [
          {
            ...({
              code: "source/no-log",
              severity: "error",
              found: "server_id = 0",
              allowed: "1 or more",
            } as const),
            remedy: "Start the server with a server_id.",
          },
        ]
      : []),
    ...kept(settings, about),
  ];
}

function kept(settings: Facts["settings"], { hosting, retentionHours }: About): Finding[] {
  const allowed = `${retentionHours} hours or more`;
  const remedy =
    "Run headwater source prepare: a replication that stands still for longer has to load everything again.";
  const short = (found: string, severity: "error" | "warning"): Finding[] => [
    { code: "source/log-retention", severity, found, allowed, remedy },
  ];
  if (hosting === "rds") {
    if (settings["rds_retention_known"] !== "yes") {
      return [
        {
          ...{
            code: "source/not-known",
            severity: "note",
            found: "this user may not see how long RDS keeps the log",
            allowed,
          },
          remedy: "Check as the master user, or CALL mysql.rds_show_configuration.",
        },
      ];
    }
    const hours = settings["rds_retention_hours"];
    if (hours === null || hours === undefined)
      return short("RDS throws the log away as soon as it can", "error");
    return Number(hours) < retentionHours ? short(`${hours} hours`, "warning") : [];
  }
  const seconds = Number(
    settings["binlog_expire_logs_seconds"] ?? Number(settings["expire_logs_days"] ?? 0) * 86_400,
  );
  // 0: for ever.
  return seconds > 0 && seconds < retentionHours * 3600 ? short(`${seconds} seconds`, "warning") : [];
}

function permissions({ permissions }: Facts, { user, load }: About): Finding[] {
  const missing = (found: string, allowed: string): Finding => ({
    ...{ code: "source/permission", severity: "error", found, allowed },
    remedy:
      "Run headwater source prepare; checked as another user than DMS's, it takes SELECT on the database mysql to see its grants.",
  });
  if (permissions["exists"] !== true)
    return [missing(`there is no user ${user}, or its grants cannot be seen`, "a user of DMS's own")];
  if (load === "full-load") return [];
  return [
    ...(permissions["client"] ? [] : [missing(`${user} may not see where the log is`, "REPLICATION CLIENT")]),
    ...(permissions["replica"] ? [] : [missing(`${user} may not read the log`, "REPLICATION SLAVE")]),
  ];
}

function engines({ tables }: Facts): Finding[] {
  return tables.flatMap(({ schema, table, kind, more }) => {
    const engine = more["storage_engine"];
    if (kind !== "table" || engine === null || engine === undefined || engine === "InnoDB") return [];
    return [
      {
        ...({
          code: "source/storage-engine",
          severity: "warning",
          table: `${schema}.${table}`,
          found: engine,
          allowed: "InnoDB",
        } as const),
        remedy:
          "Without transactions a full load and the changes behind it may not meet exactly: ALTER TABLE ... ENGINE = InnoDB.",
      },
    ];
  });
}

const LARGE = ["mediumtext", "longtext", "mediumblob", "longblob", "json"];
const SPATIAL = [
  "geometry",
  "point",
  "linestring",
  "polygon",
  "multipoint",
  "multilinestring",
  "multipolygon",
  "geomcollection",
  "geometrycollection",
];
const PLAIN = [
  ...[
    "tinyint",
    "smallint",
    "mediumint",
    "int",
    "bigint",
    "tinyint unsigned",
    "smallint unsigned",
    "mediumint unsigned",
    "int unsigned",
  ],
  ...[
    "float",
    "double",
    "date",
    "datetime",
    "char",
    "varchar",
    "binary",
    "varbinary",
    "tinytext",
    "text",
    "tinyblob",
    "blob",
    "enum",
    "set",
  ],
];

/** DMS guide, CHAP_Source.MySQL, data types. */
function mysqlType({ type, size }: ColumnFacts): TypeVerdict {
  if (LARGE.includes(type) || SPATIAL.includes(type)) return { is: "lob" };
  if (PLAIN.includes(type)) return { is: "plain" };
  if (type.startsWith("decimal")) return (size ?? 0) > 38 ? { is: "changed", into: "text" } : { is: "plain" };
  if (type === "bit") return size === 1 ? { is: "plain" } : { is: "changed", into: "bytes" };
  if (type === "bigint unsigned")
    return { is: "changed", into: "an unsigned number, which Spark reads as decimal(20,0)" };
  if (type === "timestamp") return { is: "changed", into: "a time in UTC, without a zone" };
  if (type === "time") return { is: "changed", into: "text" };
  if (type === "year") return { is: "changed", into: "a number" };
  return { is: "unknown" };
}
