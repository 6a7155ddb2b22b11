import type { TableLayout } from "./layout.js";
import type { HistoryColumns, Pipeline, TableRule } from "./pipeline.js";
import { FILE_COLUMNS } from "./table-mappings.js";

/** Databases the export can write. */
export type ExportKind = "postgresql" | "mysql" | "mariadb" | "sqlserver";

/** Where the current rows are pushed to, as the export notebook reads it. Credentials are in a secret scope. */
export interface ExportConfig {
  readonly kind: ExportKind;
  /** `upsert`: what differs is written; `replace`: a new table takes the old one's place; `changes`: only what changed. */
  readonly mode: "upsert" | "replace" | "changes";
  /** What becomes of rows in the target that are gone at the source. */
  readonly deletes: "delete" | "keep";
  readonly host: string;
  readonly port: number;
  readonly database: string;
  /** The database again, where the kind has no schemas. */
  readonly schema: string;
  readonly tls: "disable" | "require" | "verify-full";
  readonly secretScope: string;
  /** Key of the user's name in the scope. */
  readonly userKey: string;
  /** Key of the password in the scope. */
  readonly passwordKey: string;
  /** Connections that write at the same time; a table has one. */
  readonly numConnections: number;
}

/** pipeline.json: all that the notebooks know of their stack. A workspace file beside them. */
export interface PipelineConfig {
  readonly version: 1;
  readonly pipeline: string;
  readonly environment: string;
  readonly release: string;
  readonly target: { readonly catalog: string; readonly schema: string };
  readonly columns: typeof FILE_COLUMNS;
  readonly historyColumns: HistoryColumns;
  /** How much older than what is folded a change may be. */
  readonly latenessSeconds: number;
  readonly tables: readonly ({
    readonly source: { readonly schema: string; readonly table: string };
    readonly name: string;
    readonly keys: readonly string[];
    /** Path of the volume DMS writes to. */
    readonly incoming: string;
    /** Path of the volume finished files are moved to. */
    readonly processed: string;
  } & TableRule)[];
  readonly export: ExportConfig | null;
}

export interface PipelineConfigInputs {
  readonly pipeline: Pipeline;
  readonly environment: string;
  readonly release: string;
  readonly target: { readonly catalog: string; readonly schema: string };
  readonly tables: readonly TableLayout[];
  readonly export?: ExportConfig;
}

/** The contents of pipeline.json. Nothing in it depends on a resource, so its hash is known before an update. */
export function pipelineConfig(inputs: PipelineConfigInputs): PipelineConfig {
  return {
    version: 1,
    pipeline: inputs.pipeline.name,
    environment: inputs.environment,
    release: inputs.release,
    target: { catalog: inputs.target.catalog, schema: inputs.target.schema },
    columns: FILE_COLUMNS,
    historyColumns: inputs.pipeline.historyColumns,
    latenessSeconds: inputs.pipeline.latenessHorizonDays * 86_400,
    tables: inputs.tables.map(({ source, name, keys, rule, paths }) => ({
      source: { schema: source.schema, table: source.table },
      name,
      keys,
      incoming: paths.incoming,
      processed: paths.processed,
      ...rule,
    })),
    export: inputs.export ?? null,
  };
}
