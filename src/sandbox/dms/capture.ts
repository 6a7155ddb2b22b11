import type pg from "pg";
import { Batch, rowsOf, signatureOf, type Captured, type TableBatch } from "./batch.js";
import type { Checkpoint, TableProgress } from "./checkpoint.js";
import { newProgress, tableKey } from "./checkpoint.js";
import type { Clock } from "./clock.js";
import { lookUp } from "./load.js";
import { ChangeSequence } from "./sequence.js";
import type { SourceTable } from "./source/catalog.js";
import { withDatabase } from "./source/database.js";
import type { SlotNames } from "./source/slot.js";
import { LogStream } from "./source/stream.js";
import type { TargetFiles } from "./target/files.js";
import { TableFailure, TableWriter, type FileShape, type Row } from "./target/rows.js";

/** More than this many characters waiting holds the source back until they are stored. */
const mostWaiting = 64_000_000;
/** Distance that keeps numbers of changes sent again from meeting any that were used. */
const freshNumbers = 1_000_000_000n;

export interface CaptureOptions {
  readonly connection: pg.ClientConfig;
  readonly names: SlotNames;
  readonly checkpoint: Checkpoint;
  readonly save: () => void;
  readonly shape: FileShape;
  readonly files: TargetFiles;
  readonly clock: Clock;
  /** Reads the selected tables anew. */
  readonly tables: () => Promise<SourceTable[]>;
  readonly truncateTarget: boolean;
  readonly keyChange: "update" | "deleteInsert";
  readonly resend: "unconfirmed" | "lastBatch";
  readonly resentChangeSeq: "same" | "fresh";
  readonly log: (message: string) => void;
}

/** Reads a slot and stores batches of changes until stopped; a batch is confirmed only when its files are stored. */
export class Capture {
  private readonly stream: LogStream;
  private readonly sequence: ChangeSequence;
  private batch = new Batch();
  private storing: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;
  private catalog: ReadonlyMap<string, SourceTable> | undefined;
  private fail: (error: Error) => void = () => undefined;
  /** Nothing is to be stored after a failure: what follows a batch that was not stored must not be confirmed. */
  private failed = false;
  private ended = false;

  constructor(private readonly options: CaptureOptions) {
    const { checkpoint, connection, names, resentChangeSeq } = options;
    if (checkpoint.capture === undefined) throw new Error("there is no slot to read from");
    const { previous } = checkpoint.capture;
    const from = options.resend === "lastBatch" && previous !== undefined ? previous : checkpoint.capture;
    const { time, counter } = from.sequence;
    this.sequence = new ChangeSequence(
      resentChangeSeq === "fresh"
        ? { time, counter: String(BigInt(checkpoint.capture.sequence.counter) + freshNumbers) }
        : { time, counter },
    );
    this.stream = new LogStream(connection, names, BigInt(from.lsn), {
      transaction: (transaction) => {
        if (this.failed || this.ended) return;
        const largest = this.batch.add(transaction, this.sequence);
        const { cdcMinFileSize } = options.files.settings;
        if (largest >= cdcMinFileSize * 1024) this.store();
        else this.schedule();
        if (this.batch.characters > mostWaiting) this.stream.pause();
      },
      quiet: (position) => {
        // Lets the source forget its log while the captured tables rest.
        const idle = this.batch.last === undefined && this.storing === undefined;
        // While stopping or failed, transactions may have been passed over: nothing beyond them is confirmed.
        if (idle && !this.ended && !this.failed && options.resend === "unconfirmed")
          this.stream.confirm(position);
      },
    });
  }

  /** Resolves when stopped by `stop`; rejects with the first failure of the source or the target. */
  async run(): Promise<void> {
    const failure = new Promise<never>((_resolve, reject) => (this.fail = reject));
    try {
      await Promise.race([this.stream.run(), failure]);
    } finally {
      this.failed ||= !this.ended;
      clearTimeout(this.timer);
      await this.storing;
      await this.stream.close();
    }
  }

  /** Stores what is waiting, then ends `run`. With `discard` what is waiting is left to be sent again. */
  async stop({ discard = false } = {}): Promise<void> {
    this.ended = true;
    clearTimeout(this.timer);
    await this.storing;
    if (!discard && !this.failed) {
      this.store();
      await this.storing;
    }
    await this.stream.close();
  }

  private schedule(): void {
    if (this.timer !== undefined || this.storing !== undefined) return;
    const { clock, files } = this.options;
    this.timer = setTimeout(() => this.store(), clock.millis(files.settings.cdcMaxBatchInterval));
  }

  private store(): void {
    if (this.storing !== undefined || this.failed) return;
    clearTimeout(this.timer);
    this.timer = undefined;
    const batch = this.batch;
    if (batch.last === undefined) return;
    this.batch = new Batch();
    this.storing = this.storeBatch(batch, batch.last)
      .catch((error: unknown) => {
        this.failed = true;
        this.fail(error as Error);
      })
      .finally(() => {
        this.storing = undefined;
        if (this.failed) return;
        this.stream.resume();
        if (this.batch.last !== undefined && !this.ended) this.schedule();
      });
  }

