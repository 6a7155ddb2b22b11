import type { SequenceState } from "./sequence.js";

/**
 * How far a replication has come: saved whenever files have been stored, before the source is told. Times are epoch
 * milliseconds, positions and microseconds are decimal text.
 */
export interface Checkpoint {
  /** When the task started, in microseconds: the timestamp of load rows, if the target asks for it. */
  taskStart?: string;
  capture?: Position & {
    /** Where a restart reads from again, when the last batch is to be sent twice. */
    previous?: Position;
  };
  tables: Record<string, TableProgress>;
}

export interface Position {
  /** Changes committed before this position are stored. */
  lsn: string;
  sequence: SequenceState;
}

/** States of a table. Source: TableStatistics.TableState in the API reference. */
export type TableState =
  | "Before load"
  | "Full load"
  | "Table completed"
  | "Table cancelled"
  | "Table error"
  | "Table is being reloaded";

export interface TableProgress {
  schema: string;
  table: string;
  state: TableState;
  /** All rows are stored. Meaningless for a table that is not loaded (type cdc). */
  loaded: boolean;
  reloaded: boolean;
  fullLoadRows: number;
  loadStart?: number;
  loadEnd?: number;
  inserts: number;
  updates: number;
  deletes: number;
  ddls: number;
  lastUpdate?: number;
  error?: string;
  /** Columns as last seen in the log, to tell a change of the table's structure. */
  signature?: string;
}

export function tableKey(schema: string, table: string): string {
  return JSON.stringify([schema, table]);
}

export function newProgress(schema: string, table: string): TableProgress {
  return {
    ...{ schema, table, state: "Before load", loaded: false, reloaded: false },
    ...{ fullLoadRows: 0, inserts: 0, updates: 0, deletes: 0, ddls: 0 },
  };
}
