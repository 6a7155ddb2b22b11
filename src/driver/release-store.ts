import path from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import { HeadwaterError } from "../model/errors.js";
import type { Pipeline } from "../model/pipeline.js";
import type { Program } from "../settings/program.js";
import { providerVersions, readRelease, releaseOf, type Release, type ReleaseSources } from "./release.js";
import { LaidOut } from "./laid-out.js";
import type { Store } from "./store/store.js";
import type { Known } from "./stack-settings.js";

/** A stored release: what it is, and every file of it as base64 by path. Kept gzipped under `releases/<id>`. */
interface StoredRelease {
  readonly release: Release;
  /** The sources as they were, without their root. */
  readonly sources: Omit<ReleaseSources, "root">;
  readonly files: Readonly<Record<string, string>>;
}

/** A stored release that was made again is written again when it is older: far less than any age it is pruned at. */
const FRESH_MS = 3_600_000;

/** A release that can be run: its own programs and pipelines, or the caller's where it has no entry. */
export interface LoadedRelease extends Known {
  readonly release: Release;
  /** The modules that were loaded, for another process; absent where the caller's closures are run. */
  readonly entry?: { readonly programs: string; readonly pipelines: string };
}

/**
 * The releases of a platform: made of what is on disk, stored once under their id, and loaded again from the store.
 */
export class Releases {
  private readonly loaded = new Map<string, Promise<LoadedRelease>>();
  private readonly laidOut: LaidOut;

  constructor(
    private readonly store: Store,
    private readonly sources: ReleaseSources,
    private readonly known: Known,
    /** Where stored content is laid out. Absolute. */
    workFolder: string,
  ) {
    const packages = path.dirname(path.join(sources.root, sources.packageJson));
    this.laidOut = new LaidOut(path.join(workFolder, "releases"), packages);
  }

  /** Lets go of the files that were laid out. */
  async close(): Promise<void> {
    this.loaded.clear();
    await this.laidOut.close();
  }

  /** The release of what is on disk now; stored unless it is already. */
  async make(program: string, pipeline: Pipeline): Promise<Release> {
    const made = await readRelease(program, pipeline, this.sources);
    const { root: _, ...sources } = this.sources;
    const stored: StoredRelease = {
      release: made.release,
      sources,
      files: Object.fromEntries(
        made.content.map(({ path: file, bytes }) => [file, bytes.toString("base64")]),
      ),
    };
    // Equal id, equal content: written again only so that its age tells when it was last made.
    const written = await this.store.modified(releaseKey(made.release.id));
    if (written === undefined || Date.now() - written.getTime() > FRESH_MS)
      await this.store.put(releaseKey(made.release.id), await promisify(gzip)(JSON.stringify(stored)));
    return made.release;
  }

  /**
   * A stored release, by its id or the beginning of it.
   * @throws HeadwaterError `driver/no-release` where none, or more than one, begins like that.
   */
  async find(id: string): Promise<Release> {
    const ids = await releaseIds(this.store);
    const found = /^[0-9a-f]{6,64}$/.test(id) ? ids.filter((each) => each.startsWith(id)) : [];
    const [only, ...others] = found;
    if (only !== undefined && others.length === 0) return (await this.stored(only)).release;
    throw new HeadwaterError(
      "driver/no-release",
      found.length === 0 ? "there is no such release" : "several releases begin like that",
      {
        where: this.store.locate("releases"),
        field: "release",
        found: id,
        allowed: "the id of a stored release, or its first six hex digits or more",
        remedy: "The history lists what was promoted: `headwater history`.",
      },
    );
  }

  /**
   * The release, ready to be run. With an entry its stored code is laid out below the work folder and imported, whatever is
   * on disk by now; its providers have to be installed here in the same versions.
   */
  load(release: Release): Promise<LoadedRelease> {
    let loading = this.loaded.get(release.id);
    if (loading === undefined) {
      loading = this.loadNow(release);
      loading.catch(() => this.loaded.delete(release.id));
      this.loaded.set(release.id, loading);
    }
    return loading;
  }

