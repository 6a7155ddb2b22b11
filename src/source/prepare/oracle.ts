import type { PipelineTable } from "../../model/pipeline.js";
import type { Plan } from "../plan.js";
import { quoteIdentifier, quoteLiteral, quoteTable } from "../quoting.js";
import { ofUser, PASSWORD, shared, type Statement } from "../statement.js";

/*
 * Never run against an Oracle database by Headwater's authors. Grants and logging: DMS guide, CHAP_Source.Oracle, for LogMiner, on
 * self-managed and AWS-managed databases.
 */

const identifier = (name: string): string => quoteIdentifier("oracle", name);
const literal = (text: string): string => quoteLiteral("oracle", text);

/** What DMS's user reads of the dictionary with LogMiner. */
const DICTIONARY = [
  ...[
    "ALL_CATALOG",
    "ALL_CONS_COLUMNS",
    "ALL_CONSTRAINTS",
    "ALL_ENCRYPTED_COLUMNS",
    "ALL_IND_COLUMNS",
    "ALL_INDEXES",
  ],
  ...[
    "ALL_LOG_GROUPS",
    "ALL_OBJECTS",
    "ALL_TAB_COLS",
    "ALL_TAB_PARTITIONS",
    "ALL_TABLES",
    "ALL_USERS",
    "ALL_VIEWS",
  ],
  ...["DBA_REGISTRY", "OBJ$", "V_$ARCHIVED_LOG", "V_$CONTAINERS", "V_$DATABASE", "V_$LOG", "V_$LOGFILE"],
  ...[
    "V_$LOGMNR_CONTENTS",
    "V_$LOGMNR_LOGS",
    "V_$NLS_PARAMETERS",
    "V_$PARAMETER",
    "V_$THREAD",
    "V_$TIMEZONE_NAMES",
  ],
  "V_$TRANSACTION",
];

/** Oracle 12.2 or later, as one with DBA; on RDS the master user. LogMiner cannot read from inside a pluggable database. */
export function oraclePreparation(plan: Plan): readonly Statement[] {
  const { pipeline, hosting, user } = plan;
  const account = identifier(user);
  const ours = (why: string, sql: string): Statement => ofUser(user, { why, sql });
  const ofSys = (object: string, privilege: string): Statement =>
    ours(
      `DMS's user may ${privilege === "SELECT" ? "read" : "use"} ${object}`,
      hosting === "rds"
        ? block(
            `  rdsadmin.rdsadmin_util.grant_sys_object(${literal(object)}, ${literal(user)}, ${literal(privilege)});`,
          )
        : `GRANT ${privilege} ON ${quoteTable("oracle", { schema: "SYS", table: object })} TO ${account}`,
    );
  return [
    archiveLog(plan),
    ...(hosting === "rds" ? [retention(plan)] : []),
    minimalLogging(plan),
    ...pipeline.tables.map(tableLogging),
    ofUser(user, {
      why: "a user of DMS's own",
      sql: block(
        `  SELECT COUNT(*) INTO found FROM all_users WHERE username = ${literal(user)};
  IF found = 0 THEN
    EXECUTE IMMEDIATE ${literal(`CREATE USER ${account} IDENTIFIED BY "${PASSWORD}"`)};
  END IF;`,
        "  found NUMBER;",
      ),
      undo: block(
        `  SELECT COUNT(*) INTO found FROM all_users WHERE username = ${literal(user)};
  IF found > 0 THEN
    EXECUTE IMMEDIATE ${literal(`DROP USER ${account}`)};
  END IF;`,
        "  found NUMBER;",
      ),
      password: true,
    }),
    ours("DMS's user may log in", `GRANT CREATE SESSION TO ${account}`),
    ours("LogMiner shows whose transactions it reads", `GRANT SELECT ANY TRANSACTION TO ${account}`),
    ours("LogMiner may be used (12c and later)", `GRANT LOGMINING TO ${account}`),
    ours("DMS's user may read DBA_TABLESPACES", `GRANT SELECT ON DBA_TABLESPACES TO ${account}`),
    ...(hosting === "rds"
      ? [ours("DMS asks RDS for its log files", `GRANT EXECUTE ON rdsadmin.rdsadmin_util TO ${account}`)]
      : []),
    ...DICTIONARY.map((object) => ofSys(object, "SELECT")),
    ofSys("DBMS_LOGMNR", "EXECUTE"),
    ...pipeline.tables.map(({ source }) =>
      ours(
        `DMS's user may read ${source.schema}.${source.table}, and no table that is not the pipeline's`,
        `GRANT SELECT ON ${quoteTable("oracle", source)} TO ${account}`,
      ),
    ),
  ];
}

