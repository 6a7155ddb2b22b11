import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { flag, number, text, type Values } from "../fields.js";
import type { ResourceType } from "../resource.js";
import { DatabricksError, type Databricks } from "./client.js";

const api = "/api/2.0/workspace";
const computedNumber = number({ computed: true });
const fixedPath = text({ required: true, replaces: true });
const places = { url: {}, workspacePath: {} };

/** The extensions a notebook's language is told by where the program does not say it (`source`). */
const languages: Record<string, string> = { ".py": "PYTHON", ".sql": "SQL", ".scala": "SCALA", ".r": "R" };

export const notebook: ResourceType<Databricks> = {
  token: "databricks:index/notebook:Notebook",
  source: "terraform-provider-databricks workspace/resource_notebook.go, file_resource.go",
  inputs: {
    path: fixedPath,
    contentBase64: text({ writeOnly: true }),
    format: text({ computed: true, writeOnly: true }),
    language: text({ computed: true }),
    md5: text({ computed: true, writeOnly: true }),
    objectId: computedNumber,
    objectType: text({ computed: true }),
    source: text({ writeOnly: true }),
  },
  outputs: places,
  refused: ["providerConfig"],
  create: ({ client, inputs }) => importNotebook(client, inputs),
  read: ({ client, id, inputs, state }) => status(client, id, inputs, state),
  async update({ client, inputs }) {
    await importNotebook(client, inputs);
  },
  delete: ({ client, id }) => remove(client, id, false),
};

export const workspaceFile: ResourceType<Databricks> = {
  token: "databricks:index/workspaceFile:WorkspaceFile",
  source: "terraform-provider-databricks workspace/resource_workspace_file.go, file_resource.go",
  inputs: {
    path: fixedPath,
    contentBase64: text({ writeOnly: true }),
    md5: text({ computed: true, writeOnly: true }),
    objectId: computedNumber,
    source: text({ writeOnly: true }),
  },
  outputs: places,
  refused: ["providerConfig"],
  create: ({ client, inputs }) => uploadFile(client, inputs),
  read: ({ client, id, inputs, state }) => status(client, id, inputs, state),
  async update({ client, inputs }) {
    await uploadFile(client, inputs);
  },
  delete: ({ client, id }) => remove(client, id, false),
};

export const directory: ResourceType<Databricks> = {
  token: "databricks:index/directory:Directory",
  source: "terraform-provider-databricks workspace/resource_directory.go",
  inputs: {
    path: text({ required: true, replaces: true, same: "slash" }),
    deleteRecursive: flag({ writeOnly: true }),
    objectId: computedNumber,
  },
  outputs: { workspacePath: {} },
  refused: ["providerConfig"],
  async create({ client, inputs }) {
    await client.post(`${api}/mkdirs`, { path: inputs["path"] });
    return inputs["path"] as string;
  },
  async read({ client, id }) {
    const live = await client.get(`${api}/get-status`, { path: id });
    if (live["object_type"] !== "DIRECTORY") {
      throw new Error(`${id} is no directory but a ${String(live["object_type"])}`);
    }
    return { path: id, objectId: live["object_id"], workspacePath: `/Workspace${id}` };
  },
  async update() {}, // how it is deleted is nobody's business until then
  delete: ({ client, id, state }) => remove(client, id, state["deleteRecursive"] === true),
};

export const workspaceTypes = [notebook, workspaceFile, directory];

async function content(inputs: Values): Promise<Buffer> {
  const given = inputs["contentBase64"] as string | undefined;
  if (given !== undefined) return Buffer.from(given, "base64");
  const source = inputs["source"] as string | undefined;
  if (source === undefined) throw new Error(`${String(inputs["path"])} needs "contentBase64" or "source"`);
  return readFile(source);
}

async function importNotebook(client: Databricks, inputs: Values): Promise<string> {
  const target = inputs["path"] as string;
  const extension = path.extname((inputs["source"] as string | undefined) ?? "").toLowerCase();
  const language = (inputs["language"] as string | undefined) ?? languages[extension];
  if (language === undefined)
    throw new Error(`${target} needs a "language" (${Object.values(languages).join(", ")})`);
  const format = (inputs["format"] as string | undefined) ?? "SOURCE";
  const body = {
    path: target,
    content: (await content(inputs)).toString("base64"),
    format,
    language,
    overwrite: true,
  };
  await withParent(client, target, () => client.post(`${api}/import`, body));
  return target;
}

/** A file goes up as a form, as the SDKs' `Upload` does: not base64 in JSON, so up to 500 MB instead of 10. */
async function uploadFile(client: Databricks, inputs: Values): Promise<string> {
  const target = inputs["path"] as string;
  const bytes = await content(inputs);
  await withParent(client, target, () => {
    const form = new FormData();
    form.set("path", target);
    form.set("format", "RAW");
    form.set("overwrite", "true");
    form.set("content", new Blob([new Uint8Array(bytes)]), path.posix.basename(target));
    return client.post(`${api}/import`, form);
  });
  return target;
}

/** Makes the folder above when it turns out to be missing. */
async function withParent(client: Databricks, target: string, put: () => Promise<unknown>): Promise<void> {
  try {
    await put();
  } catch (error) {
    const parent = path.posix.dirname(target);
    const missing = await client.get(`${api}/get-status`, { path: parent }).then(
      () => false,
      (status: unknown) => status instanceof DatabricksError && status.status === 404,
    );
    if (!missing) throw error;
    await client.post(`${api}/mkdirs`, { path: parent });
    await put();
  }
}

async function status(client: Databricks, id: string, inputs: Values, state: Values): Promise<Values> {
  const live = await client.get(`${api}/get-status`, { path: id });
  const known = inputs["contentBase64"] ?? inputs["source"];
  const md5 =
    known === undefined
      ? state["md5"]
      : createHash("md5")
          .update(await content(inputs))
          .digest("hex");
  return {
    path: id,
    language: live["language"] ?? undefined,
    format: inputs["format"] ?? state["format"] ?? "SOURCE",
    md5,
    objectId: live["object_id"],
    objectType: live["object_type"],
    url: `${client.host}/#workspace${id}`,
    workspacePath: `/Workspace${id}`,
  };
}

async function remove(client: Databricks, target: string, recursive: boolean): Promise<void> {
  await client.post(`${api}/delete`, { path: target, recursive });
}
