import { withConnection, type Connection } from "../source/connection.js";
import type { Moment } from "../source/run-workload.js";
import type { Row, Table } from "../tables.js";
import {
  checkAsOf,
  checkCurrent,
  checkHistory,
  checkTarget,
  momentTimes,
  type LoadWindow,
  type NotebookSnapshot,
  type TableVerdict,
} from "./checks.js";
import { readAudit, readTables, type AuditEntry } from "./read-postgres.js";
import {
  readAsOf,
  readHistory,
  readRows,
  requireUtc,
  type HistoryRow,
  type LakehouseQuery,
  type LakehouseTarget,
} from "./read-lakehouse.js";
import { referenceHistory } from "./reference.js";

/** Where the proof reads: the source with its audit trail, the lakehouse, and the target database (if there is one). */
export interface ProofPlaces {
  readonly source: Connection;
  readonly query: LakehouseQuery;
  readonly lakehouse: LakehouseTarget;
  readonly target?: { readonly connection: Connection; readonly schema: string };
  readonly moments: readonly Moment[];
  readonly window: LoadWindow;
  /** Runs the snapshot notebook as of that time, to its end. Without it snapshots are taken by SQL alone. */
  readonly runSnapshotNotebook?: (asOf: string) => Promise<void>;
}

export interface Proof {
  /** Every check for every table, by table. */
  readonly verdicts: readonly TableVerdict[];
  /** The history tables as they were read, by table. */
  readonly histories: ReadonlyMap<string, readonly HistoryRow[]>;
}

/** Reads both ends and compares them; the source must be quiet meanwhile. */
export async function prove(tables: readonly Table[], places: ProofPlaces): Promise<Proof> {
  const { source, query, target } = places;
  await requireUtc(query);
  const [truth, pushed] = await Promise.all([
    readSource(source, tables),
    target === undefined
      ? undefined
      : withConnection(target.connection, (client) => readTables(client, tables, target.schema)),
  ]);
  const [found, notebooks] = await Promise.all([
    Promise.all(tables.map((table) => readLakehouse(table, places))),
    readNotebookSnapshots(tables, places),
  ]);
  const verdicts = tables.flatMap((table, index): TableVerdict[] => {
    const { history, current, snapshots } = found[index] as LakehouseRows;
    const now = truth.now.get(table.name) ?? [];
    const reference = referenceHistory(table, truth.audit.get(table.name) ?? []);
    return [
      checkHistory(table, reference, history, places.window),
      checkCurrent(table, now, current),
      checkAsOf(table, places.moments, snapshots, notebooks.get(table.name)),
      ...(pushed === undefined ? [] : [checkTarget(table, now, pushed.get(table.name) ?? [])]),
    ];
  });
  return {
    verdicts,
    histories: new Map(tables.map((table, index) => [table.name, found[index]?.history ?? []])),
  };
}

async function readSource(
  source: Connection,
  tables: readonly Table[],
): Promise<{ now: ReadonlyMap<string, readonly Row[]>; audit: ReadonlyMap<string, readonly AuditEntry[]> }> {
  return withConnection(source, async (client) => {
    const audit = new Map<string, readonly AuditEntry[]>();
    for (const table of tables) audit.set(table.name, await readAudit(client, table));
    return { now: await readTables(client, tables), audit };
  });
}

interface LakehouseRows {
  readonly history: readonly HistoryRow[];
  readonly current: readonly Row[];
  readonly snapshots: ReadonlyMap<string, readonly Row[]>;
}

async function readLakehouse(
  table: Table,
  { query, lakehouse, moments }: ProofPlaces,
): Promise<LakehouseRows> {
  const [history, current, snapshots] = await Promise.all([
    readHistory(query, lakehouse, table),
    readRows(query, lakehouse, table, `${table.name}_current`),
    readAsOf(query, lakehouse, table, moments.flatMap(momentTimes)),
  ]);
  return { history, current, snapshots };
}

/** Runs the snapshot notebook as of the first moment and reads what it left, by table. */
async function readNotebookSnapshots(
  tables: readonly Table[],
  { query, lakehouse, moments, runSnapshotNotebook }: ProofPlaces,
): Promise<ReadonlyMap<string, NotebookSnapshot>> {
  const [moment] = moments;
  if (moment === undefined || runSnapshotNotebook === undefined) return new Map();
  await runSnapshotNotebook(moment.at);
  return new Map(
    await Promise.all(
      tables.map(async (table) => {
        const rows = await readRows(query, lakehouse, table, `${table.name}__snapshot`);
        return [table.name, { moment, rows }] as const;
      }),
    ),
  );
}
