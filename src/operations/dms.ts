import {
  DatabaseMigrationServiceClient,
  DescribeReplicationsCommand,
  DescribeReplicationTableStatisticsCommand,
  ResourceNotFoundFault,
  StartReplicationCommand,
  StopReplicationCommand,
  type Replication,
} from "@aws-sdk/client-database-migration-service";
import { HeadwaterError } from "../model/errors.js";
import { retryTransient } from "./transient.js";
import { systemClock, waitFor, type WaitOptions } from "./wait.js";

/**
 * `start-replication` loads everything and then follows the log; `resume-processing` goes on where it was stopped;
 * `reload-target` loads everything again.
 */
export type StartType = "start-replication" | "resume-processing" | "reload-target";

/** A serverless replication as DMS describes it; `status` is DMS's own word (`created`, `running`, `failed`, ...). */
export interface ReplicationState {
  readonly arn: string;
  readonly status: string;
  readonly stopReason?: string;
  /** When it last stopped, by DMS's clock. */
  readonly stopped?: Date;
  readonly failureMessages: readonly string[];
}

/** What DMS counts for one table. `state` is DMS's own: `Before load`, `Full load`, `Table completed`, ... */
export interface TableProgress {
  readonly schema: string;
  readonly table: string;
  readonly state: string;
  readonly loadedRows: number;
  /** When its full load ended, by DMS's clock. */
  readonly loadEnded?: Date;
  /** The latest moment DMS tells of the table: its load began or ended, or a change came. */
  readonly updated?: Date;
  readonly inserts: number;
  readonly updates: number;
  readonly deletes: number;
}

/** A table of the source, as the pipeline names it. */
export interface SourceTable {
  readonly schema: string;
  readonly table: string;
}

/** How far the full load of some tables is. */
export interface LoadProgress {
  readonly loaded: readonly TableProgress[];
  /** Tables DMS gave up on. */
  readonly failed: readonly TableProgress[];
  readonly waiting: readonly SourceTable[];
  /** Rows so far, over all the tables. */
  readonly rows: number;
}

/** States in which a replication does nothing until it is started (AWS provider, `consts.go`; not all are documented). */
const RESTING = new Set(["created", "ready", "stopped", "failed"]);
/** How long after a start DMS may still show the state from before it. */
const SETTLING_MS = 10_000;
const TABLE_FAILED = new Set(["table error", "table cancelled", "table does not exist"]);

/** Starts, watches and stops serverless replications. Every method names the replication by its config's ARN. */
export class Replications {
  constructor(private readonly client: DatabaseMigrationServiceClient) {}

  /** The replication's state, or undefined when DMS knows none of that ARN. */
  async describe(arn: string): Promise<ReplicationState | undefined> {
    let replications: Replication[];
    try {
      const answer = await this.client.send(
        new DescribeReplicationsCommand({ Filters: [{ Name: "replication-config-arn", Values: [arn] }] }),
      );
      replications = answer.Replications ?? [];
    } catch (error) {
      if (error instanceof ResourceNotFoundFault) return undefined;
      throw dmsError(arn, "describe the replication", error);
    }
    const found = replications.find((replication) => replication.ReplicationConfigArn === arn);
    if (found === undefined) return undefined;
    return {
      arn,
      status: found.Status?.toLowerCase() ?? "unknown",
      ...(found.StopReason === undefined ? {} : { stopReason: found.StopReason }),
      // The API reference knows both, "the date" and "the timestamp when" the replication was (last) stopped.
      ...dated("stopped", latest(found.ReplicationStats?.StopDate, found.ReplicationLastStopTime)),
      failureMessages: found.FailureMessages ?? [],
    };
  }

  /**
   * Starts the replication and waits until it runs. One that already runs or is starting is left to it; without a
   * `type` one that was stopped or failed is resumed, a new one loads everything. One made just now may not be known yet,
   * one changed just now may not be startable yet: both are given some seconds.
   * @throws HeadwaterError `operations/replication-missing`, `operations/replication-failed` (with DMS's message),
   * `operations/timeout`, `operations/cancelled`.
   */
  async start(arn: string, options: WaitOptions & { readonly type?: StartType }): Promise<void> {
    const found = await this.shown(arn, options);
    if (RESTING.has(found.status)) {
      const type =
        options.type ??
        (found.status === "stopped" || found.status === "failed" ? "resume-processing" : "start-replication");
      const input = { ReplicationConfigArn: arn, StartReplicationType: type };
      await retryTransient(
        () =>
          this.command(arn, "start the replication", () =>
            this.client.send(new StartReplicationCommand(input)),
          ),
        { what: "the start of the replication", attempts: 6, delayMs: 1000, ...interruptible(options) },
      );
    }
    // DMS may still show the state from before the start for a moment: only a `failed` that follows a start counts.
    let leftRest = !RESTING.has(found.status);
    const clock = options.clock ?? systemClock;
    const settled = clock.now() + SETTLING_MS;
    await waitFor("the replication to run", options, async () => {
      const { status, ...rest } = await this.require(arn);
      if (status === "running") return { done: true, value: undefined };
      leftRest ||= !RESTING.has(status);
      if ((status === "failed" || status === "stopped") && (leftRest || clock.now() > settled))
        throw failed({ status, ...rest });
      return { done: false, seen: status };
    });
  }

