import { cellOf, shopTable, type Cell, type Row, type Table } from "../tables.js";
import type { Step, WorkloadBuilder } from "./workload.js";

/** A nullable and a required column of each table, on which the scenarios play. */
const stages: Readonly<
  Record<string, { readonly nullable: string; readonly plain: string; readonly text: string }>
> = {
  customers: { nullable: "credit_limit", plain: "active", text: "note" },
  products: { nullable: "margin", plain: "price", text: "description" },
  orders: { nullable: "shipped_at", plain: "total", text: "remark" },
  order_lines: { nullable: "discount", plain: "quantity", text: "gift_message" },
};

/** The customer whose life the report shows. */
export const storyCustomer = "7";

/**
 * The demo's change workload: every kind of change the history must get right, over all tables, mixed with random
 * transactions; a quiet moment between the thirds. The last transaction makes a version in every table, so that whoever sees
 * its commit time in a table's history knows that all changes have arrived. The steps follow from the builder's seed alone.
 */
export function shopWorkload(workload: WorkloadBuilder, randomTransactions = 60): readonly Step[] {
  const story = storyChapters(workload);
  const thirds = [
    { scenario: updates, then: "after the updates" },
    { scenario: keysAndDeletes, then: "after the changed keys and deletes" },
    { scenario: insertsAndOrder, then: undefined },
  ];
  for (const [third, { scenario, then }] of thirds.entries()) {
    for (const table of workload.tables) scenario(workload, table);
    story[third * 2]?.();
    for (let count = 0; count < randomTransactions / thirds.length; count++) randomTransaction(workload);
    story[third * 2 + 1]?.();
    if (then !== undefined) workload.moment(then);
  }
  workload.transaction("the closing transaction: one row of every table", (tx) => {
    for (const table of workload.tables) {
      const row = workload.anyRow(table);
      tx.update(table, row, { [stageOf(table).plain]: tx.otherValue(table, row, stageOf(table).plain) });
    }
  });
  return workload.steps;
}

function updates(workload: WorkloadBuilder, table: Table): void {
  const stage = stageOf(table);
  const on = (what: string): string => `${table.name}: ${what}`;

  workload.transaction(on("one row updated three times in one transaction"), (tx) => {
    let row = workload.anyRow(table);
    for (let count = 0; count < 3; count++) {
      row = tx.update(table, row, { [stage.plain]: tx.otherValue(table, row, stage.plain) });
    }
  });

  let row = workload.anyRow(table);
  for (let count = 0; count < 3; count++) {
    workload.transaction(on("the same row in transaction after transaction"), (tx) => {
      row = tx.update(table, row, { [stage.plain]: tx.otherValue(table, row, stage.plain) });
    });
  }

  row = workload.anyRow(table);
  workload.transaction(on("a value"), (tx) => {
    row = tx.update(table, row, { [stage.nullable]: tx.otherValue(table, row, stage.nullable) });
  });
  workload.transaction(on("to NULL"), (tx) => {
    row = tx.update(table, row, { [stage.nullable]: null, [stage.text]: null });
  });
  workload.transaction(on("from NULL to the empty text"), (tx) => {
    row = tx.update(table, row, { [stage.text]: "" });
  });
  workload.transaction(on("from NULL to a value"), (tx) => {
    row = tx.update(table, row, { [stage.nullable]: tx.otherValue(table, row, stage.nullable) });
  });

  workload.transaction(on("an update that changes nothing"), (tx) => {
    const same = workload.anyRow(table);
    tx.update(table, same, { [stage.plain]: cellOf(table, same, stage.plain) });
  });

  workload.transaction(on("an update and its revert in one transaction"), (tx) => {
    const before = workload.anyRow(table);
    const value = cellOf(table, before, stage.plain);
    const changed = tx.update(table, before, { [stage.plain]: tx.otherValue(table, before, stage.plain) });
    tx.update(table, changed, { [stage.plain]: value });
  });

  workload.transaction(on("a bulk update of thirty rows"), (tx) => {
    for (const each of [...workload.rowsOf(table).values()].slice(10, 40)) tx.shuffle(table, each);
  });
}

function keysAndDeletes(workload: WorkloadBuilder, table: Table): void {
  const on = (what: string): string => `${table.name}: ${what}`;
  const key = table.keys.at(-1) as string;
  const freeKey = (): string => freeKeyFor(workload, table);

  workload.transaction(on("a changed key"), (tx) => {
    tx.update(table, workload.anyRow(table), { [key]: freeKey() });
  });
  workload.transaction(on("a changed key and a changed value in one statement"), (tx) => {
    const row = workload.anyRow(table);
    tx.update(table, row, {
      [key]: freeKey(),
      [stageOf(table).plain]: tx.otherValue(table, row, stageOf(table).plain),
    });
  });
  workload.transaction(on("a key changed twice in one transaction"), (tx) => {
    const row = tx.update(table, workload.anyRow(table), { [key]: freeKey() });
    tx.update(table, row, { [key]: freeKey() });
  });
  workload.transaction(on("a key changed there and back"), (tx) => {
    const row = workload.anyRow(table);
    tx.update(table, tx.update(table, row, { [key]: freeKey() }), { [key]: cellOf(table, row, key) });
  });
  workload.transaction(on("a row's key taken over by a new row"), (tx) => {
    const row = workload.anyRow(table);
    tx.update(table, row, { [key]: freeKey() });
    tx.insert(table, withKeyOf(table, row, workload.freshRow(table)));
  });

  const later = workload.anyRow(table);
  workload.transaction(on("a delete"), (tx) => tx.delete(table, later));
  workload.transaction(on("the deleted row inserted again, as it was"), (tx) => tx.insert(table, later));
  workload.transaction(on("deleted once more"), (tx) => tx.delete(table, later));
  workload.transaction(on("inserted again with other values"), (tx) => {
    tx.insert(table, withKeyOf(table, later, workload.freshRow(table)));
  });
  workload.transaction(on("delete and insert again in one transaction"), (tx) => {
    const row = workload.anyRow(table);
    tx.delete(table, row);
    tx.insert(table, withKeyOf(table, row, workload.freshRow(table)));
  });
  workload.transaction(on("delete and insert again, unchanged, in one transaction"), (tx) => {
    const row = workload.anyRow(table);
    tx.delete(table, row);
    tx.insert(table, row);
  });
  workload.transaction(on("an update, then a delete"), (tx) => {
    tx.delete(table, tx.shuffle(table, workload.anyRow(table), 2));
  });
  workload.transaction(on("ten deletes"), (tx) => {
    for (let count = 0; count < 10; count++) tx.delete(table, workload.anyRow(table));
  });
}

