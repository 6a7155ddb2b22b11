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

/** Never run against a SQL Server by Headwater's authors; the tests read it by its grammar. */
export const SQLSERVER_QUERIES = {
  server: `SELECT CAST(SERVERPROPERTY('Edition') AS nvarchar(128)) AS edition, CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128)) AS version,
  d.recovery_model_desc AS recovery_model, d.is_cdc_enabled AS cdc, d.is_published AS published, d.log_reuse_wait_desc AS log_waits_for,
  d.is_accelerated_database_recovery_on AS accelerated_recovery
FROM sys.databases AS d WHERE d.name = DB_NAME()`,
  // Takes VIEW SERVER STATE.
  agent:
    "SELECT status_desc AS agent FROM sys.dm_server_services WHERE servicename LIKE N'SQL Server Agent%'",
  // Takes access to msdb.
  backup:
    "SELECT COUNT(*) AS full_backups FROM msdb.dbo.backupset WHERE database_name = DB_NAME() AND type = 'D'",
  // Takes db_owner.
  jobs: "EXEC sys.sp_cdc_help_jobs",
  user: `SELECT p.principal_id AS id, COALESCE(IS_ROLEMEMBER(N'db_owner', @p1), 0) AS owner, COALESCE(IS_SRVROLEMEMBER(N'sysadmin', @p1), 0) AS sysadmin
FROM sys.database_principals AS p WHERE p.name = @p1`,
  serverState: `SELECT COUNT(*) AS granted FROM sys.server_permissions AS g JOIN sys.server_principals AS p ON p.principal_id = g.grantee_principal_id
WHERE p.name = @p1 AND g.state IN ('G', 'W') AND g.permission_name IN (N'VIEW SERVER STATE', N'CONTROL SERVER')`,
  names:
    "SELECT s.name AS schema_name, o.name AS table_name FROM sys.objects AS o JOIN sys.schemas AS s ON s.schema_id = o.schema_id WHERE o.type IN ('U', 'V') ORDER BY 1, 2",
  tables: `SELECT s.name AS schema_name, o.name AS table_name,
  CASE WHEN o.type = 'V' THEN 'view' WHEN t.temporal_type <> 0 THEN 'temporal table' WHEN t.is_memory_optimized = 1 THEN 'memory-optimized table'
    WHEN EXISTS (SELECT 1 FROM sys.indexes AS i WHERE i.object_id = o.object_id AND i.type IN (5, 6)) THEN 'table with a columnstore index' ELSE 'table' END AS kind,
  t.is_tracked_by_cdc AS captured, t.is_replicated AS replicated,
  CASE WHEN EXISTS (SELECT 1 FROM sys.database_permissions AS g WHERE g.grantee_principal_id = USER_ID(@p2) AND g.state IN ('G', 'W') AND g.permission_name = N'SELECT'
      AND (g.class = 0 OR (g.class = 3 AND g.major_id = o.schema_id) OR (g.class = 1 AND g.major_id = o.object_id)))
    OR IS_ROLEMEMBER(N'db_owner', @p2) = 1 OR IS_ROLEMEMBER(N'db_datareader', @p2) = 1 THEN 1 ELSE 0 END AS readable
FROM OPENJSON(@p1) WITH (schema_name sysname '$[0]', table_name sysname '$[1]') AS w
JOIN sys.schemas AS s ON s.name = w.schema_name
JOIN sys.objects AS o ON o.schema_id = s.schema_id AND o.name = w.table_name AND o.type IN ('U', 'V')
LEFT JOIN sys.tables AS t ON t.object_id = o.object_id`,
  columns: `SELECT s.name AS schema_name, o.name AS table_name, c.name AS column_name, y.name AS type_name,
  CASE WHEN y.name IN (N'nchar', N'nvarchar') AND c.max_length > 0 THEN c.max_length / 2 WHEN c.max_length = -1 THEN NULL
    WHEN y.name IN (N'char', N'varchar', N'binary', N'varbinary') THEN c.max_length WHEN y.name IN (N'decimal', N'numeric') THEN c.precision END AS size,
  CASE WHEN c.is_computed = 1 THEN 'computed column' WHEN c.is_sparse = 1 THEN 'sparse column' END AS special
FROM OPENJSON(@p1) WITH (schema_name sysname '$[0]', table_name sysname '$[1]') AS w
JOIN sys.schemas AS s ON s.name = w.schema_name
JOIN sys.objects AS o ON o.schema_id = s.schema_id AND o.name = w.table_name AND o.type IN ('U', 'V')
JOIN sys.columns AS c ON c.object_id = o.object_id
JOIN sys.types AS y ON y.user_type_id = CASE WHEN c.system_type_id = 240 THEN c.user_type_id ELSE c.system_type_id END
ORDER BY s.name, o.name, c.column_id`,
  keys: `SELECT s.name AS schema_name, o.name AS table_name, i.name AS key_name, c.name AS column_name, i.is_primary_key AS is_primary,
  CASE WHEN c.is_nullable = 0 AND i.has_filter = 0 AND i.is_disabled = 0 THEN 1 ELSE 0 END AS tells_apart
FROM OPENJSON(@p1) WITH (schema_name sysname '$[0]', table_name sysname '$[1]') AS w
JOIN sys.schemas AS s ON s.name = w.schema_name
JOIN sys.tables AS o ON o.schema_id = s.schema_id AND o.name = w.table_name
JOIN sys.indexes AS i ON i.object_id = o.object_id AND i.is_unique = 1
JOIN sys.index_columns AS x ON x.object_id = i.object_id AND x.index_id = i.index_id AND x.is_included_column = 0
JOIN sys.columns AS c ON c.object_id = x.object_id AND c.column_id = x.column_id
ORDER BY s.name, o.name, i.name, x.key_ordinal`,
} as const;

