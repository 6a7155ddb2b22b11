import { randomBytes } from "node:crypto";
import os from "node:os";
import { isRunning, self, type ProcessIdentity } from "../engine/processes.js";
import { HeadwaterError } from "../model/errors.js";
import type { ChangeSummary, GateFinding, NewEvent, Outcome } from "./events.js";
import { holderOf, TTL_MS } from "./lease.js";
import { whoami } from "./whoami.js";
import { StoreConflict, type Store } from "./store/store.js";

/** The first line of a record. */
export interface RecordHead {
  readonly kind: "promotion" | "destroy" | "reload";
  readonly id: string;
  /** ISO time. */
  readonly at: string;
  readonly by: string;
  /** On whose behalf, where that is not the user the process runs as: who asked for it in the console. */
  readonly startedBy?: string;
  readonly process: ProcessIdentity;
  readonly release?: string;
  readonly program: string;
  readonly pipeline: string;
  readonly through: readonly string[];
}

interface Line<Kind> {
  readonly kind: Kind;
  readonly at: string;
  readonly environment?: string;
}

/** A phase or check that began or ended. */
export interface ProgressLine extends Line<"phase" | "check"> {
  readonly name: string;
  readonly state: string;
  readonly elapsedMs?: number;
  readonly changes?: ChangeSummary;
  readonly message?: string;
  readonly error?: { readonly code: string; readonly message: string };
}

/** A gate's verdict on a preview. */
export interface GateLine extends Line<"gate"> {
  readonly rule: string;
  readonly verdict: "passed" | "refused" | "overridden";
  readonly findings: readonly GateFinding[];
  /** Why it was overridden. */
  readonly reason?: string;
}

/** What an environment was built with: the configuration as the engine was given it, encrypted values left out. */
export interface SettingsLine extends Line<"settings"> {
  readonly digest: string;
  readonly config: Readonly<Record<string, unknown>>;
}

/** Somebody agreed to exactly these changes. */
export interface ApprovalLine extends Line<"approval"> {
  readonly by: string;
  /** Of the planned changes: another plan has to be approved again. */
  readonly plan: string;
}

/** An interrupted promotion goes on, in another process. */
export interface ResumedLine extends Line<"resumed"> {
  readonly by: string;
  readonly process: ProcessIdentity;
}

export interface EndLine extends Line<"end"> {
  readonly outcome: Outcome;
  readonly elapsedMs: number;
}

/** A line of a record; the last one of a finished record is `end`. */
export type RecordLine = ProgressLine | GateLine | SettingsLine | ApprovalLine | ResumedLine | EndLine;

type Undated<L> = L extends RecordLine ? Omit<L, "at"> : never;

/** A record read back. Without `end` its process was killed, or is still at it. */
export interface PastOperation {
  readonly file: string;
  readonly head: RecordHead;
  readonly lines: readonly RecordLine[];
  readonly outcome: Outcome | "running" | "interrupted";
}

/**
 * What was done, one JSON object a line, written to the store as it happens: after a kill it tells how far things came.
 * The object is written whole each time, on condition that nobody else has; so two processes cannot go on with one record.
 */
export class OperationRecord {
  private writing: Promise<void> = Promise.resolve();

  private constructor(
    private readonly store: Store,
    readonly head: RecordHead,
    private text: string,
    private version: string | undefined,
  ) {}

  get id(): string {
    return this.head.id;
  }

  /** Where it lies, for people. */
  get file(): string {
    return this.store.locate(keyOf(this.id));
  }

  static async open(
    store: Store,
    head: Omit<RecordHead, "id" | "at" | "by" | "process">,
  ): Promise<OperationRecord> {
    const at = new Date().toISOString();
    // Sorts by time; the random end keeps two of the same millisecond apart.
    const id = `${at.replace(/[-:.]/g, "").replace("T", "-").replace("Z", "")}-${randomBytes(3).toString("hex")}`;
    const full: RecordHead = { ...head, id, at, by: whoami(), process: self() };
    const record = new OperationRecord(store, full, "", undefined);
    await record.append(full);
    return record;
  }

  /** Goes on with the record of an operation whose process is gone. */
  static async resume(store: Store, past: PastOperation): Promise<OperationRecord> {
    const stored = await store.get(keyOf(past.head.id));
    if (stored === undefined) throw new Error(`the record ${past.file} has gone`);
    // What a kill may have cut off is left out for good.
    const text = stored.bytes.toString();
    const whole = text.slice(0, text.lastIndexOf("\n") + 1);
    const record = new OperationRecord(store, past.head, whole, stored.version);
    await record.write({ kind: "resumed", by: whoami(), process: self() });
    return record;
  }

  /** Writes down what an event says about phases, checks, gates and the end; other events are display only. */
  note(event: NewEvent): Promise<void> {
    const common = event.environment === undefined ? {} : { environment: event.environment };
    if (event.type === "phase" && event.state !== "progress") {
      const { phase: name, state, elapsedMs, changes, error, message } = event;
      const failure = error === undefined ? undefined : { code: error.code, message: error.message };
      return this.write({
        kind: "phase",
        ...common,
        name,
        state,
        elapsedMs,
        changes,
        message,
        error: failure,
      });
    }
    if (event.type === "check" && event.state !== "progress") {
      const { check: name, state, elapsedMs, message } = event;
      return this.write({ kind: "check", ...common, name, state, elapsedMs, message });
    }
    if (event.type === "gate") {
      const { rule, verdict, findings, reason } = event;
      return this.write({ kind: "gate", ...common, rule, verdict, findings, reason });
    }
    if (event.type === "done") {
      return this.write({ kind: "end", outcome: event.outcome, elapsedMs: event.elapsedMs });
    }
    return this.writing;
  }

