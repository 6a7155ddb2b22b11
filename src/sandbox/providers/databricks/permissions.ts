import { fromApi, snake, toApi } from "../api.js";
import { object, set, text, type Fields, type Values } from "../fields.js";
import type { ResourceType } from "../resource.js";
import { DatabricksError, type Databricks } from "./client.js";
import { me } from "./identity.js";

interface Kind {
  /** The object's type in the path of the Permissions API. */
  readonly api: string;
  readonly objectType: string;
  /** Given by a workspace path, whose object id the API wants. */
  readonly byPath?: boolean;
  /** Has an owner, who must not be lost. */
  readonly owned?: boolean;
}

const kinds: Record<string, Kind> = {
  jobId: { api: "jobs", objectType: "job", owned: true },
  notebookId: { api: "notebooks", objectType: "notebook" },
  notebookPath: { api: "notebooks", objectType: "notebook", byPath: true },
  directoryId: { api: "directories", objectType: "directory" },
  directoryPath: { api: "directories", objectType: "directory", byPath: true },
  workspaceFileId: { api: "files", objectType: "file" },
  workspaceFilePath: { api: "files", objectType: "file", byPath: true },
};

const accessControl: Fields = {
  groupName: text(),
  permissionLevel: text(),
  servicePrincipalName: text({ same: "case" }),
  userName: text({ same: "case" }),
};

interface Entry extends Values {
  user_name?: string;
  service_principal_name?: string;
  all_permissions?: { permission_level: string; inherited?: boolean }[];
}

/** All direct permissions on one object but those of admins, and of whoever deploys unless the program names them. */
export const permissions: ResourceType<Databricks> = {
  token: "databricks:index/permissions:Permissions",
  source: "terraform-provider-databricks permissions/resource_permissions.go, permission_definitions.go",
  inputs: {
    accessControls: set(object(accessControl), { required: true }),
    objectType: text({ computed: true }),
    ...Object.fromEntries(Object.keys(kinds).map((name) => [name, text({ replaces: true })])),
  },
  refused: [
    ...[
      "alertV2Id",
      "appName",
      "authorization",
      "clusterId",
      "clusterPolicyId",
      "dashboardId",
      "databaseInstanceName",
    ],
    ...[
      "databaseProjectName",
      "experimentId",
      "instancePoolId",
      "knowledgeAssistantId",
      "pipelineId",
      "providerConfig",
    ],
    ...["registeredModelId", "repoId", "repoPath", "servingEndpointId", "sqlAlertId", "sqlDashboardId"],
    ...["sqlEndpointId", "sqlQueryId", "supervisorAgentId", "vectorSearchEndpointId"],
  ],
  async create({ client, inputs }) {
    const given = Object.keys(kinds).filter((name) => inputs[name] !== undefined);
    if (given.length !== 1) {
      const all = Object.keys(kinds).join(", ");
      throw new Error(
        `databricks.Permissions takes exactly one of ${all}; found ${given.join(", ") || "none"}`,
      );
    }
    const [kind, value] = [kinds[given[0]!]!, inputs[given[0]!] as string];
    const object = kind.byPath === true ? await objectIdOf(client, value) : value;
    const id = `/${kind.api}/${object}`;
    await put(client, id, inputs);
    return id;
  },
  async read({ client, id, inputs, state }) {
    const live = await client.get(`/api/2.0/permissions${id}`);
    const self = String((await me(client))["userName"]).toLowerCase();
    const named = namesOf(inputs).includes(self);
    const accessControls = entriesOf(live).flatMap((entry) => {
      if (entry["group_name"] === "admins") return [];
      const name = (entry.user_name ?? entry.service_principal_name ?? "").toLowerCase();
      if (name === self && !named) return [];
      const who = fromApi(accessControl, entry, snake);
      const direct = (entry.all_permissions ?? []).filter(({ inherited }) => inherited !== true);
      return direct.map(({ permission_level: permissionLevel }) => ({ ...who, permissionLevel }));
    });
    if (accessControls.length === 0) return undefined; // nothing of ours is left
    const [, api, object] = id.split("/") as [string, string, string];
    const [property, kind] = Object.entries(kinds).find(([, one]) => one.api === api)!;
    const byPath = Object.keys(kinds).find(
      (name) => kinds[name]!.byPath === true && state[name] !== undefined,
    );
    const identity = byPath === undefined ? { [property]: object } : { [byPath]: state[byPath] };
    return { ...identity, accessControls, objectType: kind.objectType };
  },
  update: ({ client, id, inputs }) => put(client, id, inputs),
  async delete({ client, id }) {
    const live = await client.get(`/api/2.0/permissions${id}`);
    // What admins hold directly stays; the object's creator becomes its owner again.
    const admins = entriesOf(live).filter((entry) => entry["group_name"] === "admins");
    const kept = admins.flatMap(({ all_permissions: all }) => {
      const direct = (all ?? []).find(({ inherited }) => inherited !== true);
      return direct === undefined
        ? []
        : [{ group_name: "admins", permission_level: direct.permission_level }];
    });
    const owner = await creatorOf(client, id);
    if (owner === undefined) return; // the object itself is gone
    await client.put(`/api/2.0/permissions${id}`, { access_control_list: withOwner(id, kept, owner) });
  },
};

async function put(client: Databricks, id: string, inputs: Values): Promise<void> {
  const entries = (inputs["accessControls"] as Values[]).map((entry) => toApi(accessControl, entry, snake));
  const owner = String((await me(client))["userName"]);
  await client.put(`/api/2.0/permissions${id}`, { access_control_list: withOwner(id, entries, owner) });
}

function withOwner(id: string, entries: Values[], owner: string): Values[] {
  const kind = Object.values(kinds).find(({ api }) => api === id.split("/")[1]);
  const owned = entries.some((entry) => entry["permission_level"] === "IS_OWNER");
  if (kind?.owned !== true || owned) return entries;
  return [...entries, { user_name: owner, permission_level: "IS_OWNER" }];
}

/** Who made the object; "" where that is not told, undefined where the object is gone. */
async function creatorOf(client: Databricks, id: string): Promise<string | undefined> {
  if (!id.startsWith("/jobs/")) return "";
  try {
    const job = await client.get("/api/2.2/jobs/get", { job_id: id.slice("/jobs/".length) });
    return (job["creator_user_name"] as string | undefined) ?? "";
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function objectIdOf(client: Databricks, path: string): Promise<string> {
  return String((await client.get("/api/2.0/workspace/get-status", { path }))["object_id"]);
}

function entriesOf(live: Values): Entry[] {
  return (live["access_control_list"] ?? []) as Entry[];
}

function namesOf(inputs: Values): string[] {
  const all = (inputs["accessControls"] ?? []) as { userName?: string; servicePrincipalName?: string }[];
  return all.map((entry) => (entry.userName ?? entry.servicePrincipalName ?? "").toLowerCase());
}

/** 404, or one of the answers that should have been one. */
export function isMissing(error: unknown): boolean {
  if (!(error instanceof DatabricksError)) return false;
  return (
    error.status === 404 ||
    error.code === "RESOURCE_DOES_NOT_EXIST" ||
    /Job \d+ does not exist/.test(error.message)
  );
}
