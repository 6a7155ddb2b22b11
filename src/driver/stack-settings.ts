import { readFile } from "node:fs/promises";
import path from "node:path";
import type { PulumiFn } from "@pulumi/pulumi/automation/index.js";
import { parse } from "yaml";
import { HeadwaterError } from "../model/errors.js";
import { parseStackName, stackName } from "../model/naming.js";
import type { Pipeline } from "../model/pipeline.js";
import { pickByName, resolveSettings, type Program } from "../settings/program.js";
import { loadStackFile } from "../settings/stack-file.js";
import type { StackDocument } from "./stack-workspace.js";

/**
 * Configuration put over a stack's file, by full key: objects are merged with what is there, all else replaces it.
 * The sandbox points providers at itself this way.
 */
export type Overlay = (stack: string) => Readonly<Record<string, unknown>>;

/** One environment's settings, read and validated. */
export interface LoadedStack {
  readonly stack: string;
  readonly environment: string;
  readonly file: string;
  readonly program: Program;
  readonly pipeline: Pipeline;
  /** What the program is given. */
  readonly settings: unknown;
  /** What the engine is given: the file, with the overlay merged in. */
  readonly document: StackDocument;
}

/** What a stack's file may name. */
export interface Known {
  readonly programs: readonly Program[];
  readonly pipelines: readonly Pipeline[];
}

/**
 * Reads `<settingsDir>/Pulumi.<stack>.yaml`, which is never written.
 * @throws HeadwaterError of the settings, naming file, line and field.
 */
export async function loadStack(
  settingsDir: string,
  stack: string,
  { programs, pipelines }: Known,
  overlay?: Overlay,
): Promise<LoadedStack> {
  const { pipeline: expected, environment } = parseStackName(stack);
  const file = path.join(settingsDir, `Pulumi.${stack}.yaml`);
  const read = loadStackFile(file);
  const program = pickByName("program", read.program, programs, file);
  const pipeline = pickByName("pipeline", read.pipeline, pipelines, file);
  if (pipeline.name !== expected) {
    throw new HeadwaterError("settings/other-pipeline", "the file's name and its pipeline differ", {
      where: file,
      field: "headwater:pipeline",
      found: pipeline.name,
      allowed: expected,
      remedy: "Stacks are named <pipeline>-<environment>: rename the file or name the other pipeline.",
    });
  }
  const config = merge(
    {
      "headwater:program": read.program,
      "headwater:pipeline": read.pipeline,
      "headwater:settings": read.settings,
      ...read.config,
    },
    overlay?.(stack) ?? {},
  ) as Record<string, unknown>;
  const settings: unknown = resolveSettings(program, pipeline, config["headwater:settings"], {
    where: file,
    lineOf: read.lineOf,
  });
  // What is not configuration (keys of secrets, imported environments) goes to the engine as it is.
  const rest = parse(await readFile(file, "utf8")) as Record<string, unknown>;
  return { stack, environment, file, program, pipeline, settings, document: { ...rest, config } };
}

/**
 * A stack whose configuration is at hand, not in a file: settings are validated by the program it names.
 * @param where names it in messages.
 * @throws HeadwaterError of the settings, or for a program or pipeline that is not known.
 */
export function stackOf(
  where: string,
  environment: string,
  names: { readonly program: string; readonly pipeline: string },
  document: StackDocument,
  { programs, pipelines }: Known,
): LoadedStack {
  const program = pickByName("program", names.program, programs, where);
  const pipeline = pickByName("pipeline", names.pipeline, pipelines, where);
  const settings: unknown = resolveSettings(program, pipeline, document.config["headwater:settings"], {
    where,
  });
  const stack = stackName(pipeline.name, environment);
  return { stack, environment, file: where, program, pipeline, settings, document };
}

/** What the engine runs of a stack. */
export function programOf(
  { program, pipeline, settings, environment }: LoadedStack,
  release: string,
): PulumiFn {
  return async () =>
    (await program.run({ pipeline, settings, environment, release })) as Record<string, unknown>;
}

function merge(base: unknown, over: unknown): unknown {
  if (!isObject(base) || !isObject(over)) return over;
  const merged = { ...base };
  for (const [key, value] of Object.entries(over))
    merged[key] = key in base ? merge(base[key], value) : value;
  return merged;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
