import type { z } from "zod";
import { HeadwaterError, type ErrorDetails } from "../model/errors.js";
import { describeAllowed, keysAt, nodeAt, type JsonSchema } from "./json-schema.js";

/** One thing that is wrong with settings; `path` is relative to `headwater:settings`. */
export interface SettingsProblem {
  readonly code: string;
  readonly summary: string;
  readonly path: readonly PropertyKey[];
  /** The key itself is wrong, not its value; the line of the key is shown. */
  readonly atKey?: boolean;
  readonly found?: unknown;
  readonly allowed?: string;
  readonly remedy?: string;
}

/** Turns zod's issues into problems for people. `schema` is the settings' JSON schema, `value` what was read. */
export function problemsOf(
  issues: readonly z.core.$ZodIssue[],
  schema: JsonSchema,
  value: unknown,
): SettingsProblem[] {
  return issues.flatMap((issue) => problemOf(issue, schema, value));
}

function problemOf(issue: z.core.$ZodIssue, schema: JsonSchema, value: unknown): SettingsProblem[] {
  const { path } = issue;
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => unknownKey(key, [...path, key], keysAt(schema, path, value)));
  }
  const found = valueAt(value, path);
  const allowed = describeAllowed(nodeAt(schema, path, value));
  if (found === undefined) {
    return [
      { code: "settings/missing", summary: "is missing", path, found: "nothing", allowed, remedy: "Add it." },
    ];
  }
  const shown = { path, found: redact(path, found) };
  switch (issue.code) {
    case "invalid_type":
      return [
        {
          ...{ code: "settings/type", summary: `must be ${article(issue.expected)}`, ...shown, allowed },
          remedy: typeRemedy(issue.expected, found),
        },
      ];
    case "too_small":
    case "too_big":
      return [
        {
          ...{ code: "settings/range", summary: issue.code === "too_small" ? "is too small" : "is too big" },
          ...{ ...shown, allowed, remedy: "Use a value in that range." },
        },
      ];
    case "custom": {
      const given = (issue.params ?? {}) as { allowed?: string; remedy?: string };
      // A refinement without parameters carries what is allowed as its message.
      return [
        {
          ...{ code: "settings/value", ...shown },
          summary: given.allowed === undefined ? "is not allowed" : issue.message,
          allowed: given.allowed ?? issue.message,
          remedy: given.remedy ?? "Use another value.",
        },
      ];
    }
    case "invalid_format":
      return [
        {
          ...{
            code: "settings/format",
            summary: "does not have the right form",
            ...shown,
            allowed: issue.message,
          },
          remedy: isSecretField(path)
            ? "Store the secret in AWS Secrets Manager and write its ARN here."
            : "Write it in that form.",
        },
      ];
    // zod reports a union at its discriminator when no variant matches that.
    case "invalid_union":
    case "invalid_value":
    case "invalid_element":
    case "invalid_key":
    case "not_multiple_of":
      return [
        {
          code: "settings/value",
          summary: "is not allowed",
          ...shown,
          allowed,
          remedy: "Use an allowed value.",
        },
      ];
  }
}

function unknownKey(key: string, path: readonly PropertyKey[], known: readonly string[]): SettingsProblem {
  const close = nearest(key, known);
  const secret = SECRET_NAME.test(key) && !/arn$/i.test(key);
  return {
    code: secret ? "settings/plaintext-secret" : "settings/unknown-key",
    summary: secret ? "settings hold no secrets" : "is not a setting",
    path,
    atKey: true,
    found: key,
    allowed: known.join(", "),
    remedy: secret
      ? "Store the secret in AWS Secrets Manager and write its ARN as secretArn."
      : close === undefined
        ? "Remove it."
        : `Did you mean ${close}?`,
  };
}

/** One error for all problems: the first one's code, and every problem in the text. */
export function settingsError(
  problems: readonly SettingsProblem[],
  at: (problem: SettingsProblem) => ErrorDetails,
) {
  const errors = problems.map((problem) => {
    const { code, summary, found, allowed, remedy } = problem;
    return new HeadwaterError(code, summary, { ...at(problem), found, allowed, remedy });
  });
  const [first, ...others] = errors;
  if (first === undefined) throw new Error("no problem given");
  if (others.length === 0) return first;
  return new HeadwaterError(
    first.code,
    [`${errors.length} settings are wrong`, ...errors.map(({ message }) => message)].join("\n"),
    {},
    { cause: new AggregateError(errors) },
  );
}

/** `a.b[0].c` below `headwater:settings`. */
export function fieldName(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (name, part) => (typeof part === "number" ? `${name}[${part}]` : `${name}.${String(part)}`),
    "headwater:settings",
  );
}

/** The known word that is close enough to be a slip of the hand, or undefined. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const limit = word.length <= 4 ? 1 : Math.max(2, Math.floor(word.length / 3));
  return known
    .map((candidate) => ({ candidate, distance: editDistance(word.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ distance }) => distance <= limit)
    .sort((a, b) => a.distance - b.distance)[0]?.candidate;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}

export const SECRET_NAME = /(password|passwd|secret|secretkey|token|privatekey|credentials?)$/i;

function isSecretField(path: readonly PropertyKey[]): boolean {
  return /secret|password|token/i.test(String(path.at(-1)));
}

/** What was found, for a message. Where a secret's ARN belongs, a person may have written the secret: never shown. */
function redact(path: readonly PropertyKey[], found: unknown): unknown {
  if (isSecretField(path)) return `${article(typeof found)} (not shown)`;
  return typeof found === "string" ? found.replace(/\/\/[^/@]*@/, "//***@") : found;
}

function typeRemedy(expected: string, found: unknown): string {
  if (expected === "string" && ["number", "boolean"].includes(typeof found)) return "Put it in quotes.";
  if (["number", "int"].includes(expected) && typeof found === "string")
    return "Write a number, without quotes.";
  if (expected === "boolean" && typeof found === "string") return "Write true or false, without quotes.";
  return "Give it a value of that type.";
}

function article(type: string): string {
  return /^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`;
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (inner, part) =>
      inner !== null && typeof inner === "object" ? (inner as Record<PropertyKey, unknown>)[part] : undefined,
    value,
  );
}
