import type { ColumnType, Table } from "../tables.js";
import { identifier } from "./connection.js";

/** The schema that holds the audit trail: one table per source table, of the same name. */
export const auditSchema = "audit";

/**
 * DDL of the source: the tables, each with its primary key and REPLICA IDENTITY FULL (so that the log holds the whole row
 * before an update or delete), and the audit trail that triggers write in the transaction of the change itself.
 *
 * The trail keeps the old and the new row as values of the table's own row type: nothing is rendered, so nothing is lost.
 * The commit time is not stored, as no trigger can know it; `pg_xact_commit_timestamp(xid)` has it afterwards, which the
 * server keeps when it runs with `track_commit_timestamp = on`.
 */
export function schemaDdl(tables: readonly Table[]): string {
  const schemas = [...new Set(tables.map((table) => table.schema)), auditSchema];
  return [
    ...schemas.map((schema) => `CREATE SCHEMA ${identifier(schema)};`),
    // One sequence for all tables: within a transaction and for any one row its order is the order of the changes.
    `CREATE SEQUENCE ${identifier(auditSchema, "change")};`,
    ...tables.flatMap((table) => [tableDdl(table), auditDdl(table)]),
  ].join("\n");
}

function tableDdl(table: Table): string {
  const columns = table.columns.map(
    ({ name, type, nullable }) => `  ${identifier(name)} ${typeName(type)}${nullable ? "" : " NOT NULL"}`,
  );
  const name = identifier(table.schema, table.name);
  return `CREATE TABLE ${name} (
${columns.join(",\n")},
  PRIMARY KEY (${table.keys.map((key) => identifier(key)).join(", ")})
);
ALTER TABLE ${name} REPLICA IDENTITY FULL;`;
}

function auditDdl(table: Table): string {
  const source = identifier(table.schema, table.name);
  const audit = identifier(auditSchema, table.name);
  const record = identifier(auditSchema, `record_${table.name}`);
  return `CREATE TABLE ${audit} (
  seq bigint PRIMARY KEY DEFAULT nextval('${identifier(auditSchema, "change")}'),
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  op text NOT NULL CHECK (op IN ('INSERT', 'UPDATE', 'DELETE')),
  old_row ${source},
  new_row ${source}
);
CREATE FUNCTION ${record}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $record$
DECLARE
  old_row ${source};
  new_row ${source};
BEGIN
  IF TG_OP <> 'INSERT' THEN old_row := OLD; END IF;
  IF TG_OP <> 'DELETE' THEN new_row := NEW; END IF;
  INSERT INTO ${audit} (op, old_row, new_row) VALUES (TG_OP, old_row, new_row);
  RETURN NULL;
END
$record$;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON ${source} FOR EACH ROW EXECUTE FUNCTION ${record}();`;
}

/** The type as DDL writes it. */
export function typeName(type: ColumnType): string {
  return type.kind === "numeric" ? `numeric(${type.precision},${type.scale})` : type.kind;
}
