import {
  nameOf,
  sourceNamesJson,
  qualified,
  tablesIn,
  text,
  truth,
  type About,
  type ColumnFacts,
  type EngineCheck,
  type Facts,
  type Finding,
  type Query,
  type TypeVerdict,
} from "./facts.js";

const WANTED = `(SELECT j.schema_name, j.table_name FROM JSON_TABLE(:wanted, '$[*]' COLUMNS (schema_name VARCHAR2(128) PATH '$[0]', table_name VARCHAR2(128) PATH '$[1]')) j) w`;

/** Parameters go by the order in which they stand. Never run against an Oracle database by Headwater's authors; the tests read it by its grammar. */
export const ORACLE_QUERIES = {
  database: "SELECT log_mode, supplemental_log_data_min AS minimal_logging, database_role FROM v$database",
  version: "SELECT banner FROM v$version WHERE ROWNUM = 1",
  container: "SELECT SYS_CONTEXT('USERENV', 'CON_NAME') AS container FROM dual",
  user: "SELECT username FROM all_users WHERE username = :username",
  // Of the session's own user; roles count.
  privileges: "SELECT privilege FROM session_privs",
  names:
    "SELECT owner AS schema_name, table_name FROM all_tables WHERE owner NOT IN ('SYS', 'SYSTEM', 'XDB', 'CTXSYS', 'MDSYS', 'OUTLN', 'RDSADMIN') ORDER BY 1, 2",
  tables: `SELECT t.owner AS schema_name, t.table_name,
  CASE WHEN t.temporary = 'Y' THEN 'temporary table' WHEN t.cluster_name IS NOT NULL THEN 'clustered table' WHEN t.iot_type = 'IOT_OVERFLOW' THEN 'overflow segment' ELSE 'table' END AS kind,
  (SELECT COUNT(*) FROM all_log_groups g WHERE g.owner = t.owner AND g.table_name = t.table_name AND g.log_group_type = 'ALL COLUMN LOGGING') AS all_columns_logged,
  (SELECT COUNT(*) FROM all_tab_privs p WHERE p.table_schema = t.owner AND p.table_name = t.table_name AND p.privilege IN ('SELECT', 'READ') AND p.grantee = :grantee) AS granted
FROM ${WANTED} JOIN all_tables t ON t.owner = w.schema_name AND t.table_name = w.table_name`,
  columns: `SELECT c.owner AS schema_name, c.table_name, c.column_name, c.data_type AS type_name, COALESCE(c.data_precision, NULLIF(c.char_length, 0)) AS "size",
  CASE WHEN c.virtual_column = 'YES' THEN 'virtual column' END AS special
FROM ${WANTED} JOIN all_tab_cols c ON c.owner = w.schema_name AND c.table_name = w.table_name AND c.hidden_column = 'NO' ORDER BY 1, 2, c.column_id`,
  keys: `SELECT i.table_owner AS schema_name, i.table_name, i.index_name AS key_name, x.column_name,
  CASE WHEN EXISTS (SELECT 1 FROM all_constraints k WHERE k.owner = i.table_owner AND k.table_name = i.table_name AND k.constraint_type = 'P' AND k.index_name = i.index_name) THEN 1 ELSE 0 END AS is_primary,
  CASE WHEN c.nullable = 'N' AND i.status <> 'UNUSABLE' THEN 1 ELSE 0 END AS tells_apart
FROM ${WANTED} JOIN all_indexes i ON i.table_owner = w.schema_name AND i.table_name = w.table_name AND i.uniqueness = 'UNIQUE'
JOIN all_ind_columns x ON x.index_owner = i.owner AND x.index_name = i.index_name
JOIN all_tab_cols c ON c.owner = i.table_owner AND c.table_name = i.table_name AND c.column_name = x.column_name ORDER BY 1, 2, 3, x.column_position`,
} as const;

export const oracleCheck: EngineCheck = {
  async read(query, { pipeline, user }): Promise<Facts> {
    const pairs = sourceNamesJson(pipeline);
    const [database] = await unlessDenied(query, ORACLE_QUERIES.database);
    const [version] = await unlessDenied(query, ORACLE_QUERIES.version);
    const [container] = await query(ORACLE_QUERIES.container);
    const [account] = await query(ORACLE_QUERIES.user, [user]);
    const [self] = await query("SELECT USER AS name FROM dual");
    const privileges = (await query(ORACLE_QUERIES.privileges)).map((row) => text(row, "privilege"));
    const own = text(self, "name") === user;
    const has = (...wanted: string[]): boolean =>
      !own || wanted.some((privilege) => privileges.includes(privilege));
    const columns = await query(ORACLE_QUERIES.columns, [pairs]);
    const keys = await query(ORACLE_QUERIES.keys, [pairs]);
    const tables = await query(ORACLE_QUERIES.tables, [user, pairs]);
    const all = await query(ORACLE_QUERIES.names);
    return {
      settings: {
        log_mode: text(database, "log_mode"),
        minimal_logging: text(database, "minimal_logging"),
        database_role: text(database, "database_role"),
        version: text(version, "banner"),
        container: text(container, "container"),
      },
      permissions: {
        exists: account !== undefined,
        session: has("CREATE SESSION"),
        transactions: has("SELECT ANY TRANSACTION"),
        logMiner: has("LOGMINING"),
      },
      tables: tablesIn({ tables, columns, keys }, (row) => ({
        readable:
          text(row, "schema_name") === user ||
          Number(text(row, "granted")) > 0 ||
          (own && privileges.includes("SELECT ANY TABLE")),
        more: { all_columns_logged: String(truth(row, "all_columns_logged")) },
      })),
      names: all.map(qualified),
    };
  },

  judge(facts, about): Finding[] {
    const own = [...permissions(facts, about), ...longNames(about)];
    return about.load === "full-load" ? own : [...own, ...database(facts, about), ...logging(facts, about)];
  },

  type: oracleType,
};

