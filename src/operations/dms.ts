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
  readonly failureMessages: readonly string[];
}

/** What DMS counts for one table. `state` is DMS's own: `Before load`, `Full load`, `Table completed`, ... */
export interface TableProgress {
  readonly schema: string;
  readonly table: string;
  readonly state: string;
  readonly loadedRows: number;
  readonly inserts: number;
  readonly updates: number;
  readonly deletes: number;
}

/** A table of the source, as the pipeline names it. */
export interface SourceTable {
  readonly schema: string;
  readonly table: string;
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
      failureMessages: found.FailureMessages ?? [],
    };
  }

  /**
   * Starts the replication and waits until it runs. One that already runs or is starting is left to it; without a
   * `type` one that was stopped or failed is resumed, a new one loads everything.
   * @throws HeadwaterError `operations/replication-missing`, `operations/replication-failed` (with DMS's message),
   * `operations/timeout`, `operations/cancelled`.
   */
  async start(arn: string, options: WaitOptions & { readonly type?: StartType }): Promise<void> {
    const found = await this.require(arn);
    if (RESTING.has(found.status)) {
      const type =
        options.type ??
        (found.status === "stopped" || found.status === "failed" ? "resume-processing" : "start-replication");
      await this.command(arn, "start the replication", () =>
        this.client.send(
          new StartReplicationCommand({ ReplicationConfigArn: arn, StartReplicationType: type }),
        ),
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
      const state = await this.require(arn);
      if (state.status === "failed") throw failed(state);
      const counted = await this.tables(arn);
      const wanted = tables.map(({ schema, table }) =>
        counted.find((entry) => entry.schema === schema && entry.table === table),
      );
      for (const entry of wanted) {
        if (entry !== undefined && TABLE_FAILED.has(entry.state.toLowerCase())) throw loadFailed(arn, entry);
      }
      const loaded = wanted.filter((entry) => entry !== undefined && isLoaded(entry));
      const rows = wanted.reduce((sum, entry) => sum + (entry?.loadedRows ?? 0), 0);
      if (loaded.length === tables.length) return { done: true, value: loaded as TableProgress[] };
      return { done: false, seen: `${loaded.length} of ${tables.length} tables loaded, ${rows} rows` };
    });
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

  private async require(arn: string): Promise<ReplicationState> {
    const found = await this.describe(arn);
    if (found !== undefined) return found;
    throw new HeadwaterError("operations/replication-missing", "DMS knows no such replication", {
      where: arn,
      remedy:
        "Deploy the environment first (`headwater up`), or look whether region and account are the right ones.",
    });
  }

  private async command<T>(arn: string, what: string, send: () => Promise<T>): Promise<T> {
    try {
      return await send();
    } catch (error) {
      throw dmsError(arn, what, error);
    }
  }
}

function isLoaded({ state }: TableProgress): boolean {
  return state.toLowerCase() === "table completed";
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

function loadFailed(arn: string, { schema, table, state }: TableProgress): HeadwaterError {
  return new HeadwaterError("operations/load-failed", `DMS could not load the table: ${state}`, {
    where: arn,
    field: `${schema}.${table}`,
    found: state,
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
