import { text } from "../fields.js";
import type { ResourceType } from "../resource.js";
import type { Databricks } from "./client.js";

const api = "/api/2.0/secrets";
const fixed = { required: true, replaces: true };

export const secretScope: ResourceType<Databricks> = {
  token: "databricks:index/secretScope:SecretScope",
  source: "terraform-provider-databricks secrets/resource_secret_scope.go",
  inputs: {
    name: text({ computed: true, replaces: true }),
    backendType: text({ computed: true, replaces: true }),
    initialManagePrincipal: text({ replaces: true, writeOnly: true }),
  },
  refused: ["keyvaultMetadata", "providerConfig"],
  autoname: { property: "name", maxLength: 255 },
  async create({ client, inputs }) {
    const scope = inputs["name"] as string;
    const manage = inputs["initialManagePrincipal"];
    await client.post(`${api}/scopes/create`, {
      scope,
      scope_backend_type: "DATABRICKS",
      ...(manage === undefined ? {} : { initial_manage_principal: manage }),
    });
    return scope;
  },
  async read({ client, id }) {
    const { scopes } = (await client.get(`${api}/scopes/list`)) as {
      scopes?: { name: string; backend_type?: string }[];
    };
    const live = scopes?.find(({ name }) => name === id);
    return live && { name: id, backendType: live.backend_type ?? "DATABRICKS" };
  },
  async delete({ client, id }) {
    await client.post(`${api}/scopes/delete`, { scope: id });
  },
};

// A replacement is made before the old one is deleted, and both are the same entry: as with the real provider, the secret
// is gone then, unless the program says deleteBeforeReplace (pulumi/pulumi-databricks#642). So it is with an ACL's permission.
export const secret: ResourceType<Databricks> = {
  token: "databricks:index/secret:Secret",
  source: "terraform-provider-databricks secrets/resource_secret.go",
  inputs: {
    scope: text(fixed),
    key: text(fixed),
    stringValue: text({ ...fixed, secret: true, writeOnly: true }),
  },
  outputs: { configReference: {}, lastUpdatedTimestamp: {} },
  refused: ["providerConfig"],
  async create({ client, inputs }) {
    const { scope, key, stringValue } = inputs;
    await client.post(`${api}/put`, { scope, key, string_value: stringValue });
    return `${scope as string}|||${key as string}`;
  },
  async read({ client, id }) {
    const [scope, key] = id.split("|||") as [string, string];
    const found = (await client.get(`${api}/list`, { scope })) as {
      secrets?: { key: string; last_updated_timestamp?: number }[];
    };
    const live = found.secrets?.find((one) => one.key === key);
    if (live === undefined) return undefined;
    const configReference = `{{secrets/${scope}/${key}}}`;
    return { scope, key, configReference, lastUpdatedTimestamp: live.last_updated_timestamp };
  },
  async delete({ client, id }) {
    const [scope, key] = id.split("|||");
    await client.post(`${api}/delete`, { scope, key });
  },
};

export const secretAcl: ResourceType<Databricks> = {
  token: "databricks:index/secretAcl:SecretAcl",
  source: "terraform-provider-databricks secrets/resource_secret_acl.go",
  inputs: { scope: text(fixed), principal: text(fixed), permission: text(fixed) },
  refused: ["providerConfig"],
  async create({ client, inputs }) {
    const { scope, principal, permission } = inputs;
    await client.post(`${api}/acls/put`, { scope, principal, permission });
    return `${scope as string}|||${principal as string}`;
  },
  async read({ client, id }) {
    const [scope, principal] = id.split("|||");
    const live = await client.get(`${api}/acls/get`, { scope, principal });
    return { scope, principal, permission: live["permission"] };
  },
  async delete({ client, id }) {
    const [scope, principal] = id.split("|||");
    await client.post(`${api}/acls/delete`, { scope, principal });
  },
};

export const secretTypes = [secretScope, secret, secretAcl];
