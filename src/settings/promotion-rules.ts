import { existsSync } from "node:fs";
import { z } from "zod";
import { checkEnvironmentName } from "../model/naming.js";
import { settingsSchema } from "./json-schema.js";
import { problemsOf, settingsError } from "./problems.js";
import { readYamlFile } from "./yaml-file.js";

/*
 * Rules of promotion: the order of the environments and what each asks for. They lie in stacks/promotion.yaml, stay outside a
 * release, and every description ends up in stacks/promotion.schema.json.
 */

/** Where they lie in the settings' folder. */
export const RULES_FILE = "promotion.yaml";

const environment = z.string().refine(
  (name) => {
    try {
      checkEnvironmentName(name);
      return true;
    } catch {
      return false;
    }
  },
  {
    error:
      "an environment's name: lower-case letters and digits, single hyphens inside, at most 20 characters",
  },
);

const timezone = z
  .string()
  .refine(
    (name) => {
      try {
        new Intl.DateTimeFormat("en", { timeZone: name });
        return true;
      } catch {
        return false;
      }
    },
    { error: "the name of a time zone: Europe/Paris, UTC" },
  )
  .default("UTC");

const moment = z.iso
  .datetime({ offset: true, error: "a moment with its offset from UTC: 2026-12-20T00:00:00Z" })
  .describe("ISO time with an offset.");

export const WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"] as const;
const weekTime = z.string().regex(/^(Mon|Tue|Wed|Thu|Fri|Sat|Sun) ([01]\d|2[0-3]):[0-5]\d$/, {
  error: "a weekday and a time: Fri 16:00",
});

const Freeze = z
  .union([
    z
      .strictObject({
        from: moment,
        until: moment,
        reason: z.string().min(1).describe("Why, for whoever is stopped by it."),
      })
      .refine(({ from, until }) => Date.parse(from) < Date.parse(until), {
        error: "a window that ends after it begins",
      }),
    z.strictObject({
      weekly: z
        .strictObject({ from: weekTime, until: weekTime })
        .describe("Every week; a window may reach over the weekend into Monday."),
      timezone: timezone.describe("Time zone of weekly windows. Default UTC."),
      reason: z.string().min(1).describe("Why, for whoever is stopped by it."),
    }),
  ])
  .describe("A time in which nothing is changed.");
export type Freeze = z.output<typeof Freeze>;

const EnvironmentRules = z.strictObject({
  protected: z
    .boolean()
    .default(false)
    .describe("Data here is not to be lost: commands ask, checks only read, force-destroy is refused."),
  identity: z
    .strictObject({
      awsAccount: z
        .string()
        .regex(/^\d{12}$/, { error: "the twelve digits of an AWS account, in quotes" })
        .optional()
        .describe("The AWS account this environment lives in."),
      workspaceId: z
        .string()
        .regex(/^\d+$/, { error: "the digits of a Databricks workspace id, in quotes" })
        .optional()
        .describe("The Databricks workspace this environment lives in."),
    })
    .optional()
    .describe("What the credentials at hand have to belong to; looked at before anything else happens."),
  maxChanges: z
    .int()
    .min(0)
    .optional()
    .describe("More changed resources than that are refused. The first deployment does not count."),
  drift: z
    .enum(["ignore", "refuse"])
    .default("ignore")
    .describe(
      "Whether to compare cloud and state before each promotion, and refuse to go on over differences.",
    ),
  freeze: z.array(Freeze).default([]).describe("Times in which nothing is changed here."),
  onFailure: z
    .enum(["stop", "rollback"])
    .default("stop")
    .describe("After a failed up or check: stop, or apply again the last release that passed here."),
});
export type EnvironmentRules = z.output<typeof EnvironmentRules>;

export const PromotionRules = z.strictObject({
  version: z.literal(1).describe("Version of this format."),
  path: z
    .array(environment)
    .min(1)
    .refine((names) => new Set(names).size === names.length, { error: "each environment once" })
    .optional()
    .describe(
      "The environments in order. A release may only enter one when it has passed in the one before. Default: no order.",
    ),
  environments: z.record(environment, EnvironmentRules).default({}).describe("Rules by environment."),
});
export type PromotionRules = z.output<typeof PromotionRules>;

/** No order, nothing protected. */
export const NO_RULES: PromotionRules = PromotionRules.parse({ version: 1 });

/** The rules of one environment; defaults where it has none. */
export function rulesFor({ environments }: PromotionRules, name: string): EnvironmentRules {
  return environments[name] ?? EnvironmentRules.parse({});
}

/**
 * Reads `promotion.yaml`; {@link NO_RULES} where there is no such file.
 * @throws HeadwaterError naming every problem with file, line and field.
 */
export function loadPromotionRules(file: string): PromotionRules {
  if (!existsSync(file)) return NO_RULES;
  const { content, lineOf } = readYamlFile(file, "Make the file readable.");
  const parsed = PromotionRules.safeParse(content);
  if (parsed.success) return parsed.data;
  throw settingsError(
    problemsOf(parsed.error.issues, settingsSchema(PromotionRules), content),
    ({ path, atKey }) => ({
      where: `${file}:${lineOf(path, atKey)}`,
      field: path
        .map((part, index) =>
          typeof part === "number" ? `[${part}]` : `${index > 0 ? "." : ""}${String(part)}`,
        )
        .join(""),
    }),
  );
}
