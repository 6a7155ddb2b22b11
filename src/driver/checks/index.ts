import type { Check } from "./check.js";
import { filesLanded } from "./files-landed.js";
import { ingested } from "./ingested.js";
import { replicationLoaded } from "./replication-loaded.js";

/** The checks of the program `cdc-lakehouse`, in the order they build on each other. */
export function lakehouseChecks(
  options: { readonly timeoutMs?: number; readonly intervalMs?: number } = {},
): Check[] {
  return [replicationLoaded(options), filesLanded(options), ingested(options)];
}
