/**
 * The sandbox's AWS DMS: answers DMS's JSON API for endpoints, connections, subnet groups and serverless
 * replications, and really moves rows, from PostgreSQL's log to parquet files in S3. Replication instances and tasks
 * are not here. A call, parameter, setting or rule that is not emulated is refused by name.
 *
 * **Emulated from facts** (their sources stand beside the code, most in src/model/dms):
 * - states and the calls they allow (model/dms/states.ts), start types, capacity units, validation, paging and filters;
 * - table mappings: include, exclude, explicit, wildcards; rename, convert-lowercase and -uppercase, remove-column,
 *   add-column, add-before-image-columns (mappings.ts, table-plan.ts, expressions.ts);
 * - S3 settings and their defaults, the layout of files, the Op column by IncludeOpForFullLoad and CdcInserts...;
 * - capture begins at the slot, each table is read later: changes between the two are both in its load and in its
 *   files of changes. Load rows carry the task's start (UseTaskStartTimeForFullLoadTimestamp) or the time of transfer;
 *   rows of changes carry the source's commit time, the same for a whole transaction; U rows hold the after image, D rows
 *   the before image. $AR_H_CHANGE_SEQ orders changes within a replication;
 * - there is no order between the files of different tables, and no mark where a transaction ends;
 * - DROP_AND_CREATE deletes a table's files before its load, and a TRUNCATE at the source deletes them too, unless
 *   HandleSourceTableTruncated is false (DMS's default is true); a TRUNCATE never becomes rows;
 * - LOBs (text, json, bytea) are cut at LobMaxSize, 32 KB by default; types: source/types.ts;
 * - credentials come from Secrets Manager at every connection; roles must exist, trust DMS and allow what is needed
 *   (roles.ts says how far policies are evaluated).
 *
 * **assumed**, with an option for each possibility (options.ts): what a changed key becomes (`keyChange`), the change
 * sequence of load rows (`loadChangeSeq`), how much comes again after a restart (`resend`) and under which
 * sequences (`resentChangeSeq`).
 *
 * **assumed**, without an option:
 * - before images of a table without REPLICA IDENTITY FULL: a D row and the before images have the key, all else is
 *   NULL. A table without any replica identity has its inserts captured only (as DMS cannot do more without a key);
 * - a TOAST value the log does not repeat is read from the source's present row; if that is gone the table goes to
 *   "Table error", since a NULL would be wrong. REPLICA IDENTITY FULL avoids the question;
 * - a value without a place in parquet's types (infinity, NaN, an overlong unbounded numeric) sets its table to
 *   "Table error"; the others go on. ReloadReplicationTables or reload-target starts it afresh;
 * - an added column is in the next files and counts as a DDL; a table made while a replication runs joins it at the
 *   next start, when resuming loads tables that are not loaded;
 * - reload-target makes a new slot, starts the task anew (load rows carry that start) and counts every table from nothing;
 *   StopDate and ReplicationLastStopTime tell the last end, also of a failure, and stay while it runs again;
 * - ReloadReplicationTables lets changes wait at the source while it loads;
 * - a replication that loses its source or S3 tries again every RecoverableErrorInterval, without end by default;
 * - of ErrorBehavior only RecoverableErrorCount and -Interval count; a table with an error is always suspended;
 * - CompressionType none writes uncompressed pages; EncodingType, page sizes and ParquetVersion change nothing.
 *
 * After kill -9 nothing is lost: the source is told of a position only when the files up to it are stored and the
 * checkpoint says so; a new process on the same `stateDir` goes on by itself, and may store changes a second time,
 * under new file names. The clock (`clockScale`) shortens CdcMaxBatchInterval, states and pauses, never timestamps.
 */
import { mkdirSync } from "node:fs";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { awsClients } from "./aws.js";
import { Clock } from "./clock.js";
import type { Context } from "./context.js";
import { dmsServer } from "./http.js";
import type { DmsServiceOptions } from "./options.js";
import { addReplication } from "./api/replication-configs.js";
import { noResources, type Resources } from "./resources.js";
import { Document } from "./store.js";

export type { DmsServiceOptions } from "./options.js";

export interface DmsService {
  readonly port: number;
  /** `http://127.0.0.1:<port>`, for a client's `endpoint`. */
  readonly url: string;
  /** Leaves running replications as they are: the next service on the same stateDir goes on with them. */
  stop(): Promise<void>;
}

/** Starts the service. Rejects if the port is taken or the state cannot be read. */
export async function startDmsService(options: DmsServiceOptions): Promise<DmsService> {
  const scale = options.clockScale ?? 1;
  if (!(scale > 0)) throw new RangeError(`clockScale must be above 0, but is ${scale}`);
  mkdirSync(options.stateDir, { recursive: true, mode: 0o700 });
  const log = options.log ?? (() => undefined);
  const pending = new Set<Promise<void>>();
  const context: Context = {
    options,
    resources: new Document<Resources>(path.join(options.stateDir, "resources.json"), noResources()),
    replications: new Map(),
    clients: awsClients(options.aws),
    clock: new Clock(scale),
    log,
    background: (work) => {
      const watched = work
        .catch((error: unknown) => log(`work in the background failed: ${(error as Error).stack ?? ""}`))
        .finally(() => pending.delete(watched));
      pending.add(watched);
    },
  };
  const server = dmsServer(context);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port ?? 0, "127.0.0.1", resolve);
  });
  const { configs, connections } = context.resources.value;
  for (const config of Object.values(configs)) addReplication(context, config);
  for (const replication of context.replications.values()) replication.recover();
  for (const connection of connections.filter(({ status }) => status === "testing")) {
    Object.assign(connection, { status: "failed", lastFailureMessage: "The test was interrupted" });
  }
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    stop: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await Promise.all([...context.replications.values()].map((replication) => replication.close()));
      await Promise.all(pending);
      await closed;
      context.clients.close();
    },
  };
}
