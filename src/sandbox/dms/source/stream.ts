import type pg from "pg";
import { LogicalReplicationService, PgoutputPlugin, type Pgoutput } from "pg-logical-replication";
import { formatLsn, parseLsn } from "./lsn.js";
import type { SlotNames } from "./slot.js";

export type Relation = Pgoutput.MessageRelation;

/** Column values in PostgreSQL's text form; null is NULL, undefined is a TOAST value the log does not repeat. */
export type Tuple = Readonly<Record<string, string | null | undefined>>;

export type LoggedChange =
  | { readonly op: "I"; readonly relation: Relation; readonly after: Tuple }
  | {
      readonly op: "U";
      readonly relation: Relation;
      readonly after: Tuple;
      /** Old values: of all columns with REPLICA IDENTITY FULL, else of the key if that changed, else undefined. */
      readonly before: Tuple | undefined;
    }
  | { readonly op: "D"; readonly relation: Relation; readonly before: Tuple }
  | { readonly op: "truncate"; readonly relation: Relation };

/** A committed transaction. */
export interface LoggedTransaction {
  readonly xid: number;
  /** Position behind the commit: confirming it means never to be sent this transaction again. */
  readonly end: bigint;
  readonly commitMicros: bigint;
  readonly changes: readonly LoggedChange[];
}

export interface StreamHandlers {
  transaction(transaction: LoggedTransaction): void;
  /** The server is at this position and no transaction is half sent. */
  quiet(position: bigint): void;
}

/**
 * Reads a slot's transactions in commit order. Nothing is confirmed by itself: `confirm` says what is stored.
 * `acknowledge` of pg-logical-replication adds one to what it is given (so it is given one less): confirming one
 * too much would skip a transaction committed right behind.
 */
export class LogStream {
  private readonly service: LogicalReplicationService;
  private readonly plugin: PgoutputPlugin;
  private confirmed: bigint;
  private open: { xid: number; changes: LoggedChange[] } | undefined;
  private closing = false;

  /** `from`: changes committed at or behind this position are sent. */
  constructor(
    config: pg.ClientConfig,
    private readonly names: SlotNames,
    from: bigint,
    private readonly handlers: StreamHandlers,
  ) {
    this.confirmed = from;
    this.service = new LogicalReplicationService(config, { acknowledge: { auto: false, timeoutSeconds: 0 } });
    this.plugin = new PgoutputPlugin({ protoVersion: 1, publicationNames: [...names.publications] });
    this.service.on("data", (_lsn: string, message: Pgoutput.Message) => this.take(message));
    this.service.on("heartbeat", (lsn: string, _time: number, answer: boolean) => {
      if (this.open === undefined) this.handlers.quiet(parseLsn(lsn));
      // Without any answer the server would end the connection after wal_sender_timeout.
      if (answer) this.acknowledge();
    });
  }

  /** Resolves after `close`; rejects when the connection or the decoding fails. */
  async run(): Promise<void> {
    if (this.closing) return;
    const failed = new Promise<never>((_resolve, reject) => this.service.on("error", reject));
    try {
      const ended = this.service.subscribe(this.plugin, this.names.slot, formatLsn(this.confirmed));
      await Promise.race([ended, failed]);
    } catch (error) {
      if (!this.closing) throw error;
    }
    if (!this.closing) throw new Error("The source has ended the replication connection");
  }

  confirm(position: bigint): void {
    if (position > this.confirmed) this.confirmed = position;
    this.acknowledge();
  }

  /** Back-pressure: the library has none for handlers that answer at once, so its socket is held. */
  pause(): void {
    this.socket()?.pause();
  }

  resume(): void {
    this.socket()?.resume();
  }

  async close(): Promise<void> {
    this.closing = true;
    const socket = this.socket();
    socket?.resume();
    // A peer that does not answer the farewell must not hold up a stop.
    const timer = setTimeout(() => socket?.destroy(), 2_000);
    try {
      await this.service.stop();
    } finally {
      clearTimeout(timer);
    }
  }

  private acknowledge(): void {
    void this.service.acknowledge(formatLsn(this.confirmed - 1n));
  }

  private socket(): { pause(): void; resume(): void; destroy(): void } | undefined {
    return (this.service as unknown as { _connection: { stream: never } | null })._connection?.stream;
  }

  private take(message: Pgoutput.Message): void {
    switch (message.tag) {
      case "relation":
        // Text as it came: the driver's parsers would lose microseconds, digits and large integers.
        for (const column of message.columns) column.parser = (text: unknown) => text;
        return;
      case "begin":
        this.open = { xid: message.xid >>> 0, changes: [] };
        return;
      case "insert":
        this.open?.changes.push({ op: "I", relation: message.relation, after: message.new });
        return;
      case "update":
        this.open?.changes.push({
          op: "U",
          relation: message.relation,
          after: message.new,
          before: message.old ?? message.key ?? undefined,
        });
        return;
      case "delete":
        this.open?.changes.push({
          op: "D",
          relation: message.relation,
          before: message.old ?? message.key ?? {},
        });
        return;
      case "truncate":
        for (const relation of message.relations) this.open?.changes.push({ op: "truncate", relation });
        return;
      case "commit": {
        const { xid, changes } = this.open ?? { xid: 0, changes: [] };
        this.open = undefined;
        this.handlers.transaction({
          xid,
          changes,
          end: parseLsn(message.commitEndLsn ?? ""),
          commitMicros: message.commitTime as bigint,
        });
        return;
      }
      case "message":
      case "origin":
      case "type":
        return;
    }
  }
}
