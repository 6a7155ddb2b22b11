import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { packageRoot } from "../engine/paths.js";
import type { PythonSetup } from "../engine/python.js";
import { Child } from "./child.js";
import { ACCOUNT_ID, REGION } from "./environment.js";
import { BACKENDS_PATH, type FrontOptions } from "./faults/front.js";
import type { Service } from "./faults/rule.js";

/** What the two services of our own, DMS and the workspace, are started with. */
export interface ServiceOptions {
  /** Takes its log, its options and its state. Exists. */
  readonly folder: string;
  /** Fixed, or 0 for a free one. */
  readonly port: number;
  /** Where AWS is, by the front: faults strike there. */
  readonly awsEndpoint: string;
  /** moto's own, for Spark's data: nothing stands in its way. */
  readonly dataEndpoint: string;
  readonly clockScale: number;
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
  readonly onStart: (child: Child) => void;
  /** Passed on as they are, beside those above. */
  readonly more: Readonly<Record<string, unknown>>;
}

export interface DmsProcess {
  readonly url: string;
}

export interface WorkspaceProcess {
  readonly url: string;
  /** `sc://127.0.0.1:<port>` */
  readonly sparkConnect: string;
  readonly token: string;
}

/** The front, before it knows what stands behind it. */
export interface FrontProcess {
  readonly urls: Readonly<Record<Service, string>>;
  /** Tells it a service's own address; once each. */
  stand(service: Service, backend: string): Promise<void>;
}

/** How the two are started. */
export interface Services {
  dms(options: ServiceOptions): Promise<DmsProcess>;
  workspace(options: ServiceOptions, setup: PythonSetup): Promise<WorkspaceProcess>;
}

const FRONT_DEADLINE_MS = 60_000;
const DMS_DEADLINE_MS = 60_000;
// A cold Spark on a busy machine of 2 cores takes its time.
const WORKSPACE_DEADLINE_MS = 240_000;

/** Starts the front as a Node process of its own. Clients know the ports given, not those of the services. */
export async function startFrontProcess(
  options: Pick<ServiceOptions, "folder" | "env" | "signal" | "onStart"> & FrontOptions,
): Promise<FrontProcess> {
  const { folder, env, signal, onStart, ports = {} } = options;
  const file = path.join(folder, "options.json");
  await writeFile(file, JSON.stringify({ ports } satisfies FrontOptions), { mode: 0o600 });
  const child = await Child.start({
    ...{
      name: "the front",
      command: process.execPath,
      args: [...loaders(process.execArgv), mainOf("faults"), file],
    },
    ...{ env, cwd: folder, logFile: path.join(folder, "front.log"), onStart },
  });
  const ready = await readyLine(child, FRONT_DEADLINE_MS, signal);
  const listening = ready["ports"] as Record<Service, number>;
  const urls = Object.fromEntries(
    Object.entries(listening).map(([service, port]) => [service, `http://127.0.0.1:${port}`]),
  ) as Record<Service, string>;
  return {
    urls,
    stand: async (service, backend) => {
      const body = JSON.stringify({ [service]: backend });
      const { ok, status } = await fetch(new URL(BACKENDS_PATH, urls[service]), {
        method: "POST",
        body,
        signal,
      });
      if (!ok) throw new Error(`the front did not take the address of ${service} (${status})`);
    },
  };
}

/** Starts the DMS service as a Node process of its own. */
async function startDms(options: ServiceOptions): Promise<DmsProcess> {
  const child = await Child.start({
    name: "the DMS service",
    command: process.execPath,
    args: [
      ...loaders(process.execArgv),
      mainOf("dms"),
      await writeOptions(options, { aws: { region: REGION, accountId: ACCOUNT_ID } }),
    ],
    env: options.env,
    cwd: options.folder,
    logFile: path.join(options.folder, "dms.log"),
    onStart: options.onStart,
  });
  const ready = await readyLine(child, DMS_DEADLINE_MS, options.signal);
  return { url: `http://127.0.0.1:${numberIn(ready, "port", child)}` };
}

/** Starts the workspace, which starts Spark. */
async function startWorkspace(options: ServiceOptions, setup: PythonSetup): Promise<WorkspaceProcess> {
  const token = `dapi${randomBytes(16).toString("hex")}`;
  const aws = { region: REGION, dataEndpoint: options.dataEndpoint };
  const file = await writeOptions(options, { token, aws, sparkJars: setup.sparkJars });
  const child = await Child.start({
    name: "the workspace",
    command: setup.python,
    args: ["-m", "headwater_workspace", "--options", file],
    env: {
      ...options.env,
      PYTHONPATH: path.join(packageRoot(), "src", "sandbox", "python"),
      PYTHONUNBUFFERED: "1",
      // The package may lie where this user may not write.
      PYTHONDONTWRITEBYTECODE: "1",
      JAVA_HOME: setup.javaHome,
    },
    cwd: options.folder,
    logFile: path.join(options.folder, "workspace.log"),
    graceMs: 15_000,
    onStart: options.onStart,
  });
  const ready = await readyLine(child, WORKSPACE_DEADLINE_MS, options.signal);
  const url = `http://127.0.0.1:${numberIn(ready, "port", child)}`;
  return { url, sparkConnect: String(ready["sparkConnect"]), token };
}

/** The DMS service and the workspace of this package. */
export const OUR_SERVICES: Services = { dms: startDms, workspace: startWorkspace };

async function writeOptions(
  { folder, port, awsEndpoint, clockScale, more }: ServiceOptions,
  { aws, ...own }: { aws: Record<string, string> } & Record<string, unknown>,
): Promise<string> {
  const stateDir = path.join(folder, "state");
  await mkdir(stateDir, { recursive: true });
  const file = path.join(folder, "options.json");
  const options = { ...more, ...own, port, stateDir, clockScale, aws: { endpoint: awsEndpoint, ...aws } };
  await writeFile(file, JSON.stringify(options), { mode: 0o600 });
  return file;
}

/** The same kind of file as this one, so that sources run sources (with the same loader) and compiled files compiled ones. */
function mainOf(folder: string): string {
  const self = fileURLToPath(import.meta.url);
  return path.join(path.dirname(self), folder, `main${path.extname(self)}`);
}

async function readyLine(
  child: Child,
  deadlineMs: number,
  signal: AbortSignal,
): Promise<Record<string, unknown>> {
  return child.ready({ probe: async () => child.readyLine(), deadlineMs, signal });
}

function numberIn(ready: Record<string, unknown>, field: string, child: Child): number {
  const value = ready[field];
  if (typeof value !== "number") throw new Error(`${child.name} was ready without a ${field}`);
  return value;
}

/** The options that load TypeScript, without those that stop at a breakpoint or take the debugger's port. */
function loaders(execArgv: readonly string[]): string[] {
  return execArgv.filter((argument) => !argument.startsWith("--inspect"));
}
