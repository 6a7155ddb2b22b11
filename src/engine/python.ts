import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { HeadwaterError } from "../model/errors.js";
import { findJava, type Java } from "./java.js";
import { removeDrafts, withLock } from "./lock.js";
import { cacheRoot, packageRoot } from "./paths.js";
import type { Progress, Work } from "./progress.js";
import { findPython, type PassedOver, type PythonInterpreter } from "./python-interpreter.js";
import { run, RunError, withHeartbeat } from "./run.js";
import { requireSpace } from "./space.js";

/** What runs the sandbox's Python: Spark, moto and the workspace. */
export interface PythonSetup {
  /** The virtual environment's interpreter. */
  readonly python: string;
  /** The folder with the jars Spark is started with. */
  readonly sparkJars: string;
  /** For `JAVA_HOME`. */
  readonly javaHome: string;
}

export interface PythonSearch extends Work {
  /** Installs what the Python tests need as well. Default false. */
  readonly dev?: boolean;
  /**
   * Default: this process'. Its variables that matter: `HEADWATER_PYTHON` (the interpreter to start from), `JAVA_HOME`, `PATH`, pip's
   * own, and those of {@link cacheRoot}.
   */
  readonly environment?: NodeJS.ProcessEnv;
  /** The folder with the requirements and the module that fetches the jars. Default: the published one. */
  readonly sources?: string;
  /** Where distributions put their Javas. Default `/usr/lib/jvm`. */
  readonly jvms?: string;
}

const GIGABYTE = 1e9;
// Measured with pyspark 4.1: environment 1.3 GB, jars 23 MB; pip unpacks and packs pyspark in the temporary folder meanwhile.
const CACHE_NEEDS = 2 * GIGABYTE;
const TEMPORARY_NEEDS = 1.5 * GIGABYTE;

/**
 * Finds Python and Java, makes the virtual environment and fetches Spark's jars, each once per user and content: a change of
 * the requirements makes a new environment. A set-up that was interrupted is begun anew.
 * @throws HeadwaterError `engine/no-python`, `engine/python-unusable`, `engine/no-java`, `engine/no-space`, `engine/pip-failed`,
 *   `engine/jars-failed`
 */
export async function ensurePython({
  environment = process.env,
  ...options
}: PythonSearch): Promise<PythonSetup> {
  const sources = options.sources ?? path.join(packageRoot(), "src", "sandbox", "python");
  // Another installation's libraries would get in the way.
  const clean = Object.fromEntries(
    Object.entries(environment).filter(([name]) => !/^PYTHON(HOME|PATH)$/.test(name)),
  );
  const setup: Setup = { ...options, environment: clean, sources, cache: cacheRoot(environment) };
  // All that can be missing is looked for before anything long begins.
  const java = await findJava(setup);
  const base = await requirePython(setup);
  const python = await environmentWith(base, setup);
  const sparkJars = await jars(python, java, setup);
  return { python, sparkJars, javaHome: java.home };
}

interface Setup extends Work {
  readonly environment: NodeJS.ProcessEnv;
  readonly cache: string;
  readonly sources: string;
  readonly dev?: boolean;
  readonly jvms?: string;
}

async function requirePython(setup: Setup): Promise<PythonInterpreter> {
  const passedOver: PassedOver = [];
  const found = await findPython(setup, passedOver);
  if (found !== undefined) return found;
  throw new HeadwaterError(
    "engine/no-python",
    "the sandbox needs Python 3.11 or newer with venv, and there is none",
    {
      found: passedOver.join("; "),
      remedy: passedOver.some((sentence) => sentence.includes("-venv"))
        ? "install the package named above, or set HEADWATER_PYTHON to another Python"
        : "install it (on Debian and Ubuntu: apt install python3 python3-venv), or set HEADWATER_PYTHON to its path",
    },
  );
}

/** The interpreter of the environment with the requirements in it. */
async function environmentWith(base: PythonInterpreter, setup: Setup): Promise<string> {
  const { cache, sources, environment, signal, progress } = setup;
  const requirements = path.join(sources, "requirements.txt");
  const key = digest([
    await readFile(requirements),
    base.version,
    base.command,
    process.platform,
    process.arch,
  ]);
  const home = path.join(cache, "python", key);
  const python = path.join(home, "bin", "python");
  const extra = setup.dev === true ? path.join(sources, "requirements-dev.txt") : undefined;
  // A virtual environment cannot be moved once made, so it is made in place; these files say that it is whole.
  const complete = path.join(home, "complete");
  const completeExtra =
    extra === undefined ? complete : path.join(home, `complete-${digest([await readFile(extra)])}`);
  const whole = async (): Promise<boolean> => existsSync(complete) && (await starts(python, setup));
  if (existsSync(completeExtra) && (await whole())) return python;
  return withLock(path.join(cache, "python.lock"), "setting up Python", setup, async () => {
    if (!(await whole())) {
      await requireSpace(cache, CACHE_NEEDS, "the sandbox's Python environment", "HEADWATER_CACHE");
      await requireSpace(os.tmpdir(), TEMPORARY_NEEDS, "the installation of pyspark", "TMPDIR");
      if (existsSync(home)) progress("an earlier set-up of Python was interrupted: beginning anew");
      await rm(home, { recursive: true, force: true });
      await mkdir(path.dirname(home), { recursive: true });
      progress(
        `making a Python ${base.version} environment in ${home} (once; pyspark alone is a 400 MB archive)`,
      );
      await run(base.command, ["-m", "venv", home], { env: environment, signal });
      await pipInstall(python, requirements, setup);
      await writeFile(complete, "");
    }
    if (extra !== undefined && !existsSync(completeExtra)) {
      progress("adding what the Python tests need");
      await pipInstall(python, extra, setup);
      await writeFile(completeExtra, "");
    }
    return python;
  });
}

