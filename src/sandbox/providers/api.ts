import { isObject, type Field, type Fields, type Values } from "./fields.js";

/** How an API spells the names that Pulumi spells in camel case. */
export type Spelling = (name: string) => string;

/** `bucketFolder` -> `BucketFolder`, as AWS does. */
export const pascal: Spelling = (name) => name.charAt(0).toUpperCase() + name.slice(1);
/** `bucketFolder` -> `bucket_folder`, as Databricks does. */
export const snake: Spelling = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** Given properties as the API takes them; what is not given stays out. */
export function toApi(fields: Fields, values: Values, spelling: Spelling): Values {
  const result: Values = {};
  for (const [name, field] of Object.entries(fields)) {
    if (values[name] !== undefined)
      result[field.api ?? spelling(name)] = convert(field, values[name], toApi, spelling);
  }
  return result;
}

/** The API's answer as properties; what is not among `fields`, and nulls, stay out. */
export function fromApi(fields: Fields, body: Values | undefined, spelling: Spelling): Values {
  const result: Values = {};
  for (const [name, field] of Object.entries(fields)) {
    const value = body?.[field.api ?? spelling(name)];
    if (value !== undefined && value !== null) result[name] = convert(field, value, fromApi, spelling);
  }
  return result;
}

function convert(field: Field, value: unknown, each: typeof toApi, spelling: Spelling): unknown {
  if (field.kind === "object" && isObject(value)) return each(field.fields!, value, spelling);
  if (Array.isArray(value) && field.item !== undefined) {
    return value.map((item) => convert(field.item!, item, each, spelling));
  }
  return value;
}

/** Those fields, in the order of `names`. */
export function only(fields: Fields, names: Iterable<string>): Fields {
  return Object.fromEntries([...names].filter((name) => name in fields).map((name) => [name, fields[name]!]));
}

/** Calls `done` until it is true, for what a service does in its own time. */
export async function until(what: string, minutes: number, done: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + minutes * 60_000;
  for (let pause = 50; !(await done()); pause = Math.min(pause * 1.5, 2_000)) {
    if (Date.now() > deadline) throw new Error(`${what}: not so after ${minutes} minutes`);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}