/** ORA-00942 and ORA-01031: not for this user. */
async function unlessDenied(query: Query, sql: string): ReturnType<Query> {
  try {
    return await query(sql);
  } catch (error) {
    if ([942, 1031].includes((error as { errorNum?: number }).errorNum ?? 0)) return [];
    throw error;
  }
}

function database({ settings }: Facts, { hosting }: About): Finding[] {
  const found: Finding[] = [];
  const add = (
    code: string,
    severity: Finding["severity"],
    what: string,
    allowed: string,
    remedy: string,
  ): void => {
    found.push({ code, severity, found: what, allowed, remedy });
  };
  if (settings["log_mode"] === null || settings["log_mode"] === undefined) {
    add(
      "source/permission",
      "error",
      "the user may not read V_$DATABASE",
      "SELECT on V_$DATABASE",
      "Run headwater source prepare.",
    );
  } else if (settings["log_mode"] !== "ARCHIVELOG") {
    const remedy =
      hosting === "rds"
        ? "Turn automated backups of the instance on."
        : "ALTER DATABASE ARCHIVELOG, with the database mounted.";
    add("source/no-log", "error", `log mode ${settings["log_mode"]}`, "ARCHIVELOG", remedy);
  }
  if (settings["minimal_logging"] === "NO") {
    add(
      "source/supplemental-logging",
      "error",
      "no minimal supplemental logging",
      "YES or IMPLICIT",
      "Run headwater source prepare.",
    );
  }
  if (settings["container"] === "CDB$ROOT") {
    add(
      "source/container",
      "error",
      "the root container",
      "a database that is no container's root",
      "Name the service of the database that holds the tables.",
    );
  }
  if (/Express/i.test(settings["version"] ?? "")) {
    add(
      "source/edition",
      "error",
      settings["version"] ?? "",
      "another edition than Express",
      "From version 18 on DMS captures no changes of Express: load it in full, or move.",
    );
  }
  return found;
}

function permissions({ permissions }: Facts, { user, load }: About): Finding[] {
  const missing = (found: string, allowed: string): Finding => ({
    ...{
      code: "source/permission",
      severity: "error",
      found,
      allowed,
      remedy: "Run headwater source prepare.",
    },
  });
  if (permissions["exists"] !== true)
    return [missing(`there is no user ${user}`, "a user of DMS's own, in upper case")];
  return [
    ...(permissions["session"] ? [] : [missing(`${user} may not log in`, "CREATE SESSION")]),
    ...(permissions["transactions"] || load === "full-load"
      ? []
      : [missing(`${user} may not see transactions`, "SELECT ANY TRANSACTION")]),
    ...(permissions["logMiner"] || load === "full-load"
      ? []
      : [missing(`${user} may not use LogMiner`, "LOGMINING")]),
  ];
}

function longNames({ pipeline }: About): Finding[] {
  return pipeline.tables.flatMap((table) => {
    const long = [table.source.schema, table.source.table].find((name) => Buffer.byteLength(name) > 30);
    if (long === undefined) return [];
    return [
      {
        ...({
          code: "source/long-name",
          severity: "error",
          table: nameOf(table),
          found: long,
          allowed: "at most 30 bytes",
        } as const),
        remedy: "DMS does not read longer names of Oracle's: rename it.",
      },
    ];
  });
}

function logging({ tables }: Facts, { pipeline }: About): Finding[] {
  return pipeline.tables.flatMap((wanted) => {
    const table = tables.find(({ schema, table }) => `${schema}.${table}` === nameOf(wanted));
    if (table?.kind !== "table" || table.more["all_columns_logged"] === "true") return [];
    return [
      {
        ...({
          code: "source/supplemental-logging",
          severity: "error",
          table: nameOf(wanted),
          found: "changes are logged without all columns",
        } as const),
        allowed: "SUPPLEMENTAL LOG DATA (ALL) COLUMNS",
        remedy: "Run headwater source prepare: columns that did not change would come as NULL.",
      },
    ];
  });
}

const PLAIN = [
  "binary_float",
  "binary_double",
  "char",
  "varchar2",
  "nchar",
  "nvarchar2",
  "raw",
  "date",
  "float",
];
const TEXTS = ["interval year", "interval day"];

/** DMS guide, CHAP_Source.Oracle, data types. */
function oracleType({ type, size }: ColumnFacts): TypeVerdict {
  if (["bfile", "rowid", "urowid", "ref", "anydata"].includes(type)) return { is: "unreadable" };
  if (["blob", "clob", "nclob", "long", "long raw", "xmltype"].includes(type)) return { is: "lob" };
  if (PLAIN.includes(type)) return { is: "plain" };
  if (type === "number") {
    return size === null
      ? { is: "changed", into: "decimal(38,10): give it a precision, or set numberDataTypeScale" }
      : { is: "plain" };
  }
  if (type.startsWith("timestamp"))
    return type.includes("time zone") ? { is: "changed", into: "text" } : { is: "plain" };
  if (TEXTS.some((start) => type.startsWith(start))) return { is: "changed", into: "text" };
  return { is: "unknown" };
}
