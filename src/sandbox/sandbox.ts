import { randomBytes } from "node:crypto";
import { chmod, mkdir, readdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { HeadwaterError } from "../model/errors.js";
import { elapsed, type Work } from "../engine/progress.js";
import { ensurePython, type PythonSetup } from "../engine/python.js";
import { layAccountFoundations, layWorkspaceFoundations, putSecret, type Foundations } from "./bootstrap.js";
import type { Child } from "./child.js";
import { childEnvironment, providerConfig, providerEnvironment, type ProviderConfig } from "./environment.js";
import { SandboxFaults } from "./faults/client.js";
import { startMoto } from "./moto.js";
import { isListening, requireFree } from "./ports.js";
import { sharedTemporaryFolder } from "./postgres-binaries.js";
import { startPostgres, type PgConnection } from "./postgres.js";
import { lightPlugins, type LightPlugin } from "./providers/index.js";
import {
  FOLDER_MARK,
  killMarked,
  markedProcesses,
  removeFolder,
  RunRegistry,
  type RunEntry,
} from "./registry.js";
import { OUR_SERVICES, startFrontProcess, type Services } from "./services.js";

/** The ports that can be fixed; the others are always free ones. */
export interface SandboxPorts {
  readonly aws?: number;
  readonly dms?: number;
  readonly workspace?: number;
  readonly source?: number;
  readonly target?: number;
}

export interface SandboxOptions extends Work {
  /** Default: free ones. */
  readonly ports?: SandboxPorts;
  /** How many times faster trigger polling and DMS batching go than in the cloud. Default 60; 1 is the cloud's own pace. */
  readonly clockScale?: number;
  /** Leaves the folder (data and logs) when the sandbox stops. Default false. */
  readonly keep?: boolean;
  /** Where its data and logs go: a folder that does not exist yet or is empty. Default: a new one below the temporary folder. */
  readonly folder?: string;
  /** Added to the DMS service's options: `keyChange`, `loadChangeSeq` ... */
  readonly dms?: Readonly<Record<string, unknown>>;
  /** Added to the workspace's options: `sparkConf` ... */
  readonly workspace?: Readonly<Record<string, unknown>>;
  /** Python, if it has been set up already. Default: `ensurePython()`. */
  readonly python?: PythonSetup;
  /** This user's list of sandboxes. Default: the one in the cache. */
  readonly registry?: RunRegistry;
  /** What is started as DMS service and workspace. Default: ours. */
  readonly services?: Services;
}

/** The local cloud. */
export interface Sandbox {
  readonly id: string;
  readonly folder: string;
  readonly clockScale: number;
  readonly urls: {
    /** Every AWS service but DMS. */
    readonly aws: string;
    readonly dms: string;
    readonly workspace: string;
    /** `sc://127.0.0.1:<port>` */
    readonly sparkConnect: string;
  };
  readonly source: PgConnection;
  readonly target: PgConnection;
  readonly workspaceToken: string;
  readonly plugins: readonly LightPlugin[];
  /** What exists before any stack. */
  readonly foundations: Foundations;
  /** Has calls to AWS, DMS and the workspace go wrong, as rules say. Spark's own reads and writes in S3 are spared. */
  readonly faults: SandboxFaults;
  /** Never resolves; rejects with a HeadwaterError when a part ends while nobody asked it to. */
  readonly failed: Promise<never>;
  /** The stack configuration that points the providers here. */
  config(): ProviderConfig;
  /** The environment variables the engine, the plugins and SDKs need; holds the workspace's token. */
  environment(): Record<string, string>;
  /** Stores a secret in the sandbox's Secrets Manager; gives its ARN. */
  putSecret(name: string, value: string | object): Promise<string>;
  /** Ends every process and removes the folder. Safe to call again. */
  stop(): Promise<void>;
  /** Ends every process at once, without asking. `stop()` is still to be called. */
  kill(): void;
}

export const DEFAULT_CLOCK_SCALE = 60;

/**
 * Starts moto, the DMS service, the workspace with Spark, the front before these three, and a source and a target PostgreSQL, on
 * 127.0.0.1, and waits until each answers. First ends what sandboxes left whose process was killed.
 * @throws HeadwaterError `sandbox/port-taken`, `sandbox/folder-not-empty`, `sandbox/child-died`, `sandbox/child-not-ready`, those of
 *   `ensurePython()`; nothing is left then
 */
export async function startSandbox(options: SandboxOptions): Promise<Sandbox> {
  const { progress, signal, ports = {}, clockScale = DEFAULT_CLOCK_SCALE } = options;
  const since = Date.now();
  const registry = options.registry ?? new RunRegistry();
  const services = options.services ?? OUR_SERVICES;
  await registry.cleanUp(options);
  for (const [name, port] of Object.entries(ports) as [string, number | undefined][]) {
    if (port !== undefined) await requireFree(port, `ports.${name}`);
  }
  const python = options.python ?? (await ensurePython(options));
  const id = `sb-${randomBytes(5).toString("hex")}`;
  const folder = await makeFolder(
    options.folder ?? path.join(await sharedTemporaryFolder(), `headwater-${id}`),
    id,
  );
  const processes = new Processes(id, folder, options.keep ?? false, registry);
  // One part that fails stops the others' starting.
  const starting = new AbortController();
  const either = AbortSignal.any([starting.signal, ...(signal ? [signal] : [])]);
  // All of them, or the first failure once the others have ended too: nothing is being started any more then.
  const all = async <T extends readonly unknown[]>(parts: {
    readonly [K in keyof T]: Promise<T[K]>;
  }): Promise<T> => {
    for (const started of parts) started.catch((error: unknown) => starting.abort(error));
    await Promise.allSettled(parts);
    either.throwIfAborted();
    return Promise.all(parts);
  };
  const part = async (name: string): Promise<string> => {
    const at = path.join(folder, name);
    await mkdir(at);
    return at;
  };
  const env = childEnvironment(id);
  const common = { progress, signal: either, env, onStart: (child: Child) => processes.add(child, "base") };
  const database = async (name: "source" | "target"): Promise<PgConnection> => {
    const port = ports[name];
    const at = { folder: await part(name), name: `the ${name} PostgreSQL`, database: name };
    return (await startPostgres({ ...common, ...at, ...(port !== undefined && { port }) })).connection;
  };
  const startFront = async () => {
    const { aws, dms, workspace } = ports;
    const fixed = {
      ...(aws !== undefined && { aws }),
      ...(dms !== undefined && { dms }),
      ...(workspace !== undefined && { workspace }),
    };
    return startFrontProcess({ ...common, folder: await part("front"), ports: fixed });
  };
  const cloud = async () => {
    const [before, moto] = await all([
      startFront(),
      part("aws").then((at) => startMoto({ ...common, folder: at, python: python.python })),
    ]);
    await before.stand("aws", moto.endpoint);
    const onStart = (child: Child): void => processes.add(child, "service");
    const addresses = { awsEndpoint: before.urls.aws, dataEndpoint: moto.endpoint };
    const shared = { ...common, ...addresses, onStart, clockScale, port: 0 };
    const dmsOptions = { ...shared, folder: await part("dms"), more: options.dms ?? {} };
    const workspaceOptions = { ...shared, folder: await part("workspace"), more: options.workspace ?? {} };
    const [dms, workspace, account] = await all([
      services.dms(dmsOptions),
      services.workspace(workspaceOptions, python),
      layAccountFoundations(moto.endpoint, either),
    ]);
    await all([before.stand("dms", dms.url), before.stand("workspace", workspace.url)]);
    const groups = await layWorkspaceFoundations(workspace, either);
    return { front: before.urls, moto: moto.endpoint, workspace, foundations: { ...account, groups } };
  };
  try {
    progress(`starting the sandbox ${id} in ${folder}`);
    const [source, target, { front, moto, workspace, foundations }] = await all([
      database("source"),
      database("target"),
      cloud(),
    ]);
    const urls = { ...front, sparkConnect: workspace.sparkConnect };
    const workspaceToken = workspace.token;
    processes.listens([...Object.values(urls).map(portOf), source.port, target.port]);
    progress(
      `the sandbox is up after ${elapsed(since)}; its clock goes ${clockScale} times as fast as the cloud's`,
    );
    return {
      ...{ id, folder, clockScale, urls, source, target, workspaceToken, foundations },
      plugins: lightPlugins(),
      faults: new SandboxFaults(urls.aws),
      failed: processes.failed,
      config: () => providerConfig(urls),
      environment: () => providerEnvironment(urls.workspace, workspaceToken),
      putSecret: (name, value) => putSecret(moto, name, value),
      stop: () => processes.stop(),
      kill: () => processes.kill(),
    };
  } catch (error) {
    await processes.stop();
    throw error;
  }
}

/** The processes of one sandbox, their entry in the registry, and their folder. */
class Processes {
  readonly failed: Promise<never>;
  readonly #children: Child[] = [];
  readonly #services = new Set<Child>();
  readonly #entry: RunEntry;
  #ports: readonly number[] = [];
  #fail: (error: Error) => void = () => undefined;
  #stopped: Promise<void> | undefined;
  #up = false;

  constructor(
    readonly id: string,
    readonly folder: string,
    readonly keep: boolean,
    registry: RunRegistry,
  ) {
    this.failed = new Promise((_resolve, reject) => (this.#fail = reject));
    // Those who wait for it hear of it; a failure nobody waits for must not end the process.
    this.failed.catch(() => undefined);
    this.#entry = registry.enter(id, folder, keep);
  }

  /** @param kind services use what is at the base, and are stopped first */
  add(child: Child, kind: "base" | "service"): void {
    this.#children.push(child);
    if (kind === "service") this.#services.add(child);
    this.#entry.add(child);
    void child.ended.then(() => {
      if (this.#up && !child.stopping) this.#fail(child.died("while the sandbox was up"));
    });
  }

  /** From here on a child's end is a failure of the sandbox. */
  listens(ports: readonly number[]): void {
    this.#ports = ports;
    this.#up = true;
    const dead = this.#children.find((child) => child.endedWith !== undefined && !child.stopping);
    if (dead !== undefined) this.#fail(dead.died("while the sandbox was starting"));
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  kill(): void {
    for (const child of this.#children) child.kill();
  }

  async #stop(): Promise<void> {
    await Promise.all([...this.#services].map((child) => child.stop()));
    await Promise.all(this.#children.map((child) => child.stop()));
    await killMarked(this.id);
    await this.#verify();
    if (!this.keep) await removeFolder(this.folder, this.id);
    this.#entry.remove();
  }

  async #verify(): Promise<void> {
    const processes = await markedProcesses(this.id);
    // Without a process of ours, a port of ours that answers is somebody else's by now.
    if (processes.length === 0) return;
    const listening: number[] = [];
    for (const port of this.#ports) if (await isListening(port)) listening.push(port);
    throw new HeadwaterError("sandbox/not-stopped", "something of the sandbox is left", {
      where: this.folder,
      found: { processes: processes.map(({ pid }) => pid), listening },
      remedy: "end these processes; the next sandbox to start removes the folder",
    });
  }
}

async function makeFolder(wanted: string, id: string): Promise<string> {
  const folder = path.resolve(wanted);
  await mkdir(folder, { recursive: true });
  const found = await readdir(folder);
  if (found.length > 0) {
    throw new HeadwaterError("sandbox/folder-not-empty", "the folder for the sandbox is not empty", {
      where: folder,
      found: found.slice(0, 5).join(", "),
      remedy: "choose another one: a sandbox removes its folder when it stops",
    });
  }
  // Others may pass through (PostgreSQL's user must), and see nothing.
  await chmod(folder, 0o711);
  await writeFile(path.join(folder, FOLDER_MARK), id);
  return folder;
}

function portOf(url: string): number {
  return Number(new URL(url.replace(/^sc:/, "http:")).port);
}
