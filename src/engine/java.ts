import { readdirSync, realpathSync } from "node:fs";
import path from "node:path";
import { HeadwaterError } from "../model/errors.js";
import type { Work } from "./progress.js";
import { findOnPath, isExecutable, run, RunError } from "./run.js";
import { formatVersion, parseVersion } from "./versions.js";

/** What Spark 4.1 runs on (spark.apache.org/docs/4.1: "Java 17/21"). */
const MAJORS = [17, 21];
const DEFAULT_JVMS = "/usr/lib/jvm";

export interface JavaSearch extends Pick<Work, "signal"> {
  readonly environment: NodeJS.ProcessEnv;
  /** Where distributions put their Javas. Default `/usr/lib/jvm`. */
  readonly jvms?: string | undefined;
}

/** The home of a Java that Spark runs on, and its version. */
export interface Java {
  readonly home: string;
  readonly version: string;
}

/**
 * Java 17 or 21: `JAVA_HOME`, else on PATH, else where Debian, Ubuntu and Fedora put them.
 * @throws HeadwaterError `engine/no-java` with what was looked at
 */
export async function findJava({ environment, signal, jvms = DEFAULT_JVMS }: JavaSearch): Promise<Java> {
  const passedOver: string[] = [];
  for (const command of candidates(environment, jvms, passedOver)) {
    const judged = await judge(command, environment, signal);
    if (typeof judged !== "string") return judged;
    passedOver.push(judged);
  }
  throw new HeadwaterError("engine/no-java", "Spark needs Java 17 or 21, and there is none", {
    found: passedOver.join("; "),
    remedy:
      "install it (on Debian and Ubuntu: apt install openjdk-17-jre-headless, or openjdk-21-jre-headless), or set JAVA_HOME to its folder",
  });
}

function candidates(environment: NodeJS.ProcessEnv, jvms: string, passedOver: string[]): string[] {
  const commands: string[] = [];
  const home = environment["JAVA_HOME"];
  if (home !== undefined && home !== "") {
    const command = path.join(home, "bin", "java");
    if (isExecutable(command)) commands.push(command);
    else passedOver.push(`JAVA_HOME is ${home}, which has no bin/java`);
  }
  const onPath = findOnPath("java", environment);
  if (onPath === undefined) passedOver.push("java is not on PATH");
  else commands.push(onPath);
  for (const name of listed(jvms)) {
    const command = path.join(jvms, name, "bin", "java");
    if (/\b(17|21)\b/.test(name) && isExecutable(command)) commands.push(command);
  }
  return [...new Set(commands.map((command) => realpathSync(command)))];
}

function listed(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return []; // other systems have no such folder
  }
}

/** The Java, or the sentence why it does not serve. */
async function judge(command: string, env: NodeJS.ProcessEnv, signal?: AbortSignal): Promise<Java | string> {
  try {
    const version = parseVersion(
      await run(command, ["-XX:-UsePerfData", "-version"], { env, signal, timeoutMs: 30_000 }),
    );
    if (version === undefined) return `${command} does not tell its version`;
    const text = formatVersion(version);
    if (!MAJORS.includes(version[0])) return `${command} is Java ${text}`;
    try {
      // Spark starts with this module; cut-down runtimes lack it.
      await run(command, ["-XX:-UsePerfData", "--add-modules", "jdk.incubator.vector", "-version"], {
        env,
        signal,
        timeoutMs: 30_000,
      });
    } catch (error) {
      if (!(error instanceof RunError)) throw error;
      return `${command} (Java ${text}) lacks the module jdk.incubator.vector`;
    }
    return { home: path.dirname(path.dirname(command)), version: text };
  } catch (error) {
    if (error instanceof RunError) return `${command} does not run (${error.reason})`;
    throw error;
  }
}
