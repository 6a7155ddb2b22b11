/*
 * The driver, as a platform team embeds it: a platform, its releases, environments and promotions, and checks.
 */
export * from "./checks/check.js";
export * from "./checks/files-landed.js";
export * from "./checks/fresh.js";
export * from "./checks/index.js";
export * from "./checks/ingested.js";
export * from "./checks/job-healthy.js";
export {
  matchesSource,
  type AgreementOptions,
  type MatchesSourceOptions,
  type TableFigures,
} from "./checks/matches-source.js";
export * from "./checks/outputs-present.js";
export { lakehouseOutputs, type LakehouseOutputs, type TableOutput } from "./checks/outputs.js";
export {
  postgresqlSource,
  type PostgresqlConnection,
  type PostgresqlSourceOptions,
} from "./checks/postgresql-source.js";
export * from "./checks/replication-loaded.js";
export * from "./checks/replication-running.js";
export { rowsMatchSource, type RowsMatchSourceOptions } from "./checks/rows-match-source.js";
export * from "./checks/settled.js";
export type { ComparedColumn, Form, RowsQuery, SourceReader } from "./checks/source-reader.js";
export { EnvironmentClients } from "./clients.js";
export type { EngineDiagnostic, PlannedChange } from "./engine-events.js";
export type { EnvironmentDifference, ResourceDifference, SettingDifference } from "./difference.js";
export { Environment, type EnvironmentStatus, type ReloadOptions, type RunOptions } from "./environment.js";
export { EngineError, PendingOperationsError, type PendingOperation } from "./errors.js";
export type {
  ChangeSummary,
  CheckEvent,
  DiagnosticEvent,
  DoneEvent,
  GateEvent,
  GateFinding,
  Outcome,
  Phase,
  PhaseEvent,
  PromotionEvent,
  ResourceEvent,
  StartedEvent,
} from "./events.js";
export { reload, type ReloadMarker, type ReloadResult, type ReloadTarget } from "../operations/reload.js";
export * from "./gates/index.js";
export { GateError, type GateVerdict } from "./gates/judge.js";
export type { EphemeralOptions } from "./ephemeral.js";
export type { LeaseHolder } from "./lease.js";
export type { OperationResult } from "./operation.js";
export {
  Platform,
  type EphemeralDestruction,
  type EphemeralStatus,
  type PlatformOptions,
  type ReapResult,
} from "./platform.js";
export type { PruneVerdict } from "./prune.js";
export type { PromoteOptions, Promotion, PromotionResult } from "./promotion.js";
export type { Store, Stored } from "./store/store.js";
export type { PastOperation, RecordFilter, RecordHead, RecordLine } from "./record.js";
export type { Release, ReleaseSources } from "./release.js";
export type { LoadedStack, Overlay } from "./stack-settings.js";
export type { Approval, ApprovalAnswer, CheckOutcome, StepOptions, StepResult } from "./step.js";
export type { EphemeralEnvironment, RaisedEnvironment, WithEphemeralOptions } from "./with-ephemeral.js";
