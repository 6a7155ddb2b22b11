import type { PipelineTable } from "../../model/pipeline.js";
import { nearest } from "../../settings/problems.js";
import { ENGINE_CHECKS } from "./engines.js";
import {
  nameOf,
  type About,
  type ColumnFacts,
  type Facts,
  type Finding,
  type KeyFacts,
  type TableFacts,
} from "./facts.js";

const ORDER = ["error", "warning", "note"];

/** What will break, worst first, then by table in the pipeline's order. Pure: the same facts give the same findings. */
export function judge(facts: Facts, about: About): Finding[] {
  const { pipeline } = about;
  const found = [
    ...ENGINE_CHECKS[pipeline.engine].judge(facts, about),
    ...pipeline.tables.flatMap((table) => judgeTable(table, facts, about)),
  ];
  return found.sort((a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity));
}

function judgeTable(table: PipelineTable, facts: Facts, about: About): Finding[] {
  const name = nameOf(table);
  const there = facts.tables.find(({ schema, table }) => `${schema}.${table}` === name);
  if (there === undefined) return [missingTable(name, facts)];
  return [
    ...(there.kind === "table" ? [] : [kind(name, there.kind)]),
    ...(there.readable ? [] : [unreadable(name, about)]),
    ...keys(table, there),
    ...there.columns.flatMap((column) => judgeColumn(table, column, about)),
  ];
}

function missingTable(name: string, { names }: Facts): Finding {
  const close = nearest(name, names);
  return {
    ...{ code: "source/no-table", severity: "error", table: name },
    found: "no such table, or none that this user may know of",
    allowed:
      names.length === 0
        ? "a table of the database; it has none"
        : `one of ${names.length} tables of the database`,
    remedy:
      close === undefined
        ? "Correct the pipeline, or make the table."
        : `Did you mean ${close}? Names are spelt as in the source.`,
  };
}

function kind(name: string, found: string): Finding {
  return {
    ...{ code: "source/table-kind", severity: "error", table: name, found },
    allowed: "an ordinary table",
    remedy: "DMS captures no changes of it: leave it out of the pipeline, or replicate the tables below it.",
  };
}

function unreadable(table: string, { user }: About): Finding {
  return {
    ...{ code: "source/permission", severity: "error", table },
    found: `${user} may not read it`,
    allowed: "SELECT",
    remedy: "Run headwater source prepare, or grant SELECT on the table.",
  };
}

function keys({ keys, ...table }: PipelineTable, { keys: found, columns }: TableFacts): Finding[] {
  const name = nameOf({ keys, ...table });
  const gone = keys.filter((key) => !columns.some((column) => column.name === key));
  if (gone.length > 0) {
    return gone.map((key) => {
      const close = nearest(
        key,
        columns.map((column) => column.name),
      );
      return {
        ...{
          code: "source/no-key-column",
          severity: "error",
          table: name,
          column: key,
          found: "no such column",
        },
        allowed: columns.map((column) => column.name).join(", "),
        remedy:
          close === undefined
            ? "Correct the keys in the pipeline."
            : `Did you mean ${close}? Names are spelt as in the source.`,
      } as const;
    });
  }
  if (found.some((key) => key.tellsApart && sameColumns(key, keys))) return [];
  const usable = found.filter(({ tellsApart }) => tellsApart).map((key) => key.columns.join(", "));
  return [
    {
      ...{ code: "source/no-key", severity: "error", table: name },
      found: `the pipeline's keys (${keys.join(", ")}) are neither the primary key nor a unique index of NOT NULL columns`,
      allowed:
        usable.length === 0 ? "a key that the source keeps unique; the table has none" : usable.join(" or "),
      remedy:
        "Name the columns of one in the pipeline, or add a unique index: rows that share a key would become one.",
    },
  ];
}

function sameColumns({ columns }: KeyFacts, keys: readonly string[]): boolean {
  return columns.length === keys.length && keys.every((key) => columns.includes(key));
}

function judgeColumn(table: PipelineTable, column: ColumnFacts, about: About): Finding[] {
  const name = nameOf(table);
  const { pipeline, lobMaxSizeKb, tables = {} } = about;
  const at = { table: name, column: column.name };
  const isKey = table.keys.includes(column.name);
  const verdict = ENGINE_CHECKS[pipeline.engine].type(column);
  if (column.special !== undefined) {
    return [
      {
        ...{
          code: "source/column-kind",
          severity: isKey ? "error" : "warning",
          ...at,
          found: column.special,
        },
        allowed: "an ordinary column",
        remedy:
          "DMS does not carry it: do without it in the target, or have the source keep it in an ordinary column.",
      },
    ];
  }
  switch (verdict.is) {
    case "plain":
      return [];
    case "lob": {
      const { schema, table: own } = table.source;
      const size = tables[schema]?.[own]?.lob?.maxSizeKb ?? lobMaxSizeKb;
      if (isKey) return [lobKey(at, column)];
      if (size !== undefined) return [];
      return [
        {
          ...{
            code: "source/lob-size",
            severity: "warning",
            ...at,
            found: `${column.type}, which is a large object to DMS, and no size was decided on`,
          },
          allowed:
            "replication.lobMaxSizeKb, or tables.<schema>.<table>.lob.maxSizeKb (DMS's LobMaxSize), 1 to 102400 KB",
          remedy:
            "Look at the longest value, and write the size down: what is longer is cut off, with a line in DMS's log only.",
        },
      ];
    }
    case "changed":
      return [
        {
          ...{
            code: "source/type-changed",
            severity: "note",
            ...at,
            found: `${typeOf(column)} arrives as ${verdict.into}`,
          },
          allowed: "a type that parquet has too",
          remedy: "Read it so in the lakehouse, or have the source keep it in another type.",
        },
      ];
    case "unreadable":
      return [
        {
          ...{ code: "source/type", severity: "error", ...at, found: typeOf(column) },
          allowed: "the types of DMS's guide",
          remedy: "DMS cannot read it: take the column out of the table, or the table out of the pipeline.",
        },
      ];
    case "unknown":
      return [
        {
          ...{
            code: "source/type",
            severity: "warning",
            ...at,
            found: `${typeOf(column)}, which DMS's guide does not list`,
          },
          allowed: "the types of DMS's guide",
          remedy:
            "Try it on a copy before you rely on it: DMS makes a text of what it does not know, or fails.",
        },
      ];
  }
}

function lobKey(at: { table: string; column: string }, column: ColumnFacts): Finding {
  return {
    ...{
      code: "source/lob-key",
      severity: "warning",
      ...at,
      found: `a key of ${typeOf(column)}, which is a large object to DMS`,
    },
    allowed: "a text with a length, a number, a time, a uuid",
    remedy: "DMS finds large objects by their row's key, so a key should be none: give the column a length.",
  };
}

function typeOf({ type, size }: ColumnFacts): string {
  return size === null ? type : `${type}(${size})`;
}