function block(body: string, declare = ""): string {
  return `${declare === "" ? "" : `DECLARE\n${declare}\n`}BEGIN\n${body}\nEND;`;
}

function archiveLog({ hosting }: Plan): Statement {
  const remedy =
    hosting === "rds"
      ? "Turn automated backups of the instance on."
      : "SHUTDOWN IMMEDIATE, STARTUP MOUNT, ALTER DATABASE ARCHIVELOG, ALTER DATABASE OPEN.";
  return shared({
    why: "DMS reads changes from archived logs as well; the mode takes a restart, so it is looked at, not set",
    sql: block(
      `  SELECT log_mode INTO log_mode_found FROM v$database;
  IF log_mode_found <> 'ARCHIVELOG' THEN
    RAISE_APPLICATION_ERROR(-20001, ${literal(`The database is not in ARCHIVELOG mode. ${remedy}`)});
  END IF;`,
      "  log_mode_found VARCHAR2(12);",
    ),
  });
}

function retention({ retentionHours: hours }: Plan): Statement {
  const set = (to: number): string =>
    block(
      `  rdsadmin.rdsadmin_util.set_configuration(name => 'archivelog retention hours', value => '${to}');\n  COMMIT;`,
    );
  return shared({
    why: `RDS deletes archived logs as soon as it can; they are kept for ${hours} hours. Look before: rdsadmin.rdsadmin_util.show_configuration`,
    sql: set(hours),
    undo: set(0),
  });
}

function minimalLogging({ hosting }: Plan): Statement {
  const change = (action: "ADD" | "DROP"): string =>
    hosting === "rds"
      ? `rdsadmin.rdsadmin_util.alter_supplemental_logging(${literal(action)})`
      : `EXECUTE IMMEDIATE ${literal(`ALTER DATABASE ${action} SUPPLEMENTAL LOG DATA`)}`;
  return shared({
    why: "without minimal supplemental logging the log does not say which row a change is of",
    sql: block(
      `  SELECT supplemental_log_data_min INTO logged FROM v$database;
  IF logged = 'NO' THEN
    ${change("ADD")};
  END IF;`,
      "  logged VARCHAR2(8);",
    ),
    undo: block(`  ${change("DROP")};`),
  });
}

/** Changed columns alone, as Oracle logs them, are no row in a file: the others would come as NULL. */
function tableLogging(table: PipelineTable): Statement {
  const { schema, table: name } = table.source;
  const change = (action: "ADD" | "DROP"): string =>
    `ALTER TABLE ${quoteTable("oracle", table.source)} ${action} SUPPLEMENTAL LOG DATA (ALL) COLUMNS`;
  return shared({
    why: `changes of ${schema}.${name} are logged with all columns; with the key's only, a file would hold NULL for what did not change`,
    sql: block(
      `  SELECT COUNT(*) INTO found FROM all_log_groups
    WHERE owner = ${literal(schema)} AND table_name = ${literal(name)} AND log_group_type = 'ALL COLUMN LOGGING';
  IF found = 0 THEN
    EXECUTE IMMEDIATE ${literal(change("ADD"))};
  END IF;`,
      "  found NUMBER;",
    ),
    undo: change("DROP"),
  });
}
