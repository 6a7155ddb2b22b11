import { parseExpression, type Expression } from "./expressions.js";
import { hasWildcard, matches } from "./patterns.js";

/**
 * Table mappings of a replication: which tables are taken (selection rules) and how their names and columns
 * change (transformation rules). Source: AWS DMS user guide, "Specifying table selection and transformations
 * rules using JSON". What is not listed in the types below is refused by name.
 */
export interface TableMappings {
  readonly selections: readonly SelectionRule[];
  readonly transformations: readonly TransformationRule[];
  /** Limits of LOBs for single tables, from rules of type table-settings; the last that hits wins. */
  readonly lobLimits: readonly { readonly at: Locator; readonly maxSizeKb: number }[];
}

export interface Locator {
  readonly schema: string;
  readonly table: string;
  readonly column: string;
}

export interface SelectionRule {
  readonly action: "include" | "exclude" | "explicit";
  readonly at: Locator;
}

export type TransformationRule = { readonly at: Locator } & (
  | { readonly action: "rename"; readonly target: "schema" | "table" | "column"; readonly value: string }
  | {
      readonly action: "convert-lowercase" | "convert-uppercase";
      readonly target: "schema" | "table" | "column";
    }
  | { readonly action: "remove-column" }
  | {
      readonly action: "add-column";
      readonly value: string;
      readonly expression: Expression;
      readonly type: "string" | "datetime";
    }
  | {
      readonly action: "add-before-image-columns";
      readonly prefix: string;
      readonly suffix: string;
      readonly filter: "pk-only" | "non-lob" | "all";
    }
);

type Fields = Readonly<Record<string, unknown>>;

const common = ["rule-type", "rule-id", "rule-name", "rule-action", "object-locator"];
const selectionKeys = [...common, "filters"];
const transformationKeys = [
  ...common,
  "rule-target",
  "value",
  "old-value",
  "expression",
  "data-type",
  "before-image-def",
];

/** Parses the JSON document; every problem is a sentence that names the rule and the field. */
export function readTableMappings(json: string): { mappings: TableMappings; problems: string[] } {
  const problems: string[] = [];
  const selections: SelectionRule[] = [];
  const transformations: TransformationRule[] = [];
  const lobLimits: TableMappings["lobLimits"][number][] = [];
  for (const [index, rule] of rulesOf(json, problems).entries()) {
    const where = `rule ${typeof rule["rule-id"] === "string" ? rule["rule-id"] : `#${index + 1}`}`;
    try {
      if (rule["rule-type"] === "selection") selections.push(readSelection(rule));
      else if (rule["rule-type"] === "transformation") transformations.push(readTransformation(rule));
      else if (rule["rule-type"] === "table-settings") lobLimits.push(readLobLimit(rule));
      else throw new Refusal(`rule-type ${JSON.stringify(rule["rule-type"])} is not supported here`);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      problems.push(`TableMappings, ${where}: ${error.message}`);
    }
  }
  if (problems.length === 0 && !selections.some(({ action }) => action !== "exclude")) {
    problems.push("TableMappings has no selection rule that includes a table");
  }
  return { mappings: { selections, transformations, lobLimits }, problems };
}

class Refusal extends Error {}

function rulesOf(json: string, problems: string[]): Fields[] {
  try {
    const document = JSON.parse(json) as { rules?: unknown } | null;
    if (
      Array.isArray(document?.rules) &&
      document.rules.every((rule) => typeof rule === "object" && rule !== null)
    ) {
      return document.rules as Fields[];
    }
    problems.push('TableMappings must be a JSON object with an array "rules"');
  } catch (error) {
    problems.push(`TableMappings is not valid JSON: ${(error as Error).message}`);
  }
  return [];
}

function readSelection(rule: Fields): SelectionRule {
  refuseUnknown(rule, selectionKeys);
  const filters = rule["filters"];
  if (filters !== undefined && !(Array.isArray(filters) && filters.length === 0)) {
    throw new Refusal("filters are not supported here");
  }
  const action = oneOf(rule, "rule-action", ["include", "exclude", "explicit"]);
  const at = locator(rule, ["schema-name", "table-name", "table-type"]);
  if (action === "explicit" && (hasPercent(at.schema) || hasPercent(at.table))) {
    throw new Refusal("rule-action explicit takes exact names, without wildcards");
  }
  return { action, at };
}

/** Of table-settings only limited LOBs are known here: `"lob-settings": {"mode": "limited", "bulk-max-size": "64"}`. */
function readLobLimit(rule: Fields): TableMappings["lobLimits"][number] {
  refuseUnknown(rule, [...common, "lob-settings"]);
  const given = rule["lob-settings"];
  if (typeof given !== "object" || given === null) throw new Refusal("lob-settings is required");
  const settings = given as Fields;
  refuseUnknown(settings, ["mode", "bulk-max-size"], "lob-settings.");
  oneOf(settings, "mode", ["limited"]);
  const maxSizeKb = Number(settings["bulk-max-size"]);
  if (!Number.isInteger(maxSizeKb) || maxSizeKb < 1) {
    throw new Refusal("lob-settings.bulk-max-size must be a whole number of KB");
  }
  return { at: locator(rule, ["schema-name", "table-name"]), maxSizeKb };
}