export const sqlserverCheck: EngineCheck = {
  async read(query, { pipeline, user, hosting }): Promise<Facts> {
    const pairs = sourceNamesJson(pipeline);
    const [server] = await query(SQLSERVER_QUERIES.server);
    const [agent] = hosting === "rds" ? [] : await unlessDenied(query, SQLSERVER_QUERIES.agent);
    const [backup] = await unlessDenied(query, SQLSERVER_QUERIES.backup);
    const jobs = truth(server, "cdc") ? await unlessDenied(query, SQLSERVER_QUERIES.jobs) : [];
    const capture = jobs.find((row) => text(row, "job_type") === "capture");
    const [account] = await query(SQLSERVER_QUERIES.user, [user]);
    const [state] = await unlessDenied(query, SQLSERVER_QUERIES.serverState, [user]);
    const columns = await query(SQLSERVER_QUERIES.columns, [pairs]);
    const keys = await query(SQLSERVER_QUERIES.keys, [pairs]);
    const tables = await query(SQLSERVER_QUERIES.tables, [pairs, user]);
    const all = await query(SQLSERVER_QUERIES.names);
    const sysadmin = truth(account, "sysadmin");
    return {
      settings: {
        ...Object.fromEntries(
          ["edition", "version", "recovery_model", "log_waits_for"].map((name) => [name, text(server, name)]),
        ),
        cdc: String(truth(server, "cdc")),
        published: String(truth(server, "published")),
        accelerated_recovery: String(truth(server, "accelerated_recovery")),
        agent: text(agent, "agent"),
        full_backups: text(backup, "full_backups"),
        polling_seconds: text(capture, "pollinginterval"),
      },
      permissions: {
        exists: account !== undefined,
        owner: sysadmin || truth(account, "owner"),
        // Not every user is told; then nothing is said.
        serverState: sysadmin || state === undefined || Number(text(state, "granted")) > 0,
      },
      tables: tablesIn({ tables, columns, keys }, (row) => ({
        readable: sysadmin || truth(row, "readable"),
        more: { captured: String(truth(row, "captured")), replicated: String(truth(row, "replicated")) },
      })),
      names: all.map(qualified),
    };
  },

  judge(facts, about): Finding[] {
    const own = [...edition(facts, about), ...permissions(facts, about), ...wide(facts)];
    return about.load === "full-load" ? own : [...own, ...server(facts, about), ...captured(facts, about)];
  },

  type: sqlserverType,
};

