import { randomBytes } from "node:crypto";
import { appendFile, mkdir, readdir, readFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { identify } from "../engine/processes.js";
import { HeadwaterError } from "../model/errors.js";
import type { ChangeSummary, NewEvent, Outcome } from "./events.js";

/** The first line of a record. */
export interface RecordHead {
  readonly kind: "promotion" | "destroy" | "reload";
  readonly id: string;
  /** ISO time. */
  readonly at: string;
  readonly by: string;
  readonly pid: number;
  readonly release?: string;
  readonly program: string;
  readonly pipeline: string;
  readonly through: readonly string[];
}

/** A line for each phase and check that began or ended; the last line of a finished record is `end`. */
export type RecordLine =
  | {
      readonly kind: "phase" | "check";
      readonly at: string;
      readonly environment?: string;
      readonly name: string;
      readonly state: string;
      readonly elapsedMs?: number;
      readonly changes?: ChangeSummary;
      readonly message?: string;
      readonly error?: { readonly code: string; readonly message: string };
    }
  | { readonly kind: "end"; readonly at: string; readonly outcome: Outcome; readonly elapsedMs: number };

/** A record read back. Without `end` its process was killed, or is still at it. */
export interface PastOperation {
  readonly file: string;
  readonly head: RecordHead;
  readonly lines: readonly RecordLine[];
  readonly outcome: Outcome | "running" | "interrupted";
}

/**
 * What was done, one JSON object a line, written as it happens: after a kill the file tells how far it came.
 * Lives in `<workFolder>/history/<id>.jsonl`.
 */
export class OperationRecord {
  private writing: Promise<void> = Promise.resolve();

  private constructor(
    readonly id: string,
    readonly file: string,
  ) {}

  static async open(
    workFolder: string,
    head: Omit<RecordHead, "id" | "at" | "by" | "pid">,
  ): Promise<OperationRecord> {
    const folder = path.join(workFolder, "history");
    await mkdir(folder, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
      throw cannotWrite(folder, error);
    });
    const at = new Date().toISOString();
    // Sorts by time; the random end keeps two of the same millisecond apart.
    const id = `${at.replace(/[-:.]/g, "").replace("T", "-").replace("Z", "")}-${randomBytes(3).toString("hex")}`;
    const record = new OperationRecord(id, path.join(folder, `${id}.jsonl`));
    const { username } = os.userInfo();
    await record.write({ ...head, id, at, by: `${username}@${os.hostname()}`, pid: process.pid });
    return record;
  }

  /** Writes down what an event says about phases, checks and the end; other events are display only. */
  note(event: NewEvent): Promise<void> {
    const at = new Date().toISOString();
    const common = { at, ...(event.environment === undefined ? {} : { environment: event.environment }) };
    if (event.type === "phase" && event.state !== "progress") {
      const { phase: name, state, elapsedMs, changes, error } = event;
      const failure = error === undefined ? undefined : { code: error.code, message: error.message };
      return this.write({ kind: "phase", ...common, name, state, elapsedMs, changes, error: failure });
    }
    if (event.type === "check" && event.state !== "progress") {
      const { check: name, state, elapsedMs, message } = event;
      return this.write({ kind: "check", ...common, name, state, elapsedMs, message });
    }
    if (event.type === "done") {
      return this.write({ kind: "end", at, outcome: event.outcome, elapsedMs: event.elapsedMs });
    }
    return this.writing;
  }

  private write(line: RecordHead | RecordLine): Promise<void> {
    this.writing = this.writing
      .then(() => appendFile(this.file, `${JSON.stringify(line)}\n`, { mode: 0o600 }))
      .catch((error: unknown) => {
        throw cannotWrite(this.file, error);
      });
    return this.writing;
  }
}

/** Nothing goes on unrecorded. */
function cannotWrite(where: string, error: unknown): HeadwaterError {
  if (error instanceof HeadwaterError) return error;
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

/** All records of a work folder, newest first. A last line that was cut off by a kill is left out. */
export async function readRecords(workFolder: string): Promise<PastOperation[]> {
  const folder = path.join(workFolder, "history");
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  const files = names
    .filter((name) => name.endsWith(".jsonl"))
    .sort()
    .reverse();
  return Promise.all(files.map((name) => readRecord(path.join(folder, name))));
}

async function readRecord(file: string): Promise<PastOperation> {
  const lines = (await readFile(file, "utf8")).split("\n");
  lines.pop(); // what follows the last newline: nothing, or a line that was cut off
  const [head, ...rest] = lines.map((line) => JSON.parse(line) as unknown);
  if (head === undefined) {
    throw new HeadwaterError("driver/record", "the record holds nothing", {
      where: file,
      remedy: "Delete the file.",
    });
  }
  const past = { file, head: head as RecordHead, lines: rest as RecordLine[] };
  const end = past.lines.find((line) => line.kind === "end");
  const running = past.head.by.endsWith(`@${os.hostname()}`) && identify(past.head.pid) !== undefined;
  return { ...past, outcome: end?.outcome ?? (running ? "running" : "interrupted") };
}
