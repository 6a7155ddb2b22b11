import { HeadwaterError } from "./errors.js";
import { checkPipelineName, checkSourceName, checkTargetName, targetNames } from "./naming.js";

/** Databases DMS can read. What each can do today is said where it is used (components/source-endpoint.ts). */
export const SOURCE_ENGINES = ["postgresql", "mysql", "mariadb", "sqlserver", "oracle"] as const;
export type SourceEngine = (typeof SOURCE_ENGINES)[number];

/** The names of the three columns a history table adds: the paper's, or those of Databricks' AUTO CDC. */
export const HISTORY_COLUMNS = ["paper", "autoCdc"] as const;
export type HistoryColumns = (typeof HISTORY_COLUMNS)[number];

/** What they are called; AUTO CDC marks no current version, it is the one without an end. */
export const HISTORY_COLUMN_NAMES: Readonly<
  Record<HistoryColumns, { readonly start: string; readonly end: string; readonly current?: string }>
> = {
  paper: { current: "current", start: "effective_date", end: "end_date" },
  autoCdc: { start: "__START_AT", end: "__END_AT" },
};

/** SCD type 1 keeps a table's current rows, type 2 their history as well. */
export const SCD_TYPES = [1, 2] as const;
export type ScdType = (typeof SCD_TYPES)[number];

/** What a delete at the source does: end the row's version, or take away all that its key was until then. */
export const DELETE_POLICIES = ["close", "remove"] as const;
export type DeletePolicy = (typeof DELETE_POLICIES)[number];

/** What a table keeps. Changing it later makes the next run derive the history anew from what is still known. */
export interface TableRule {
  readonly scdType: ScdType;
  /** Only a change of these columns opens a version; null: of any column. Others change within the version. */
  readonly trackHistoryOn: readonly string[] | null;
  readonly deletePolicy: DeletePolicy;
}

/** What a pipeline says about one source table. */
export interface TableDefinition {
  /** The columns that identify a row, in the source's spelling. History is kept per key, so there must be one. */
  readonly keys: readonly string[];
  /** The table's name in the target schema. Default: the source table's name in lower case. */
  readonly name?: string;
  /** Default: 2. Type 1 shows current rows only, under the table's own name; it has no snapshots of a moment. */
  readonly scdType?: ScdType;
  /** Columns whose change opens a new version. Default: all. Others are brought up to date in the current version. */
  readonly trackHistoryOn?: readonly string[];
  /**
   * Default: `close`. With `remove` a row that was deleted leaves no versions behind, and its values are gone from the
   * log as well once the lateness horizon has passed. SCD type 1 always removes.
   */
  readonly deletePolicy?: DeletePolicy;
}

/** What a platform team writes once; part of a release. */
export interface PipelineDefinition {
  /** Lower-case letters and digits; the first part of every stack's name. */
  readonly name: string;
  readonly engine: SourceEngine;
  /** Default: `paper` (current, effective_date, end_date). */
  readonly historyColumns?: HistoryColumns;
  /**
   * How long after newer changes a change may still arrive and be put where it belongs; older ones are set aside in the
   * quarantine. Whole days from 1 to 365. Default: 7.
   */
  readonly latenessHorizonDays?: number;
  /** Source schema -> source table -> definition. */
  readonly tables: Readonly<Record<string, Readonly<Record<string, TableDefinition>>>>;
}

/** One table of a checked pipeline. */
export interface PipelineTable {
  readonly source: { readonly schema: string; readonly table: string };
  /** The table's name in the target schema. */
  readonly name: string;
  readonly keys: readonly string[];
  readonly rule: TableRule;
}

/** A checked pipeline: tables in a stable order, names proven usable in S3, DMS and Unity Catalog. */
export interface Pipeline {
  readonly name: string;
  readonly engine: SourceEngine;
  readonly historyColumns: HistoryColumns;
  readonly latenessHorizonDays: number;
  readonly tables: readonly PipelineTable[];
}

/** Columns that DMS or the history adds; a key of the same name could not be told apart from them. */
const ADDED_COLUMNS = [
  ...["op", "tx_commit_time", "change_seq"],
  ...Object.values(HISTORY_COLUMN_NAMES).flatMap((names) =>
    Object.values(names).map((name) => name.toLowerCase()),
  ),
];

/**
 * Checks a pipeline's definition and gives it its defaults. Throws a HeadwaterError that names the table, what was
 * found and the remedy. The result does not depend on the order in which tables are written.
 */
export function definePipeline(definition: PipelineDefinition): Pipeline {
  const where = `pipeline ${definition.name}`;
  checkPipelineName(definition.name);
  checkMember(where, "engine", definition.engine, SOURCE_ENGINES);
  const historyColumns = definition.historyColumns ?? "paper";
  checkMember(where, "historyColumns", historyColumns, HISTORY_COLUMNS);
  const latenessHorizonDays = definition.latenessHorizonDays ?? 7;
  if (!Number.isInteger(latenessHorizonDays) || latenessHorizonDays < 1 || latenessHorizonDays > 365) {
    throw new HeadwaterError("pipeline/lateness-horizon", "not a lateness horizon", {
      where,
      field: "latenessHorizonDays",
      found: latenessHorizonDays,
      allowed: "whole days from 1 to 365",
      remedy: "Leave it out for 7 days, or give the days that a change may be late.",
    });
  }

  const tables = Object.entries(definition.tables)
    .flatMap(([schema, tables]) =>
      Object.entries(tables).map(([table, entry]) => checkTable(where, schema, table, entry)),
    )
    .sort((a, b) => compare(a.source.schema, b.source.schema) || compare(a.source.table, b.source.table));
  if (tables.length === 0) {
    throw new HeadwaterError("pipeline/no-tables", "a pipeline needs at least one table", {
      where,
      field: "tables",
      found: definition.tables,
      allowed: "{ <schema>: { <table>: { keys: [...] } } }",
      remedy: "Name the tables to carry, with their keys.",
    });
  }
  refuseSharedNames(where, tables);
  const { name, engine } = definition;
  return Object.freeze({ name, engine, historyColumns, latenessHorizonDays, tables });
}

