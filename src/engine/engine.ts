import { existsSync, statSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm, symlink } from "node:fs/promises";
import path from "node:path";
import { HeadwaterError } from "../model/errors.js";
import { DownloadError, fetchFile, fetchText, sha256 } from "./download.js";
import { findGo, goBuild } from "./go.js";
import { removeDrafts, withLock } from "./lock.js";
import { cacheRoot } from "./paths.js";
import type { Work } from "./progress.js";
import type { PassedOver } from "./python-interpreter.js";
import { findOnPath, isExecutable, run, RunError } from "./run.js";
import { atLeast, formatVersion, parseVersion, type Version } from "./versions.js";

/** What is downloaded or built when the machine has no engine. */
export const ENGINE_VERSION = "3.259.0";
/** From here on the engine streams its events over gRPC; before, some were lost. */
const MINIMUM_ENGINE: Version = [3, 206, 0];

const RELEASES = [
  "https://get.pulumi.com/releases/sdk",
  `https://github.com/pulumi/pulumi/releases/download/v${ENGINE_VERSION}`,
];

/** A Pulumi CLI, found or made. */
export interface Engine {
  /** For `PulumiCommand.get({ root })`: the folder that holds `bin/pulumi`. */
  readonly root: string;
  /** `<root>/bin/pulumi` */
  readonly command: string;
  /** `3.259.0` */
  readonly version: string;
  readonly origin: "HEADWATER_PULUMI" | "PATH" | "cache" | "download" | "build";
}

export interface EngineSearch extends Work {
  /**
   * Default: this process'. Its variables that matter: `HEADWATER_PULUMI` (path of the CLI, or of the folder with `bin/pulumi`),
   * `PATH`, `HEADWATER_PULUMI_RELEASES` (a mirror to download from instead), `HEADWATER_PYTHON` and those of {@link cacheRoot}.
   */
  readonly environment?: NodeJS.ProcessEnv;
}

/**
 * The Pulumi engine: the one `HEADWATER_PULUMI` names, else on PATH, else in the user's cache, else downloaded, else built
 * with Go (3 minutes on 2 cores, once).
 * @throws HeadwaterError `engine/not-found` with everything that was tried, `engine/unusable` for a bad `HEADWATER_PULUMI`
 */
export async function ensureEngine({ environment = process.env, ...work }: EngineSearch): Promise<Engine> {
  const cache = cacheRoot(environment);
  const passedOver: PassedOver = [];
  const found =
    (await named(environment, cache, work)) ?? (await onPath(environment, cache, passedOver, work));
  if (found !== undefined) return found;
  const root = path.join(cache, "engine", `${ENGINE_VERSION}-${process.platform}-${process.arch}`);
  const cached = await fromCache(root, environment, work);
  if (cached !== undefined) return cached;
  for (const sentence of passedOver) work.progress(`${sentence}; passed over`);
  return withLock(path.join(cache, "engine.lock"), "getting the Pulumi engine", work, async () => {
    const since = await fromCache(root, environment, work);
    if (since !== undefined) return since;
    // What is there and does not run is of no use.
    await rm(root, { recursive: true, force: true });
    await removeDrafts(path.dirname(root));
    if (await download(root, environment, passedOver, work)) return made(root, environment, "download", work);
    if (await build(root, environment, cache, passedOver, work))
      return made(root, environment, "build", work);
    throw new HeadwaterError(
      "engine/not-found",
      "there is no Pulumi engine on this machine, and none could be got",
      {
        found: ["", ...passedOver].join("\n    - ").trimStart(),
        remedy:
          `install the Pulumi CLI ${formatVersion(MINIMUM_ENGINE)} or newer (https://www.pulumi.com/docs/install/), or Go 1.25.11 or ` +
          "newer to have it built, or set HEADWATER_PULUMI to the path of a pulumi executable",
      },
    );
  });
}

/**
 * Puts the host of Node programs next to an engine made by {@link ensureEngine}, for `pulumi up` by hand: inline programs do
 * without. Does nothing for an engine that brings one.
 */