/** 229, 230, 297, 300, 916, 22904: not for this user. */
async function unlessDenied(
  query: Query,
  sql: string,
  parameters: readonly unknown[] = [],
): ReturnType<Query> {
  try {
    return await query(sql, parameters);
  } catch (error) {
    if ([229, 230, 297, 300, 916, 22904].includes((error as { number?: number }).number ?? 0)) return [];
    throw error;
  }
}

function edition({ settings }: Facts, { load }: About): Finding[] {
  const [found, version] = [settings["edition"] ?? "", Number.parseInt(settings["version"] ?? "", 10)];
  const refused = (allowed: string, remedy: string): Finding[] => [
    { code: "source/edition", severity: "error", found, allowed, remedy },
  ];
  if (/^Express/i.test(found))
    return refused(
      "Enterprise, Standard, Developer or Web",
      "DMS reads no Express edition: move to another one.",
    );
  if (load === "full-load") return [];
  if (/^(Web|Workgroup)/i.test(found))
    return refused("Enterprise, Standard or Developer", "This edition can only be loaded in full.");
  if (/^Standard/i.test(found) && version < 13)
    return refused("Standard 2016 SP1 or later", "Its older versions have no change capture.");
  return [];
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
    return [missing(`there is no user ${user} in the database`, "a user of DMS's own")];
  return [
    ...(permissions["owner"] || load === "full-load"
      ? []
      : [missing(`${user} may not read the log`, "member of db_owner")]),
    ...(permissions["serverState"]
      ? []
      : [missing(`${user} may not see the server's state`, "VIEW SERVER STATE")]),
  ];
}

function server({ settings }: Facts, about: About): Finding[] {
  const { hosting, method = "ms-cdc" } = about;
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
  const backups =
    hosting === "rds"
      ? "Turn automated backups of the instance on."
      : "BACKUP DATABASE, then back the log up regularly.";
  if (settings["recovery_model"] === "SIMPLE") {
    add(
      "source/recovery-model",
      "error",
      "recovery model SIMPLE",
      "FULL or BULK_LOGGED",
      hosting === "rds" ? backups : `ALTER DATABASE ... SET RECOVERY FULL, then ${backups}`,
    );
  }
  if (settings["full_backups"] === "0" && hosting !== "rds") {
    add(
      "source/no-backup",
      "error",
      "the database was never backed up",
      "a full backup before the first start",
      backups,
    );
  }
  if (settings["agent"] !== null && settings["agent"] !== undefined && settings["agent"] !== "Running") {
    add(
      "source/agent",
      "error",
      `SQL Server Agent: ${settings["agent"]}`,
      "Running",
      "Start it, and have it start with the server: capture is a job of its.",
    );
  }
  if (settings["accelerated_recovery"] === "true") {
    add(
      "source/accelerated-recovery",
      "error",
      "accelerated database recovery is on",
      "off",
      "ALTER DATABASE ... SET ACCELERATED_DATABASE_RECOVERY = OFF: DMS cannot read its log.",
    );
  }
  if (settings["log_waits_for"] === "REPLICATION") {
    add(
      "source/log-kept",
      "warning",
      "the log cannot be cut, as changes wait to be captured",
      "NOTHING, LOG_BACKUP",
      "Look at the capture job and at DBCC SQLPERF(LOGSPACE); raise @maxtrans and @maxscans (5000, 20) where it lags.",
    );
  }
  const on = method === "ms-cdc" ? settings["cdc"] : settings["published"];
  if (on !== "true") {
    add(
      "source/no-capture",
      "error",
      method === "ms-cdc" ? "change capture is off" : "the database is not published",
      "on",
      "Run headwater source prepare.",
    );
  }
  return method === "ms-cdc" && on === "true" ? [...found, ...polling(settings["polling_seconds"])] : found;
}

