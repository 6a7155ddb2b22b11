import { fromApi, only, snake, toApi } from "../api.js";
import { flag, isEmpty, map, object, text, type Fields, type Values } from "../fields.js";
import type { ResourceType } from "../resource.js";
import { part, type Databricks } from "./client.js";

interface Securable {
  readonly type: string;
  /** Its place below /api/2.1/unity-catalog. */
  readonly path: string;
  readonly inputs: Fields;
  readonly outputs?: Fields;
  readonly refused: string[];
  /** Set by a second call after the creation, as the provider does. */
  readonly after: string[];
  /** Options of the calls themselves, never properties of the thing. */
  readonly options?: string[];
  /** How the API addresses it, from its properties; an import has its id only. */
  readonly fullName: (values: Values) => string;
  readonly afterCreate?: (client: Databricks, values: Values) => Promise<void>;
  readonly more?: (live: Values) => Values;
}

const api = "/api/2.1/unity-catalog";

/** What all of Unity Catalog's securables have in common: created by POST, changed by PATCH, deleted with or without force. */
function securable(spec: Securable): ResourceType<Databricks> {
  const { type, path, inputs, outputs = {}, after, options = [] } = spec;
  const sent = only(
    inputs,
    Object.keys(inputs).filter((name) => !options.includes(name)),
  );
  const place = (name: string) => `${api}/${path}/${part(name)}`;
  const nameIn = (values: Values, id: string) => (values["name"] === undefined ? id : spec.fullName(values));
  return {
    token: `databricks:index/${type[0]!.toLowerCase()}${type.slice(1)}:${type}`,
    source: `terraform-provider-databricks catalog/resource_${snake(type).slice(1)}.go`,
    inputs,
    outputs: Object.fromEntries(Object.keys(outputs).map((name) => [name, {}])),
    refused: [...spec.refused, "providerConfig"],
    autoname: { property: "name", maxLength: 255 },
    async create({ client, inputs: given }) {
      const first = only(
        inputs,
        Object.keys(sent).filter((name) => !after.includes(name)),
      );
      const body = toApi(first, given, snake);
      if (given["skipValidation"] === true) body["skip_validation"] = true;
      await client.post(`${api}/${path}`, body);
      return { id: spec.fullName(given), properties: { justMade: true } };
    },
    async settle({ client, inputs: given, state }) {
      if (state["justMade"] !== true) return;
      await spec.afterCreate?.(client, given);
      const second = toApi(only(inputs, after), given, snake);
      if (!isEmpty(second)) await client.patch(place(spec.fullName(given)), second);
    },
    async read({ client, id, inputs: given, state }) {
      // A renamed thing keeps the id Pulumi knows it by, so its properties say what it is called.
      const name = nameIn(given, nameIn(state, id));
      const live = await client.get(place(name));
      return { ...fromApi(sent, live, snake), ...fromApi(outputs, live, snake), ...spec.more?.(live) };
    },
    async update({ client, id, inputs: given, state, changed }) {
      const names = [...changed].filter((name) => name in sent);
      if (names.length === 0) return;
      const values = { ...emptied(sent, names), ...given };
      const body = toApi(only(sent, names), values, snake);
      if (changed.has("name")) {
        delete body["name"];
        body["new_name"] = given["name"];
      }
      if (given["forceUpdate"] === true) body["force"] = true;
      if (given["skipValidation"] === true) body["skip_validation"] = true;
      // The owner changes first and alone: afterwards others may have the say.
      const { owner, ...rest } = body;
      const name = nameIn(state, id);
      if (owner !== undefined) await client.patch(place(name), { owner });
      if (!isEmpty(rest)) await client.patch(place(name), rest);
    },
    async delete({ client, id, state }) {
      const force = "forceDestroy" in inputs ? `?force=${state["forceDestroy"] === true}` : "";
      await client.delete(`${place(nameIn(state, id))}${force}`);
    },
  };
}

/** What takes a property away: a PATCH leaves alone what it does not name. */
function emptied(fields: Fields, names: string[]): Values {
  const empty = { string: "", boolean: false, map: {} } as Record<string, unknown>;
  const pairs = names.map((name) => [name, fields[name]!.default ?? empty[fields[name]!.kind]] as const);
  return Object.fromEntries(pairs.filter(([, value]) => value !== undefined));
}

const computed = { computed: true };
const fixed = { replaces: true };
const name = text({ ...fixed, computed: true, same: "case" });
const forceDestroy = flag({ writeOnly: true });
const shared = {
  comment: text(),
  metastoreId: text({ ...computed, writeOnly: true }),
  owner: text(computed),
};
const history: Fields = { createdAt: text(), createdBy: text(), updatedAt: text(), updatedBy: text() };