  /**
   * Waits until DMS has loaded every table given.
   * @returns what DMS counted, one entry a table, in the order given.
   * @throws as `start`, and `operations/load-failed` for a table DMS gave up on.
   */
  async awaitFullLoad(
    arn: string,
    tables: readonly SourceTable[],
    options: WaitOptions,
  ): Promise<TableProgress[]> {
    return waitFor("the full load", options, async () => {
      const progress = await this.load(arn, tables);
      if (progress.failed.length > 0) throw loadFailed(arn, progress.failed);
      return progress.waiting.length === 0
        ? { done: true, value: [...progress.loaded] }
        : { done: false, seen: describeLoad(progress) };
    });
  }

  /**
   * One look at the full load of the tables given.
   * @param after leaves out what DMS counted before that moment: statistics of an earlier load.
   * @throws HeadwaterError `operations/replication-failed`, also when the replication rests though tables are waited for;
   * `operations/replication-missing`.
   */
  async load(arn: string, tables: readonly SourceTable[], after?: Date): Promise<LoadProgress> {
    const state = await this.require(arn);
    if (state.status === "failed") throw failed(state);
    const counted = new Map((await this.tables(arn)).map((entry) => [nameOf(entry), entry]));
    const wanted = tables.flatMap((table) => counted.get(nameOf(table)) ?? []);
    const loaded = wanted.filter((entry) => isLoaded(entry, after));
    const givenUp = wanted.filter((entry) => isGivenUp(entry, after));
    const settled = new Set([...loaded, ...givenUp].map(nameOf));
    const waiting = tables.filter((table) => !settled.has(nameOf(table)));
    if (waiting.length > 0 && RESTING.has(state.status)) throw failed(state);
    const rows = wanted.reduce((sum, { loadedRows }) => sum + loadedRows, 0);
    return { loaded, failed: givenUp, waiting, rows };
  }

  /** What DMS counts for each table; empty before the replication has ever run. */
  async tables(arn: string): Promise<TableProgress[]> {
    const all: TableProgress[] = [];
    let marker: string | undefined;
    do {
      const page = await this.command(arn, "read the table statistics", () =>
        this.client.send(
          new DescribeReplicationTableStatisticsCommand({
            ReplicationConfigArn: arn,
            Marker: marker,
            MaxRecords: 500,
          }),
        ),
      );
      for (const entry of page.ReplicationTableStatistics ?? []) {
        all.push({
          schema: entry.SchemaName ?? "",
          table: entry.TableName ?? "",
          state: entry.TableState ?? "unknown",
          loadedRows: entry.FullLoadRows ?? 0,
          ...dated("loadEnded", entry.FullLoadEndTime),
          ...dated("updated", latest(entry.FullLoadStartTime, entry.FullLoadEndTime, entry.LastUpdateTime)),
          inserts: entry.Inserts ?? 0,
          updates: entry.Updates ?? 0,
          deletes: entry.Deletes ?? 0,
        });
      }
      marker = page.Marker === "" ? undefined : page.Marker;
    } while (marker !== undefined);
    return all;
  }

  /** Stops the replication and waits until it has stopped; one that rests already is left alone. */
  async stop(arn: string, options: WaitOptions): Promise<void> {
    const found = await this.describe(arn);
    if (found === undefined || RESTING.has(found.status)) return;
    if (found.status !== "stopping") {
      // While DMS still starts it, it refuses to stop it: wait until it runs.
      if (found.status !== "running") await this.start(arn, options);
      await this.command(arn, "stop the replication", () =>
        this.client.send(new StopReplicationCommand({ ReplicationConfigArn: arn })),
      );
    }
    await waitFor("the replication to stop", options, async () => {
      const state = await this.require(arn);
      if (state.status === "failed") throw failed(state);
      return state.status === "stopped"
        ? { done: true, value: undefined }
        : { done: false, seen: state.status };
    });
  }

