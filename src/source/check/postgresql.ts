import {
  nameOf,
  sourceNames,
  qualified,
  tablesIn,
  text,
  truth,
  type About,
  type ColumnFacts,
  type EngineCheck,
  type Facts,
  type Finding,
  type TypeVerdict,
} from "./facts.js";

const SERVER = `SELECT current_setting('wal_level') AS wal_level, current_setting('max_replication_slots') AS max_replication_slots,
  (SELECT count(*) FROM pg_catalog.pg_replication_slots) AS slots, current_setting('max_wal_senders') AS max_wal_senders,
  (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout') AS wal_sender_timeout_ms, pg_is_in_recovery() AS standby`;

const USER = `SELECT r.rolcanlogin AS login, has_database_privilege(r.oid, current_database(), 'CONNECT') AS connect,
  r.rolreplication OR r.rolsuper OR EXISTS (SELECT 1 FROM pg_catalog.pg_roles g
    WHERE g.rolname = 'rds_replication' AND pg_has_role(r.oid, g.oid, 'MEMBER')) AS replication
FROM pg_catalog.pg_roles r WHERE r.rolname = $1`;

const NAMES = `SELECT n.nspname AS schema_name, c.relname AS table_name FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') ORDER BY 1, 2`;

const WANTED = `unnest($1::text[], $2::text[]) AS w (schema_name, table_name)
JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema_name
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.table_name AND c.relkind IN ('r', 'p', 'v', 'm', 'f')`;

const TABLES = `SELECT w.schema_name, w.table_name,
  CASE WHEN c.relpersistence <> 'p' THEN 'unlogged table' WHEN c.relkind = 'r' THEN 'table' WHEN c.relkind = 'p' THEN 'partitioned table'
    WHEN c.relkind = 'f' THEN 'foreign table' ELSE 'view' END AS kind, c.relreplident AS replica_identity,
  COALESCE((SELECT has_schema_privilege(r.oid, n.oid, 'USAGE') AND has_table_privilege(r.oid, c.oid, 'SELECT')
    FROM pg_catalog.pg_roles r WHERE r.rolname = $3), false) AS readable,
  (SELECT string_agg(a.attname, E'\\x01') FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a
    ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) WHERE i.indrelid = c.oid AND i.indisreplident) AS replica_columns,
  EXISTS (SELECT 1 FROM pg_catalog.pg_publication_tables p
    WHERE p.pubname = $4 AND p.schemaname = w.schema_name AND p.tablename = w.table_name) AS published
FROM ${WANTED}`;

const COLUMNS = `SELECT w.schema_name, w.table_name, a.attname AS column_name,
  CASE WHEN t.typcategory = 'A' THEN 'array' WHEN t.typtype = 'e' THEN 'enum' WHEN t.typtype = 'c' THEN 'composite'
    ELSE format_type(CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END, NULL) END AS type_name,
  CASE WHEN m.typmod = -1 THEN NULL WHEN COALESCE(NULLIF(t.typbasetype, 0), t.oid) = 'numeric'::regtype THEN ((m.typmod - 4) >> 16) & 65535
    ELSE m.typmod - 4 END AS size,
  CASE WHEN a.attgenerated <> '' THEN 'generated column' END AS special
FROM ${WANTED}
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
CROSS JOIN LATERAL (SELECT CASE WHEN COALESCE(NULLIF(t.typbasetype, 0), t.oid) IN ('numeric'::regtype, 'varchar'::regtype, 'bpchar'::regtype)
  THEN CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END ELSE -1 END AS typmod) m
ORDER BY w.schema_name, w.table_name, a.attnum`;

const KEYS = `SELECT w.schema_name, w.table_name, k.relname AS key_name, a.attname AS column_name, i.indisprimary AS is_primary,
  a.attnotnull AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL AS tells_apart
FROM ${WANTED}
JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indisunique
JOIN pg_catalog.pg_class k ON k.oid = i.indexrelid
CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS at (number, position)
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = at.number
WHERE at.position <= i.indnkeyatts ORDER BY 1, 2, 3, at.position`;

