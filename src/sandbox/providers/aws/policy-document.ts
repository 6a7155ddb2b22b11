import { createHash } from "node:crypto";
import { list, object, text, type Fields, type Values } from "../fields.js";

const principals = list(
  object({ type: text({ required: true }), identifiers: list(text(), { required: true }) }),
);

export const policyDocumentInputs: Fields = {
  version: text(),
  policyId: text(),
  sourcePolicyDocuments: list(text()),
  overridePolicyDocuments: list(text()),
  statements: list(
    object({
      sid: text(),
      effect: text(),
      actions: list(text()),
      notActions: list(text()),
      resources: list(text()),
      notResources: list(text()),
      principals,
      notPrincipals: principals,
      conditions: list(
        object({
          test: text({ required: true }),
          variable: text({ required: true }),
          values: list(text(), { required: true }),
        }),
      ),
    }),
  ),
};

type Statement = Record<string, unknown> & { Sid?: string };
interface Document {
  Version?: string;
  Id?: string;
  Statement?: Statement | Statement[];
}

/**
 * The JSON of an `aws.iam.getPolicyDocument` (terraform-provider-aws internal/service/iam/policy_document_data_source.go):
 * source documents first, then the statements, then the overriding documents, whose statements replace those of the
 * same sid. Single values are scalars, lists are sorted downwards, as the provider writes them.
 */
export function document(args: Values): Values {
  const parse = (texts: unknown) =>
    ((texts ?? []) as string[]).filter((one) => one !== "").map((one) => JSON.parse(one) as Document);
  const sources = parse(args["sourcePolicyDocuments"]).flatMap(statementsOf);
  const own = ((args["statements"] ?? []) as Values[]).map(statement);
  const sids = [...sources, ...own].map(({ Sid }) => Sid).filter((sid) => sid !== undefined);
  const twice = sids.find((sid, index) => sids.indexOf(sid) !== index);
  if (twice !== undefined) throw new Error(`two statements of the policy document have the sid "${twice}"`);
  let all = [...sources, ...own];
  for (const over of parse(args["overridePolicyDocuments"]).flatMap(statementsOf)) {
    const at = over.Sid === undefined ? -1 : all.findIndex(({ Sid }) => Sid === over.Sid);
    all = at < 0 ? [...all, over] : all.with(at, over);
  }
  const result = {
    Version: (args["version"] as string | undefined) ?? "2012-10-17",
    ...(args["policyId"] === undefined ? {} : { Id: args["policyId"] }),
    Statement: all,
  };
  const json = JSON.stringify(result, undefined, 2);
  const id = String(createHash("sha256").update(json).digest().readUInt32BE());
  return { ...args, id, json, minifiedJson: JSON.stringify(result) };
}

function statementsOf({ Statement }: Document): Statement[] {
  return Statement === undefined ? [] : Array.isArray(Statement) ? Statement : [Statement];
}

function statement(given: Values): Statement {
  const part = (name: string, value: unknown) => (value === undefined ? {} : { [name]: value });
  return {
    ...part("Sid", given["sid"] === "" ? undefined : given["sid"]),
    Effect: given["effect"] ?? "Allow",
    ...part("Action", brief(given["actions"])),
    ...part("NotAction", brief(given["notActions"])),
    ...part("Resource", brief(given["resources"])),
    ...part("NotResource", brief(given["notResources"])),
    ...part("Principal", principal(given["principals"])),
    ...part("NotPrincipal", principal(given["notPrincipals"])),
    ...part("Condition", condition(given["conditions"])),
  };
}

function brief(values: unknown): unknown {
  const items = [...new Set((values ?? []) as string[])].sort().reverse();
  return items.length === 0 ? undefined : items.length === 1 ? items[0] : items;
}

function principal(given: unknown): unknown {
  const all = (given ?? []) as { type: string; identifiers: string[] }[];
  if (all.length === 0) return undefined;
  if (all.length === 1 && all[0]!.type === "*" && all[0]!.identifiers.includes("*")) return "*";
  const types = [...new Set(all.map(({ type }) => type))];
  const of = (wanted: string) =>
    all.filter(({ type }) => type === wanted).flatMap(({ identifiers }) => identifiers);
  return Object.fromEntries(types.map((type) => [type, brief(of(type))]));
}

function condition(given: unknown): unknown {
  const all = (given ?? []) as { test: string; variable: string; values: string[] }[];
  if (all.length === 0) return undefined;
  const result: Record<string, Record<string, unknown>> = {};
  for (const { test, variable, values } of all) {
    (result[test] ??= {})[variable] = values.length === 1 ? values[0] : values;
  }
  return result;
}
