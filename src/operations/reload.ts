import { DeleteObjectCommand, PutObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import { HeadwaterError } from "../model/errors.js";
import { RELOAD_MARKER } from "../model/layout.js";
import {
  describeLoad,
  latest,
  loadFailed,
  nameOf,
  type Replications,
  type SourceTable,
  type TableProgress,
} from "./dms.js";
import { s3Error, tableFolder, type S3Folder } from "./landing.js";
import { throwIfCancelled, waitFor, type WaitOptions } from "./wait.js";

/** What a reload works on. */
export interface ReloadTarget {
  readonly replications: Replications;
  readonly s3: S3Client;
  /** ARN of the replication's config. */
  readonly arn: string;
  /** The root of the landing zone. */
  readonly incoming: S3Folder;
  /** Every table the replication loads. */
  readonly tables: readonly SourceTable[];
  /**
   * Starts a run of the job that takes in what has landed, and returns its id. The marker is a new file, but nobody promises
   * that one with an underscore fires a file-arrival trigger, and jobs may have other triggers. Default: none is started.
   */
  readonly ingest?: () => Promise<number>;
}

/** The content of a table's {@link RELOAD_MARKER}, as JSON. Moments are ISO 8601 in UTC, to the millisecond. */
export interface ReloadMarker {
  readonly version: 1;
  /** `<schema>.<table>` of the source. */
  readonly table: string;
  /** Load rows with a later commit time come from this load, by DMS's clock. */
  readonly after: string;
  /** ... unless they are later than this: then they come from one that was begun since. A second after the load's end, as
   * DMS may tell whole seconds only. */
  readonly until: string;
  /** Rows of this load, as DMS counted them: the log holds all of it once it holds as many of its keys. */
  readonly rows: number;
  readonly markedAt: string;
}

export interface ReloadResult {
  /** See {@link ReloadMarker.after}. */
  readonly after: Date;
  /** What DMS counted, one entry a table. */
  readonly tables: readonly TableProgress[];
  /** The run that `ingest` started. */
  readonly runId?: number;
}

/**
 * Loads every table from the source again, and marks each whose load is complete: keys that such a load did not bring have
 * been deleted meanwhile, and the job closes them. Stops the replication (one that has failed is left as it is), starts it
 * with `reload-target` and waits; a table is marked as soon as it is loaded.
 *
 * Done again after a failure or a kill at any point, it starts over and is right: markers go first, so that none of an earlier
 * load can be taken for this one's. Until then the replication may stand still.
 *
 * @param options `timeoutMs` counts for stop, start and load each.
 * @throws HeadwaterError `operations/never-loaded` before anything is changed; `operations/load-failed` with every table DMS
 * gave up on, after the others are marked and `ingest` has run; as `Replications.stop` and `start`; `operations/s3`.
 */
export async function reload(target: ReloadTarget, options: WaitOptions): Promise<ReloadResult> {
  const { replications, s3, arn, incoming, tables, ingest } = target;
  throwIfCancelled("the reload", options.signal);
  await lastMoment(replications, arn);
  await Promise.all(tables.map((table) => unmark(s3, incoming, table)));
  await replications.stop(arn, options);
  const after = await lastMoment(replications, arn);
  await replications.start(arn, { ...options, type: "reload-target" });

  const marked = new Set<string>();
  const { loaded, failed } = await waitFor("the tables to be loaded again", options, async () => {
    const progress = await replications.load(arn, tables, after);
    for (const table of progress.loaded.filter((entry) => !marked.has(nameOf(entry)))) {
      await mark(s3, incoming, table, after);
      marked.add(nameOf(table));
    }
    return progress.waiting.length === 0
      ? { done: true, value: progress }
      : { done: false, seen: describeLoad(progress) };
  });
  const runId = loaded.length > 0 ? await ingest?.() : undefined;
  if (failed.length > 0) throw loadFailed(arn, failed);
  return { after, tables: loaded, ...(runId === undefined ? {} : { runId }) };
}

/**
 * The last moment DMS tells of a replication: it stopped, or something came of a table (DMS may tell no stop of one that
 * failed). Once it rests, no row of an earlier load is stamped later, and none of the next load earlier.
 */
async function lastMoment(replications: Replications, arn: string): Promise<Date> {
  const { stopped } = await replications.require(arn);
  const tables = await replications.tables(arn);
  const moment = latest(stopped, ...tables.map(({ updated }) => updated));
  if (moment !== undefined) return moment;
  throw new HeadwaterError("operations/never-loaded", "the replication has loaded nothing yet", {
    where: arn,
    found: "neither a stop nor a load",
    remedy: "Start it first (`headwater up` does): the first start loads every table.",
  });
}

async function mark(s3: S3Client, incoming: S3Folder, table: TableProgress, after: Date): Promise<void> {
  const marker: ReloadMarker = {
    version: 1,
    table: nameOf(table),
    after: after.toISOString(),
    until: new Date((table.loadEnded ?? new Date()).getTime() + 1000).toISOString(),
    rows: table.loadedRows,
    markedAt: new Date().toISOString(),
  };
  const { bucket: Bucket, key: Key } = markerOf(incoming, table);
  await s3
    .send(
      new PutObjectCommand({ Bucket, Key, Body: JSON.stringify(marker), ContentType: "application/json" }),
    )
    .catch((error: unknown) => {
      throw s3Error("the reload could not be marked", `s3://${Bucket}/${Key}`, error);
    });
}

async function unmark(s3: S3Client, incoming: S3Folder, table: SourceTable): Promise<void> {
  const { bucket: Bucket, key: Key } = markerOf(incoming, table);
  await s3.send(new DeleteObjectCommand({ Bucket, Key })).catch((error: unknown) => {
    throw s3Error("the mark of an earlier reload could not be deleted", `s3://${Bucket}/${Key}`, error);
  });
}

function markerOf(incoming: S3Folder, table: SourceTable): { bucket: string; key: string } {
  const { bucket, prefix } = tableFolder(incoming, table);
  return { bucket, key: `${prefix}${RELOAD_MARKER}` };
}