/** Logical slots that nobody reads, and the log that is kept for them. */
const IDLE_SLOTS = `SELECT string_agg(format('%s (%s kept)', slot_name, pg_size_pretty(kept)), ', ' ORDER BY slot_name) AS idle_slots
FROM (SELECT slot_name, pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) AS kept FROM pg_catalog.pg_replication_slots
  WHERE slot_type = 'logical' AND NOT active AND NOT pg_is_in_recovery()) s WHERE kept > 1073741824`;

export const postgresqlCheck: EngineCheck = {
  async read(query, { pipeline, user, publication }): Promise<Facts> {
    const { schemas, tables: names } = sourceNames(pipeline);
    const [server] = await query(SERVER);
    const [idle] = await query(IDLE_SLOTS);
    const [role] = await query(USER, [user]);
    const columns = await query(COLUMNS, [schemas, names]);
    const keys = await query(KEYS, [schemas, names]);
    const tables = await query(TABLES, [schemas, names, user, publication]);
    const all = await query(NAMES);
    return {
      settings: {
        ...Object.fromEntries(Object.keys(server ?? {}).map((name) => [name, text(server, name)])),
        idle_slots: text(idle, "idle_slots"),
      },
      permissions: {
        exists: role !== undefined,
        login: truth(role, "login"),
        connect: truth(role, "connect"),
        replication: truth(role, "replication"),
      },
      tables: tablesIn({ tables, columns, keys }, (row) => ({
        readable: truth(row, "readable"),
        more: {
          replica_identity: text(row, "replica_identity"),
          replica_columns: text(row, "replica_columns"),
          published: String(truth(row, "published")),
        },
      })),
      names: all.map(qualified),
    };
  },

  judge(facts, about): Finding[] {
    return [
      ...server(facts, about),
      ...permissions(facts, about),
      ...(about.load === "cdc" ? tables(facts, about) : []),
    ];
  },

  type: postgresqlType,
};

function server({ settings }: Facts, { hosting, load }: About): Finding[] {
  if (load === "full-load") return [];
  const found: Finding[] = [];
  if (settings["wal_level"] !== "logical") {
    found.push({
      ...{
        code: "source/log-level",
        severity: "error",
        found: `wal_level = ${settings["wal_level"]}`,
        allowed: "logical",
      },
      remedy:
        hosting === "rds"
          ? "Set rds.logical_replication = 1 in the instance's parameter group and reboot it."
          : "ALTER SYSTEM SET wal_level = 'logical', then restart the server.",
    });
  }
  if (settings["standby"] === "true") {
    found.push({
      ...{ code: "source/standby", severity: "error", found: "a standby", allowed: "the primary" },
      remedy: "DMS captures changes from the primary only: name its address.",
    });
  }
  if (Number(settings["slots"]) >= Number(settings["max_replication_slots"])) {
    found.push({
      ...{
        code: "source/no-free-slot",
        severity: "error",
        found: `${settings["slots"]} slots of max_replication_slots = ${settings["max_replication_slots"]}`,
      },
      allowed: "one free slot for each replication, unless its own is among those",
      remedy: "Raise max_replication_slots and max_wal_senders, or drop slots that nobody reads.",
    });
  }
  const timeout = Number(settings["wal_sender_timeout_ms"]);
  if (timeout > 0 && timeout < 10_000) {
    found.push({
      ...{
        code: "source/sender-timeout",
        severity: "warning",
        found: `wal_sender_timeout = ${timeout} ms`,
        allowed: "0, or 10 s and more",
      },
      remedy: "DMS is cut off when it is busy: raise it.",
    });
  }
  if (typeof settings["idle_slots"] === "string") {
    found.push({
      ...{
        code: "source/log-kept",
        severity: "warning",
        found: settings["idle_slots"],
        allowed: "slots that somebody reads",
      },
      remedy: "The log is kept until they are read, or the disk is full: start their readers, or drop them.",
    });
  }
  return found;
}

