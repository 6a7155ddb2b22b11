import type { Pipeline } from "./pipeline.js";

/** Names of the columns DMS adds to every file; the notebooks read the same names from pipeline.json. */
export const FILE_COLUMNS = {
  /** I, U or D. DMS fixes this name. */
  op: "Op",
  /** S3 setting timestampColumnName: the source's commit time; of load rows, the task's start. */
  commitTime: "tx_commit_time",
  /** Orders changes of one commit; empty on load rows. */
  changeSeq: "change_seq",
  /** Prefix of the key columns' values before a change. */
  beforeImagePrefix: "BI_",
} as const;

/** What settings may override for one table. */
export interface TableOverrides {
  /** Bytes of a large object beyond this are cut off (DMS's limited LOB mode). */
  readonly lob?: { readonly maxSizeKb: number };
}

/** Overrides by source schema and table; every table named must exist in the pipeline (checked by settings). */
export type TableOverridesByName = Readonly<Record<string, Readonly<Record<string, TableOverrides>>>>;

/**
 * DMS's table mappings for a pipeline, as canonical JSON: the same pipeline gives the same text, so a second preview
 * shows no change. Rules, by the DMS guide (CHAP_Tasks.CustomizingTasks.TableMapping):
 * one selection per table, by its exact name; `add-column` with `$AR_H_CHANGE_SEQ` (35 digits) orders changes within
 * a commit; `add-before-image-columns` with `pk-only` carries the old key of an update that changes it (documented
 * for CDC in general; not verified on S3 by Headwater's authors, so the notebooks also work without); one
 * `table-settings` rule per table whose LOB size is overridden.
 */
export function tableMappings(pipeline: Pipeline, overrides: TableOverridesByName = {}): string {
  const everyTable = { "schema-name": "%", "table-name": "%" };
  const rules: object[] = [
    ...pipeline.tables.map(({ source }) => ({
      "rule-type": "selection",
      "object-locator": { "schema-name": literal(source.schema), "table-name": literal(source.table) },
      "rule-action": "include",
      filters: [],
    })),
    {
      "rule-type": "transformation",
      "rule-target": "column",
      "object-locator": everyTable,
      "rule-action": "add-column",
      value: FILE_COLUMNS.changeSeq,
      expression: "$AR_H_CHANGE_SEQ",
      "data-type": { type: "string", length: 35 },
    },
    {
      "rule-type": "transformation",
      "rule-target": "column",
      "object-locator": everyTable,
      "rule-action": "add-before-image-columns",
      "before-image-def": {
        "column-prefix": FILE_COLUMNS.beforeImagePrefix,
        "column-suffix": "",
        "column-filter": "pk-only",
      },
    },
    ...pipeline.tables.flatMap(({ source }) => {
      const lob = overrides[source.schema]?.[source.table]?.lob;
      if (lob === undefined) return [];
      return {
        "rule-type": "table-settings",
        "object-locator": { "schema-name": literal(source.schema), "table-name": literal(source.table) },
        "lob-settings": { mode: "limited", "bulk-max-size": String(lob.maxSizeKb) },
      };
    }),
  ];
  return JSON.stringify({ rules: rules.map(number) });
}

/** DMS wants every rule numbered and named, each differently. */
function number(rule: object, index: number): object {
  const { "rule-type": type, ...rest } = rule as { "rule-type": string };
  return { "rule-type": type, "rule-id": String(index + 1), "rule-name": String(index + 1), ...rest };
}

/** A bare `_` matches any one character; `[_]` is the underscore (DMS guide, wildcards in table mapping). */
function literal(name: string): string {
  return name.replaceAll("_", "[_]");
}
