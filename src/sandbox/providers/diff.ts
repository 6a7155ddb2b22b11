import { DEFAULTS } from "./check.js";
import { isEmpty, isObject, matches, same, UNKNOWN, type Field, type Fields, type Values } from "./fields.js";
import type { ResourceType } from "./resource.js";

export interface Change {
  readonly kind: "add" | "delete" | "update";
  readonly replaces: boolean;
}

export interface Difference {
  /** By property path: `computeConfig.minCapacityUnits`, `tags["owner"]`, `rules[0]`. */
  readonly changes: ReadonlyMap<string, Change>;
  /** The top-level properties changed. */
  readonly changed: ReadonlySet<string>;
  readonly replaces: boolean;
  readonly deleteBeforeReplace: boolean;
}

/** What an update from the recorded inputs to the new ones has to do. */
export function diff(
  type: Pick<ResourceType<never>, "inputs" | "autoname" | "deleteBeforeReplace">,
  olds: Values,
  news: Values,
): Difference {
  const changes = new Map<string, Change>();
  diffObject(type.inputs, olds, news, "", false, changes);
  const changed = new Set([...changes.keys()].map((path) => /^[^.[]*/.exec(path)![0]));
  const replaces = [...changes.values()].some((change) => change.replaces);
  const deleteBeforeReplace =
    replaces && (type.deleteBeforeReplace === true || keepsGivenName(type, olds, news));
  return { changes, changed, replaces, deleteBeforeReplace };
}

function diffObject(
  fields: Fields,
  olds: Values,
  news: Values,
  at: string,
  above: boolean,
  into: Map<string, Change>,
): void {
  for (const [name, field] of Object.entries(fields)) {
    const [before, after] = [olds[name], news[name]];
    if (same(field, before, after)) continue;
    if (isEmpty(after) && field.computed === true) continue;
    const replaces = above || field.replaces === true;
    if (field.kind === "object" && isObject(before) && isObject(after)) {
      diffObject(field.fields!, before, after, `${at}${name}.`, replaces, into);
    } else {
      const kind = isEmpty(before) ? "add" : isEmpty(after) ? "delete" : "update";
      into.set(at + name, { kind, replaces: replaces || replacesBelow(field) });
    }
  }
}

/** A whole object that comes or goes takes its replacing properties with it. */
function replacesBelow(field: Field): boolean {
  if (field.kind !== "object") return false;
  return Object.values(field.fields!).some((below) => below.replaces === true || replacesBelow(below));
}

/** tfbridge's rule: a physical name the user gave, and keeps, cannot be taken twice. */
function keepsGivenName(
  { autoname }: Pick<ResourceType<never>, "autoname">,
  olds: Values,
  news: Values,
): boolean {
  if (autoname === undefined) return false;
  const made = news[DEFAULTS];
  if (Array.isArray(made) && made.includes(autoname.property)) return false;
  const name = news[autoname.property];
  return name !== undefined && name === olds[autoname.property];
}

/**
 * The recorded inputs brought up to what is live, so that the next diff shows the drift: what still matches keeps the
 * form it was given in, what nobody can read back is kept, what the service made up on its own is left out.
 */
export function drift(fields: Fields, inputs: Values, live: Values): Values {
  const result: Values = Object.fromEntries(Object.entries(inputs).filter(([name]) => !(name in fields)));
  for (const [name, field] of Object.entries(fields)) {
    const value = driftOf(field, inputs[name], live[name], name in inputs);
    if (value !== undefined) result[name] = value;
  }
  return result;
}

function driftOf(field: Field, given: unknown, live: unknown, wasGiven: boolean): unknown {
  if (field.writeOnly === true) return given;
  if (!wasGiven) return field.computed === true || same(field, undefined, live) ? undefined : live;
  if (matches(field, given, live)) return given;
  if (field.kind === "object" && isObject(given) && isObject(live)) return drift(field.fields!, given, live);
  if (Array.isArray(given) && Array.isArray(live)) return driftOfItems(field, given, live);
  return live;
}

function driftOfItems(field: Field, given: unknown[], live: unknown[]): unknown[] {
  const item = field.item!;
  if (field.kind === "list") {
    return live.map((value, index) =>
      index < given.length ? driftOf(item, given[index], value, true) : value,
    );
  }
  const rest = [...live];
  const kept = given.flatMap((value) => {
    const index = rest.findIndex((other) => same(item, value, driftOf(item, value, other, true)));
    if (index >= 0) rest.splice(index, 1);
    return index >= 0 ? [value] : [];
  });
  return [...kept, ...rest];
}

/** What to record: what was given in the form it was given, filled up with what only the service knows. */
export function complete(fields: Fields, inputs: Values, live: Values): Values {
  const result: Values = { ...live };
  for (const [name, value] of Object.entries(inputs)) {
    const field = fields[name];
    if (field !== undefined) result[name] = completeValue(field, value, live[name]);
  }
  return result;
}

function completeValue(field: Field, given: unknown, live: unknown): unknown {
  if (field.kind === "object" && isObject(given) && isObject(live))
    return complete(field.fields!, given, live);
  if (field.kind === "list" && Array.isArray(given) && Array.isArray(live) && given.length === live.length) {
    return given.map((item, index) => completeValue(field.item!, item, live[index]));
  }
  return given;
}

/** The properties that nobody can know before the thing is made: what the service fills in. */
export function unknowns(fields: Fields, outputs: readonly string[] = []): Values {
  const result: Values = Object.fromEntries(outputs.map((name) => [name, UNKNOWN]));
  for (const [name, field] of Object.entries(fields)) {
    if (field.computed === true) result[name] = UNKNOWN;
    else if (field.kind === "object") {
      const below = unknowns(field.fields!);
      if (!isEmpty(below)) result[name] = below;
    }
  }
  return result;
}
