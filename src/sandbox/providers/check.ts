import { createHash, randomBytes } from "node:crypto";
import { isObject, UNKNOWN, type Field, type Fields, type Values } from "./fields.js";
import type { ResourceType } from "./resource.js";

export interface Failure {
  readonly property: string;
  readonly reason: string;
}

/** Marks the inputs that were not given but made up, as the real providers' bridge does. */
export const DEFAULTS = "__defaults";

/** What is wrong with `values`: unknown properties, wrong kinds, missing ones; every one names what is known. */
export function check(
  owner: string,
  fields: Fields,
  values: Values,
  refused: readonly string[] = [],
): Failure[] {
  return checkObject(owner, fields, values, "", refused);
}

function checkObject(
  owner: string,
  fields: Fields,
  values: Values,
  at: string,
  refused: readonly string[],
): Failure[] {
  const failures: Failure[] = [];
  for (const [name, value] of Object.entries(values)) {
    if (name.startsWith("__")) continue; // the engine's own: __defaults, __internal
    const property = at + name;
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (field === undefined) {
      const why = refused.includes(name)
        ? "the real provider has it, the sandbox's light provider does not"
        : "there is no such property";
      const known = Object.keys(fields).sort().join(", ");
      failures.push({
        property,
        reason: `${owner} does not take "${property}" (${why}); it takes: ${known}`,
      });
    } else {
      failures.push(...checkValue(owner, field, value, property));
    }
  }
  for (const [name, field] of Object.entries(fields)) {
    if (field.required === true && (values[name] === undefined || values[name] === null)) {
      failures.push({ property: at + name, reason: `${owner} needs "${at + name}"` });
    }
  }
  return failures;
}

function checkValue(owner: string, field: Field, value: unknown, property: string): Failure[] {
  if (value === UNKNOWN || value === undefined || value === null) return [];
  const wrong = (allowed: string): Failure[] => {
    const found = Array.isArray(value) ? "a list" : `a ${typeof value}`;
    return [{ property, reason: `${owner} takes ${allowed} for "${property}", but found ${found}` }];
  };
  switch (field.kind) {
    case "string":
    case "number":
    case "boolean":
      return typeof value === field.kind ? [] : wrong(`a ${field.kind}`);
    case "json":
    case "policy":
      return typeof value === "string" || isObject(value) ? [] : wrong("a JSON document");
    case "object":
      if (!isObject(value)) return wrong("an object");
      return checkObject(owner, field.fields!, value, `${property}.`, []);
    case "map":
      if (!isObject(value)) return wrong("an object");
      return Object.entries(value).flatMap(([key, item]) =>
        checkValue(owner, field.item!, item, `${property}["${key}"]`),
      );
    case "list":
    case "set":
      if (!Array.isArray(value)) return wrong("a list");
      return value.flatMap((item, index) => checkValue(owner, field.item!, item, `${property}[${index}]`));
  }
}

/**
 * The name a resource gets that was given none: its Pulumi name, a dash and seven hexadecimal digits, kept from the
 * recorded inputs once it was made (tfbridge's NewUniqueName). Undefined where no name is to be made.
 */
export function autoname(
  type: Pick<ResourceType<never>, "autoname">,
  { name, news, olds, seed }: { name: string; news: Values; olds: Values; seed: Uint8Array },
): { property: string; value: string } | undefined {
  const auto = type.autoname;
  if (auto === undefined || news[auto.property] !== undefined) return undefined;
  if (auto.unless !== undefined && news[auto.unless] !== undefined) return undefined;
  const kept = olds[auto.property];
  const made = olds[DEFAULTS];
  if (typeof kept === "string" && Array.isArray(made) && made.includes(auto.property)) {
    return { property: auto.property, value: kept };
  }
  const random =
    seed.length === 0
      ? randomBytes(4).toString("hex")
      : createHash("sha256").update(seed).update(name).digest("hex");
  const value = `${name}-${random.slice(0, 7)}`;
  return { property: auto.property, value: auto.transform === undefined ? value : auto.transform(value) };
}