  write(line: Undated<RecordLine>): Promise<void> {
    return this.append({ at: new Date().toISOString(), ...line });
  }

  private append(line: object): Promise<void> {
    this.writing = this.writing.then(async () => {
      const text = `${this.text}${JSON.stringify(line)}\n`;
      const when = this.version === undefined ? "absent" : { version: this.version };
      try {
        this.version = await this.store.put(keyOf(this.id), text, when);
        this.text = text;
      } catch (error) {
        throw cannotWrite(this.file, error);
      }
    });
    // Whoever asked for the line is told; later lines are refused in the same way.
    this.writing.catch(() => undefined);
    return this.writing;
  }
}

/** Nothing goes on unrecorded. */
function cannotWrite(where: string, error: unknown): HeadwaterError {
  if (error instanceof StoreConflict) {
    return new HeadwaterError(
      "driver/record",
      "another process goes on with this operation",
      { where, remedy: "Follow its record; only one process may carry a promotion on." },
      { cause: error },
    );
  }
  return new HeadwaterError(
    "driver/record",
    "what is done cannot be recorded",
    {
      where,
      found: (error as Error).message,
      remedy: "Make room or give the right to write, then run again.",
    },
    { cause: error },
  );
}

/** Which records to read. */
export interface RecordFilter {
  /** At most so many, the newest. Default: all. */
  readonly limit?: number;
  /** Only those that went through this environment. */
  readonly environment?: string;
  readonly kind?: RecordHead["kind"];
}

/** Ids of a store's records, newest first. */
export async function recordIds(store: Store): Promise<string[]> {
  const keys = await store.list("records/");
  return keys.map((key) => key.slice("records/".length, -".jsonl".length)).reverse();
}

/** Records of a store, newest first. */
export async function readRecords(store: Store, filter: RecordFilter = {}): Promise<PastOperation[]> {
  const { limit = Infinity, environment, kind } = filter;
  const ids = await recordIds(store);
  const found: PastOperation[] = [];
  // A few at a time: on S3 each is a request.
  for (let start = 0; start < ids.length && found.length < limit; start += 16) {
    const some = await Promise.all(ids.slice(start, start + 16).map((id) => readKey(store, keyOf(id))));
    found.push(
      ...some.filter(
        ({ head }) =>
          (environment === undefined || head.through.includes(environment)) &&
          (kind === undefined || head.kind === kind),
      ),
    );
  }
  return found.slice(0, limit);
}

/** One record by its id. */
export async function readRecord(store: Store, id: string): Promise<PastOperation> {
  if (!/^[0-9a-f-]+$/.test(id) || (await store.get(keyOf(id))) === undefined) {
    throw new HeadwaterError("driver/no-record", "there is no such record", {
      where: store.locate("records"),
      field: "id",
      found: id,
      remedy: "`headwater history` lists what there is.",
    });
  }
  return readKey(store, keyOf(id));
}

async function readKey(store: Store, key: string): Promise<PastOperation> {
  const file = store.locate(key);
  const stored = await store.get(key);
  const lines = (stored?.bytes.toString() ?? "").split("\n");
  lines.pop(); // what follows the last newline: nothing, or a line that was cut off
  const [head, ...rest] = lines.map((line) => JSON.parse(line) as unknown);
  if (head === undefined) {
    throw new HeadwaterError("driver/record", "the record holds nothing", {
      where: file,
      remedy: "Delete the file.",
    });
  }
  const past = { file, head: head as RecordHead, lines: rest as RecordLine[] };
  const end = past.lines.findLast((line) => line.kind === "end");
  const resumed = past.lines.findLast((line) => line.kind === "resumed");
  // An end that is older than the last resumption is the end of an earlier attempt.
  if (end !== undefined && !(resumed !== undefined && past.lines.indexOf(resumed) > past.lines.indexOf(end)))
    return { ...past, outcome: end.outcome };
  return { ...past, outcome: (await isUnderWay(store, past)) ? "running" : "interrupted" };
}

/**
 * Whether the process of an operation without an end lives. One on another machine cannot be asked: it lives as long as it
 * renews a lease, and for a while after its last line, as between two environments it has none.
 */
async function isUnderWay(store: Store, { head, lines }: Omit<PastOperation, "outcome">): Promise<boolean> {
  const { by, process } = lines.findLast((line) => line.kind === "resumed") ?? head;
  if (by.endsWith(`@${os.hostname()}`)) return isRunning(process);
  if (Date.now() - Date.parse(lines.at(-1)?.at ?? head.at) < TTL_MS) return true;
  const holders = await Promise.all(head.through.map((name) => holderOf(store, `${head.pipeline}-${name}`)));
  return holders.some((holder) => holder?.doing.endsWith(` ${head.id}`));
}

function keyOf(id: string): string {
  return `records/${id}.jsonl`;
}
