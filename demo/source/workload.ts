import { columnIndex, keyOf, type Cell, type Row, type Table } from "../tables.js";
import { Random } from "./random.js";
import { demoSizes, keyFor, randomCell, randomRow, randomValue } from "./values.js";

/** One statement of a transaction. `row` is whole, `changes` names the columns set, `key` is the row's present key. */
export type Statement =
  | { readonly op: "insert"; readonly table: Table; readonly row: Row }
  | {
      readonly op: "update";
      readonly table: Table;
      readonly key: Row;
      readonly changes: Readonly<Record<string, Cell>>;
    }
  | { readonly op: "delete"; readonly table: Table; readonly key: Row };

export interface Transaction {
  /** What this transaction shows, in a few words; for the log and for reading a failure. */
  readonly about: string;
  readonly statements: readonly Statement[];
  readonly outcome: "commit" | "rollback";
}

/** A step of the workload: one transaction, two whose statements interleave (the second commits first), or a moment. */
export type Step =
  | { readonly kind: "transaction"; readonly transaction: Transaction }
  | { readonly kind: "interleaved"; readonly outer: Transaction; readonly inner: Transaction }
  | { readonly kind: "moment"; readonly name: string };

/** Rows of every table by key (keyOf), as the source holds them. */
export type State = ReadonlyMap<string, ReadonlyMap<string, Row>>;

/** The rows of the first load, the same for the same seed. `scale` multiplies the demo's size. */
export function initialRows(
  seed: string,
  tables: readonly Table[],
  scale = 1,
): ReadonlyMap<string, readonly Row[]> {
  const rows = new Map<string, readonly Row[]>();
  for (const table of tables) {
    const random = new Random(`${seed}/load/${table.name}`);
    const count = Math.max(20, Math.round((demoSizes[table.name] ?? 100) * scale));
    rows.set(
      table.name,
      Array.from({ length: count }, (_, index) => randomRow(random, table, keyFor(table, index + 1))),
    );
  }
  return rows;
}

/**
 * Builds transactions against a model of the source, so that every statement is valid when it runs: updates and deletes
 * hit rows that exist, inserts take keys that are free. Nothing here touches a database.
 */
export class WorkloadBuilder {
  readonly steps: Step[] = [];
  readonly random: Random;
  private readonly state: Map<string, Map<string, Row>>;
  private nextSerial = 1000;
  private readonly nextNumber = new Map<string, number>();
  /** Keys a transaction still open has touched: another one would wait for it for ever. */
  private readonly locked = new Set<string>();

  constructor(
    seed: string,
    readonly tables: readonly Table[],
    initial: ReadonlyMap<string, readonly Row[]>,
  ) {
    this.random = new Random(`${seed}/workload`);
    this.state = new Map(
      tables.map((table) => {
        const rows = initial.get(table.name) ?? [];
        this.nextNumber.set(table.name, rows.length + 1);
        return [table.name, new Map(rows.map((row) => [keyOf(table, row), row]))];
      }),
    );
  }

  /** What the source holds once the steps so far have run. */
  finalState(): State {
    return this.state;
  }

  moment(name: string): void {
    this.steps.push({ kind: "moment", name });
  }

  transaction(about: string, write: (tx: TransactionBuilder) => void): void {
    this.steps.push({ kind: "transaction", transaction: this.build(about, write, "commit") });
  }

  /** A transaction that is rolled back: nobody may ever see its rows. */
  rollback(about: string, write: (tx: TransactionBuilder) => void): void {
    const before = new Map([...this.state].map(([name, rows]) => [name, new Map(rows)]));
    this.steps.push({ kind: "transaction", transaction: this.build(about, write, "rollback") });
    for (const [name, rows] of before) this.state.set(name, rows);
  }

  /** Two transactions open at once: outer begins and writes, inner runs whole, outer commits. They share no row. */
  interleaved(
    about: string,
    outer: (tx: TransactionBuilder) => void,
    inner: (tx: TransactionBuilder) => void,
  ): void {
    const first = this.build(`${about} (commits last)`, outer, "commit", true);
    const second = this.build(`${about} (commits first)`, inner, "commit");
    this.locked.clear();
    this.steps.push({ kind: "interleaved", outer: first, inner: second });
  }

