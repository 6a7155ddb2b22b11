import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
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
  /** The folder all paths below are relative to, and keep their place under when a release is stored. */
  readonly root: string;
  /** Files and folders that programs and pipelines consist of, relative to `root`. */
  readonly code: readonly string[];
  /** The notebooks' folder, relative to `root`; where there is none, the installed Headwater's count by its version. */
  readonly notebooks?: string;
  /** The manifest, relative to `root`. Its installed `@pulumi/*` and `headwater` packages count. */
  readonly packageJson: string;
  /**
   * Modules below `root` that export `programs` and `pipelines`. With it an environment is built by the stored release's
   * own code, whatever is on disk by then. Without it (programs that are closures of the caller) a stored release can only
   * be promoted while what is on disk has its hash.
   */
  readonly entry?: { readonly programs: string; readonly pipelines: string };
}

/** A file of a release: path below `root`, and its bytes. */
export interface ReleaseFile {
  readonly path: string;
  readonly bytes: Buffer;
}

/**
 * Headwater's own code as it runs here: compiled under `dist/`, or TypeScript where a loader runs the sources. In its
 * repository the programs and pipelines there are the entry; the installed package has none of its own.
 */
export function ownSources(): ReleaseSources {
  const root = packageRoot();
  const src = path.relative(root, path.dirname(import.meta.dirname));
  const beside = path.dirname(src);
  const ending = path.extname(import.meta.filename);
  const code = ["model", "settings", "components"].map((room) => path.join(src, room));
  const common = { root, notebooks: "notebooks", packageJson: "package.json" };
  const programs = path.join(beside, "programs", `all${ending}`);
  if (!existsSync(path.join(root, programs)))
    return { ...common, code: [...code, path.join(beside, "programs", `cdc-lakehouse${ending}`)] };
  const pipelines = path.join(beside, "pipelines", `index${ending}`);
  return {
    ...common,
    code: [...code, path.dirname(programs), path.dirname(pipelines)],
    entry: { programs, pipelines },
  };
}

/** Reads what a release of these sources consists of, in a stable order. */
async function readContent(sources: ReleaseSources): Promise<ReleaseFile[]> {
  const { root, code, notebooks, packageJson } = sources;
  const lists = await Promise.all([
    ...code.map((part) => listFiles(root, part, isCode)),
    ...(notebooks === undefined ? [] : [listFiles(root, notebooks, isContent)]),
    listFiles(root, packageJson, isContent),
  ]);
  const paths = [...new Set(lists.flat())].sort();
  return Promise.all(
    paths.map(async (file) => ({ path: file, bytes: await readFile(path.join(root, file)) })),
  );
}

/** The release of a program and a pipeline as they are on disk now, and its content. */
export async function readRelease(
  program: string,
  pipeline: { readonly name: string },
  sources: ReleaseSources,
): Promise<{ readonly release: Release; readonly content: readonly ReleaseFile[] }> {
  const content = await readContent(sources);
  const providers = await providerVersions(path.join(sources.root, sources.packageJson));
  return { release: releaseOf(program, pipeline, sources, content, providers), content };
}

/**
 * The release that content makes.
 * @param providers installed packages, see {@link providerVersions}.
 */
export function releaseOf(
  program: string,
  pipeline: { readonly name: string },
  sources: ReleaseSources,
  content: readonly ReleaseFile[],
  providers: Readonly<Record<string, string>>,
): Release {
  const { notebooks, packageJson } = sources;
  const isNotebook = ({ path: file }: ReleaseFile): boolean =>
    notebooks !== undefined && isBelow(file, posix(notebooks));
  // The manifest travels along for its `type`; what counts of it are the versions of the providers.
  const code = content.filter((file) => !isNotebook(file) && file.path !== posix(packageJson));
  const parts = {
    code: hashFiles(code),
    pipeline: hash(canonical(pipeline)),
    notebooks: hashFiles(content.filter(isNotebook)),
    providers,
  };
  return { id: hash(canonical({ program, ...parts })), program, pipeline: pipeline.name, parts };
}

function isBelow(file: string, folder: string): boolean {
  return file.startsWith(`${folder}/`);
}

/** Source maps and type declarations do not run; a map names the folders of the machine it was built on. */
function isCode(name: string): boolean {
  return /\.(js|mjs|cjs|ts|json)$/.test(name) && !name.endsWith(".d.ts");
}

function isContent(name: string): boolean {
  return !name.endsWith(".pyc");
}

/** Hash over the paths and bytes of files. */
function hashFiles(files: readonly ReleaseFile[]): string {
  const digest = createHash("sha256");
  for (const { path: file, bytes } of files) {
    // Lengths in front: no two lists of files can run into the same bytes.
    digest.update(`${file.length} ${file} ${bytes.length} `).update(bytes);
  }
  return digest.digest("hex");
}

/** A file, or the files below a folder; hidden ones and caches left out. */
async function listFiles(root: string, part: string, wanted: (name: string) => boolean): Promise<string[]> {
  const at = path.join(root, part);
  try {
    if ((await stat(at)).isFile()) return [posix(part)];
    const entries = await readdir(at, { withFileTypes: true });
    const lists = await Promise.all(
      entries
        .filter(({ name }) => !name.startsWith(".") && name !== "__pycache__" && name !== "node_modules")
        .map(async (entry) => {
          const file = path.join(part, entry.name);
          if (entry.isDirectory()) return listFiles(root, file, wanted);
          return entry.isFile() && wanted(entry.name) ? [posix(file)] : [];
        }),
    );
    return lists.flat();
  } catch (error) {
    if (error instanceof HeadwaterError) throw error;
    throw new HeadwaterError(
      "driver/release-incomplete",
      "what belongs to the release is missing",
      { where: at, remedy: "Build the project first, or install the package again." },
      { cause: error },
    );
  }
}

function posix(file: string): string {
  return path.normalize(file).split(path.sep).join("/");
}

/** Versions of the installed `@pulumi/*` packages the project depends on, and of Headwater where it is one of them. */
export async function providerVersions(packageJson: string): Promise<Record<string, string>> {
  const require = createRequire(packageJson);
  // Not by `require` itself, which would answer from its cache after an upgrade.
  const read = async (name: string): Promise<Manifest> => {
    try {
      return JSON.parse(await readFile(require.resolve(`${name}/package.json`), "utf8")) as Manifest;
    } catch (error) {
      throw new HeadwaterError(
        "driver/release-incomplete",
        "a package the project depends on is not installed",
        { where: packageJson, field: name, found: (error as Error).message, remedy: "Install it: npm ci." },
        { cause: error },
      );
    }
  };
  const own = namesIn(JSON.parse(await readFile(packageJson, "utf8")) as Manifest);
  // npm installs peers unasked: a project may well name no provider itself.
  const peers = (await Promise.all(own.filter(isHeadwater).map(read))).flatMap(namesIn);
  const versions: Record<string, string> = {};
  for (const name of [...new Set([...own, ...peers])].sort()) {
    if (!name.startsWith("@pulumi/") && !isHeadwater(name)) continue;
    const { version } = await read(name);
    if (version !== undefined) versions[name] = version;
  }
  return versions;
}

interface Manifest {
  version?: string;
  dependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
}

function namesIn({ dependencies = {}, peerDependencies = {} }: Manifest): string[] {
  return [...Object.keys(dependencies), ...Object.keys(peerDependencies)];
}

/** Published under a scope or not. */
function isHeadwater(name: string): boolean {
  return /^(@[^/]+\/)?headwater$/.test(name);
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** JSON with sorted keys: what a definition means does not depend on the order it is written in. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
