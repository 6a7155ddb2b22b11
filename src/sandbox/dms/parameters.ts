import { badValue } from "./faults.js";

/** The JSON object of a request. */
export type Input = Readonly<Record<string, unknown>>;

/** What a call takes: `!` marks a required parameter, the rest says its type. */
export type Shape = Readonly<Record<string, Kind | `${Kind}!`>>;
export type Kind = "text" | "integer" | "boolean" | "object" | "texts" | "objects" | "time";

const isText = (value: unknown): boolean => typeof value === "string";
const isObject = (value: unknown): boolean =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const tests: Readonly<Record<Kind, (value: unknown) => boolean>> = {
  text: isText,
  integer: Number.isInteger,
  boolean: (value) => typeof value === "boolean",
  object: isObject,
  texts: (value) => Array.isArray(value) && value.every(isText),
  objects: (value) => Array.isArray(value) && value.every(isObject),
  time: (value) => typeof value === "number",
};

/**
 * Checks a request against what is emulated. A parameter that is not listed is refused by name, so that nothing
 * is accepted and then ignored. `where` prefixes the names: `ComputeConfig.`.
 */
export function checkInput(input: Input, shape: Shape, where = ""): void {
  for (const [name, value] of Object.entries(input)) {
    const kind = shape[name];
    if (kind === undefined) throw badValue(`The parameter ${where}${name} is not supported by this sandbox`);
    if (value !== null && !tests[kind.replace("!", "") as Kind](value)) {
      throw badValue(`The parameter ${where}${name} must be of type ${kind.replace("!", "")}`);
    }
  }
  for (const [name, kind] of Object.entries(shape)) {
    if (kind.endsWith("!") && (input[name] === undefined || input[name] === null || input[name] === "")) {
      throw badValue(`The parameter ${where}${name} must be provided and must not be blank`);
    }
  }
}

export function text(input: Input, name: string): string | undefined {
  const value = input[name];
  return typeof value === "string" ? value : undefined;
}

/** A parameter `checkInput` has seen to be there. */
export function required(input: Input, name: string): string {
  const value = text(input, name);
  if (value === undefined) throw badValue(`The parameter ${name} must be provided and must not be blank`);
  return value;
}

export function object(input: Input, name: string): Input | undefined {
  const value = input[name];
  return isObject(value) ? (value as Input) : undefined;
}

export function texts(input: Input, name: string): string[] | undefined {
  const value = input[name];
  return Array.isArray(value) ? (value as string[]) : undefined;
}

/** Identifiers of endpoints and configurations. Source: CreateEndpoint in the API reference. */
export function checkIdentifier(name: string, value: string): void {
  if (!/^[A-Za-z](?:-?[A-Za-z0-9])*$/.test(value) || value.length > 255) {
    throw badValue(
      `The parameter ${name} must begin with a letter, contain only ASCII letters, digits and hyphens, ` +
        `not end with a hyphen or contain two consecutive hyphens, and have at most 255 characters: ${value}`,
    );
  }
}

export function checkOneOf(name: string, value: string | undefined, allowed: readonly string[]): void {
  if (value !== undefined && !allowed.includes(value)) {
    throw badValue(`The parameter ${name} is ${JSON.stringify(value)}, but takes ${allowed.join(", ")}`);
  }
}
