import path from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { Override } from "../driver/gates/gate.js";
import { HeadwaterError } from "../model/errors.js";
import { checkEnvironmentName } from "../model/naming.js";

/** What every command that works on stacks takes. */
export interface CommonOptions {
  /** Of the whole command line, not of one command; {@link settleProject} puts it here. */
  readonly project: string;
  readonly pipeline?: string;
  readonly program?: string;
  readonly settings: string;
  readonly backend?: string;
  readonly secretsProvider?: string;
  readonly store?: string;
  readonly isolate: boolean;
  readonly workFolder: string;
  readonly sandbox: boolean;
  readonly json: boolean;
  readonly verbose: boolean;
  readonly color: boolean;
}

/** What commands that ask take besides. */
export interface AskingOptions extends CommonOptions {
  readonly yes: boolean;
}

/** What commands that change a stack take besides. */
export interface ChangeOptions extends AskingOptions {
  readonly unlock: boolean;
  readonly forgetPending: boolean;
}

export function withCommonOptions(command: Command): Command {
  return command
    .option("--pipeline <name>", "the pipeline (default: the only one there is)")
    .option("--program <name>", "the program (default: the one the stack's file names)")
    .option(
      "--settings <folder>",
      "the folder with Pulumi.<stack>.yaml, by default in the project's",
      "stacks",
    )
    .addOption(
      new Option(
        "--backend <url>",
        "where state lives (default: file://<work folder>/state; with --sandbox in the sandbox's folder)",
      ).env("PULUMI_BACKEND_URL"),
    )
    .option(
      "--secrets-provider <url>",
      "what protects secrets in the state of a new stack (default: passphrase)",
    )
    .addOption(
      new Option(
        "--store <url>",
        "where releases and records lie: file:///folder or s3://bucket/prefix (default: beside the state)",
      ).env("HEADWATER_STORE"),
    )
    .option("--isolate", "run programs in a process of their own", false)
    .option("--work-folder <folder>", "for private copies and the history of what was done", ".headwater")
    .option(
      "--sandbox",
      "work on the local cloud: the one `headwater sandbox` keeps up, else one just for this",
      false,
    )
    .option("--json", "one JSON object a line on standard output, for programs", false)
    .option("--verbose", "everything the engine says, and stack traces", false)
    .option("--no-color", "no colours");
}

export function withAskingOptions(command: Command): Command {
  return withCommonOptions(command).option("-y, --yes", "do not ask", false);
}

export function withChangeOptions(command: Command): Command {
  return withAskingOptions(command)
    .option("--unlock", "break the lock on the stack; only when its holder is known to be gone", false)
    .option(
      "--forget-pending",
      "forget operations an earlier run left half-way; look in the cloud first",
      false,
    );
}

/** `dev,staging` -> ["dev", "staging"]; refuses what is no environment's name, and one named twice. */
export function environmentList(text: string): string[] {
  const names = text.split(",").map((name) => name.trim());
  for (const name of names) {
    try {
      checkEnvironmentName(name);
    } catch (error) {
      if (error instanceof HeadwaterError) throw new InvalidArgumentError(`\n${error.message}`);
      throw error;
    }
  }
  if (new Set(names).size !== names.length) throw new InvalidArgumentError("An environment is named twice.");
  return names;
}

/** One environment's name. */
export function environmentName(text: string): string {
  const [name = "", ...more] = environmentList(text);
  if (more.length > 0) throw new InvalidArgumentError("Only one environment; `promote` takes several.");
  return name;
}

/** `keeps-data=the bucket is empty` or, in one environment only, `prod:keeps-data=...`; may be given several times. */
export function override(text: string, others: readonly Override[] = []): Override[] {
  const [, environment, rule = "", reason = ""] =
    /^(?:([a-z0-9-]+):)?([a-z][a-z0-9-]*)=(.+)$/s.exec(text) ?? [];
  if (reason.trim() === "")
    throw new InvalidArgumentError('Write rule="why", or environment:rule="why": the reason is recorded.');
  return [...others, { rule, reason, ...(environment === undefined ? {} : { environment }) }];
}

/** A time to live, as it was written. */
export function ttl(text: string): string {
  if (!/^\d+(\.\d+)?[smhd]$/.test(text))
    throw new InvalidArgumentError("A number with s, m, h or d: 90m, 2h, 1d.");
  return text;
}

/** A whole number above 0. */
export function count(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError("A whole number above 0.");
  return Number(text);
}

/** A number of minutes above 0. */
export function minutes(text: string): number {
  const number = Number(text);
  if (!(number > 0)) throw new InvalidArgumentError("A number of minutes above 0.");
  return number;
}

/** What lies in the project's folder unless an option says otherwise. */
const BELOW_PROJECT = ["settings", "workFolder"];

/**
 * Tells a command which project it is for, and lets default folders lie below that project. Folders that are named on the command
 * line are relative to the current one, as everywhere.
 */
export function settleProject(command: Command): void {
  const { project } = command.optsWithGlobals<{ project: string }>();
  command.setOptionValue("project", project);
  for (let at: Command | null = command; at !== null; at = at.parent) {
    for (const name of BELOW_PROJECT) {
      if (at.getOptionValueSource(name) !== "default") continue;
      at.setOptionValueWithSource(name, path.join(project, at.getOptionValue(name) as string), "default");
    }
  }
}