function insertsAndOrder(workload: WorkloadBuilder, table: Table): void {
  const on = (what: string): string => `${table.name}: ${what}`;

  workload.transaction(on("inserts"), (tx) => {
    for (let count = 0; count < 5; count++) tx.insert(table, workload.freshRow(table));
  });
  workload.transaction(on("an insert and two updates of it in one transaction"), (tx) => {
    tx.shuffle(table, tx.shuffle(table, tx.insert(table, workload.freshRow(table))));
  });
  workload.transaction(on("an insert deleted in its own transaction"), (tx) => {
    tx.delete(table, tx.insert(table, workload.freshRow(table)));
  });
  const brief = workload.freshRow(table);
  workload.transaction(on("a short-lived row begins"), (tx) => tx.insert(table, brief));
  workload.transaction(on("a short-lived row ends"), (tx) => tx.delete(table, brief));
  workload.rollback(on("a transaction rolled back"), (tx) => {
    tx.shuffle(table, tx.insert(table, workload.freshRow(table)));
    tx.delete(table, workload.anyRow(table));
  });
  workload.interleaved(
    on("two transactions at once"),
    (tx) => {
      tx.shuffle(table, workload.anyRow(table));
      tx.insert(table, workload.freshRow(table));
    },
    (tx) => {
      tx.shuffle(table, workload.anyRow(table), 2);
      tx.delete(table, workload.anyRow(table));
    },
  );
}

function randomTransaction(workload: WorkloadBuilder): void {
  const { random } = workload;
  workload.transaction("random changes to any table", (tx) => {
    for (let count = random.int(1, 6); count > 0; count--) {
      const table = random.pick(workload.tables);
      const dice = random.int(1, 10);
      if (dice <= 2) tx.insert(table, workload.freshRow(table));
      else if (dice <= 3) tx.delete(table, workload.anyRow(table));
      else tx.shuffle(table, workload.anyRow(table), random.int(1, 3));
    }
  });
}

/** One customer's life in six chapters: moves, loses a limit, leaves, comes back. None if the table is not carried. */
function storyChapters(workload: WorkloadBuilder): readonly (() => void)[] {
  if (!workload.tables.some((table) => table.name === "customers")) return [];
  const customers = shopTable("customers");
  const find = (): Row | undefined => workload.rowsOf(customers).get(JSON.stringify([storyCustomer]));
  let lastSeen = find();
  const change = (about: string, changes: Readonly<Record<string, Cell>>) => (): void => {
    // The chapter before, or a random transaction, may have deleted the customer: then a new life begins as the old ended.
    const row = find();
    const blank = withCell(customers, lastSeen ?? workload.freshRow(customers), "id", storyCustomer);
    workload.transaction(`customer ${storyCustomer}: ${about}`, (tx) => {
      lastSeen = tx.update(customers, row ?? tx.insert(customers, blank), changes);
    });
  };
  const marries = change("marries and takes a name", {
    name: "Ada Lovelace-O'Neil",
    email: "ada@example.com",
    note: 'moved to "Ockham Park" 🏡\nsecond floor',
  });
  const limit = change("gets a credit limit", { credit_limit: "12500.50" });
  const losesLimit = change("loses it again", { credit_limit: null, active: "false" });
  const leaves = (): void => {
    const row = find();
    if (row !== undefined)
      workload.transaction(`customer ${storyCustomer}: leaves`, (tx) => tx.delete(customers, row));
  };
  const returns = change("comes back", { active: "true", note: "welcome back", email: "ada@example.org" });
  const seen = change("is seen", { last_seen_at: "2026-02-28 23:59:59.999999", credit_limit: "0.01" });
  return [marries, limit, losesLimit, leaves, returns, seen];
}

function stageOf(table: Table): { nullable: string; plain: string; text: string } {
  const stage = stages[table.name];
  if (stage === undefined) throw new Error(`no scenario knows the table ${table.name}`);
  return stage;
}

/** A value of the last key column that no row of the table has, and none had. */
function freeKeyFor(workload: WorkloadBuilder, table: Table): string {
  // Line numbers repeat from order to order, so a fresh row's would not do for another order.
  if (table.keys.length > 1) return String(workload.serial());
  return cellOf(table, workload.freshRow(table), table.keys[0] as string) as string;
}

function withKeyOf(table: Table, row: Row, values: Row): Row {
  return table.keys.reduce((result, name) => withCell(table, result, name, cellOf(table, row, name)), values);
}

function withCell(table: Table, row: Row, name: string, value: Cell): Row {
  return row.map((cell, index) => (table.columns[index]?.name === name ? value : cell));
}
