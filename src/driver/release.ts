import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { packageRoot } from "../engine/paths.js";
import { HeadwaterError } from "../model/errors.js";

/** What is promoted. Equal content has an equal id, on every machine and under every path. */
export interface Release {
  /** SHA-256 over all parts, in hex. */
  readonly id: string;
  readonly program: string;
  readonly pipeline: string;
  /** A hash for each part, so that one can tell what differs between two releases. */
  readonly parts: {
    readonly code: string;
    readonly pipeline: string;
    readonly notebooks: string;
    /** npm package -> installed version. */
    readonly providers: Readonly<Record<string, string>>;
  };
}

/** Where a release's content is found; the defaults are Headwater's own, as they are installed. */
export interface ReleaseSources {
  /** Label -> folder with the code that programs consist of. The label, not the folder, is hashed. */
  readonly code: Readonly<Record<string, string>>;
  readonly notebooks: string;
  /** A file in the package whose installed `@pulumi/*` packages count. */
  readonly packageJson: string;
}

/** The code that runs here: compiled under `dist/`, or TypeScript where a loader runs the sources. */
export function ownSources(): ReleaseSources {
  const root = packageRoot();
  const src = path.dirname(import.meta.dirname);
  return {
    code: {
      model: path.join(src, "model"),
      settings: path.join(src, "settings"),
      components: path.join(src, "components"),
      programs: path.join(path.dirname(src), "programs"),
    },
    notebooks: path.join(root, "notebooks"),
    packageJson: path.join(root, "package.json"),
  };
}

/** Builds the release of a program and a pipeline from what is on disk now. */
export async function makeRelease(
  program: string,
  pipeline: { readonly name: string },
  sources: ReleaseSources,
): Promise<Release> {
  const code = await Promise.all(
    Object.entries(sources.code).map(async ([label, folder]) => [label, await hashFolder(folder, isCode)]),
  );
  const parts = {
    code: hash(canonical(Object.fromEntries(code))),
    pipeline: hash(canonical(pipeline)),
    notebooks: await hashFolder(sources.notebooks, isContent),
    providers: await providerVersions(sources.packageJson),
  };
  return { id: hash(canonical({ program, ...parts })), program, pipeline: pipeline.name, parts };
}

/** Source maps and type declarations do not run; a map names the folders of the machine it was built on. */
function isCode(name: string): boolean {
  return /\.(js|ts|json)$/.test(name) && !name.endsWith(".d.ts");
}

function isContent(name: string): boolean {
  return !name.endsWith(".pyc");
}

/** Hash over the relative paths and bytes of a folder's files, hidden ones and caches left out. */
async function hashFolder(folder: string, wanted: (name: string) => boolean): Promise<string> {
  const files = await listFiles(folder, wanted);
  const digest = createHash("sha256");
  for (const file of files) {
    const bytes = await readFile(path.join(folder, file));
    // Lengths in front: no two lists of files can run into the same bytes.
    digest.update(`${file.length} ${file} ${bytes.length} `).update(bytes);
  }
  return digest.digest("hex");
}

async function listFiles(folder: string, wanted: (name: string) => boolean, below = ""): Promise<string[]> {
  const entries = await readdir(path.join(folder, below), { withFileTypes: true }).catch((error: unknown) => {
    throw new HeadwaterError(
      "driver/release-incomplete",
      "a folder that belongs to the release is missing",
      { where: path.join(folder, below), remedy: "Build the project first, or install the package again." },
      { cause: error },
    );
  });
  const lists = await Promise.all(
    entries
      .filter(({ name }) => !name.startsWith(".") && name !== "__pycache__" && name !== "node_modules")
      .map(async (entry) => {
        const file = path.posix.join(below, entry.name);
        if (entry.isDirectory()) return listFiles(folder, wanted, file);
        return entry.isFile() && wanted(entry.name) ? [file] : [];
      }),
  );
  return lists.flat().sort();
}

/** Versions of the installed `@pulumi/*` packages the project depends on. */
async function providerVersions(packageJson: string): Promise<Record<string, string>> {
  const manifest = JSON.parse(await readFile(packageJson, "utf8")) as Manifest;
  const names = [
    ...Object.keys(manifest.dependencies ?? {}),
    ...Object.keys(manifest.peerDependencies ?? {}),
  ];
  const require = createRequire(packageJson);
  const versions: Record<string, string> = {};
  for (const name of [...new Set(names)].filter((name) => name.startsWith("@pulumi/")).sort()) {
    const { version } = require(`${name}/package.json`) as { version: string };
    versions[name] = version;
  }
  return versions;
}

interface Manifest {
  dependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** JSON with sorted keys: what a definition means does not depend on the order it is written in. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
