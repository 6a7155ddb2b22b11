import type { Check } from "./check.js";
import { filesLanded } from "./files-landed.js";
import { fresh } from "./fresh.js";
import { ingested } from "./ingested.js";
import { jobHealthy } from "./job-healthy.js";
import { replicationLoaded } from "./replication-loaded.js";
import { replicationRunning } from "./replication-running.js";
import { settled } from "./settled.js";

/** The checks of the program `cdc-lakehouse`, in the order they build on each other. */
export function lakehouseChecks(
  options: { readonly timeoutMs?: number; readonly intervalMs?: number } = {},
): Check[] {
  return [
    settled(),
    replicationLoaded(options),
    filesLanded(options),
    ingested(options),
    replicationRunning(),
    jobHealthy(),
    fresh(),
  ];
}
