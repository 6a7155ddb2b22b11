import { WorkspaceError, type WorkspaceClient } from "../operations/workspace-client.js";
import type { PlannedChange } from "./engine-events.js";

/** A notebook or file of the workspace as the state has it. */
export interface DeployedFile {
  readonly urn: string;
  readonly type: string;
  readonly path: string;
  readonly contentBase64: string;
}

/**
 * Compares notebooks and files in the workspace with what was deployed. Databricks lets people edit a notebook in place, and
 * neither its provider nor a refresh looks at the content.
 */
export async function notebookDrift(
  files: readonly DeployedFile[],
  workspace: WorkspaceClient,
  signal?: AbortSignal,
): Promise<PlannedChange[]> {
  const found: PlannedChange[] = [];
  for (const { urn, type, path, contentBase64 } of files) {
    const common = { urn, type, name: path, replaceKeys: [] };
    try {
      const query = { path, format: type.includes("/notebook:") ? "SOURCE" : "AUTO" };
      const { content } = await workspace.get<{ content: string }>("/api/2.0/workspace/export", {
        query,
        ...(signal === undefined ? {} : { signal }),
      });
      if (text(content) === text(contentBase64)) continue;
      found.push({ ...common, op: "update", changedKeys: ["content"] });
    } catch (error) {
      if (!(error instanceof WorkspaceError) || error.status !== 404) throw error;
      found.push({ ...common, op: "delete", changedKeys: [] });
    }
  }
  return found;
}

/** Databricks ends a notebook it exports with or without a line end, as it likes. */
function text(base64: string): string {
  return Buffer.from(base64, "base64").toString().trimEnd();
}
