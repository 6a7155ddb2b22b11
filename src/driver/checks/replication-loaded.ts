import type { Check } from "./check.js";
import { lakehouseOutputs } from "./outputs.js";

export interface ReplicationLoadedOptions {
  /** Milliseconds for the replication to run (DMS provisions capacity first) and again for the load. Default 60 min. */
  readonly timeoutMs?: number;
  readonly intervalMs?: number;
}

/** Starts the replication if it rests, and waits until DMS has loaded every table of the pipeline. */
export function replicationLoaded({
  timeoutMs = 3_600_000,
  intervalMs = 500,
}: ReplicationLoadedOptions = {}): Check {
  return {
    name: "replication-loaded",
    async run({ stack, outputs, pipeline, clients, progress, signal }) {
      const { replicationConfigArn: arn } = lakehouseOutputs(stack, outputs);
      const wait = { timeoutMs, intervalMs, progress, signal };
      const tables = pipeline.tables.map(({ source }) => source);
      await clients.replications.start(arn, wait);
      const loaded = await clients.replications.awaitFullLoad(arn, tables, wait);
      const rows = loaded.reduce((sum, { loadedRows }) => sum + loadedRows, 0);
      return { passed: true, message: `${loaded.length} tables loaded, ${rows} rows` };
    },
  };
}
