/**
 * The life of a DMS serverless replication: one table says which call is allowed in which state.
 *
 * Sources:
 * - names of the states: hashicorp/terraform-provider-aws, internal/service/dms/consts.go, and the messages of
 *   the log group dms-serverless-replication-<id>; their order: AWS DMS user guide, "Serverless components".
 * - modify in CREATED, STOPPED, FAILED only; delete in STOPPED, FAILED: user guide, "Serverless limitations".
 *   (The API reference of ModifyReplicationConfig is older and forbids it once a replication has run.)
 * - delete in CREATED: terraform-provider-aws deletes a configuration that was never started without stopping
 *   it; the API reference of DeleteReplicationConfig says "in a non-RUNNING and non-STARTING state".
 * - assumed: a configuration may be deleted as soon as its replication has stopped, as terraform-provider-aws does;
 *   LocalStack's tests against AWS wait until its ProvisionState is deprovisioned, too.
 * - no call but Describe* while MODIFYING: hashicorp/terraform-provider-aws#35650, whose message is ours too.
 * - assumed: StopReplication is allowed while a replication is starting (the API reference: "stops any and all
 *   ongoing replications"), and ReloadReplicationTables only while RUNNING, as for replication tasks.
 */
export const startingStates = [
  "initializing",
  "preparing_metadata_resources",
  "testing_connection",
  "fetching_metadata",
  "calculating_capacity",
  "provisioning_capacity",
  "replication_starting",
] as const;

export const replicationStates = [
  "created",
  ...startingStates,
  "running",
  "stopping",
  "stopped",
  "failed",
  "modifying",
  "deleting",
] as const;

export type StartingState = (typeof startingStates)[number];
export type ReplicationState = (typeof replicationStates)[number];

export const replicationOperations = ["start", "stop", "modify", "delete", "reload tables"] as const;
export type ReplicationOperation = (typeof replicationOperations)[number];

const starting: readonly ReplicationOperation[] = ["stop"];

/** What may be called in each state; everything else is an InvalidResourceStateFault. */
export const allowedOperations: Readonly<Record<ReplicationState, readonly ReplicationOperation[]>> = {
  created: ["start", "modify", "delete"],
  initializing: starting,
  preparing_metadata_resources: starting,
  testing_connection: starting,
  fetching_metadata: starting,
  calculating_capacity: starting,
  provisioning_capacity: starting,
  replication_starting: starting,
  running: ["stop", "reload tables"],
  stopping: [],
  stopped: ["start", "modify", "delete"],
  failed: ["start", "modify", "delete"],
  modifying: [],
  deleting: [],
};

/** The states a state can turn into, by a call or by itself. */
export const transitions: Readonly<Record<ReplicationState, readonly ReplicationState[]>> = {
  created: ["initializing", "modifying", "deleting"],
  initializing: ["preparing_metadata_resources", "failed", "stopping"],
  preparing_metadata_resources: ["testing_connection", "failed", "stopping"],
  testing_connection: ["fetching_metadata", "failed", "stopping"],
  fetching_metadata: ["calculating_capacity", "failed", "stopping"],
  calculating_capacity: ["provisioning_capacity", "failed", "stopping"],
  provisioning_capacity: ["replication_starting", "failed", "stopping"],
  replication_starting: ["running", "failed", "stopping"],
  // From running to stopped by itself: a full load without change capture has ended.
  running: ["stopping", "stopped", "failed"],
  stopping: ["stopped", "failed"],
  stopped: ["initializing", "modifying", "deleting"],
  failed: ["initializing", "modifying", "deleting"],
  // Back to where it was before the modification.
  modifying: ["created", "stopped", "failed"],
  deleting: [],
};

export function isAllowed(operation: ReplicationOperation, state: ReplicationState): boolean {
  return allowedOperations[state].includes(operation);
}

/** DMS's words for a forbidden call (terraform-provider-aws#35650 quotes them for start). */
export function forbiddenMessage(
  operation: ReplicationOperation,
  state: ReplicationState,
  arn: string,
): string {
  return `Replication for Replication Config: ${arn} is in ${state.toUpperCase()} state and cannot ${operation}`;
}

export const startTypes = ["start-replication", "resume-processing", "reload-target"] as const;
export type StartType = (typeof startTypes)[number];

export const replicationTypes = ["full-load", "cdc", "full-load-and-cdc"] as const;
export type ReplicationType = (typeof replicationTypes)[number];

/**
 * Why a start type is refused, or undefined if it is not. Sources: StartReplicationType in the API reference
 * ("the only valid value for the first run is start-replication", "resume-processing isn't applicable for a
 * full-load replication"); the message for a second start-replication is the one replication tasks give.
 * `hasRun`: data has been moved before. assumed: after a failure before that, every start type starts afresh.
 */
export function refusedStart(
  startType: StartType,
  type: ReplicationType,
  state: ReplicationState,
  hasRun: boolean,
): string | undefined {
  if (startType === "resume-processing" && type === "full-load") {
    return "Start Type : RESUME_PROCESSING is not applicable to a full-load replication";
  }
  if (startType === "reload-target" && type === "cdc") {
    return "Start Type : RELOAD_TARGET is not applicable to a cdc replication";
  }
  if (startType !== "start-replication" && state === "created") {
    return "Start Type : START_REPLICATION is the only valid value for the first run of a replication";
  }
  if (startType === "start-replication" && hasRun && type !== "full-load") {
    return "Start Type : START_REPLICATION, valid only for replications running for the first time";
  }
  return undefined;
}
