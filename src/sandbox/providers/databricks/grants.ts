import { snake } from "../api.js";
import { object, set, text, type Fields, type Values } from "../fields.js";
import type { ResourceType } from "../resource.js";
import { part, type Databricks } from "./client.js";

/** What privileges are granted on, by property; most are called the same in the API. */
const securables: Record<string, string> = {
  catalog: "catalog",
  externalLocation: "external_location",
  function: "function",
  metastore: "metastore",
  schema: "schema",
  storageCredential: "storage_credential",
  table: "table",
  volume: "volume",
};
const securableInputs: Fields = Object.fromEntries(
  Object.keys(securables).map((name) => [name, text({ replaces: true })]),
);
const refused = [
  ...["credential", "foreignConnection", "mcpService", "model", "modelProviderService", "modelService"],
  ...["pipeline", "providerConfig", "recipient", "secret", "share"],
];

// The API takes `use catalog` and answers USE_CATALOG.
const normal = (privilege: string) => privilege.replaceAll(" ", "_").toUpperCase();
const privileges = set(text({ same: "case" }), { required: true });

interface Assignment {
  principal: string;
  privileges: string[];
}

/** The privileges of one principal on one thing; those of others are left alone. */
export const grant: ResourceType<Databricks> = {
  token: "databricks:index/grant:Grant",
  source: "terraform-provider-databricks catalog/resource_grant.go",
  inputs: { ...securableInputs, principal: text({ required: true, replaces: true }), privileges },
  refused,
  async create({ client, inputs }) {
    const { property, name } = securableOf("databricks.Grant", inputs);
    const principal = inputs["principal"] as string;
    await assign(client, property, name, [wanted(inputs)], (one) => one.principal === principal);
    return `${snake(property)}/${name}/${principal}`;
  },
  async read({ client, id, inputs }) {
    const { property, name, principal } = parse(id);
    const live = (await assignments(client, property, name)).find((one) => one.principal === principal);
    return (
      live && { [property]: name, principal, privileges: asGiven(live.privileges, inputs["privileges"]) }
    );
  },
  async update({ client, id, inputs }) {
    const { property, name, principal } = parse(id);
    await assign(client, property, name, [wanted(inputs)], (one) => one.principal === principal);
  },
  async delete({ client, id }) {
    const { property, name, principal } = parse(id);
    await assign(client, property, name, [], (one) => one.principal === principal);
  },
};

/** All privileges on one thing: whoever is not named loses them. */
export const grants: ResourceType<Databricks> = {
  token: "databricks:index/grants:Grants",
  source: "terraform-provider-databricks catalog/resource_grants.go",
  inputs: {
    ...securableInputs,
    grants: set(object({ principal: text({ required: true, same: "case" }), privileges }), {
      required: true,
    }),
  },
  refused,
  async create({ client, inputs }) {
    const { property, name } = securableOf("databricks.Grants", inputs);
    await assign(client, property, name, (inputs["grants"] as Values[]).map(wanted), () => true);
    return `${snake(property)}/${name}`;
  },
  async read({ client, id, inputs }) {
    const { property, name } = parse(id);
    const live = await assignments(client, property, name);
    if (live.length === 0) return undefined;
    const given = (inputs["grants"] ?? []) as Values[];
    return {
      [property]: name,
      grants: live.map(({ principal, privileges }) => {
        const own = given.find(
          (one) => (one["principal"] as string).toLowerCase() === principal.toLowerCase(),
        );
        return { principal, privileges: asGiven(privileges, own?.["privileges"]) };
      }),
    };
  },
  async update({ client, id, inputs }) {
    const { property, name } = parse(id);
    await assign(client, property, name, (inputs["grants"] as Values[]).map(wanted), () => true);
  },
  async delete({ client, id }) {
    const { property, name } = parse(id);
    await assign(client, property, name, [], () => true);
  },
};

export const grantTypes = [grant, grants];

function wanted(values: Values): Assignment {
  return {
    principal: values["principal"] as string,
    privileges: (values["privileges"] as string[]).map(normal),
  };
}

/** A privilege spelled with spaces in the program stays spelled so. */
function asGiven(live: string[], given: unknown): string[] {
  const spellings = new Map(((given ?? []) as string[]).map((privilege) => [normal(privilege), privilege]));
  return live.map((privilege) => spellings.get(privilege) ?? privilege);
}

/** The one property that says on what. */
function securableOf(owner: string, inputs: Values): { property: string; name: string } {
  const named = Object.keys(securables).filter((name) => inputs[name] !== undefined);
  if (named.length === 1) return { property: named[0]!, name: inputs[named[0]!] as string };
  const all = Object.keys(securables).join(", ");
  throw new Error(`${owner} takes exactly one of ${all}; found ${named.join(", ") || "none"}`);
}

function parse(id: string): { property: string; name: string; principal: string } {
  const [kind, name, ...rest] = id.split("/") as [string, string, ...string[]];
  const property = Object.keys(securables).find((one) => snake(one) === kind);
  if (property === undefined) throw new Error(`the id "${id}" names nothing privileges are granted on`);
  return { property, name, principal: rest.join("/") };
}

async function assignments(client: Databricks, property: string, name: string): Promise<Assignment[]> {
  const live = await client.get(pathOf(property, name));
  return (live["privilege_assignments"] ?? []) as Assignment[];
}

/** Makes the privileges of the principals that are `ours` equal to `want`. */
async function assign(
  client: Databricks,
  property: string,
  name: string,
  want: Assignment[],
  ours: (one: Assignment) => boolean,
): Promise<void> {
  const live = (await assignments(client, property, name)).filter(ours);
  const principals = [...new Set([...want, ...live].map((one) => one.principal))];
  const of = (all: Assignment[], principal: string) =>
    all.filter((one) => one.principal === principal).flatMap((one) => one.privileges);
  const changes = principals.map((principal) => {
    const [after, before] = [of(want, principal), of(live, principal)];
    return {
      principal,
      add: after.filter((privilege) => !before.includes(privilege)),
      remove: before.filter((privilege) => !after.includes(privilege)),
    };
  });
  const needed = changes.filter(({ add, remove }) => add.length + remove.length > 0);
  if (needed.length > 0) await client.patch(pathOf(property, name), { changes: needed });
}

function pathOf(property: string, name: string): string {
  return `/api/2.1/unity-catalog/permissions/${securables[property]}/${part(name)}`;
}
