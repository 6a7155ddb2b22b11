import type { PipelineTable } from "../../model/pipeline.js";
import type { Plan } from "../plan.js";
import { quoteIdentifier, quoteLiteral, quoteTable } from "../quoting.js";
import { ofUser, PASSWORD, shared, type Statement } from "../statement.js";

/*
 * Never run against a SQL Server by Headwater's authors. RDS: DMS guide, "Setting up ongoing replication on a cloud SQL Server DB
 * instance"; self-managed: "Capturing data changes for self-managed SQL Server", with and without sysadmin.
 */

const identifier = (name: string): string => quoteIdentifier("sqlserver", name);
const literal = (text: string): string => quoteLiteral("sqlserver", text);
const tableOf = ({ source }: PipelineTable): string => quoteTable("sqlserver", source);
const objectId = (table: PipelineTable): string => `OBJECT_ID(${literal(tableOf(table))})`;
const nameOf = ({ source: { schema, table } }: PipelineTable): string => `${schema}.${table}`;

/** SQL Server 2016 or later, as sysadmin; on RDS the master user. */
export function sqlserverPreparation(plan: Plan): readonly Statement[] {
  const { pipeline, database, hosting } = plan;
  const steps =
    plan.method === "ms-cdc"
      ? [capture(plan), ...pipeline.tables.map(captureTable), polling(plan), ...standby(plan)]
      : [
          distributor(),
          published(plan),
          ...(plan.sysadmin ? [] : [publication(plan), ...pipeline.tables.map(article), access(plan)]),
        ];
  return [
    shared({ why: "everything below is about this database", sql: `USE ${identifier(database)}` }),
    edition(),
    ...(hosting === "rds" ? [] : [agent()]),
    recovery(plan),
    ...user(plan),
    ...steps,
  ];
}

const refused = (condition: string, message: string): string => `IF ${condition}
  THROW 50000, ${literal(message)}, 1`;

function edition(): Statement {
  return shared({
    why: "change capture needs Enterprise, Standard (2016 SP1 or later) or Developer; Web can only be loaded in full, Express not read at all",
    sql: refused(
      "CAST(SERVERPROPERTY(N'Edition') AS nvarchar(128)) LIKE N'Express%' OR CAST(SERVERPROPERTY(N'Edition') AS nvarchar(128)) LIKE N'Web%'" +
        " OR CAST(SERVERPROPERTY(N'Edition') AS nvarchar(128)) LIKE N'Workgroup%'",
      "This edition of SQL Server has no change capture for DMS: use Enterprise, Standard or Developer (Web: full load only).",
    ),
  });
}

function agent(): Statement {
  return shared({
    why: "capture and log reader are jobs of SQL Server Agent",
    sql: refused(
      "NOT EXISTS (SELECT 1 FROM sys.dm_server_services WHERE servicename LIKE N'SQL Server Agent%' AND status = 4)",
      "SQL Server Agent is not running: start it, and have it start with the server.",
    ),
  });
}

function recovery({ database, hosting }: Plan): Statement {
  const remedy =
    hosting === "rds"
      ? "Turn automated backups of the instance on."
      : "ALTER DATABASE ... SET RECOVERY FULL, take a full backup, and back the log up regularly, as it is no longer cut by itself.";
  return shared({
    why: "with recovery model SIMPLE the log is cut before DMS has read it; looked at, not set, since FULL needs backups of the log",
    sql: refused(
      `EXISTS (SELECT 1 FROM sys.databases WHERE name = ${literal(database)} AND recovery_model_desc = N'SIMPLE')`,
      `The database's recovery model is SIMPLE. ${remedy}`,
    ),
  });
}

