import { HeadwaterError } from "../model/errors.js";
import type { Work } from "./progress.js";
import { findOnPath, run, RunError } from "./run.js";
import { atLeast, formatVersion, parseVersion, type Version } from "./versions.js";

/** Takes a sentence for each thing that was looked at and not taken. */
export type PassedOver = string[];

/** minilake needs 3.11. */
const MINIMUM_PYTHON: Version = [3, 11, 0];
const NAMES = ["python3", "python3.13", "python3.12", "python3.11"];

export interface PythonInterpreter {
  readonly command: string;
  readonly version: string;
}

/**
 * A Python that is new enough and can make virtual environments: the one `HEADWATER_PYTHON` names, else on PATH. Undefined
 * when there is none; `passedOver` then has the sentences why.
 * @throws HeadwaterError `engine/python-unusable` when `HEADWATER_PYTHON` names one that does not serve
 */
export async function findPython(
  { environment, signal }: Pick<Work, "signal"> & { readonly environment: NodeJS.ProcessEnv },
  passedOver: PassedOver,
): Promise<PythonInterpreter | undefined> {
  const named = environment["HEADWATER_PYTHON"];
  if (named !== undefined && named !== "") {
    const judged = await judge(findOnPath(named, environment) ?? named, environment, signal);
    if (typeof judged !== "string") return judged;
    throw new HeadwaterError("engine/python-unusable", judged, {
      where: "HEADWATER_PYTHON",
      found: named,
      allowed: `Python ${formatVersion(MINIMUM_PYTHON)} or newer, with venv`,
      remedy: "name another Python, or leave the variable out",
    });
  }
  const commands = NAMES.map((name) => findOnPath(name, environment)).filter(
    (command) => command !== undefined,
  );
  if (commands.length === 0) passedOver.push("python3 is not on PATH");
  for (const command of commands) {
    const judged = await judge(command, environment, signal);
    if (typeof judged !== "string") return judged;
    passedOver.push(judged);
  }
  return undefined;
}

/** The interpreter, or the sentence why it does not serve. */
async function judge(
  command: string,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal | undefined,
): Promise<PythonInterpreter | string> {
  try {
    const version = parseVersion(await run(command, ["--version"], { env, signal, timeoutMs: 20_000 }));
    if (version === undefined) return `${command} does not tell its version`;
    const text = formatVersion(version);
    if (!atLeast(version, MINIMUM_PYTHON))
      return `${command} is Python ${text}, not ${formatVersion(MINIMUM_PYTHON)} or newer`;
    try {
      // Debian and Ubuntu have the module venv everywhere, but what it needs to put pip in, ensurepip, in a package of its own.
      await run(command, ["-c", "import venv, ensurepip"], { env, signal, timeoutMs: 20_000 });
    } catch (error) {
      if (!(error instanceof RunError)) throw error;
      return `${command} (Python ${text}) cannot make virtual environments: on Debian and Ubuntu, apt install python${version[0]}.${version[1]}-venv`;
    }
    return { command, version: text };
  } catch (error) {
    if (error instanceof RunError) return `${command} does not run (${error.reason})`;
    throw error;
  }
}