/** An environment whose base was removed or upgraded is there and does not start. */
async function starts(python: string, { environment, signal }: Setup): Promise<boolean> {
  try {
    await run(python, ["-c", "import pip"], { env: environment, signal, timeoutMs: 30_000 });
    return true;
  } catch (error) {
    if (error instanceof RunError) return false;
    throw error;
  }
}

async function pipInstall(python: string, requirements: string, setup: Setup): Promise<void> {
  const { environment, signal, progress } = setup;
  const args = ["-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--progress-bar", "off"];
  try {
    await withHeartbeat(
      progress,
      (sofar) => `installing Python packages: ${sofar} so far`,
      () =>
        run(python, [...args, "-r", requirements], {
          env: { ...environment, PYTHONUNBUFFERED: "1" },
          signal,
          onLine: (line) => tellPip(line, progress),
        }),
    );
  } catch (cause) {
    if (!(cause instanceof RunError)) throw cause;
    throw new HeadwaterError(
      "engine/pip-failed",
      `pip could not install the sandbox's Python packages (${cause.reason})`,
      {
        where: requirements,
        found: cause.tail,
        remedy:
          "if PyPI cannot be reached from here, point pip at a mirror (PIP_INDEX_URL, or pip config); what was installed so far is begun anew next time",
      },
      { cause },
    );
  }
}

/** pip says a lot; downloads of some size and wheels being built are what takes the time. */
function tellPip(line: string, progress: Progress): void {
  const size = /\((\d+(?:\.\d+)?) MB\)/.exec(line)?.[1];
  if (/^\s*Downloading /.test(line) && Number(size ?? 0) >= 10)
    progress(`  ${line.trim().replace(/https?:\/\/\S+\//, "")}`);
  if (/^\s*Building wheel for \S+ .*: started/.test(line))
    progress(`  ${line.trim().replace(": started", "")}`);
  if (/^Installing collected packages/.test(line)) progress("  installing what was downloaded");
}

async function jars(python: string, java: Java, setup: Setup): Promise<string> {
  const { cache, sources, environment, signal, progress } = setup;
  const home = path.join(cache, "jars", await jarsKey(sources));
  if (existsSync(home)) return home;
  return withLock(path.join(cache, "jars.lock"), "fetching Spark's jars", setup, async () => {
    if (existsSync(home)) return home;
    progress("fetching the jars Spark needs for Delta Lake and S3 (once)");
    await removeDrafts(path.dirname(home));
    try {
      // Works aside and publishes by rename.
      await run(python, ["-m", "headwater_workspace.jars", home], {
        env: { ...environment, PYTHONPATH: sources, PYTHONDONTWRITEBYTECODE: "1", JAVA_HOME: java.home },
        signal,
        onLine: (line) => {
          if (line.trim() !== "" && line !== home) progress(`  ${line}`);
        },
      });
      return home;
    } catch (cause) {
      if (!(cause instanceof RunError)) throw cause;
      throw new HeadwaterError(
        "engine/jars-failed",
        `the jars Spark needs could not be fetched (${cause.reason})`,
        {
          found: cause.tail,
          remedy:
            "see whether Maven Central can be reached from here, or set HEADWATER_MAVEN_URL to a mirror",
        },
        { cause },
      );
    }
  });
}

/** The jars follow from their list, the module that fetches them, what it compiles, and the versions required. */
async function jarsKey(sources: string): Promise<string> {
  const module = path.join(sources, "headwater_workspace");
  const compiled = path.join(module, "jvm");
  const files = [
    path.join(sources, "requirements.txt"),
    ...["jars.py", "jars.lock"].map((name) => path.join(module, name)),
    ...(await readdir(compiled)).sort().map((name) => path.join(compiled, name)),
  ];
  return digest(await Promise.all(files.map((file) => readFile(file))));
}

function digest(parts: readonly (Buffer | string)[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part).update("\0");
  return hash.digest("hex").slice(0, 16);
}