function polling(found: string | null | undefined): Finding[] {
  const seconds = Number(found ?? Number.NaN);
  const allowed = "1000 to 3599 seconds, or 86399 where the version keeps it";
  if (Number.isNaN(seconds)) {
    return [
      {
        ...{
          code: "source/not-known",
          severity: "note",
          found: "this user may not see the capture job",
          allowed,
        },
        remedy: "EXEC sys.sp_cdc_help_jobs as one who may.",
      },
    ];
  }
  if (seconds < 1000) {
    return [
      {
        ...{
          code: "source/log-retention",
          severity: "warning",
          found: `the capture job reads every ${seconds} seconds`,
          allowed,
        },
        remedy: "What it has read may be cut before DMS reads it: run headwater source prepare.",
      },
    ];
  }
  if (seconds <= 3599) return [];
  return [
    {
      ...{
        code: "source/log-retention",
        severity: "warning",
        found: `the capture job reads every ${seconds} seconds`,
        allowed,
      },
      remedy:
        "Some versions turn more than 3599 into 5 s (Microsoft KB4459220): make sure that yours is mended, or use 3599.",
    },
  ];
}

function captured({ tables }: Facts, { pipeline, method = "ms-cdc" }: About): Finding[] {
  const flag = method === "ms-cdc" ? "captured" : "replicated";
  return pipeline.tables.flatMap((wanted) => {
    const table = tables.find(({ schema, table }) => `${schema}.${table}` === nameOf(wanted));
    if (table?.kind !== "table") return [];
    const name = nameOf(wanted);
    const found: Finding[] = [];
    if (table.more[flag] !== "true") {
      found.push({
        ...{
          code: "source/no-capture",
          severity: "error",
          table: name,
          found: `the table is not ${flag}`,
          allowed: flag,
        },
        remedy: "Run headwater source prepare.",
      });
    }
    if (method === "ms-replication" && !table.keys.some(({ primary }) => primary)) {
      found.push({
        ...{
          code: "source/no-key",
          severity: "error",
          table: name,
          found: "no primary key",
          allowed: "a primary key",
        },
        remedy: "MS-Replication needs one: add it, or capture by MS-CDC.",
      });
    }
    return found;
  });
}

function wide({ tables }: Facts): Finding[] {
  return tables
    .filter(({ columns }) => columns.length > 1000)
    .map(({ schema, table, columns }) => ({
      ...({
        code: "source/too-wide",
        severity: "error",
        table: `${schema}.${table}`,
        found: `${columns.length} columns`,
        allowed: "at most 1000",
      } as const),
      remedy: "DMS carries no wider tables: split it, or leave it out.",
    }));
}

const PLAIN = [
  ...[
    "bigint",
    "bit",
    "decimal",
    "int",
    "money",
    "numeric",
    "smallint",
    "smallmoney",
    "tinyint",
    "real",
    "float",
    "datetime",
  ],
  ...["datetime2", "smalldatetime", "date", "char", "nchar", "binary", "uniqueidentifier"],
];

/** DMS guide, CHAP_Source.SQLServer, data types. A size of null on a text means (max). */
function sqlserverType({ type, size }: ColumnFacts): TypeVerdict {
  if (["sql_variant", "cursor", "table"].includes(type)) return { is: "unreadable" };
  if (["text", "ntext", "image", "xml", "geometry", "geography"].includes(type)) return { is: "lob" };
  if (["varchar", "nvarchar", "varbinary"].includes(type)) return { is: size === null ? "lob" : "plain" };
  if (PLAIN.includes(type)) return { is: "plain" };
  if (type === "datetimeoffset") return { is: "changed", into: "text" };
  if (type === "time") return { is: "changed", into: "a time without its sub-microseconds" };
  if (type === "hierarchyid") return { is: "changed", into: "text" };
  if (type === "timestamp") return { is: "changed", into: "bytes" };
  return { is: "unknown" };
}
