import { existsSync, realpathSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { parse } from "yaml";
import { ownSources, type ReleaseSources } from "../driver/release.js";
import { packageRoot } from "../engine/paths.js";
import { HeadwaterError } from "../model/errors.js";
import type { Pipeline } from "../model/pipeline.js";
import type { Program } from "../settings/program.js";

/** The modules a project is known by, relative to its folder. */
const ENTRY = {
  programs: path.join("dist", "programs", "all.js"),
  pipelines: path.join("dist", "pipelines", "index.js"),
};

/** As much of a package.json as is read here. */
export interface PackageJson {
  readonly name?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

/** A folder with programs and pipelines, built. */
export interface Project {
  /** Absolute. */
  readonly folder: string;
  /** The Pulumi project's name: Pulumi.yaml's, or `headwater` where there is no such file. */
  readonly name: string;
  readonly programs: readonly Program[];
  readonly pipelines: readonly Pipeline[];
  /** Where both come from; absolute. */
  readonly entry: { readonly programs: string; readonly pipelines: string };
  readonly packageJson: PackageJson;
}

/**
 * Loads the project in a folder: `package.json`, `dist/programs/all.js` with `programs`, `dist/pipelines/index.js` with
 * `pipelines`.
 * @throws HeadwaterError `cli/no-project`, `cli/two-sdks`, `cli/project-broken` or `cli/project-exports`.
 */
export async function loadProject(folder: string): Promise<Project> {
  const home = path.resolve(folder);
  const entry = {
    programs: path.join(home, ENTRY.programs),
    pipelines: path.join(home, ENTRY.pipelines),
  };
  const manifest = path.join(home, "package.json");
  refuseIncomplete(home, manifest, Object.values(ENTRY));
  const packageJson = await readManifest(manifest);
  refuseOtherSdk(manifest);
  const [programs, pipelines] = await Promise.all([
    load<Program>(entry.programs, "programs", { run: "function", settings: "object" }),
    load<Pipeline>(entry.pipelines, "pipelines", { tables: "object" }),
  ]);
  return { folder: home, name: await pulumiName(home), programs, pipelines, entry, packageJson };
}

/** What a release of a project consists of: all that it has compiled, and the versions of Headwater and the providers. */
export function releaseSources({ folder }: Project): ReleaseSources {
  if (realpathSync(folder) === realpathSync(packageRoot())) return ownSources();
  // Which of the compiled files a program imports cannot be told: all count. The notebooks are the installed Headwater's.
  return { root: folder, code: ["dist"], packageJson: "package.json", entry: ENTRY };
}

function refuseIncomplete(home: string, manifest: string, entries: readonly string[]): void {
  const built = entries.filter((file) => existsSync(path.join(home, file)));
  if (existsSync(manifest) && built.length === entries.length) return;
  const missing = entries.filter((file) => !built.includes(file));
  const isPackage = existsSync(manifest);
  throw new HeadwaterError(
    "cli/no-project",
    isPackage ? "the project is not built, or is no project of Headwater's" : "there is no project here",
    {
      where: home,
      found: `no ${[...(isPackage ? [] : ["package.json"]), ...missing].join(", no ")}`,
      allowed: `a folder with package.json, ${entries.join(" and ")}`,
      remedy: isPackage
        ? "Build it (`npm run build`), or name another folder with --project."
        : "Go to the project's folder or name it with --project; `headwater init <folder>` makes a new one.",
    },
  );
}

async function readManifest(file: string): Promise<PackageJson> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as PackageJson;
  } catch (cause) {
    throw new HeadwaterError(
      "cli/project-broken",
      "the project's package.json cannot be read",
      { where: file, found: (cause as Error).message, remedy: "Mend it." },
      { cause },
    );
  }
}

/** Resources made with one copy of the SDK are unknown to the other: nothing would be deployed, or only half of it. */
function refuseOtherSdk(manifest: string): void {
  const sdk = "@pulumi/pulumi/package.json";
  let theirs: string;
  try {
    theirs = realpathSync(createRequire(manifest).resolve(sdk));
  } catch {
    // Without a copy of its own the project cannot use another; should it need one, loading it will tell.
    return;
  }
  const ours = realpathSync(createRequire(import.meta.url).resolve(sdk));
  if (ours === theirs) return;
  throw new HeadwaterError(
    "cli/two-sdks",
    "the project and this command line use two copies of @pulumi/pulumi",
    {
      where: manifest,
      found: `${path.dirname(theirs)} and ${path.dirname(ours)}`,
      allowed: "one copy for both",
      remedy:
        "Run the project's own command (`npx headwater` in its folder); `npm ls @pulumi/pulumi` shows all copies.",
    },
  );
}

async function load<T extends { readonly name: string }>(
  file: string,
  field: string,
  parts: Readonly<Record<string, "object" | "function">>,
): Promise<readonly T[]> {
  let found: unknown;
  try {
    const module = (await import(pathToFileURL(file).href)) as Record<string, unknown>;
    found = module[field];
  } catch (cause) {
    // What a definition refuses (a pipeline's name, its tables) says itself what is wrong.
    if (cause instanceof HeadwaterError) throw cause;
    throw new HeadwaterError(
      "cli/project-broken",
      `the project's ${field} cannot be loaded`,
      {
        where: file,
        found: cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause),
        remedy: "Mend it and build again; --verbose shows where it was thrown.",
      },
      { cause },
    );
  }
  const refuse = (at: string, what: string, allowed: string): HeadwaterError =>
    new HeadwaterError("cli/project-exports", `the project's ${field} are not what they should be`, {
      where: file,
      field: at,
      found: what,
      allowed,
      remedy: `Export \`${field}\`: an array of what ${field === "programs" ? "defineProgram" : "definePipeline"} returned.`,
    });
  if (!Array.isArray(found)) {
    throw refuse(field, found === undefined ? "no such export" : typeof found, "an array");
  }
  if (found.length === 0) throw refuse(field, "an empty array", `at least one of the ${field}`);
  const names = new Set<string>();
  for (const [index, item] of (found as unknown[]).entries()) {
    const at = `${field}[${index}]`;
    const thing = (typeof item === "object" && item !== null ? item : {}) as Record<string, unknown>;
    const { name } = thing;
    if (typeof name !== "string") throw refuse(at, "something without a name", "an object with a name");
    for (const [part, type] of Object.entries(parts)) {
      if (typeof thing[part] !== type) throw refuse(at, `${name} without ${part}`, `${part}: ${type}`);
    }
    if (names.has(name)) throw refuse(at, `${name} for a second time`, "names that are used once");
    names.add(name);
  }
  return found as readonly T[];
}

async function pulumiName(home: string): Promise<string> {
  const file = path.join(home, "Pulumi.yaml");
  if (!existsSync(file)) return "headwater";
  const refuse = (found: unknown, cause?: unknown): HeadwaterError =>
    new HeadwaterError(
      "cli/project-broken",
      "Pulumi.yaml does not say the project's name",
      { where: file, field: "name", found, allowed: "name: <text>", remedy: "Mend it." },
      { cause },
    );
  let name: unknown;
  try {
    name = (parse(await readFile(file, "utf8")) as { name?: unknown } | null)?.name;
  } catch (error) {
    throw refuse((error as Error).message.split("\n")[0], error);
  }
  if (typeof name !== "string" || name === "") throw refuse(name ?? "nothing");
  return name;
}