  /** @throws HeadwaterError `operations/replication-missing` when DMS knows none of that ARN. */
  async require(arn: string): Promise<ReplicationState> {
    const found = await this.describe(arn);
    if (found !== undefined) return found;
    throw new HeadwaterError("operations/replication-missing", "DMS knows no such replication", {
      where: arn,
      remedy:
        "Deploy the environment first (`headwater up`), or look whether region and account are the right ones.",
    });
  }

  /** As {@link require}, but gives DMS some seconds to show what was made just now. */
  private async shown(arn: string, options: WaitOptions): Promise<ReplicationState> {
    const wait = { timeoutMs: Math.min(options.timeoutMs, SETTLING_MS), ...interruptible(options) };
    try {
      return await waitFor("DMS to know the replication", wait, async () => {
        const value = await this.describe(arn);
        return value === undefined ? { done: false, seen: "unknown to DMS" } : { done: true, value };
      });
    } catch (error) {
      if (error instanceof HeadwaterError && error.code === "operations/timeout") return this.require(arn);
      throw error;
    }
  }

  private async command<T>(arn: string, what: string, send: () => Promise<T>): Promise<T> {
    try {
      return await send();
    } catch (error) {
      throw dmsError(arn, what, error);
    }
  }
}

function interruptible({ signal, clock }: WaitOptions): Pick<WaitOptions, "signal" | "clock"> {
  return { ...(signal === undefined ? {} : { signal }), ...(clock === undefined ? {} : { clock }) };
}

/** A load whose end is not known to be later than `after` does not count: closing rows on its word could not be undone. */
function isLoaded({ state, loadEnded }: TableProgress, after: Date | undefined): boolean {
  return (
    state.toLowerCase() === "table completed" &&
    (after === undefined || (loadEnded !== undefined && loadEnded > after))
  );
}

/** DMS tells no moment of a table that does not exist: it counts. */
function isGivenUp({ state, updated }: TableProgress, after: Date | undefined): boolean {
  return (
    TABLE_FAILED.has(state.toLowerCase()) && (after === undefined || updated === undefined || updated > after)
  );
}

/** `1 of 2 tables loaded, 25 rows; waiting for shop.orders`; names no more than three. */
export function describeLoad({ loaded, failed, waiting, rows }: LoadProgress): string {
  const names = waiting.slice(0, 3).map(nameOf);
  return (
    `${loaded.length} of ${loaded.length + failed.length + waiting.length} tables loaded, ${rows} rows; ` +
    `waiting for ${names.join(", ")}${waiting.length > names.length ? ", ..." : ""}`
  );
}

/** `<schema>.<table>`. */
export function nameOf({ schema, table }: SourceTable): string {
  return `${schema}.${table}`;
}

/** The latest of some moments; undefined where there is none. */
export function latest(...moments: readonly (Date | undefined)[]): Date | undefined {
  const known = moments.flatMap((moment) => moment?.getTime() ?? []);
  return known.length === 0 ? undefined : new Date(Math.max(...known));
}

function dated<K extends string>(key: K, moment: Date | undefined): { readonly [P in K]?: Date } {
  return (moment === undefined ? {} : { [key]: moment }) as { [P in K]?: Date };
}

function failed(state: ReplicationState): HeadwaterError {
  return new HeadwaterError("operations/replication-failed", `the replication is ${state.status}`, {
    where: state.arn,
    found:
      [...state.failureMessages, ...(state.stopReason === undefined ? [] : [state.stopReason])].join("; ") ||
      state.status,
    remedy:
      "Mend the cause DMS names (its log group is dms-serverless-replication-...), then run the same command again.",
  });
}

/** For tables DMS gave up on; names them all. */
export function loadFailed(arn: string, tables: readonly TableProgress[]): HeadwaterError {
  return new HeadwaterError("operations/load-failed", "DMS could not load every table", {
    where: arn,
    field: tables.map(nameOf).join(", "),
    found: tables.map(({ state }) => state).join(", "),
    remedy: "Look whether the table exists and the DMS user may read it, then reload it.",
  });
}

function dmsError(arn: string, what: string, error: unknown): HeadwaterError {
  const { name, message } = error as Error;
  return new HeadwaterError(
    "operations/dms",
    `DMS refused to ${what}`,
    { where: arn, found: `${name}: ${message}` },
    { cause: error },
  );
}
