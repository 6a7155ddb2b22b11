import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { LocalWorkspace, Stack, type PulumiFn } from "@pulumi/pulumi/automation/index.js";
import { stringify } from "yaml";
import { HeadwaterError } from "../model/errors.js";
import { CommandFailure, type EngineCommand, type Interruption } from "./engine-command.js";
import { isEnginesOwn } from "./engine-events.js";
import type { PendingOperation } from "./errors.js";
import type { DeployedFile } from "./notebook-drift.js";
import { endProcessesOf, FOLDER_VARIABLE, removeAbandoned } from "./leftovers.js";

/** A folder with an executable `pulumi-resource-<name>` that the engine is to use instead of a plugin it would look for. */
export interface PluginLocation {
  readonly name: string;
  readonly path: string;
}

/** All of a platform that its stacks share. */
export interface StackHome {
  readonly project: string;
  /** What relative paths in a program (assets, notebooks) start from. Absolute. */
  readonly projectFolder: string;
  /** `file://...`, `s3://...`, `https://api.pulumi.com`, ... */
  readonly backend: string;
  /** `passphrase`, `awskms://...`, `default`, ... */
  readonly secretsProvider: string;
  readonly command: EngineCommand;
  /** Where the engine is. */
  readonly engineRoot: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly plugins: readonly PluginLocation[];
  /** Where private folders are made. Absolute. */
  readonly workFolder: string;
}

/** What `stacks/Pulumi.<stack>.yaml` holds, overlay merged in: configuration and, beside it, the keys of its secrets. */
export interface StackDocument {
  readonly config: Readonly<Record<string, unknown>>;
  readonly [other: string]: unknown;
}

/**
 * One stack's private folder (mode 0700), with a project file and a copy of its settings, and the Automation API's stack on it.
 *
 * The engine writes into the copy; the file in `stacks/` is never touched. What the engine has to remember about secrets
 * (a passphrase's salt, a KMS data key) it keeps in the stack's state in the backend as well, and
 * PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER makes it look there: a fresh copy without salt can decrypt what an earlier
 * run encrypted, so nothing has to be kept between runs. A salt in `stacks/` (there when the file holds `secure:` values) is
 * copied with the rest and wins.
 */
export class StackWorkspace {
  private constructor(
    readonly name: string,
    readonly folder: string,
    private readonly home: StackHome,
    private readonly environment: Record<string, string>,
    private readonly document: StackDocument,
  ) {}

  static async open(home: StackHome, name: string, document: StackDocument): Promise<StackWorkspace> {
    checkSecrets(home, name);
    const parent = path.join(home.workFolder, "stacks");
    await mkdir(parent, { recursive: true, mode: 0o700 });
    await removeAbandoned(parent, name);
    if (home.backend.startsWith("file://")) await makeBackendFolder(home.backend);
    const folder = await mkdtemp(path.join(parent, `${name}.${process.pid}.`));
    await chmod(folder, 0o700);
    const workspace = StackWorkspace.at(home, name, document, folder);
    await workspace.writeFiles();
    return workspace;
  }

  /** On a private folder that another process has made. */
  static at(home: StackHome, name: string, document: StackDocument, folder: string): StackWorkspace {
    const environment = {
      ...home.environment,
      PULUMI_BACKEND_URL: home.backend,
      [FOLDER_VARIABLE]: folder,
      PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER: "true",
    };
    return new StackWorkspace(name, folder, home, environment, document);
  }

  /**
   * The Automation API's stack on this folder. The stack has to be in the backend (`state`, `create`).
   * @param interruption reaches the engine of every operation on the stack that is returned.
   */
  async stack(program: PulumiFn, interruption: Interruption): Promise<Stack> {
    const workspace = await LocalWorkspace.create({
      workDir: this.folder,
      program,
      pulumiCommand: this.home.command.interruptible(interruption),
      envVars: this.environment,
    });
    // Selecting writes to a file all workspaces of a user share. Every command names its stack: nothing has to be selected.
    workspace.selectStack = () => Promise.resolve();
    return Stack.select(this.name, workspace);
  }

  /** Makes the stack in the backend. */
  async create(): Promise<void> {
    const { command, secretsProvider } = this.home;
    const args = ["stack", "init", this.name, "--no-select", "--secrets-provider", secretsProvider];
    await command.run(args, this.folder, this.environment);
  }

  /** Runs a subcommand the Automation API has no method for, or one that would show secrets. */
  async run(...args: string[]): Promise<string> {
    const { stdout } = await this.home.command.run(
      [...args, "--stack", this.name],
      this.folder,
      this.environment,
    );
    return stdout;
  }

