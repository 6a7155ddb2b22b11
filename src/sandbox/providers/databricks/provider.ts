import type { LightProvider } from "../resource.js";
import { versionOf } from "../version.js";
import { Databricks, databricksConfig } from "./client.js";
import { databricksFunctions } from "./functions.js";
import { grantTypes } from "./grants.js";
import { identityTypes } from "./identity.js";
import { job } from "./job.js";
import { isMissing, permissions } from "./permissions.js";
import { secretTypes } from "./secrets.js";
import { unityCatalog } from "./unity-catalog.js";
import { workspaceTypes } from "./workspace.js";

export const databricksProvider: LightProvider<Databricks> = {
  name: "databricks",
  version: versionOf("@pulumi/databricks"),
  config: databricksConfig,
  types: [
    ...unityCatalog,
    ...grantTypes,
    ...workspaceTypes,
    job,
    permissions,
    ...identityTypes,
    ...secretTypes,
  ],
  functions: databricksFunctions,
  connect: (config) => new Databricks(config),
  isMissing,
  explain: (error) => (error instanceof Error ? error.message : String(error)),
};
