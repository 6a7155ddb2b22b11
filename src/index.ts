/*
 * What a platform team imports: the model (pipelines, names, layout, policies), settings and programs, components, the driver.
 */
export { HeadwaterError, type ErrorDetails } from "./model/errors.js";
export * from "./model/layout.js";
export * from "./model/naming.js";
export * from "./model/pipeline.js";
export * from "./model/pipeline-config.js";
export * from "./model/policies.js";
export * from "./model/replication-settings.js";
export * from "./model/table-mappings.js";
export * from "./model/transient-errors.js";

export { stackFileSchema } from "./settings/json-schema.js";
export { checkLakehouseSettings, LakehouseSettings } from "./settings/lakehouse.js";
export type { SettingsProblem } from "./settings/problems.js";
export * from "./settings/program.js";
export { loadStackFile, type StackFile } from "./settings/stack-file.js";

export * from "./components/catalog-access.js";
export * from "./components/export-credentials.js";
export * from "./components/ingestion-job.js";
export * from "./components/job-principal.js";
export * from "./components/lakehouse-schema.js";
export * from "./components/landing-zone.js";
export * from "./components/notebooks.js";
export * from "./components/replication-roles.js";
export * from "./components/serverless-replication.js";
export * from "./components/source-endpoint.js";
export * from "./components/target-endpoint.js";

export * from "./source/index.js";

export * from "./driver/index.js";