export const unityCatalog: ResourceType<Databricks>[] = [
  securable({
    type: "StorageCredential",
    path: "storage-credentials",
    inputs: {
      ...shared,
      name,
      awsIamRole: object({
        roleArn: text({ required: true }),
        externalId: text(computed),
        unityCatalogIamArn: text(computed),
      }),
      forceDestroy,
      forceUpdate: flag({ writeOnly: true }),
      isolationMode: text(computed),
      readOnly: flag(),
      skipValidation: flag({ writeOnly: true }),
    },
    outputs: { storageCredentialId: text({ api: "id" }) },
    options: ["forceDestroy", "forceUpdate", "skipValidation", "metastoreId"],
    after: ["owner", "isolationMode"],
    fullName: (values) => values["name"] as string,
    refused: [
      ...["api", "azureManagedIdentity", "azureServicePrincipal", "cloudflareApiToken"],
      ...["databricksGcpServiceAccount", "gcpServiceAccountKey"],
    ],
  }),
  securable({
    type: "ExternalLocation",
    path: "external-locations",
    inputs: {
      ...shared,
      name,
      url: text({ required: true, same: "slash" }),
      credentialName: text({ required: true }),
      enableFileEvents: flag(computed),
      fallback: flag(),
      forceDestroy,
      forceUpdate: flag({ writeOnly: true }),
      isolationMode: text(computed),
      readOnly: flag(),
      skipValidation: flag({ writeOnly: true }),
    },
    outputs: { ...history, credentialId: text(), browseOnly: flag(), effectiveEnableFileEvents: flag() },
    options: ["forceDestroy", "forceUpdate", "skipValidation", "metastoreId"],
    after: ["owner", "isolationMode"],
    fullName: (values) => values["name"] as string,
    refused: ["effectiveFileEventQueue", "encryptionDetails", "fileEventQueue"],
  }),
  securable({
    type: "Catalog",
    path: "catalogs",
    inputs: {
      ...shared,
      name,
      enablePredictiveOptimization: text(computed),
      forceDestroy,
      isolationMode: text(computed),
      properties: map(),
      storageRoot: text({ ...fixed, same: "slash" }),
    },
    outputs: {
      ...history,
      catalogType: text(),
      fullName: text(),
      securableType: text(),
      storageLocation: text(),
    },
    options: ["forceDestroy", "metastoreId"],
    after: ["owner", "isolationMode", "enablePredictiveOptimization"],
    fullName: (values) => values["name"] as string,
    // A new catalog comes with a schema `default`, which the provider takes away.
    afterCreate: async (client, values) => {
      const schema = `${values["name"] as string}.default`;
      await client.delete(`${api}/schemas/${part(schema)}`).catch((error: unknown) => {
        if ((error as { status?: number }).status !== 404) throw error;
      });
    },
    refused: [
      ...["browseOnly", "connectionName", "customMaxRetentionHours", "effectivePredictiveOptimizationFlag"],
      ...["managedEncryptionSettings", "options", "providerName", "provisioningInfo", "shareName"],
    ],
  }),
  securable({
    type: "Schema",
    path: "schemas",
    inputs: {
      ...shared,
      name,
      catalogName: text({ ...fixed, required: true, same: "case" }),
      enablePredictiveOptimization: text(computed),
      forceDestroy,
      properties: map(),
      storageRoot: text({ ...fixed, same: "slash" }),
    },
    outputs: { schemaId: text() },
    options: ["forceDestroy", "metastoreId"],
    after: ["owner", "enablePredictiveOptimization"],
    fullName: (values) => [values["catalogName"], values["name"]].join("."),
    refused: [],
  }),
  securable({
    type: "Volume",
    path: "volumes",
    inputs: {
      name: text({ computed: true, same: "case" }),
      catalogName: text({ ...fixed, required: true, same: "case" }),
      schemaName: text({ ...fixed, required: true, same: "case" }),
      volumeType: text({ ...fixed, required: true }),
      storageLocation: text({ ...fixed, computed: true, same: "slash" }),
      comment: text(),
      owner: text(computed),
    },
    outputs: { volumePath: text() },
    after: ["owner"],
    fullName: (values) => [values["catalogName"], values["schemaName"], values["name"]].join("."),
    more: (live) => ({ volumePath: `/Volumes/${(live["full_name"] as string).replaceAll(".", "/")}` }),
    refused: [],
  }),
];