  private async loadNow(release: Release): Promise<LoadedRelease> {
    const stored = await this.stored(release.id);
    const { entry } = stored.sources;
    if (entry === undefined) {
      const pipeline = this.known.pipelines.find(({ name }) => name === release.pipeline);
      const onDisk =
        pipeline === undefined
          ? undefined
          : (await readRelease(release.program, pipeline, this.sources)).release;
      if (onDisk?.id !== release.id) {
        throw new HeadwaterError("driver/release-changed", "what is on disk is not this release any more", {
          where: `release ${release.id.slice(0, 12)}`,
          found: onDisk === undefined ? `no pipeline ${release.pipeline}` : differingParts(release, onDisk),
          remedy:
            "Check out what was released. Or give `sources.entry`, so that releases run their own stored code.",
        });
      }
      return { release, ...this.known };
    }
    const installed = await providerVersions(path.join(this.sources.root, this.sources.packageJson));
    const wrong = Object.entries(release.parts.providers).filter(
      ([name, version]) => installed[name] !== version,
    );
    if (wrong.length > 0) {
      throw new HeadwaterError(
        "driver/other-providers",
        "the release was made with other versions than are installed",
        {
          where: `release ${release.id.slice(0, 12)}`,
          found: wrong.map(([name]) => `${name} ${installed[name] ?? "not installed"}`).join(", "),
          allowed: wrong.map(([name, version]) => `${name} ${version}`).join(", "),
          remedy: "Install the versions of the release (npm ci with its lock file).",
        },
      );
    }
    const folder = await this.laidOut.layOut(release.id, stored.files);
    const modules = {
      programs: path.join(folder, entry.programs),
      pipelines: path.join(folder, entry.pipelines),
    };
    return { release, ...(await importEntry(modules)), entry: modules };
  }

  private async stored(id: string): Promise<StoredRelease> {
    const stored = await this.store.get(releaseKey(id));
    if (stored === undefined) {
      throw new HeadwaterError("driver/no-release", "the release is not in the store", {
        where: this.store.locate(releaseKey(id)),
        found: "nothing",
        remedy: "Make it with `platform.release`, which stores it.",
      });
    }
    let content: StoredRelease;
    try {
      content = JSON.parse((await promisify(gunzip)(stored.bytes)).toString()) as StoredRelease;
    } catch (error) {
      throw damaged(this.store.locate(releaseKey(id)), (error as Error).message, error);
    }
    const files = Object.entries(content.files).map(([file, base64]) => ({
      path: file,
      bytes: Buffer.from(base64, "base64"),
    }));
    const { release, sources } = content;
    // All parts but the pipeline's are hashed again; that one is code's, which has just been hashed.
    const again = releaseOf(
      release.program,
      { name: release.pipeline },
      { ...sources, root: "" },
      files,
      release.parts.providers,
    );
    for (const part of ["code", "notebooks"] as const) {
      if (again.parts[part] !== release.parts[part])
        throw damaged(this.store.locate(releaseKey(id)), `other ${part}`);
    }
    if (release.id !== id) throw damaged(this.store.locate(releaseKey(id)), `release ${release.id}`);
    return content;
  }
}

/** Imports the modules of a project or release and checks what they export. */
export async function importEntry(modules: {
  readonly programs: string;
  readonly pipelines: string;
}): Promise<Known> {
  const [programs, pipelines] = await Promise.all([
    importList<Program>(modules.programs, "programs"),
    importList<Pipeline>(modules.pipelines, "pipelines"),
  ]);
  return { programs, pipelines };
}

async function importList<T>(file: string, name: string): Promise<readonly T[]> {
  const module = (await import(pathToFileURL(file).href)) as Record<string, unknown>;
  const list = module[name];
  if (Array.isArray(list)) return list as readonly T[];
  throw new HeadwaterError("driver/bad-entry", `the module does not export a list of ${name}`, {
    where: file,
    field: name,
    found: list === undefined ? "nothing" : typeof list,
    remedy: `Write: export const ${name} = [...];`,
  });
}

/** Which parts of two releases differ, for people. */
export function differingParts(one: Release, other: Release): string {
  const parts = (["code", "pipeline", "notebooks"] as const).filter(
    (part) => one.parts[part] !== other.parts[part],
  );
  const names = new Set([...Object.keys(one.parts.providers), ...Object.keys(other.parts.providers)]);
  const versions = [...names].sort().flatMap((name) => {
    const [a, b] = [one.parts.providers[name] ?? "none", other.parts.providers[name] ?? "none"];
    return a === b ? [] : [`${name} ${a} and ${b}`];
  });
  const program = one.program === other.program ? [] : [`program ${one.program} and ${other.program}`];
  return [...program, ...parts, ...versions].join(", ");
}

/** Ids of a store's releases. */
export async function releaseIds(store: Store): Promise<string[]> {
  return (await store.list("releases/")).map((key) => key.slice("releases/".length));
}

/** Where a store holds a release. */
export function releaseKey(id: string): string {
  return `releases/${id}`;
}

function damaged(where: string, found: string, cause?: unknown): HeadwaterError {
  return new HeadwaterError(
    "driver/store-damaged",
    "the stored release is not what its id says",
    { where, found, remedy: "Somebody has written there by hand: remove it and make the release again." },
    { cause },
  );
}
