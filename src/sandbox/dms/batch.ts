import { ChangeSequence, formatChangeNumber, type ChangeNumber, type SequenceState } from "./sequence.js";
import { formatLsn } from "./source/lsn.js";
import type { LoggedChange, LoggedTransaction, Relation } from "./source/stream.js";
import { tableKey } from "./checkpoint.js";
import type { Row } from "./target/rows.js";

/** A captured change with what was known when its transaction committed. */
export interface Captured {
  readonly change: Exclude<LoggedChange, { op: "truncate" }>;
  readonly number: ChangeNumber;
  readonly commitMicros: bigint;
  readonly end: bigint;
}

export interface TableBatch {
  readonly schema: string;
  readonly table: string;
  /** In order. A run of changes ends where the table's columns change; each becomes a file. */
  readonly parts: (
    | { readonly kind: "changes"; readonly relation: Relation; readonly changes: Captured[] }
    | { readonly kind: "truncate" }
  )[];
  characters: number;
}

/** Committed transactions that wait to be stored. */
export class Batch {
  readonly tables = new Map<string, TableBatch>();
  characters = 0;
  /** Position and numbering behind the last transaction taken in. */
  last: { end: bigint; sequence: SequenceState } | undefined;

  /** Takes a transaction in; returns the number of characters of its largest table so far. */
  add(transaction: LoggedTransaction, sequence: ChangeSequence): number {
    let largest = 0;
    for (const change of transaction.changes) {
      const table = this.table(change.relation);
      if (change.op === "truncate") {
        table.parts.push({ kind: "truncate" });
        continue;
      }
      const number = sequence.next(transaction.commitMicros, change.op === "U" ? 2 : 1);
      const captured = { change, number, commitMicros: transaction.commitMicros, end: transaction.end };
      const part = table.parts.at(-1);
      if (part?.kind === "changes" && signatureOf(part.relation) === signatureOf(change.relation)) {
        part.changes.push(captured);
      } else table.parts.push({ kind: "changes", relation: change.relation, changes: [captured] });
      const size = sizeOf(change);
      table.characters += size;
      this.characters += size;
      largest = Math.max(largest, table.characters);
    }
    this.last = { end: transaction.end, sequence: sequence.state() };
    return largest;
  }

  private table({ schema, name }: Relation): TableBatch {
    const key = tableKey(schema, name);
    const known = this.tables.get(key);
    if (known !== undefined) return known;
    const fresh: TableBatch = { schema, table: name, parts: [], characters: 0 };
    this.tables.set(key, fresh);
    return fresh;
  }
}

const signatures = new WeakMap<Relation, string>();

/** The columns of a relation as text: differs whenever its files would. */
export function signatureOf(relation: Relation): string {
  let signature = signatures.get(relation);
  if (signature === undefined) {
    signature = JSON.stringify(
      relation.columns.map(({ name, typeOid, typeMod }) => [name, typeOid, typeMod]),
    );
    signatures.set(relation, signature);
  }
  return signature;
}

function sizeOf(change: Captured["change"]): number {
  let size = 0;
  const tuple = change.op === "D" ? change.before : change.after;
  for (const name in tuple) size += (tuple[name]?.length ?? 0) + 1;
  return size;
}

/**
 * The rows a captured change becomes. A changed key is one U with the after image and the old key among the before
 * images, or D of the old and I of the new row, by option: assumed, since AWS does not say which for an S3 target.
 */
export function rowsOf(
  captured: Captured,
  keys: readonly string[],
  keyChange: "update" | "deleteInsert",
): Row[] {
  const { change, number, commitMicros, end } = captured;
  const common = { micros: commitMicros, position: formatLsn(end), changeSeq: formatChangeNumber(number) };
  if (change.op === "I") return [{ ...common, op: "I", image: change.after, before: undefined }];
  if (change.op === "D") return [{ ...common, op: "D", image: change.before, before: change.before }];
  const { after, before } = change;
  if (before === undefined) {
    // Without REPLICA IDENTITY FULL only an unchanged key is known of the old row.
    const key = Object.fromEntries(keys.map((name) => [name, after[name]]));
    return [{ ...common, op: "U", image: after, before: key }];
  }
  if (keyChange === "deleteInsert" && keys.some((name) => before[name] !== after[name])) {
    const changeSeq = formatChangeNumber({ ...number, counter: number.counter - 1n });
    return [
      { ...common, op: "D", image: before, before, changeSeq },
      { ...common, op: "I", image: after, before: undefined },
    ];
  }
  return [{ ...common, op: "U", image: after, before }];
}