export async function ensureNodeLanguageHost(
  engine: Engine,
  { environment = process.env, ...work }: EngineSearch,
): Promise<void> {
  const output = path.join(path.dirname(engine.command), "pulumi-language-nodejs");
  if (isExecutable(output) || findOnPath("pulumi-language-nodejs", environment) !== undefined) return;
  const cache = cacheRoot(environment);
  await withLock(path.join(cache, "engine.lock"), "building the Node language host", work, async () => {
    if (isExecutable(output)) return;
    const passedOver: PassedOver = [];
    const toolchain = await findGo({ ...work, environment, cache }, passedOver);
    if (toolchain === undefined) {
      throw new HeadwaterError(
        "engine/no-language-host",
        "the engine's host of Node programs cannot be built",
        {
          found: passedOver.join("; "),
          remedy:
            "install the whole Pulumi CLI (https://www.pulumi.com/docs/install/), or Go 1.25.11 or newer",
        },
      );
    }
    await goBuild({
      ...{ ...work, environment, cache, toolchain, output, module: "language-nodejs" },
      program: "github.com/pulumi/pulumi/sdk/v3/nodejs/cmd/pulumi-language-nodejs",
      ldflags: "-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=3.68.0",
      what: "the Node language host",
      takes: "about 1 minute on 2 cores",
    });
  });
}

async function named(environment: NodeJS.ProcessEnv, cache: string, work: Work): Promise<Engine | undefined> {
  const value = environment["HEADWATER_PULUMI"];
  if (value === undefined || value === "") return undefined;
  const given = path.resolve(value);
  const command =
    existsSync(given) && statSync(given).isDirectory() ? path.join(given, "bin", "pulumi") : given;
  const judged = await judge(command, environment, work);
  if (typeof judged !== "string") return rooted(command, judged, "HEADWATER_PULUMI", cache);
  throw new HeadwaterError("engine/unusable", judged, {
    where: "HEADWATER_PULUMI",
    found: value,
    allowed: `the path of a Pulumi CLI ${formatVersion(MINIMUM_ENGINE)} or newer of major version 3`,
    remedy: "name another one, or leave the variable out",
  });
}

async function onPath(
  environment: NodeJS.ProcessEnv,
  cache: string,
  passedOver: PassedOver,
  work: Work,
): Promise<Engine | undefined> {
  const command = findOnPath("pulumi", environment);
  if (command === undefined) {
    passedOver.push("pulumi is not on PATH");
    return undefined;
  }
  const judged = await judge(command, environment, work);
  if (typeof judged !== "string") return rooted(command, judged, "PATH", cache);
  passedOver.push(judged);
  return undefined;
}

async function fromCache(
  root: string,
  environment: NodeJS.ProcessEnv,
  work: Work,
): Promise<Engine | undefined> {
  const command = path.join(root, "bin", "pulumi");
  if (!isExecutable(command)) return undefined;
  const judged = await judge(command, environment, work);
  return typeof judged === "string"
    ? undefined
    : { root, command, version: formatVersion(judged), origin: "cache" };
}

async function made(
  root: string,
  environment: NodeJS.ProcessEnv,
  origin: "download" | "build",
  work: Work,
): Promise<Engine> {
  const command = path.join(root, "bin", "pulumi");
  const judged = await judge(command, environment, work);
  if (typeof judged !== "string") return { root, command, version: formatVersion(judged), origin };
  throw new HeadwaterError("engine/unusable", judged, {
    where: command,
    remedy:
      "if the file system of the cache forbids programs (noexec), set HEADWATER_CACHE to a folder elsewhere",
  });
}

/** The CLI's version, or the sentence why it does not serve. */
async function judge(
  command: string,
  environment: NodeJS.ProcessEnv,
  { signal }: Work,
): Promise<Version | string> {
  try {
    const env = { ...environment, PULUMI_SKIP_UPDATE_CHECK: "true" };
    const output = await run(command, ["version"], { env, signal, timeoutMs: 30_000 });
    const version = parseVersion(output);
    if (version === undefined) return `${command} does not tell its version`;
    if (version[0] === 3 && atLeast(version, MINIMUM_ENGINE)) return version;
    const wanted = version[0] > 3 ? "of major version 3" : `${formatVersion(MINIMUM_ENGINE)} or newer`;
    return `${command} is Pulumi ${formatVersion(version)}, not ${wanted}`;
  } catch (error) {
    if (error instanceof RunError) return `${command} does not run (${error.reason})`;
    throw error;
  }
}

