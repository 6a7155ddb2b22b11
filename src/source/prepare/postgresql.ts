import type { PipelineTable } from "../../model/pipeline.js";
import type { Plan } from "../plan.js";
import { quoteIdentifier, quoteLiteral, quoteTable } from "../quoting.js";
import { ofUser, PASSWORD, shared, type Statement } from "../statement.js";

const identifier = (name: string): string => quoteIdentifier("postgresql", name);
const literal = (text: string): string => quoteLiteral("postgresql", text);
const tableOf = ({ source }: PipelineTable): string => quoteTable("postgresql", source);
const list = (texts: readonly string[]): string => `ARRAY[${texts.map(literal).join(", ")}]::text[]`;

/** PostgreSQL 12 or later, as one who owns the tables and may make roles; on RDS the master user. */
export function postgresqlPreparation(plan: Plan): readonly Statement[] {
  const { pipeline, database, publication, slot } = plan;
  const schemas = [...new Set(pipeline.tables.map(({ source }) => source.schema))];
  return [
    logicalLog(plan),
    ...roleOf(plan),
    granted(plan, {
      why: "DMS's user may connect",
      held: `has_database_privilege(${literal(plan.user)}, ${literal(database)}, 'CONNECT')`,
      privilege: `CONNECT ON DATABASE ${identifier(database)}`,
    }),
    ...schemas.map((schema) =>
      granted(plan, {
        why: `DMS's user may look into schema ${schema}`,
        held: `has_schema_privilege(${literal(plan.user)}, ${literal(schema)}, 'USAGE')`,
        privilege: `USAGE ON SCHEMA ${identifier(schema)}`,
      }),
    ),
    ...pipeline.tables.map((table) =>
      granted(plan, {
        why: `DMS's user may read ${table.source.schema}.${table.source.table}, and no table that is not the pipeline's`,
        held: `has_table_privilege(${literal(plan.user)}, ${literal(tableOf(table))}, 'SELECT')`,
        privilege: `SELECT ON TABLE ${tableOf(table)}`,
      }),
    ),
    ...pipeline.tables.map((table) => replicaIdentity(table, plan.beforeImages)),
    publicationOf(publication, pipeline.tables),
    ...(slot === undefined ? [] : [slotOf(slot)]),
  ];
}

/** An anonymous block; its quotes are such that nothing in the body ends it. */
function block(body: string, declare = ""): string {
  let tag = "do";
  while (body.includes(`$${tag}$`) || declare.includes(`$${tag}$`)) tag += "_";
  return `DO $${tag}$\n${declare === "" ? "" : `DECLARE\n${declare}\n`}BEGIN\n${body}\nEND\n$${tag}$`;
}

function logicalLog({ hosting }: Plan): Statement {
  const remedy =
    hosting === "rds"
      ? "Set rds.logical_replication = 1 in the instance''s parameter group and reboot it."
      : "ALTER SYSTEM SET wal_level = ''logical'', then restart the server.";
  return shared({
    why: "changes can be read from the log only at this level; it takes a restart, so it is looked at, not set",
    sql: block(`  IF current_setting('wal_level') <> 'logical' THEN
    RAISE EXCEPTION 'wal_level is %, not logical', current_setting('wal_level') USING HINT = '${remedy}';
  END IF;`),
  });
}

function roleOf({ user, hosting }: Plan): Statement[] {
  const role = identifier(user);
  const exists = `EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = ${literal(user)})`;
  const made = ofUser(user, {
    why: "a user of DMS's own; the password is sent as a SCRAM verifier, so no log of the server holds it",
    sql: block(`  IF NOT ${exists} THEN
    CREATE ROLE ${role} LOGIN PASSWORD '${PASSWORD}';
  END IF;`),
    // Also of tables that have left the pipeline since. Rights in other databases keep the role, and PostgreSQL says so.
    undo: block(
      `  FOR held IN
    SELECT format('TABLE %s', c.oid::regclass) FROM pg_catalog.pg_class c, aclexplode(c.relacl) a, pg_catalog.pg_roles r
      WHERE r.oid = a.grantee AND r.rolname = ${literal(user)}
    UNION SELECT format('SCHEMA %I', n.nspname) FROM pg_catalog.pg_namespace n, aclexplode(n.nspacl) a, pg_catalog.pg_roles r
      WHERE r.oid = a.grantee AND r.rolname = ${literal(user)}
    UNION SELECT format('DATABASE %I', d.datname) FROM pg_catalog.pg_database d, aclexplode(d.datacl) a, pg_catalog.pg_roles r
      WHERE r.oid = a.grantee AND r.rolname = ${literal(user)} AND d.datname = current_database()
  LOOP
    EXECUTE format('REVOKE ALL ON %s FROM %I', held, ${literal(user)});
  END LOOP;
  DROP ROLE IF EXISTS ${role};`,
      "  held text;",
    ),
    password: true,
  });
  const [may, has] =
    hosting === "rds"
      ? [`GRANT "rds_replication" TO ${role}`, `pg_has_role(${literal(user)}, 'rds_replication', 'MEMBER')`]
      : [
          `ALTER ROLE ${role} REPLICATION`,
          `(SELECT rolreplication OR rolsuper FROM pg_catalog.pg_roles WHERE rolname = ${literal(user)})`,
        ];
  return [
    made,
    ofUser(user, {
      why: "DMS's user may read the log",
      sql: block(`  IF NOT ${has} THEN
    ${may};
  END IF;`),
    }),
  ];
}