function user(plan: Plan): Statement[] {
  const { user: name, pipeline, method, sysadmin } = plan;
  const account = identifier(name);
  const ours = (why: string, sql: string, undo?: string): Statement =>
    ofUser(name, { why, sql, ...(undo === undefined ? {} : { undo }) });
  const inMsdb = (granted: string, on: string): string => `GRANT ${granted} ON msdb.dbo.${on} TO ${account}`;
  return [
    ofUser(name, {
      why: "a login of DMS's own; SQL Server leaves statements with passwords out of its traces",
      sql: `IF SUSER_ID(${literal(name)}) IS NULL
  CREATE LOGIN ${account} WITH PASSWORD = N'${PASSWORD}', CHECK_EXPIRATION = OFF`,
      undo: `IF SUSER_ID(${literal(name)}) IS NOT NULL
  DROP LOGIN ${account}`,
      password: true,
    }),
    ours(
      "its user in the database",
      `IF USER_ID(${literal(name)}) IS NULL
  CREATE USER ${account} FOR LOGIN ${account}`,
      `USE ${identifier(plan.database)};
IF USER_ID(${literal(name)}) IS NOT NULL
  DROP USER ${account}`,
    ),
    ...(sysadmin
      ? [
          ours(
            "DMS makes the publication itself, which takes sysadmin",
            `ALTER SERVER ROLE sysadmin ADD MEMBER ${account}`,
          ),
        ]
      : [
          ...pipeline.tables.map((table) =>
            ours(`DMS's user may read ${nameOf(table)}`, `GRANT SELECT ON ${tableOf(table)} TO ${account}`),
          ),
          ours(
            "DMS reads the log by a function that only the owner's role may use",
            `ALTER ROLE db_owner ADD MEMBER ${account}`,
          ),
          ours("DMS looks at the server's state", "USE master"),
          ours("DMS looks at open transactions and the log's state", `GRANT VIEW SERVER STATE TO ${account}`),
          ...(method === "ms-replication" ? replicationGrants(name, ours, inMsdb) : []),
          ours("back to the database", `USE ${identifier(plan.database)}`),
        ]),
  ];
}

function replicationGrants(
  name: string,
  ours: (why: string, sql: string, undo?: string) => Statement,
  inMsdb: (granted: string, on: string) => string,
): Statement[] {
  const account = identifier(name);
  const drop = (database: string): string => `USE ${database};
IF USER_ID(${literal(name)}) IS NOT NULL
  DROP USER ${account}`;
  const make = `IF USER_ID(${literal(name)}) IS NULL
  CREATE USER ${account} FOR LOGIN ${account}`;
  return [
    ours("grants in master need a user there", make, drop("master")),
    ours("DMS reads the log by this function", `GRANT SELECT ON sys.fn_dblog TO ${account}`),
    ours("jobs and backups are in msdb", "USE msdb"),
    ours("grants in msdb need a user there", make, drop("msdb")),
    ours("DMS holds up the job that cuts the log", inMsdb("EXECUTE", "sp_stop_job")),
    ours("and lets it go on", inMsdb("EXECUTE", "sp_start_job")),
    ...["backupset", "backupmediafamily", "backupfile"].map((table) =>
      ours("DMS finds its place in backups of the log", inMsdb("SELECT", table)),
    ),
  ];
}

function capture({ hosting, database }: Plan): Statement {
  const name = literal(database);
  const [enable, disable] =
    hosting === "rds"
      ? [`EXEC msdb.dbo.rds_cdc_enable_db ${name}`, `EXEC msdb.dbo.rds_cdc_disable_db ${name}`]
      : ["EXEC sys.sp_cdc_enable_db", "EXEC sys.sp_cdc_disable_db"];
  return shared({
    why: "change capture of the whole database; taking it back ends everybody's capture of any of its tables",
    sql: `IF EXISTS (SELECT 1 FROM sys.databases WHERE name = ${name} AND is_cdc_enabled = 0)
BEGIN
  ${enable};
END`,
    undo: disable,
  });
}

