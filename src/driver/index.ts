/*
 * The driver, as a platform team embeds it: a platform, its releases, environments and promotions, and checks.
 */
export * from "./checks/check.js";
export * from "./checks/files-landed.js";
export * from "./checks/index.js";
export * from "./checks/ingested.js";
export { lakehouseOutputs, type LakehouseOutputs, type TableOutput } from "./checks/outputs.js";
export * from "./checks/replication-loaded.js";
export { EnvironmentClients } from "./clients.js";
export type { EngineDiagnostic } from "./engine-events.js";
export { Environment, type EnvironmentStatus, type ReloadOptions, type RunOptions } from "./environment.js";
export { EngineError, PendingOperationsError, type PendingOperation } from "./errors.js";
export type {
  ChangeSummary,
  CheckEvent,
  DiagnosticEvent,
  DoneEvent,
  Outcome,
  Phase,
  PhaseEvent,
  PromotionEvent,
  ResourceEvent,
  StartedEvent,
} from "./events.js";
export { reload, type ReloadMarker, type ReloadResult, type ReloadTarget } from "../operations/reload.js";
export type { OperationResult } from "./operation.js";
export { Platform, type PlatformOptions } from "./platform.js";
export type {
  Approval,
  CheckOutcome,
  PromoteOptions,
  Promotion,
  PromotionResult,
  StepResult,
} from "./promotion.js";
export type { PastOperation, RecordHead, RecordLine } from "./record.js";
export type { Release, ReleaseSources } from "./release.js";
export type { LoadedStack, Overlay } from "./stack-settings.js";