/** Falls with the role. */
function granted(
  { user }: Plan,
  { why, held, privilege }: { why: string; held: string; privilege: string },
): Statement {
  return ofUser(user, {
    why,
    sql: block(`  IF NOT ${held} THEN
    GRANT ${privilege} TO ${identifier(user)};
  END IF;`),
  });
}

/** What of a row's old values is logged must hold the pipeline's keys: of a deleted row it is all that DMS sees. */
function replicaIdentity(table: PipelineTable, full: boolean): Statement {
  const { schema, table: name } = table.source;
  const relation = tableOf(table);
  const is = `(SELECT relreplident FROM pg_catalog.pg_class WHERE oid = ${literal(relation)}::regclass)`;
  const common = { undo: `ALTER TABLE ${relation} REPLICA IDENTITY DEFAULT` };
  if (full) {
    return shared({
      ...common,
      why: `${schema}.${name} logs all old values with each update and delete, as asked for`,
      sql: block(`  IF ${is} <> 'f' THEN
    ALTER TABLE ${relation} REPLICA IDENTITY FULL;
  END IF;`),
    });
  }
  return shared({
    ...common,
    why: `${schema}.${name} logs its key with updates and deletes: by its primary key nothing is to do, else by a unique index`,
    sql: block(
      `  keys := ${list(table.keys)};
  logged := CASE ${is}
    WHEN 'f' THEN keys
    WHEN 'd' THEN (SELECT array_agg(a.attname::text) FROM pg_catalog.pg_index i
      JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
      WHERE i.indrelid = ${literal(relation)}::regclass AND i.indisprimary)
    WHEN 'i' THEN (SELECT array_agg(a.attname::text) FROM pg_catalog.pg_index i
      JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
      WHERE i.indrelid = ${literal(relation)}::regclass AND i.indisreplident)
  END;
  IF logged IS NULL OR NOT logged @> keys THEN
    SELECT c.relname INTO usable FROM pg_catalog.pg_index i
      JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
      JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
      WHERE i.indrelid = ${literal(relation)}::regclass AND i.indisunique AND i.indisvalid AND i.indimmediate
        AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indnkeyatts = i.indnatts
      GROUP BY c.relname HAVING bool_and(a.attnotnull) AND array_agg(a.attname::text) @> keys AND keys @> array_agg(a.attname::text)
      ORDER BY c.relname LIMIT 1;
    IF usable IS NULL THEN
      RAISE EXCEPTION 'the keys of % are neither its primary key nor a unique index of NOT NULL columns', ${literal(`${schema}.${name}`)}
        USING HINT = 'Add such an index, correct the keys in the pipeline, or ask for before images (REPLICA IDENTITY FULL).';
    END IF;
    EXECUTE format('ALTER TABLE %s REPLICA IDENTITY USING INDEX %I', ${literal(relation)}::regclass, usable);
  END IF;`,
      `  keys text[];
  logged text[];
  usable text;`,
    ),
  });
}

function publicationOf(name: string, tables: readonly PipelineTable[]): Statement {
  const quoted = identifier(name);
  const all = tables.map(tableOf).join(", ");
  const is = `SELECT 1 FROM pg_catalog.pg_publication WHERE pubname = ${literal(name)}`;
  const wanted = tables
    .map(({ source: { schema, table } }) => `(${literal(schema)}, ${literal(table)})`)
    .join(", ");
  return {
    scope: "own",
    why: "exactly the pipeline's tables are published; run again after tables were added or taken out",
    sql: block(`  IF EXISTS (${is} AND puballtables) THEN
    RAISE EXCEPTION 'the publication % publishes all tables', ${literal(name)} USING HINT = 'Drop it, or name another one.';
  ELSIF NOT EXISTS (${is}) THEN
    CREATE PUBLICATION ${quoted} FOR TABLE ${all};
  ELSIF EXISTS (
    (SELECT schemaname::text, tablename::text FROM pg_catalog.pg_publication_tables WHERE pubname = ${literal(name)}
      EXCEPT VALUES ${wanted})
    UNION ALL
    (VALUES ${wanted}
      EXCEPT SELECT schemaname::text, tablename::text FROM pg_catalog.pg_publication_tables WHERE pubname = ${literal(name)})
  ) THEN
    ALTER PUBLICATION ${quoted} SET TABLE ${all};
  END IF;`),
    undo: `DROP PUBLICATION IF EXISTS ${quoted}`,
  };
}

function slotOf(slot: string): Statement {
  const name = literal(slot);
  return {
    scope: "own",
    why: "a position to start from. From now on the server keeps its log until this slot is read: drop it if DMS does not",
    sql: `SELECT pg_create_logical_replication_slot(${name}, 'test_decoding')
WHERE NOT EXISTS (SELECT 1 FROM pg_catalog.pg_replication_slots WHERE slot_name = ${name})`,
    undo: `SELECT pg_drop_replication_slot(slot_name) FROM pg_catalog.pg_replication_slots WHERE slot_name = ${name}`,
  };
}