  /** A row that exists and no open transaction holds. */
  anyRow(table: Table): Row {
    const rows = [...this.rowsOf(table)].filter(([key]) => !this.locked.has(`${table.name}${key}`));
    return this.random.pick(rows)[1];
  }

  /** A whole row under a key never used before. */
  freshRow(table: Table): Row {
    const number = this.nextNumber.get(table.name) ?? 1;
    this.nextNumber.set(table.name, number + 1);
    return randomRow(this.random, table, keyFor(table, number));
  }

  /** A number no call gave before, from 1000: above every line number of the first load. */
  serial(): number {
    return this.nextSerial++;
  }

  /** The present row with that key; throws if there is none. */
  row(table: Table, key: Row): Row {
    const row = this.rowsOf(table).get(keyOf(table, key));
    if (row === undefined) throw new Error(`no row ${keyOf(table, key)} in ${table.name}`);
    return row;
  }

  rowsOf(table: Table): Map<string, Row> {
    const rows = this.state.get(table.name);
    if (rows === undefined) throw new Error(`the workload has no table ${table.name}`);
    return rows;
  }

  private build(
    about: string,
    write: (tx: TransactionBuilder) => void,
    outcome: Transaction["outcome"],
    keepLocked = false,
  ): Transaction {
    const statements: Statement[] = [];
    const touched = (table: Table, row: Row): void => {
      const name = `${table.name}${keyOf(table, row)}`;
      if (this.locked.has(name)) throw new Error(`${name} is held by the transaction still open`);
      held.add(name);
    };
    const held = new Set<string>();
    write(new TransactionBuilder(this, statements, touched));
    if (keepLocked) for (const name of held) this.locked.add(name);
    return { about, statements, outcome };
  }
}

/** Statements of one transaction; each changes the model at once, so that the next sees it. */
export class TransactionBuilder {
  constructor(
    private readonly workload: WorkloadBuilder,
    private readonly statements: Statement[],
    private readonly touched: (table: Table, row: Row) => void,
  ) {}

  insert(table: Table, row: Row): Row {
    const rows = this.workload.rowsOf(table);
    if (rows.has(keyOf(table, row))) throw new Error(`${keyOf(table, row)} is taken in ${table.name}`);
    this.touched(table, row);
    rows.set(keyOf(table, row), row);
    this.statements.push({ op: "insert", table, row });
    return row;
  }

  /** Sets the columns named, key columns too, and returns the row as it is then. */
  update(table: Table, row: Row, changes: Readonly<Record<string, Cell>>): Row {
    const rows = this.workload.rowsOf(table);
    const present = this.workload.row(table, row);
    const next = [...present];
    for (const [name, value] of Object.entries(changes)) next[columnIndex(table, name)] = value;
    if (keyOf(table, next) !== keyOf(table, present) && rows.has(keyOf(table, next))) {
      throw new Error(`${keyOf(table, next)} is taken in ${table.name}`);
    }
    this.touched(table, present);
    this.touched(table, next);
    rows.delete(keyOf(table, present));
    rows.set(keyOf(table, next), next);
    this.statements.push({ op: "update", table, key: present, changes });
    return next;
  }

  delete(table: Table, row: Row): void {
    const present = this.workload.row(table, row);
    this.touched(table, present);
    this.workload.rowsOf(table).delete(keyOf(table, present));
    this.statements.push({ op: "delete", table, key: present });
  }

  /** Sets `count` columns outside the key to random values. */
  shuffle(table: Table, row: Row, count = 1): Row {
    const { random } = this.workload;
    const columns = table.columns.filter((column) => !table.keys.includes(column.name));
    const changes: Record<string, Cell> = {};
    for (let index = 0; index < count; index++) {
      const column = random.pick(columns);
      changes[column.name] = randomCell(random, table, column);
    }
    return this.update(table, row, changes);
  }

  /** A value for the column unlike the row's present one, never NULL. */
  otherValue(table: Table, row: Row, name: string): string {
    const index = columnIndex(table, name);
    const column = table.columns[index];
    if (column === undefined) throw new Error(`${table.name} has no column ${name}`);
    for (let attempt = 0; attempt < 100; attempt++) {
      const value = randomValue(this.workload.random, table, column);
      if (value !== row[index]) return value;
    }
    throw new Error(`no second value for ${table.name}.${name}`);
  }
}
