import type { z } from "zod";
import { HeadwaterError } from "../model/errors.js";
import type { Pipeline } from "../model/pipeline.js";
import { settingsSchema } from "./json-schema.js";
import { fieldName, nearest, problemsOf, settingsError, type SettingsProblem } from "./problems.js";
import type { StackFile } from "./stack-file.js";

/** What a program is given. */
export interface ProgramInputs<Settings> {
  readonly pipeline: Pipeline;
  readonly settings: Settings;
  readonly environment: string;
  /** Hash of the release being deployed; `manual` when Pulumi runs the program without the driver. */
  readonly release: string;
}

/** A function that composes components into a stack, with the settings it takes. */
export interface Program<Schema extends z.ZodType = z.ZodType, Outputs = unknown> {
  readonly name: string;
  /** Strict: what is not in it is refused. */
  readonly settings: Schema;
  /** What the schema cannot say, for example that a table named in settings exists. */
  readonly check?: (settings: z.output<Schema>, pipeline: Pipeline) => readonly SettingsProblem[];
  /**
   * Settings of an ephemeral environment, made of those of the environment it is modelled on: names and prefixes of its own,
   * small sizes, nobody alerted, and data that may be destroyed with it. Programs without it have no ephemeral environments.
   */
  readonly ephemeral?: (settings: z.output<Schema>, about: { readonly name: string }) => z.input<Schema>;
  /** Runs inside a Pulumi update and returns the stack's outputs. Nothing may happen before it is called. */
  readonly run: (inputs: ProgramInputs<z.output<Schema>>) => Promise<Outputs>;
}

/** Names a program; the driver is handed the result, and programs/index.ts runs it for `pulumi up` by hand. */
export function defineProgram<Schema extends z.ZodType, Outputs>(
  program: Program<Schema, Outputs>,
): Program<Schema, Outputs> {
  return Object.freeze(program);
}

/** Where settings come from, for messages. */
export interface SettingsOrigin {
  /** `stacks/Pulumi.shop-dev.yaml`, or `stack shop-dev`. */
  readonly where: string;
  /** Line of a path below `headwater:settings`, where lines are known. */
  readonly lineOf?: StackFile["lineOf"];
}

/**
 * Checks settings for a program and a pipeline and fills in the defaults. Throws one HeadwaterError that names every
 * problem with its file, line, field, what was found, what is allowed and the remedy.
 */
export function resolveSettings<Schema extends z.ZodType>(
  program: Program<Schema>,
  pipeline: Pipeline,
  settings: unknown,
  origin: SettingsOrigin,
): z.output<Schema> {
  const parsed = program.settings.safeParse(settings);
  const problems = parsed.success
    ? (program.check?.(parsed.data, pipeline) ?? [])
    : problemsOf(parsed.error.issues, settingsSchema(program.settings), settings);
  if (problems.length > 0) {
    throw settingsError(problems, ({ path, atKey }) => ({
      where: origin.lineOf === undefined ? origin.where : `${origin.where}:${origin.lineOf(path, atKey)}`,
      field: fieldName(path),
    }));
  }
  return parsed.data as z.output<Schema>;
}

/** {@link resolveSettings} for a stack file. */
export function resolveStackFile<Schema extends z.ZodType>(
  program: Program<Schema>,
  pipeline: Pipeline,
  file: StackFile,
): z.output<Schema> {
  return resolveSettings(program, pipeline, file.settings, { where: file.path, lineOf: file.lineOf });
}

/** The program or pipeline of that name among those known. Throws with a did-you-mean otherwise. */
export function pickByName<Named extends { readonly name: string }>(
  kind: "program" | "pipeline",
  name: string,
  known: readonly Named[],
  where: string,
): Named {
  const picked = known.find((candidate) => candidate.name === name);
  if (picked !== undefined) return picked;
  const names = known.map((candidate) => candidate.name);
  const close = nearest(name, names);
  throw new HeadwaterError(`settings/unknown-${kind}`, `there is no such ${kind}`, {
    where,
    field: `headwater:${kind}`,
    found: name,
    allowed: names.join(", "),
    remedy: close === undefined ? `Name one of them, or add yours to ${kind}s/.` : `Did you mean ${close}?`,
  });
}
