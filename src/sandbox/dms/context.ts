import type { Replication } from "./replication.js";
import type { Surroundings } from "./surroundings.js";

/** What every call of the API works with. */
export interface Context extends Surroundings {
  /** By the ARN of their configuration. */
  readonly replications: Map<string, Replication>;
}