  private async storeBatch(batch: Batch, last: NonNullable<Batch["last"]>): Promise<void> {
    const { checkpoint, save, resend } = this.options;
    for (const table of batch.tables.values()) await this.storeTable(table);
    const reached = { lsn: String(last.end), sequence: last.sequence };
    const before = checkpoint.capture;
    checkpoint.capture =
      resend === "lastBatch" && before !== undefined
        ? { ...reached, previous: { lsn: before.lsn, sequence: before.sequence } }
        : reached;
    save();
    this.stream.confirm(BigInt(checkpoint.capture.previous?.lsn ?? reached.lsn));
  }

  private async storeTable({ schema, table, parts }: TableBatch): Promise<void> {
    const { checkpoint, files, truncateTarget, log } = this.options;
    const key = tableKey(schema, table);
    const progress = (checkpoint.tables[key] ??= newProgress(schema, table));
    if (progress.state === "Table error") return;
    try {
      for (const part of parts) {
        if (part.kind === "truncate") {
          progress.ddls++;
          if (truncateTarget) {
            const { plan } = await this.writer(key, undefined);
            await files.deleteAll(files.folder(plan.schema, plan.table));
          }
        } else await this.storeChanges(key, progress, part);
      }
      progress.lastUpdate = Date.now();
    } catch (error) {
      if (!(error instanceof TableFailure)) throw error;
      progress.state = "Table error";
      progress.error = error.message;
      log(`table suspended: ${error.message}`);
    }
  }

  private async storeChanges(
    key: string,
    progress: TableProgress,
    { relation, changes }: Extract<TableBatch["parts"][number], { kind: "changes" }>,
  ): Promise<void> {
    const { files, keyChange } = this.options;
    const signature = signatureOf(relation);
    if (progress.signature !== undefined && progress.signature !== signature) {
      progress.ddls++;
      this.catalog = undefined;
    }
    progress.signature = signature;
    const writer = await this.writer(
      key,
      relation.columns.map(({ name, typeOid, typeMod }) => ({ name, typeOid, typmod: typeMod })),
    );
    const table = await this.table(key);
    const rows: Row[] = [];
    for (const captured of await this.complete(table, writer, changes)) {
      rows.push(...rowsOf(captured, table.keys, keyChange).filter(({ op }) => this.wanted(op)));
    }
    if (rows.length > 0) {
      const file = writer.file(rows, "changes");
      await files.putChanges(files.folder(writer.plan.schema, writer.plan.table), file);
    }
    for (const { change } of changes) {
      if (change.op === "I") progress.inserts++;
      else if (change.op === "U") progress.updates++;
      else progress.deletes++;
    }
  }

  private wanted(op: Row["op"]): boolean {
    const { cdcInsertsOnly, cdcInsertsAndUpdates } = this.options.files.settings;
    return op === "I" || (op === "U" ? !cdcInsertsOnly : !cdcInsertsOnly && !cdcInsertsAndUpdates);
  }

  /**
   * Fills in TOAST values the log does not repeat. With REPLICA IDENTITY FULL they come from the old row (done by
   * the decoder); else the source is asked for the row's present value, as DMS does for LOBs (assumed). Where that row
   * is gone the table is suspended rather than a NULL written that never was.
   */
  private async complete(table: SourceTable, writer: TableWriter, changes: Captured[]): Promise<Captured[]> {
    const missing = (captured: Captured): string[] =>
      captured.change.op === "D"
        ? []
        : writer.needed.filter(
            (name) => captured.change.op !== "D" && captured.change.after[name] === undefined,
          );
    if (!changes.some((captured) => missing(captured).length > 0)) return changes;
    return await withDatabase(this.options.connection, async (client) => {
      const completed: Captured[] = [];
      for (const captured of changes) {
        const { change } = captured;
        const columns = missing(captured);
        if (columns.length === 0 || change.op === "D") {
          completed.push(captured);
          continue;
        }
        const found = table.keys.length > 0 ? await lookUp(client, table, change.after, columns) : undefined;
        if (found === undefined) {
          throw new TableFailure(
            `${table.schema}.${table.name}: the log does not repeat the unchanged value of ${columns.join(", ")} and ` +
              "the row is gone; give the table REPLICA IDENTITY FULL and reload it",
          );
        }
        completed.push({ ...captured, change: { ...change, after: { ...change.after, ...found } } });
      }
      return completed;
    });
  }

  private async writer(key: string, columns: SourceTable["columns"] | undefined): Promise<TableWriter> {
    const table = await this.table(key);
    return new TableWriter({ ...table, columns: columns ?? table.columns }, this.options.shape);
  }

  private async table(key: string): Promise<SourceTable> {
    this.catalog ??= new Map(
      (await this.options.tables()).map((table) => [tableKey(table.schema, table.name), table]),
    );
    const table = this.catalog.get(key);
    if (table !== undefined) return table;
    const [schema = "", name = ""] = JSON.parse(key) as string[];
    // Dropped or renamed since: its last changes are stored with what the log says of its columns.
    return { schema, name, columns: [], keys: [], identified: true };
  }
}