/** The table of that source name, or undefined. */
export function findTable(pipeline: Pipeline, schema: string, table: string): PipelineTable | undefined {
  return pipeline.tables.find(({ source }) => source.schema === schema && source.table === table);
}

function checkTable(where: string, schema: string, table: string, entry: TableDefinition): PipelineTable {
  const field = `tables.${schema}.${table}`;
  checkSourceName(where, `${field} (schema)`, schema);
  checkSourceName(where, field, table);
  const keys = checkKeys(where, field, entry.keys);
  const name = entry.name ?? table.toLowerCase();
  checkTargetName(where, `${field}.name`, name);
  const rule = checkRule(where, field, entry);
  return Object.freeze({ source: Object.freeze({ schema, table }), name, keys, rule });
}

function checkRule(where: string, field: string, entry: TableDefinition): TableRule {
  const scdType = entry.scdType ?? 2;
  checkMember(where, `${field}.scdType`, scdType, SCD_TYPES);
  const deletePolicy = entry.deletePolicy ?? (scdType === 1 ? "remove" : "close");
  checkMember(where, `${field}.deletePolicy`, deletePolicy, DELETE_POLICIES);
  const tracked = entry.trackHistoryOn;
  if (tracked !== undefined && (tracked.length === 0 || new Set(tracked).size !== tracked.length)) {
    throw new HeadwaterError("pipeline/bad-value", "trackHistoryOn is empty or lists a column twice", {
      where,
      field: `${field}.trackHistoryOn`,
      found: tracked,
      allowed: "one or more different column names",
      remedy: "Leave it out to track every column; for current rows only, set scdType to 1.",
    });
  }
  if (scdType === 1 && (tracked !== undefined || deletePolicy !== "remove")) {
    throw new HeadwaterError("pipeline/bad-value", "SCD type 1 keeps no history to track or to close", {
      where,
      field: `${field}.${tracked === undefined ? "deletePolicy" : "trackHistoryOn"}`,
      found: tracked ?? deletePolicy,
      allowed: "scdType 2, or nothing",
      remedy: "Leave it out, or keep history with scdType 2.",
    });
  }
  return Object.freeze({
    scdType,
    trackHistoryOn: tracked ? Object.freeze([...tracked]) : null,
    deletePolicy,
  });
}

function checkKeys(where: string, field: string, keys: readonly string[] | undefined): readonly string[] {
  if (keys === undefined || keys.length === 0) {
    throw new HeadwaterError("pipeline/no-keys", "the table has no keys", {
      where,
      field: `${field}.keys`,
      found: keys ?? "nothing",
      allowed: "one or more column names",
      remedy:
        "List the primary key's columns. A table without a key has no history: give it one, or leave it out.",
    });
  }
  const seen = new Set<string>();
  for (const key of keys) {
    if (typeof key !== "string" || key === "" || seen.has(key)) {
      throw new HeadwaterError("pipeline/bad-key", "a key is empty or listed twice", {
        where,
        field: `${field}.keys`,
        found: keys,
        allowed: "different column names",
        remedy: "List each key column once.",
      });
    }
    if (ADDED_COLUMNS.includes(key.toLowerCase()) || key.startsWith("BI_")) {
      throw new HeadwaterError(
        "pipeline/reserved-column",
        "a key has the name of a column the pipeline adds",
        {
          where,
          field: `${field}.keys`,
          found: key,
          allowed: `any name but ${ADDED_COLUMNS.join(", ")} and BI_*`,
          remedy:
            "Leave the table out, or have the source show it under other column names (a view, a renamed column).",
        },
      );
    }
    seen.add(key);
  }
  return Object.freeze([...keys]);
}

/** Each table also makes a log and a view: no name among all of them may be taken twice. */
function refuseSharedNames(where: string, tables: readonly PipelineTable[]): void {
  const owners = new Map<string, PipelineTable>();
  for (const table of tables) {
    for (const name of Object.values(targetNames(table.name))) {
      const other = owners.get(name);
      if (other !== undefined && other !== table) {
        throw new HeadwaterError("pipeline/name-taken", `two tables would both make ${name}`, {
          where,
          field: `tables.${table.source.schema}.${table.source.table}.name`,
          found: `${table.name}, beside ${other.name} of ${other.source.schema}.${other.source.table}`,
          allowed: "a name that shares neither table, log, view nor volumes with another table",
          remedy: `Give one of them another name, for example "${table.source.schema.toLowerCase()}_${table.name}".`,
        });
      }
      owners.set(name, table);
    }
  }
}

function checkMember<T extends string | number>(
  where: string,
  field: string,
  found: T,
  allowed: readonly T[],
): void {
  if (!allowed.includes(found)) {
    throw new HeadwaterError("pipeline/bad-value", `${field} is not one Headwater knows`, {
      where,
      field,
      found,
      allowed: allowed.join(", "),
      remedy: "Use one of the allowed values.",
    });
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
