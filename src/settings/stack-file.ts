import { HeadwaterError } from "../model/errors.js";
import { nearest, SECRET_NAME } from "./problems.js";
import { readYamlFile } from "./yaml-file.js";

/** A stack's settings file, read but not yet checked against a program. */
export interface StackFile {
  readonly path: string;
  /** `headwater:program`: which program builds the stack. */
  readonly program: string;
  /** `headwater:pipeline`: which pipeline it builds. */
  readonly pipeline: string;
  /** `headwater:settings`, as written. */
  readonly settings: unknown;
  /** Every other value of `config`, by full key (`aws:region`); an encrypted one is `{ secure: ... }`. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Line of a path below `headwater:settings`, or of the nearest thing above it that is in the file. From 1. */
  readonly lineOf: (path: readonly PropertyKey[], atKey?: boolean) => number;
}

const MISSING =
  "Name the file stacks/Pulumi.<pipeline>-<environment>.yaml; stacks/samples/ has files to start from.";
const OWN_KEYS = ["headwater:program", "headwater:pipeline", "headwater:settings"];
const PULUMI_KEYS = ["config", "encryptionsalt", "encryptedkey", "secretsprovider", "environment"];

/**
 * Reads `stacks/Pulumi.<stack>.yaml`. Throws a HeadwaterError naming file and line for what is no YAML, for a key
 * nobody reads, for a secret in plain text, and for `secure:` inside an object (one such value would make Pulumi
 * treat the whole object as a secret).
 */
export function loadStackFile(path: string): StackFile {
  const { content, lineOf } = readYamlFile(path, MISSING);
  const refuse = (code: string, at: readonly PropertyKey[], summary: string, details: object) =>
    new HeadwaterError(code, summary, {
      where: `${path}:${lineOf(at, true)}`,
      field: at
        .map(String)
        .join(".")
        .replace(/^config\./, ""),
      ...details,
    });

  if (!isObject(content) || !isObject(content["config"])) {
    throw refuse("settings/no-config", ["config"], "has no config", {
      found: isObject(content) ? Object.keys(content) : "nothing",
      allowed: "config: with headwater:program, headwater:pipeline and headwater:settings",
      remedy: "Start from a file in stacks/samples/.",
    });
  }
  for (const key of Object.keys(content)) {
    if (!PULUMI_KEYS.includes(key)) throw unknownKey(refuse, [key], key, PULUMI_KEYS);
  }

  const config: Record<string, unknown> = {};
  const own: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(content["config"])) {
    // Pulumi reads a key without a namespace as the project's own.
    const full = key.includes(":") ? key : `headwater:${key}`;
    if (full.startsWith("headwater:")) {
      if (!OWN_KEYS.includes(full)) throw unknownKey(refuse, ["config", key], full, OWN_KEYS);
      own[full] = value;
    } else {
      refusePlainSecret(refuse, ["config", key], value);
      config[full] = value;
    }
    refuseNestedSecure(refuse, ["config", key], value, full.startsWith("headwater:"));
  }
  const required = (key: string): unknown => {
    if (own[key] !== undefined && own[key] !== null) return own[key];
    throw refuse("settings/missing", ["config", key], "is missing", { found: "nothing", remedy: "Add it." });
  };
  return {
    path,
    program: String(required("headwater:program")),
    pipeline: String(required("headwater:pipeline")),
    settings: required("headwater:settings"),
    config,
    lineOf: (at, atKey) => lineOf(["config", settingsKey(content["config"] as object), ...at], atKey),
  };
}

type Refuse = (code: string, at: readonly PropertyKey[], summary: string, details: object) => HeadwaterError;

function unknownKey(
  refuse: Refuse,
  at: readonly PropertyKey[],
  key: string,
  known: readonly string[],
): HeadwaterError {
  const close = nearest(key, known);
  return refuse("settings/unknown-key", at, "is not a key of a stack file", {
    found: key,
    allowed: known.join(", "),
    remedy: close === undefined ? "Remove it." : `Did you mean ${close}?`,
  });
}

function refusePlainSecret(refuse: Refuse, at: readonly PropertyKey[], value: unknown): void {
  if (!SECRET_NAME.test(String(at.at(-1))) || isObject(value)) return;
  throw refuse("settings/plaintext-secret", at, "is a secret in plain text", {
    found: "plain text (not shown)",
    allowed:
      "an environment variable of the provider (DATABRICKS_TOKEN, AWS_PROFILE), or a value Pulumi encrypted",
    remedy: `Take it out of the file and change the secret: whoever could read the file may know it. Then set it with: pulumi config set --secret ${String(at.at(-1))}`,
  });
}

function refuseNestedSecure(
  refuse: Refuse,
  at: readonly PropertyKey[],
  value: unknown,
  own: boolean,
  depth = 0,
): void {
  if (Array.isArray(value)) {
    value.forEach((inner, index) => refuseNestedSecure(refuse, [...at, index], inner, own, depth + 1));
  } else if (isObject(value)) {
    if ("secure" in value && (own || depth > 0)) {
      throw refuse("settings/nested-secure", [...at, "secure"], "secure: inside an object", {
        found: "an encrypted value (not shown)",
        allowed: "secure: as the whole value of a key of its own; in headwater:settings, the ARN of a secret",
        remedy:
          "Store the secret in AWS Secrets Manager and write its ARN, or give it a config key of its own.",
      });
    }
    for (const [key, inner] of Object.entries(value)) {
      refuseNestedSecure(refuse, [...at, key], inner, own, depth + 1);
    }
  }
}

function settingsKey(config: object): string {
  return "headwater:settings" in config ? "headwater:settings" : "settings";
}

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}