  /** The state in short; undefined when the backend has no such stack. */
  async state(): Promise<StackState | undefined> {
    const exported = await this.export();
    if (exported === undefined) return undefined;
    const { resources = [] } = exported.deployment ?? {};
    const files = resources.flatMap(({ urn, type, inputs: { path, contentBase64 } = {} }) =>
      /^databricks:index\/(notebook:Notebook|workspaceFile:WorkspaceFile)$/.test(type) &&
      typeof path === "string" &&
      typeof contentBase64 === "string"
        ? [{ urn, type, path, contentBase64 }]
        : [],
    );
    return {
      files,
      resources: resources.filter(({ type }) => !isEnginesOwn(type)).map(({ urn, type }) => ({ urn, type })),
      pending: pendingIn(exported.deployment),
    };
  }

  /**
   * Drops the state's record of operations that were stopped half-way; the resources themselves are not touched.
   * @returns what was dropped.
   */
  async forgetPending(): Promise<PendingOperation[]> {
    const exported = await this.export();
    const pending = pendingIn(exported?.deployment);
    if (!exported?.deployment || pending.length === 0) return [];
    exported.deployment.pending_operations = [];
    const file = path.join(this.folder, "state.json");
    await writeFile(file, JSON.stringify(exported), { mode: 0o600 });
    await this.run("stack", "import", "--file", file);
    await rm(file);
    return pending;
  }

  /** Removes a stack that holds no resources any more, its history included. */
  async remove(): Promise<void> {
    await this.home.command.run(["stack", "rm", "--yes", this.name], this.folder, this.environment);
  }

  /** After the engine was killed: ends the plugins it leaves, and takes its lock off the stack. */
  async clearAfterKill(): Promise<void> {
    await endProcessesOf(this.folder);
    await this.unlock();
  }

  /** Breaks the lock of an operation on this stack, and ends the engine that a dead process has left with it. */
  async unlock(): Promise<void> {
    await removeAbandoned(path.dirname(this.folder), this.name, true);
    await this.run("cancel", "--yes");
  }

  async close(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }

  /** The state as the backend holds it, secrets encrypted. */
  private async export(): Promise<{ deployment?: RawDeployment | null } | undefined> {
    try {
      return JSON.parse(await this.run("stack", "export")) as { deployment?: RawDeployment | null };
    } catch (error) {
      if (isNoStack(error)) return undefined;
      throw error;
    }
  }

  private async writeFiles(): Promise<void> {
    const { project, projectFolder, plugins } = this.home;
    const description = {
      name: project,
      runtime: "nodejs",
      main: projectFolder,
      ...(plugins.length === 0 ? {} : { plugins: { providers: plugins } }),
    };
    await writeFile(path.join(this.folder, "Pulumi.yaml"), stringify(description), { mode: 0o600 });
    const settings: Record<string, unknown> = { ...this.document };
    // A provider without its key would make the engine invent a new key: left out, it takes both from the state.
    if (settings["encryptedkey"] === undefined) delete settings["secretsprovider"];
    await writeFile(path.join(this.folder, `Pulumi.${this.name}.yaml`), stringify(settings), { mode: 0o600 });
  }
}

/** Whether the engine failed because the backend has no such stack. */
export function isNoStack(error: unknown): boolean {
  return error instanceof CommandFailure && /no stack named/.test(error.output.stderr);
}

/** The state in short. */
export interface StackState {
  /** Without the stack itself and the providers. */
  readonly resources: readonly { readonly urn: string; readonly type: string }[];
  readonly pending: readonly PendingOperation[];
  /** What was put into the workspace's folders. */
  readonly files: readonly DeployedFile[];
}

interface RawDeployment {
  resources?: { urn: string; type: string; inputs?: Record<string, unknown> }[];
  pending_operations?: { resource: { urn: string; type: string }; type: string }[];
}

function pendingIn(deployment: RawDeployment | null | undefined): PendingOperation[] {
  return (deployment?.pending_operations ?? [])
    .filter(({ resource }) => !isEnginesOwn(resource.type))
    .map(({ resource, type }) => ({ urn: resource.urn, type }));
}

async function makeBackendFolder(backend: string): Promise<void> {
  if (backend === "file://~" || backend.startsWith("file://./")) return;
  await mkdir(fileURLToPath(backend.split("?", 1)[0] ?? backend), { recursive: true, mode: 0o700 });
}

function checkSecrets({ secretsProvider, environment, backend }: StackHome, stack: string): void {
  const isCloud = /^https?:/.test(backend);
  if (secretsProvider !== "passphrase" && !(secretsProvider === "default" && !isCloud)) return;
  const all: Record<string, string | undefined> = { ...process.env, ...environment };
  if (all["PULUMI_CONFIG_PASSPHRASE"] !== undefined || all["PULUMI_CONFIG_PASSPHRASE_FILE"] !== undefined)
    return;
  throw new HeadwaterError(
    "driver/no-passphrase",
    "there is no passphrase to protect the stack's secrets with",
    {
      where: `stack ${stack}`,
      remedy:
        "Set PULUMI_CONFIG_PASSPHRASE_FILE (or PULUMI_CONFIG_PASSPHRASE), or use another secrets provider (awskms://...).",
    },
  );
}