function readTransformation(rule: Fields): TransformationRule {
  refuseUnknown(rule, transformationKeys);
  const at = locator(rule, ["schema-name", "table-name", "column-name"]);
  const action = oneOf(rule, "rule-action", [
    "rename",
    "convert-lowercase",
    "convert-uppercase",
    "remove-column",
    "add-column",
    "add-before-image-columns",
  ]);
  const target = oneOf(rule, "rule-target", ["schema", "table", "column"]);
  if (action === "rename") return { action, target, at, value: text(rule, "value") };
  if (action === "convert-lowercase" || action === "convert-uppercase") return { action, target, at };
  if (target !== "column") throw new Refusal(`rule-target of ${action} must be column`);
  if (action === "remove-column") return { action, at };
  if (action === "add-column") return { action, at, ...readAddedColumn(rule) };
  const definition = rule["before-image-def"];
  if (typeof definition !== "object" || definition === null)
    throw new Refusal("before-image-def is required");
  const fields = definition as Fields;
  const prefix = (fields["column-prefix"] as string | undefined) ?? "";
  const suffix = (fields["column-suffix"] as string | undefined) ?? "";
  if (prefix === "" && suffix === "")
    throw new Refusal("before-image-def needs a column-prefix or a column-suffix");
  return {
    action,
    at,
    prefix,
    suffix,
    filter: oneOf(fields, "column-filter", ["pk-only", "non-lob", "all"]),
  };
}

function readAddedColumn(rule: Fields): {
  value: string;
  expression: Expression;
  type: "string" | "datetime";
} {
  const expression = parseExpression(text(rule, "expression"));
  if (typeof expression === "string") throw new Refusal(expression);
  const type = (rule["data-type"] as Fields | undefined)?.["type"] ?? "string";
  if (type === "string" || type === "wstring")
    return { value: text(rule, "value"), expression, type: "string" };
  if (type === "datetime") {
    const [only, ...others] = expression;
    if (only?.kind === "header" && /TIMESTAMP$/.test(only.header) && others.length === 0) {
      return { value: text(rule, "value"), expression, type };
    }
    throw new Refusal("data-type datetime is supported here for a timestamp header alone");
  }
  throw new Refusal(`data-type ${JSON.stringify(type)} is not supported here (string and datetime are)`);
}

function locator(rule: Fields, allowed: string[]): Locator {
  const given = rule["object-locator"];
  if (typeof given !== "object" || given === null) throw new Refusal("object-locator is required");
  const fields = given as Fields;
  refuseUnknown(fields, allowed, "object-locator.");
  if (fields["table-type"] !== undefined && fields["table-type"] !== "table") {
    throw new Refusal(
      "object-locator.table-type takes table only (serverless replications do not support views)",
    );
  }
  const part = (name: string, fallback?: string): string => {
    const value = fields[name] ?? fallback;
    if (typeof value !== "string" || value === "") throw new Refusal(`object-locator.${name} is required`);
    return value;
  };
  return { schema: part("schema-name"), table: part("table-name", "%"), column: part("column-name", "%") };
}

function refuseUnknown(fields: Fields, known: readonly string[], prefix = ""): void {
  const unknown = Object.keys(fields).find((key) => !known.includes(key) && fields[key] !== null);
  if (unknown !== undefined) throw new Refusal(`${prefix}${unknown} is not supported here`);
}

function text(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== "string" || value === "") throw new Refusal(`${name} is required`);
  return value;
}

function oneOf<Value extends string>(fields: Fields, name: string, values: readonly Value[]): Value {
  const found = values.find((value) => value === fields[name]);
  if (found !== undefined) return found;
  throw new Refusal(`${name} ${JSON.stringify(fields[name])} is not supported here (${values.join(", ")})`);
}

/** Whether a table is taken: by an include or explicit rule, unless an exclude rule matches, in whatever order. */
export function isSelected({ selections }: TableMappings, schema: string, table: string): boolean {
  const hit = ({ action, at }: SelectionRule): boolean =>
    action === "explicit"
      ? at.schema === schema && at.table === table
      : matches(at.schema, schema) && matches(at.table, table);
  return (
    selections.some((rule) => rule.action !== "exclude" && hit(rule)) &&
    !selections.some((rule) => rule.action === "exclude" && hit(rule))
  );
}

function hasPercent(pattern: string): boolean {
  // An underscore is part of ordinary names; an explicit rule takes it literally.
  return hasWildcard(pattern.replaceAll("_", ""));
}