function permissions({ permissions }: Facts, { user, hosting, load }: About): Finding[] {
  const prepare = "Run headwater source prepare.";
  const missing = (found: string, allowed: string, remedy = prepare): Finding => ({
    ...{ code: "source/permission", severity: "error", found, allowed, remedy },
  });
  if (permissions["exists"] !== true) return [missing(`there is no user ${user}`, "a user of DMS's own")];
  return [
    ...(permissions["login"]
      ? []
      : [missing(`${user} may not log in`, "LOGIN", `ALTER ROLE "${user}" LOGIN.`)]),
    ...(permissions["connect"] ? [] : [missing(`${user} may not connect to the database`, "CONNECT")]),
    ...(permissions["replication"] || load === "full-load"
      ? []
      : [
          missing(
            `${user} may not read the log`,
            hosting === "rds" ? "member of rds_replication" : "REPLICATION",
          ),
        ]),
  ];
}

function tables({ tables: there }: Facts, { pipeline, publication }: About): Finding[] {
  const found = pipeline.tables.flatMap((wanted): Finding[] => {
    const name = nameOf(wanted);
    const table = there.find(({ schema, table }) => `${schema}.${table}` === name);
    // One without a usable key is told of already.
    const key = table?.keys.find(
      ({ columns, tellsApart }) => tellsApart && wanted.keys.every((column) => columns.includes(column)),
    );
    if (table === undefined || key === undefined) return [];
    const { replica_identity: identity, replica_columns: columns } = table.more;
    const logged =
      identity === "f"
        ? wanted.keys
        : identity === "d"
          ? (table.keys.find(({ primary }) => primary)?.columns ?? [])
          : identity === "i"
            ? (columns ?? "").split("\u0001")
            : [];
    if (wanted.keys.every((column) => logged.includes(column))) return [];
    return [
      {
        ...{ code: "source/replica-identity", severity: "error", table: name },
        found: `updates and deletes are logged with ${logged.length === 0 ? "no old values" : logged.join(", ")}`,
        allowed: `at least the pipeline's keys: ${wanted.keys.join(", ")}`,
        remedy: "Run headwater source prepare, or ALTER TABLE ... REPLICA IDENTITY USING INDEX (or FULL).",
      },
    ];
  });
  const unpublished = there
    .filter(({ more, kind }) => more["published"] !== "true" && kind === "table")
    .map(({ schema, table }) => `${schema}.${table}`);
  if (unpublished.length === 0) return found;
  return [
    ...found,
    {
      ...{
        code: "source/publication",
        severity: "warning",
        found: `the publication ${publication} lacks ${unpublished.join(", ")}`,
      },
      allowed: "exactly the pipeline's tables",
      remedy: "Run headwater source prepare; DMS needs it where it reads by pgoutput.",
    },
  ];
}

const LARGE = [
  "text",
  "bytea",
  "json",
  "jsonb",
  "xml",
  "array",
  "composite",
  "hstore",
  "tsvector",
  "tsquery",
  "path",
  "polygon",
];
const PLAIN = [
  ...[
    "smallint",
    "integer",
    "bigint",
    "real",
    "double precision",
    "boolean",
    "date",
    "timestamp without time zone",
  ],
  ...[
    "time without time zone",
    "uuid",
    "bpchar",
    '"char"',
    "character",
    "character varying",
    "inet",
    "cidr",
    "macaddr",
  ],
];
const CHANGED: Readonly<Record<string, string>> = {
  "timestamp with time zone": "a time in UTC, without its zone",
  "time with time zone": "text",
  interval: "text",
  money: "decimal(38,4)",
  bit: "text",
  "bit varying": "text",
  enum: "text, at most 64 characters",
  ...Object.fromEntries(
    ["point", "line", "lseg", "box", "circle", "int4range", "int8range", "numrange"].map((type) => [
      type,
      "text",
    ]),
  ),
};

/** DMS guide, CHAP_Source.PostgreSQL, data types. A text without a length counts as a large object. */
function postgresqlType({ type, size }: ColumnFacts): TypeVerdict {
  if (LARGE.includes(type)) return { is: "lob" };
  if (type === "character varying" && size === null) return { is: "lob" };
  if (type === "numeric") {
    if (size === null)
      return { is: "changed", into: "decimal(28,6): give it a precision, or digits are lost" };
    return size > 38 ? { is: "changed", into: "text" } : { is: "plain" };
  }
  if (PLAIN.includes(type)) return { is: "plain" };
  const into = CHANGED[type];
  return into === undefined ? { is: "unknown" } : { is: "changed", into };
}
