/** Values as plain data: no secret wrappers; what a preview does not know yet is `UNKNOWN`. */
export type Values = Record<string, unknown>;

/** Stands for a value that only `up` will know. It equals nothing, itself included. */
export const UNKNOWN = Symbol("unknown");

/** What one property takes, and what the real provider does when it changes. */
export interface Field extends FieldOptions {
  readonly kind: "string" | "number" | "boolean" | "json" | "policy" | "object" | "list" | "set" | "map";
  /** The properties of an object. */
  readonly fields?: Fields;
  /** What a list, a set or a map holds. */
  readonly item?: Field;
}

export type Fields = Readonly<Record<string, Field>>;

export interface FieldOptions {
  readonly required?: boolean;
  /** A change makes a new resource (Terraform's ForceNew); otherwise it is made in place. */
  readonly replaces?: boolean;
  /** The service fills it when it is not given, so leaving it out is no change (Terraform's Optional and Computed). */
  readonly computed?: boolean;
  /** What leaving it out means. */
  readonly default?: unknown;
  /** No API gives it back: a refresh keeps what was given. */
  readonly writeOnly?: boolean;
  readonly secret?: boolean;
  /** Texts that are the same although they are spelled differently: by case, or by a slash at the end. */
  readonly same?: "case" | "slash";
  /** JSON documents are the same if the live one holds all that was given (the service fills in the rest). */
  readonly partial?: boolean;
  /** Its name in the API, where it is not the property's own in the API's spelling. */
  readonly api?: string;
}

type Maker = (options?: FieldOptions) => Field;
const scalar =
  (kind: Field["kind"]): Maker =>
  (options = {}) => ({ kind, ...options });

export const text = scalar("string");
export const number = scalar("number");
/** Left out it is false, as in Terraform, unless a default says otherwise. */
export const flag: Maker = (options = {}) => ({ kind: "boolean", default: false, ...options });
/** A JSON document as text, or as an object that becomes one; layout and order of keys mean nothing. */
export const json = scalar("json");
/** An IAM policy document: JSON in which, besides, one value and a list of it are the same. */
export const policy = scalar("policy");
export const object = (fields: Fields, options: FieldOptions = {}): Field => ({
  kind: "object",
  fields,
  ...options,
});
export const list = (item: Field, options: FieldOptions = {}): Field => ({ kind: "list", item, ...options });
/** A list whose order means nothing. */
export const set = (item: Field, options: FieldOptions = {}): Field => ({ kind: "set", item, ...options });
export const map = (options: FieldOptions = {}): Field => ({ kind: "map", item: text(), ...options });

/** Holds `UNKNOWN` somewhere. */
export function hasUnknown(value: unknown): boolean {
  if (value === UNKNOWN) return true;
  if (Array.isArray(value)) return value.some(hasUnknown);
  return isObject(value) && Object.values(value).some(hasUnknown);
}

export function isObject(value: unknown): value is Values {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Absent, or as good as absent for every API here. */
export function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === "") return true;
  if (Array.isArray(value)) return value.length === 0;
  return isObject(value) && Object.keys(value).length === 0;
}

/** Are two given values of one field the same setting? */
export function same(field: Field, left: unknown, right: unknown): boolean {
  const [a, b] = [left ?? field.default, right ?? field.default];
  if (hasUnknown(a) || hasUnknown(b)) return false;
  if (isEmpty(a) || isEmpty(b)) return isEmpty(a) && isEmpty(b);
  switch (field.kind) {
    case "string":
      return fold(field, a) === fold(field, b);
    case "number":
    case "boolean":
      return a === b;
    case "json":
      return equal(parsed(a), parsed(b));
    case "policy":
      return equal(canonicalPolicy(parsed(a)), canonicalPolicy(parsed(b)));
    case "object": {
      if (!isObject(a) || !isObject(b)) return false;
      return Object.entries(field.fields!).every(([name, below]) => same(below, a[name], b[name]));
    }
    case "map": {
      if (!isObject(a) || !isObject(b)) return false;
      const names = Object.keys({ ...a, ...b });
      return names.every((name) => name in a && name in b && equal(a[name], b[name]));
    }
    case "list":
      if (!Array.isArray(a) || !Array.isArray(b)) return false;
      return a.length === b.length && a.every((item, index) => same(field.item!, item, b[index]));
    case "set": {
      if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
      const rest = [...(b as unknown[])];
      return a.every((item) => {
        const index = rest.findIndex((other) => same(field.item!, item, other));
        if (index >= 0) rest.splice(index, 1);
        return index >= 0;
      });
    }
  }
}

/** Is the live value `live` what was given as `given`? The service may have filled in what was not given. */
export function matches(field: Field, given: unknown, live: unknown): boolean {
  if (field.kind === "json" && field.partial === true) return contains(parsed(live), parsed(given));
  return same(field, given, live);
}

function fold(field: Field, value: unknown): unknown {
  if (typeof value !== "string") return value;
  if (field.same === "case") return value.toLowerCase();
  return field.same === "slash" ? value.replace(/\/+$/, "") : value;
}

/** Deep equality of plain data. */
export function equal(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, index) => equal(item, b[index]));
  }
  if (!isObject(a) || !isObject(b)) return false;
  const names = Object.keys({ ...a, ...b });
  return names.every((name) => name in a && name in b && equal(a[name], b[name]));
}

/** Everything in `part` is in `whole`, at the same place. */
function contains(whole: unknown, part: unknown): boolean {
  if (isObject(part)) {
    return isObject(whole) && Object.entries(part).every(([name, value]) => contains(whole[name], value));
  }
  return equal(whole, part);
}

function parsed(value: unknown): unknown {
  if (typeof value !== "string") return value;
  try {
    return JSON.parse(value);
  } catch {
    return value; // not JSON: compared as text, and refused by the service
  }
}

/** AWS gives policies back with single-element lists as scalars, lists in another order, and account ids as ARNs. */
function canonicalPolicy(value: unknown, key = ""): unknown {
  if (key === "AWS" && typeof value === "string" && /^\d{12}$/.test(value))
    return `arn:aws:iam::${value}:root`;
  if (Array.isArray(value)) {
    const items = value.map((item) => canonicalPolicy(item, key));
    if (items.length === 1) return items[0];
    return key === "Statement"
      ? items
      : items.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  }
  if (!isObject(value))
    return typeof value === "boolean" || typeof value === "number" ? String(value) : value;
  return Object.fromEntries(
    Object.entries(value).map(([name, below]) => [name, canonicalPolicy(below, name)]),
  );
}
