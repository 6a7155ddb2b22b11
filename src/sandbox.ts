/** The package's export `headwater/sandbox`: the local cloud. */
export { DEFAULT_CLOCK_SCALE, startSandbox } from "./sandbox/sandbox.js";
export type { Sandbox, SandboxOptions, SandboxPorts } from "./sandbox/sandbox.js";
export { withSandbox } from "./sandbox/with-sandbox.js";
export type { Foundations } from "./sandbox/bootstrap.js";
export type { ProviderConfig } from "./sandbox/environment.js";
export { startPostgres } from "./sandbox/postgres.js";
export type { PgConnection, Postgres, PostgresOptions } from "./sandbox/postgres.js";
export { startMoto } from "./sandbox/moto.js";
export type { Moto, MotoOptions } from "./sandbox/moto.js";
export { SandboxFaults } from "./sandbox/faults/client.js";
export { startFront } from "./sandbox/faults/front.js";
export type { Front, FrontOptions } from "./sandbox/faults/front.js";
export type {
  CrashAfterWriteFault,
  ErrorFault,
  FaultReport,
  FaultRule,
  StaleReadFault,
} from "./sandbox/faults/rule.js";