/** Columns of a unique index are exactly the pipeline's keys, and none may be NULL (else error 22838). */
function indexOnKeys(table: PipelineTable): string {
  const keys = table.keys.map(literal).join(", ");
  const columns = `FROM sys.index_columns AS c
      JOIN sys.columns AS k ON k.object_id = c.object_id AND k.column_id = c.column_id
      WHERE c.object_id = i.object_id AND c.index_id = i.index_id AND c.is_included_column = 0`;
  return `SELECT TOP (1) i.name FROM sys.indexes AS i
    WHERE i.object_id = ${objectId(table)} AND i.is_unique = 1 AND i.is_disabled = 0 AND i.has_filter = 0
      AND (SELECT COUNT(*) ${columns} AND k.is_nullable = 0 AND k.name IN (${keys})) = ${table.keys.length}
      AND (SELECT COUNT(*) ${columns}) = ${table.keys.length}
    ORDER BY i.name`;
}

function captureTable(table: PipelineTable): Statement {
  const { schema, table: name } = table.source;
  const common = `EXEC sys.sp_cdc_enable_table @source_schema = ${literal(schema)}, @source_name = ${literal(name)}, @role_name = NULL`;
  return shared({
    why: `changes of ${nameOf(table)} are logged whole: by its primary key, else by a unique index on the pipeline's keys`,
    sql: `IF NOT EXISTS (SELECT 1 FROM sys.tables WHERE object_id = ${objectId(table)} AND is_tracked_by_cdc = 1)
BEGIN
  DECLARE @key_index sysname = (${indexOnKeys(table)});
  IF EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = ${objectId(table)} AND is_primary_key = 1)
    ${common}, @supports_net_changes = 1;
  ELSE IF @key_index IS NOT NULL
    ${common}, @index_name = @key_index, @supports_net_changes = 1;
  ELSE
    THROW 50000, ${literal(`${nameOf(table)} has neither a primary key nor a unique index of NOT NULL columns on the pipeline's keys (${table.keys.join(", ")}), or does not exist: add one, or correct the pipeline.`)}, 1;
END`,
    undo: `EXEC sys.sp_cdc_disable_table @source_schema = ${literal(schema)}, @source_name = ${literal(name)}, @capture_instance = N'all'`,
  });
}

function polling({ pollingSeconds: seconds }: Plan): Statement {
  const risk =
    seconds > 3599
      ? "; some versions turn more than 3599 into 5 s, and DMS then misses changes (KB4459220)"
      : "";
  return shared({
    why: `what the capture job has read may be cut from the log, so it reads every ${seconds} s: so long DMS may lag${risk}. The change takes a restart of the job`,
    sql: `DECLARE @jobs TABLE (job_id uniqueidentifier, job_type nvarchar(20), job_name sysname, maxtrans int, maxscans int,
  continuous bit, pollinginterval bigint, retention bigint, threshold bigint);
INSERT INTO @jobs EXEC sys.sp_cdc_help_jobs;
IF NOT EXISTS (SELECT 1 FROM @jobs WHERE job_type = N'capture' AND pollinginterval = ${seconds})
BEGIN
  EXEC sys.sp_cdc_change_job @job_type = N'capture', @pollinginterval = ${seconds};
  EXEC sys.sp_cdc_stop_job N'capture';
  EXEC sys.sp_cdc_start_job N'capture';
END`,
    undo: `EXEC sys.sp_cdc_change_job @job_type = N'capture', @pollinginterval = 5;
EXEC sys.sp_cdc_stop_job N'capture';
EXEC sys.sp_cdc_start_job N'capture'`,
  });
}

function standby({ hosting, multiAz, pollingSeconds }: Plan): Statement[] {
  if (hosting !== "rds" || !multiAz) return [];
  const set = (seconds: number): string =>
    `EXEC rdsadmin..rds_set_configuration N'cdc_capture_pollinginterval', ${seconds}`;
  return [
    shared({
      why: "after a failover the standby makes the capture job anew, and takes its interval from here",
      sql: set(pollingSeconds),
      undo: set(5),
    }),
  ];
}

function distributor(): Statement {
  return shared({
    why: "MS-Replication goes through a distributor; where there is none, this server becomes its own. Nobody needs its password again",
    sql: `IF NOT EXISTS (SELECT 1 FROM sys.servers WHERE is_distributor = 1)
BEGIN
  DECLARE @server sysname = CAST(SERVERPROPERTY(N'ServerName') AS sysname);
  DECLARE @secret sysname = CONCAT(N'hW1-', NEWID());
  EXEC master.sys.sp_adddistributor @distributor = @server, @password = @secret;
  EXEC master.sys.sp_adddistributiondb @database = N'distribution', @security_mode = 1;
  EXEC master.sys.sp_adddistpublisher @publisher = @server, @distribution_db = N'distribution', @security_mode = 1;
END`,
    undo: "EXEC master.sys.sp_dropdistributor @no_checks = 1",
  });
}

function published({ database }: Plan): Statement {
  const set = (value: string): string =>
    `EXEC sys.sp_replicationdboption @dbname = ${literal(database)}, @optname = N'publish', @value = N'${value}'`;
  return shared({
    why: "the database may be published from",
    sql: `IF EXISTS (SELECT 1 FROM sys.databases WHERE name = ${literal(database)} AND is_published = 0)
BEGIN
  ${set("true")};
END`,
    undo: set("false"),
  });
}

/** The name that DMS looks for: five digits of the database's id. */
const DECLARE_PUBLICATION =
  "DECLARE @publication sysname = CONCAT(N'AR_PUBLICATION_', RIGHT(CONCAT(N'00000', DB_ID()), 5))";

function publication({ database }: Plan): Statement {
  return shared({
    why: "without sysadmin DMS makes no publication, but uses the one of this name",
    sql: `${DECLARE_PUBLICATION};
IF NOT EXISTS (SELECT 1 FROM distribution.dbo.MSlogreader_agents WHERE publisher_db = ${literal(database)})
BEGIN
  EXEC sys.sp_addlogreader_agent @publisher_security_mode = 1;
END;
IF NOT EXISTS (SELECT 1 FROM dbo.syspublications WHERE name = @publication)
BEGIN
  EXEC sys.sp_addpublication @publication = @publication, @status = N'active', @repl_freq = N'continuous',
    @sync_method = N'native', @independent_agent = N'true', @immediate_sync = N'true', @allow_anonymous = N'true', @allow_push = N'true';
  EXEC sys.sp_addpublication_snapshot @publication = @publication, @publisher_security_mode = 1;
END`,
    undo: `${DECLARE_PUBLICATION};
EXEC sys.sp_droppublication @publication = @publication`,
  });
}

function article(table: PipelineTable): Statement {
  const { schema, table: name } = table.source;
  return shared({
    why: `${nameOf(table)} is published, which makes the log hold its rows whole; it takes a primary key`,
    sql: `${DECLARE_PUBLICATION};
IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = ${objectId(table)} AND is_primary_key = 1)
  THROW 50000, ${literal(`${nameOf(table)} has no primary key, or does not exist: MS-Replication needs one. Add it, or use MS-CDC.`)}, 1;
IF NOT EXISTS (SELECT 1 FROM dbo.sysarticles AS a JOIN dbo.syspublications AS p ON p.pubid = a.pubid
    WHERE p.name = @publication AND a.objid = ${objectId(table)})
BEGIN
  EXEC sys.sp_addarticle @publication = @publication, @article = ${literal(nameOf(table))}, @source_owner = ${literal(schema)},
    @source_object = ${literal(name)}, @type = N'logbased', @force_invalidate_snapshot = 1;
END`,
    undo: `${DECLARE_PUBLICATION};
EXEC sys.sp_droparticle @publication = @publication, @article = ${literal(nameOf(table))}, @force_invalidate_snapshot = 1`,
  });
}

function access({ user: name }: Plan): Statement {
  return ofUser(name, {
    why: "DMS's user is on the publication's access list",
    sql: `${DECLARE_PUBLICATION};
EXEC sys.sp_grant_publication_access @publication = @publication, @login = ${literal(name)}`,
  });
}
