import type { HistoryRow } from "../../../demo/proof/read-lakehouse.js";
import type { AuditEntry } from "../../../demo/proof/read-postgres.js";
import { addMicroseconds } from "../../../demo/proof/canonical.js";
import type { Version } from "../../../demo/proof/reference.js";
import type { Moment } from "../../../demo/source/run-workload.js";
import { shopWorkload } from "../../../demo/source/scenarios.js";
import { initialRows, WorkloadBuilder, type Transaction } from "../../../demo/source/workload.js";
import { columnIndex, keyOf, shop, type Row, type Table } from "../../../demo/tables.js";

/** What a source would have recorded and held, had it run a workload: no database, times made up. */
export interface World {
  readonly audit: ReadonlyMap<string, readonly AuditEntry[]>;
  readonly moments: readonly Moment[];
  /** After each commit: its time, and the rows then. */
  readonly states: readonly { readonly time: string; readonly rows: ReadonlyMap<string, readonly Row[]> }[];
  readonly now: ReadonlyMap<string, readonly Row[]>;
  readonly loadedAt: string;
}

/** Runs the shop's workload of that seed in memory: the load commits first, each transaction 1 to 3 µs after the other. */
export function simulate(seed: string, scale = 0.03, randomTransactions = 9): World {
  const initial = initialRows(seed, shop, scale);
  const steps = shopWorkload(new WorkloadBuilder(seed, shop, initial), randomTransactions);
  const state = new Map(shop.map((table) => [table.name, new Map<string, Row>()]));
  const audit = new Map(shop.map((table) => [table.name, [] as AuditEntry[]]));
  const states: { time: string; rows: ReadonlyMap<string, readonly Row[]> }[] = [];
  const moments: Moment[] = [];
  let time = "2026-03-01 11:59:59.999990";
  let seq = 0n;
  const record = (table: Table, old: Row | undefined, next: Row | undefined): void => {
    const rows = state.get(table.name);
    if (old !== undefined) rows?.delete(keyOf(table, old));
    if (next !== undefined) rows?.set(keyOf(table, next), next);
    audit.get(table.name)?.push({ seq: ++seq, commitTime: time, old, new: next });
  };
  const held = (): ReadonlyMap<string, readonly Row[]> =>
    new Map([...state].map(([name, rows]) => [name, [...rows.values()]]));
  for (const table of shop) for (const row of initial.get(table.name) ?? []) record(table, undefined, row);
  const commit = ({ statements, outcome }: Transaction): void => {
    if (outcome === "rollback") return;
    time = addMicroseconds(time, 1 + (Number(seq) % 3));
    const open = moments.at(-1);
    if (open !== undefined && open.until === undefined)
      moments[moments.length - 1] = { ...open, until: time };
    for (const statement of statements) {
      const { table } = statement;
      if (statement.op === "insert") record(table, undefined, statement.row);
      else {
        const old = state.get(table.name)?.get(keyOf(table, statement.key));
        if (old === undefined) throw new Error(`no row ${keyOf(table, statement.key)}`);
        const next = [...old];
        if (statement.op === "update") {
          for (const [name, cell] of Object.entries(statement.changes)) next[columnIndex(table, name)] = cell;
        }
        record(table, old, statement.op === "update" ? next : undefined);
      }
    }
    states.push({ time, rows: held() });
  };
  const loadedAt = addMicroseconds(time, 5);
  time = loadedAt;
  for (const step of steps) {
    if (step.kind === "transaction") commit(step.transaction);
    else if (step.kind === "interleaved") [step.inner, step.outer].forEach(commit);
    else moments.push({ name: step.name, at: time, since: time, until: undefined, rows: held() });
  }
  return { audit, moments, states, now: held(), loadedAt };
}

/** Versions as a history table in the paper's columns shows them. */
export function historyRows(versions: readonly Version[]): HistoryRow[] {
  return versions.map(({ row, start, end }) => ({
    row,
    start,
    end,
    current: end === null ? "true" : "false",
  }));
}