/** The Automation API wants `<root>/bin/pulumi`: a CLI that lies elsewhere gets a link of that shape. */
async function rooted(
  command: string,
  version: Version,
  origin: "HEADWATER_PULUMI" | "PATH",
  cache: string,
): Promise<Engine> {
  const folder = path.dirname(command);
  const text = formatVersion(version);
  if (path.basename(command) === "pulumi" && path.basename(folder) === "bin") {
    return { root: path.dirname(folder), command, version: text, origin };
  }
  const root = path.join(
    cache,
    "engine",
    `linked-${Buffer.from(command).toString("base64url")}`.slice(0, 200),
  );
  const link = path.join(root, "bin", "pulumi");
  await mkdir(path.dirname(link), { recursive: true });
  await symlink(command, link).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error; // made by an earlier run, for the same command
  });
  return { root, command: link, version: text, origin };
}

async function download(
  root: string,
  environment: NodeJS.ProcessEnv,
  passedOver: PassedOver,
  work: Work,
): Promise<boolean> {
  const { platform, arch } = process;
  if (!["linux", "darwin"].includes(platform) || !["x64", "arm64"].includes(arch)) {
    passedOver.push(`there is no release of Pulumi for ${platform} ${arch}`);
    return false;
  }
  const archive = `pulumi-v${ENGINE_VERSION}-${platform}-${arch}.tar.gz`;
  const mirror = environment["HEADWATER_PULUMI_RELEASES"];
  for (const base of mirror ? [mirror] : RELEASES) {
    const draft = await mkdtemp(path.join(path.dirname(root), "draft-"));
    try {
      work.progress(`downloading the Pulumi engine ${ENGINE_VERSION} from ${base}`);
      const checksums = await fetchText(`${base}/pulumi-${ENGINE_VERSION}-checksums.txt`, work);
      const wanted = checksums
        .split("\n")
        .find((line) => line.trim().endsWith(archive))
        ?.trim()
        .split(/\s+/)[0];
      if (wanted === undefined) throw new DownloadError(`${base}: its checksums do not name ${archive}`);
      const file = path.join(draft, archive);
      await fetchFile(`${base}/${archive}`, file, "the Pulumi engine", work);
      const got = await sha256(file);
      if (got !== wanted) throw new DownloadError(`${base}/${archive}: its SHA-256 is ${got}, not ${wanted}`);
      const bin = path.join(draft, "root", "bin");
      await mkdir(bin, { recursive: true });
      // The archive holds one folder, `pulumi`, with the programs in it.
      await run("tar", ["-xzf", file, "--strip-components=1", "-C", bin], {
        env: environment,
        signal: work.signal,
      });
      await rename(path.join(draft, "root"), root);
      return true;
    } catch (error) {
      if (!(error instanceof DownloadError || error instanceof RunError)) throw error;
      work.progress(`cannot download it: ${error.message}`);
      passedOver.push(`cannot be downloaded: ${error.message}`);
    } finally {
      await rm(draft, { recursive: true, force: true });
    }
  }
  return false;
}

async function build(
  root: string,
  environment: NodeJS.ProcessEnv,
  cache: string,
  passedOver: PassedOver,
  work: Work,
): Promise<boolean> {
  const toolchain = await findGo({ ...work, environment, cache }, passedOver);
  if (toolchain === undefined) return false;
  try {
    await goBuild({
      ...{
        ...work,
        environment,
        cache,
        toolchain,
        output: path.join(root, "bin", "pulumi"),
        module: "pulumi",
      },
      program: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
      ldflags: `-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=${ENGINE_VERSION}`,
      what: "the Pulumi engine",
      takes: "about 3 minutes on 2 cores",
    });
    return true;
  } catch (error) {
    if (!(error instanceof RunError)) throw error;
    passedOver.push(`cannot be built with Go ${toolchain.version}: ${error.message}`);
    return false;
  }
}
