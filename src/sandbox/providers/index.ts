import path from "node:path";
import { packageRoot } from "../../engine/paths.js";

export interface LightPlugin {
  readonly name: "aws" | "databricks" | "random";
  /** The folder that holds the executable `pulumi-resource-<name>`. */
  readonly path: string;
}

/**
 * The sandbox's own provider plugins, for `plugins.providers` of a Pulumi project. They stand in where the real
 * plugins are neither installed nor to be downloaded, and know only the resource types in use here.
 */
export function lightPlugins(): LightPlugin[] {
  const folder = path.join(packageRoot(), "src", "sandbox", "providers", "bin");
  return (["aws", "databricks", "random"] as const).map((name) => ({ name, path: folder }));
}
