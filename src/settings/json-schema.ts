import { z } from "zod";

/** As much of JSON schema as zod writes for settings. */
export interface JsonSchema {
  readonly description?: string;
  readonly type?: string;
  readonly const?: string | number | boolean;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: boolean | JsonSchema;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly minItems?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
}

/** JSON schema of what a person writes (defaults are optional). */
export function settingsSchema(settings: z.ZodType): JsonSchema {
  return z.toJSONSchema(settings, { io: "input" }) as JsonSchema;
}

/**
 * JSON schema of a whole stack file, for editors: Pulumi's own keys, the provider's, and Headwater's. `programs` maps
 * a program's name to its settings.
 */
export function stackFileSchema(
  programs: Readonly<Record<string, z.ZodType>>,
  pipelines: readonly string[],
): object {
  const names = Object.keys(programs);
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "A Headwater stack: Pulumi.<pipeline>-<environment>.yaml",
    type: "object",
    required: ["config"],
    additionalProperties: false,
    properties: {
      config: {
        type: "object",
        required: ["headwater:program", "headwater:pipeline", "headwater:settings"],
        properties: {
          "headwater:program": { enum: names, description: "The program that builds the stack." },
          "headwater:pipeline": { enum: pipelines, description: "The pipeline it builds; see pipelines/." },
          "headwater:settings": {
            anyOf: names.map((name) => {
              const entries = Object.entries(settingsSchema(programs[name]!));
              // Only the whole file says which dialect of JSON schema it is in.
              const schema = Object.fromEntries(entries.filter(([key]) => key !== "$schema"));
              return { title: `Settings of ${name}`, ...schema };
            }),
          },
          "aws:region": { type: "string", description: "Region everything is made in." },
          "databricks:host": { type: "string", description: "URL of the workspace." },
        },
        patternProperties: { "^headwater:(?!(program|pipeline|settings)$)": false },
        additionalProperties: true,
      },
      encryptionsalt: { type: "string", description: "Written by Pulumi." },
      encryptedkey: { type: "string", description: "Written by Pulumi." },
      secretsprovider: { type: "string", description: "Written by Pulumi." },
    },
  };
}

/** The part of the schema that speaks of a path; where there are variants, the one the value has chosen. */
export function nodeAt(
  schema: JsonSchema,
  path: readonly PropertyKey[],
  value: unknown,
): JsonSchema | undefined {
  const node = choose(schema, value);
  const [part, ...rest] = path;
  if (part === undefined) return node;
  const child =
    typeof part === "number"
      ? node.items
      : (node.properties?.[String(part)] ??
        (typeof node.additionalProperties === "object" ? node.additionalProperties : undefined));
  if (child !== undefined) return nodeAt(child, rest, childOf(value, part));
  // No variant is chosen: the discriminator itself is wrong, and may take what any variant takes.
  const variants = (node.oneOf ?? node.anyOf ?? []).flatMap(
    (variant) => variant.properties?.[String(part)] ?? [],
  );
  return variants.length === 0 ? undefined : { anyOf: variants };
}

/** Keys allowed in the object at a path. */
export function keysAt(schema: JsonSchema, path: readonly PropertyKey[], value: unknown): string[] {
  return Object.keys(nodeAt(schema, path, value)?.properties ?? {});
}

/** What a node allows, in a few words. */
export function describeAllowed(node: JsonSchema | undefined): string | undefined {
  if (node === undefined) return undefined;
  if (node.const !== undefined) return String(node.const);
  if (node.enum !== undefined) return node.enum.join(", ");
  const variants = node.oneOf ?? node.anyOf;
  if (variants !== undefined) {
    const texts = variants.map((variant) => {
      const kinds = Object.entries(variant.properties ?? {}).filter(
        ([, { const: only }]) => only !== undefined,
      );
      return kinds.length > 0
        ? `{ ${kinds.map(([key, { const: only }]) => `${key}: ${String(only)}`).join(", ")}, ... }`
        : describeAllowed(variant);
    });
    return [...new Set(texts.filter((text) => text !== undefined))].join(" or ");
  }
  const { type, minimum, maximum, minItems } = node;
  if (type === "array") {
    const items = describeAllowed(node.items) ?? "value";
    return `a list of ${minItems === undefined ? "" : `at least ${minItems} of `}${items}`;
  }
  if (type === "object") {
    const keys = Object.keys(node.properties ?? {});
    return keys.length === 0 ? "an object" : `an object with ${keys.join(", ")}`;
  }
  if (type === "integer" || type === "number") {
    const bounds = [
      minimum === undefined ? [] : `at least ${minimum}`,
      maximum === undefined || maximum >= Number.MAX_SAFE_INTEGER ? [] : `at most ${maximum}`,
    ].flat();
    return [`a whole number`, ...bounds].join(", ");
  }
  if (type === "string") return node.minLength === undefined ? "text" : "text that is not empty";
  return type;
}

function choose(node: JsonSchema, value: unknown): JsonSchema {
  const variants = node.oneOf ?? node.anyOf;
  if (variants === undefined || value === null || typeof value !== "object") return node;
  const chosen = variants.find((variant) => {
    const constants = Object.entries(variant.properties ?? {}).filter(
      ([, { const: only }]) => only !== undefined,
    );
    return constants.length > 0 && constants.every(([key, { const: only }]) => childOf(value, key) === only);
  });
  return chosen ?? node;
}

function childOf(value: unknown, part: PropertyKey): unknown {
  return value !== null && typeof value === "object"
    ? (value as Record<PropertyKey, unknown>)[part]
    : undefined;
}
