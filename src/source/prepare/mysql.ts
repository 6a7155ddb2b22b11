import type { Plan } from "../plan.js";
import { quoteIdentifier, quoteLiteral, quoteTable } from "../quoting.js";
import { ofUser, PASSWORD, shared, type Statement } from "../statement.js";

/** MySQL 8.0 or MariaDB 10.6 and later. A database has no schemas there: the pipeline's schemas are databases. */
export function mysqlPreparation(plan: Plan): readonly Statement[] {
  const { pipeline, user, hosting } = plan;
  const { engine, tables } = pipeline;
  // DMS comes from an address nobody knows beforehand; security groups say from where.
  const account = `${quoteIdentifier(engine, user)}@${quoteIdentifier(engine, "%")}`;
  return [
    ...(hosting === "rds" ? retentionOnRds(plan) : settings(plan)),
    ofUser(user, {
      why:
        engine === "mariadb"
          ? "a user of DMS's own; what is sent for the password is a hash of it"
          : "a user of DMS's own; the server leaves passwords out of its logs",
      sql: `CREATE USER IF NOT EXISTS ${account} IDENTIFIED BY ${engine === "mariadb" ? "PASSWORD " : ""}'${PASSWORD}'`,
      // Its grants go with it.
      undo: `DROP USER IF EXISTS ${account}`,
      password: true,
    }),
    ofUser(user, {
      why: "DMS's user may read the log and where it is; MySQL knows no smaller place than all databases for that",
      sql: `GRANT REPLICATION CLIENT, REPLICATION SLAVE ON *.* TO ${account}`,
    }),
    ...tables.map(({ source }) =>
      ofUser(user, {
        why: `DMS's user may read ${source.schema}.${source.table}, and no table that is not the pipeline's`,
        sql: `GRANT SELECT ON ${quoteTable(engine, source)} TO ${account}`,
      }),
    ),
  ];
}

function retentionOnRds({ retentionHours: hours, pipeline: { engine } }: Plan): Statement[] {
  const name = quoteLiteral(engine, "binlog retention hours");
  return [
    shared({
      why: "RDS throws the log away as soon as it can; binlog_format, binlog_row_image and backups are the parameter group's and instance's",
      sql:
        `CALL mysql.rds_set_configuration(${name}, ` +
        `GREATEST(${hours}, COALESCE((SELECT CAST(value AS UNSIGNED) FROM mysql.rds_configuration WHERE name = ${name}), 0)))`,
      undo: `CALL mysql.rds_set_configuration(${name}, NULL)`,
    }),
  ];
}

/** MariaDB forgets what SET GLOBAL says at its next start; MySQL keeps what SET PERSIST says. */
function settings({ retentionHours, pipeline: { engine } }: Plan): Statement[] {
  const forgetful = engine === "mariadb";
  const set = (variable: string, value: string, why: string): Statement =>
    shared({
      why: forgetful ? `${why}; write it into the server's configuration too, to outlast a restart` : why,
      sql: `SET ${forgetful ? "GLOBAL" : "PERSIST"} ${variable} = ${value}`,
      undo: forgetful ? `SET GLOBAL ${variable} = DEFAULT` : `RESET PERSIST IF EXISTS ${variable}`,
    });
  const kept = "@@GLOBAL.binlog_expire_logs_seconds";
  return [
    set(
      "binlog_format",
      "'ROW'",
      "the log has to hold rows, not statements; open sessions keep their format to their end",
    ),
    set(
      "binlog_row_image",
      "'FULL'",
      "the log has to hold whole rows: an update with its changed columns only is no row in a file",
    ),
    set("binlog_checksum", "'NONE'", "DMS's guide asks for a log without checksums"),
    set(
      "binlog_expire_logs_seconds",
      `IF(${kept} = 0, 0, GREATEST(${kept}, ${retentionHours * 3600}))`,
      `the log is kept for ${retentionHours} hours, or longer where it is so already (0: for ever)`,
    ),
  ];
}
