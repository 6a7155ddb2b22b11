import { flag, text, type Fields, type Values } from "../fields.js";
import type { ResourceType } from "../resource.js";
import type { Databricks } from "./client.js";

const scim = "/api/2.0/preview/scim/v2";

/** SCIM's entitlements, each a flag of its own in the provider. */
const entitlements: Record<string, string> = {
  allowClusterCreate: "allow-cluster-create",
  allowInstancePoolCreate: "allow-instance-pool-create",
  databricksSqlAccess: "databricks-sql-access",
  workspaceAccess: "workspace-access",
  workspaceConsume: "workspace-consume",
};
const entitlementInputs: Fields = Object.fromEntries(Object.keys(entitlements).map((name) => [name, flag()]));

function entitlementsOf(inputs: Values): { value: string }[] {
  const given = Object.entries(entitlements).filter(([name]) => inputs[name] === true);
  return given.map(([, value]) => ({ value }));
}

function liveEntitlements(live: Values): Values {
  const values = ((live["entitlements"] ?? []) as { value: string }[]).map(({ value }) => value);
  return Object.fromEntries(
    Object.entries(entitlements).map(([name, value]) => [name, values.includes(value)]),
  );
}

export const servicePrincipal: ResourceType<Databricks> = {
  token: "databricks:index/servicePrincipal:ServicePrincipal",
  source: "terraform-provider-databricks scim/resource_service_principal.go",
  inputs: {
    ...entitlementInputs,
    aclPrincipalId: text({ computed: true }),
    active: flag({ default: true }),
    applicationId: text({ computed: true, replaces: true }),
    disableAsUserDeletion: flag({ writeOnly: true }),
    displayName: text({ computed: true }),
    externalId: text({ computed: true }),
    home: text({ computed: true }),
    repos: text({ computed: true }),
  },
  refused: ["api", "force", "forceDeleteHomeDir", "forceDeleteRepos", "providerConfig"],
  async create({ client, inputs }) {
    const made = await client.post(`${scim}/ServicePrincipals`, principal(inputs));
    return made["id"] as string;
  },
  async read({ client, id }) {
    const attributes = "userName,displayName,active,externalId,entitlements,applicationId";
    const live = await client.get(`${scim}/ServicePrincipals/${id}`, { attributes });
    const application = live["applicationId"] as string;
    return {
      ...liveEntitlements(live),
      aclPrincipalId: `servicePrincipals/${application}`,
      active: live["active"] ?? true,
      applicationId: application,
      displayName: live["displayName"],
      externalId: live["externalId"],
      home: `/Users/${application}`,
      repos: `/Repos/${application}`,
    };
  },
  async update({ client, id, inputs, state }) {
    const live = await client.get(`${scim}/ServicePrincipals/${id}`, { attributes: "groups,roles" });
    const kept = { groups: live["groups"], roles: live["roles"] };
    const body = { ...kept, ...principal({ ...inputs, applicationId: state["applicationId"] }) };
    await client.put(`${scim}/ServicePrincipals/${id}`, body);
  },
  async delete({ client, id, state }) {
    if (state["disableAsUserDeletion"] === true) {
      const Operations = [{ op: "replace", path: "active", value: "false" }];
      await client.patch(`${scim}/ServicePrincipals/${id}`, patch(Operations));
    } else {
      await client.delete(`${scim}/ServicePrincipals/${id}`);
    }
  },
};

function principal(inputs: Values): Values {
  return {
    schemas: ["urn:ietf:params:scim:schemas:core:2.0:ServicePrincipal"],
    applicationId: inputs["applicationId"],
    displayName: inputs["displayName"],
    active: inputs["active"] ?? true,
    externalId: inputs["externalId"],
    entitlements: entitlementsOf(inputs),
  };
}

export const group: ResourceType<Databricks> = {
  token: "databricks:index/group:Group",
  source: "terraform-provider-databricks scim/resource_group.go",
  inputs: {
    ...entitlementInputs,
    aclPrincipalId: text({ computed: true }),
    displayName: text({ computed: true }),
    externalId: text({ computed: true, replaces: true }),
    url: text({ computed: true }),
  },
  refused: ["api", "force", "providerConfig"],
  autoname: { property: "displayName", maxLength: 255 },
  async create({ client, inputs }) {
    const made = await client.post(`${scim}/Groups`, {
      schemas: ["urn:ietf:params:scim:schemas:core:2.0:Group"],
      displayName: inputs["displayName"],
      externalId: inputs["externalId"],
      entitlements: entitlementsOf(inputs),
    });
    return made["id"] as string;
  },
  async read({ client, id }) {
    const live = await client.get(`${scim}/Groups/${id}`, {
      attributes: "displayName,externalId,entitlements",
    });
    return {
      ...liveEntitlements(live),
      aclPrincipalId: `groups/${live["displayName"] as string}`,
      displayName: live["displayName"],
      externalId: live["externalId"],
      url: `${client.host}/#setting/accounts/groups/${id}`,
    };
  },
  async update({ client, id, inputs }) {
    const Operations = [
      { op: "replace", path: "displayName", value: inputs["displayName"] },
      { op: "replace", path: "entitlements", value: entitlementsOf(inputs) },
    ];
    await client.patch(`${scim}/Groups/${id}`, patch(Operations));
  },
  async delete({ client, id }) {
    await client.delete(`${scim}/Groups/${id}`);
  },
};

export const identityTypes = [servicePrincipal, group];

function patch(Operations: Values[]): Values {
  return { schemas: ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], Operations };
}

/** The one principal or group for which `attribute` equals `value`. */
export async function findOne(
  client: Databricks,
  kind: string,
  attribute: string,
  value: string,
): Promise<Values> {
  const found = await client.get(`${scim}/${kind}`, { filter: `${attribute} eq "${value}"` });
  const all = (found["Resources"] ?? []) as Values[];
  if (all.length === 1) return all[0]!;
  throw new Error(
    `there are ${all.length} of ${kind} whose ${attribute} is "${value}", where exactly one is needed`,
  );
}

export async function me(client: Databricks): Promise<Values> {
  return client.get(`${scim}/Me`);
}
