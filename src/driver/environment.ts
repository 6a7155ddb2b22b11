import { createHash } from "node:crypto";
import type { PulumiFn, Stack } from "@pulumi/pulumi/automation/index.js";
import { HeadwaterError } from "../model/errors.js";
import { stackName } from "../model/naming.js";
import { parseS3Url } from "../operations/landing.js";
import { reload, type ReloadResult } from "../operations/reload.js";
import type { WaitOptions } from "../operations/wait.js";
import { lakehouseOutputs } from "./checks/outputs.js";
import { EnvironmentClients } from "./clients.js";
import { Interruption } from "./engine-command.js";
import { counts, type PlannedChange } from "./engine-events.js";
import { isLockOfTheDead } from "./engine-lock.js";
import { asHeadwaterError, type PendingOperation } from "./errors.js";
import type { ChangeSummary, NewEvent } from "./events.js";
import type { LastUpdate } from "./gates/gate.js";
import { runIsolated } from "./isolated/run.js";
import {
  maskOutputs,
  refusePending,
  runOperation,
  type OperationKind,
  type OperationOptions,
  type OperationResult,
} from "./operation.js";
import { notebookDrift } from "./notebook-drift.js";
import type { Redactor } from "./redact.js";
import { canonical, type Release } from "./release.js";
import type { Releases } from "./release-store.js";
import { programOf, type Known, type LoadedStack } from "./stack-settings.js";
import { StackWorkspace, type StackHome } from "./stack-workspace.js";

/** An environment's state in the backend. */
export interface EnvironmentStatus {
  readonly environment: string;
  readonly stack: string;
  /** False before the first preview, and after `destroy --remove`. */
  readonly exists: boolean;
  readonly resources: number;
  /** How many of each type. */
  readonly resourcesByType: Readonly<Record<string, number>>;
  /** Operations an earlier run left half-way. */
  readonly pending: readonly PendingOperation[];
  /** Secret ones read `[secret]`. */
  readonly outputs: Readonly<Record<string, unknown>>;
  readonly last?: LastUpdate & { readonly changes: ChangeSummary };
}

/** How an operation on an environment is run; see {@link OperationOptions}. */
export interface RunOptions extends Pick<
  OperationOptions,
  "signal" | "firmSignal" | "graceMs" | "timeoutMs" | "pendingOperations" | "policyPacks"
> {
  readonly emit?: (event: NewEvent) => void;
  /** Breaks the lock another operation holds on the stack. Only when its process is known to be gone. */
  readonly unlock?: boolean;
}

/** How a reload is run. `timeoutMs` counts for stop, start and load each; default: 24 h. */
export interface ReloadOptions extends Partial<WaitOptions> {
  /** Starts a run of the ingestion job afterwards. Default: true. */
  readonly ingest?: boolean;
}

/** What updates are marked with in the stack's history. */
const MESSAGE = /^headwater: release ([0-9a-f]{64})(?: settings ([0-9a-f]{16}))?$/;

/** One pipeline in one environment: a stack, and the settings it is run with. */
export class Environment {
  readonly stackName: string;
  private handles: StackWorkspace[] = [];

  /** @internal Made by `Platform`. */
  constructor(
    readonly name: string,
    private readonly parts: {
      readonly pipeline: string;
      readonly home: StackHome;
      readonly redactor: Redactor;
      readonly releases: Releases;
      /** Programs and pipelines of the caller, for what needs no release. */
      readonly known: Known;
      /** Whether programs run in a process of their own. */
      readonly isolated: boolean;
      readonly load: (stack: string, known: Known) => Promise<LoadedStack>;
    },
  ) {
    this.stackName = stackName(parts.pipeline, name);
  }

  /**
   * Reads and validates the environment's settings; nothing is run.
   * @param release what the settings are for: its own programs say what is allowed.
   */
  async settings(release?: Release): Promise<LoadedStack> {
    const { load, known, releases } = this.parts;
    const loaded = await load(this.stackName, release === undefined ? known : await releases.load(release));
    this.parts.redactor.learn(loaded.document.config);
    return loaded;
  }

  preview(release: Release, options: RunOptions = {}): Promise<OperationResult> {
    return this.operate("preview", release, options);
  }

  up(release: Release, options: RunOptions = {}): Promise<OperationResult> {
    return this.operate("up", release, options);
  }

  /**
   * Compares what the clouds hold with the state, notebooks by their content; neither is changed.
   * @returns a change for each resource that differs (`update`) or is gone (`delete`).
   */
  async drift(options: RunOptions = {}): Promise<readonly PlannedChange[]> {
    const { planned, files } = await this.inWorkspace(undefined, async (opened, loaded) => {
      const { planned } = await this.operateIn(opened, "refresh", undefined, loaded, options);
      const state = await opened.state();
      refusePending(this.stackName, state?.pending, options.pendingOperations);
      return { planned, files: state?.files ?? [] };
    });
    if (files.length === 0) return planned;
    const { workspace } = await this.clients();
    const gone = new Set(planned.map(({ urn }) => urn));
    const edited = await notebookDrift(files, workspace, options.signal);
    return [...planned, ...edited.filter(({ urn }) => !gone.has(urn))];
  }

  /**
   * Destroys every resource. With `remove` the stack itself goes too, its history included, once it is empty.
   * @throws HeadwaterError `driver/not-empty` when resources are left after a destroy that reported success.
   */
  async destroy(options: RunOptions & { readonly remove?: boolean } = {}): Promise<OperationResult> {
    return this.inWorkspace(undefined, async (workspace, loaded) => {
      const result = await this.operateIn(workspace, "destroy", undefined, loaded, options);
      const state = await workspace.state();
      if (state === undefined) return result;
      const { resources } = state;
      if (resources.length > 0) {
        throw new HeadwaterError("driver/not-empty", "the stack still holds resources after destroy", {
          where: `stack ${this.stackName}`,
          found: resources.map(({ urn }) => urn).join("; "),
          remedy: "They may be protected or retained: see the program. The stack was kept.",
        });
      }
      if (options.remove === true) await workspace.remove();
      return result;
    });
  }

  /**
   * Loads every table of a deployed `cdc-lakehouse` from its source again and marks those whose load is complete; the ingestion
   * job then closes the keys the load did not bring. The run started for that waits its turn in the job's queue, and closes
   * nothing twice if a file-arrival trigger has started one as well.
   * @throws HeadwaterError `driver/output-missing` where nothing of the kind is deployed; as `reload` of src/operations.
   */
  async reload({ ingest = true, ...wait }: ReloadOptions = {}): Promise<ReloadResult> {
    const { outputs } = await this.status();
    const { replicationConfigArn, incomingUrl, tables, jobId } = lakehouseOutputs(this.stackName, outputs);
    const clients = await this.clients();
    return reload(
      {
        replications: clients.replications,
        s3: clients.s3,
        arn: replicationConfigArn,
        incoming: parseS3Url(incomingUrl),
        tables: tables.map(({ source }) => source),
        ...(ingest ? { ingest: () => clients.jobs.runNow(jobId, {}, wait.signal) } : {}),
      },
      { timeoutMs: 86_400_000, ...wait },
    );
  }

  /** The last update of the stack; undefined before the first. */
  last(): Promise<EnvironmentStatus["last"]> {
    return this.inWorkspace(undefined, async (workspace) =>
      this.lastOf(await workspace.stack(nothing, new Interruption())),
    );
  }

  /** Operations an earlier run left half-way. */
  pending(): Promise<readonly PendingOperation[]> {
    return this.inWorkspace(undefined, async (workspace) => (await workspace.state())?.pending ?? []);
  }

  /** What the backend knows of this environment; no cloud is asked. */
  status(): Promise<EnvironmentStatus> {
    return this.inWorkspace(undefined, async (workspace) => {
      const common = { environment: this.name, stack: this.stackName };
      const state = await workspace.state();
      if (state === undefined)
        return { ...common, exists: false, resources: 0, resourcesByType: {}, pending: [], outputs: {} };
      const { resources, pending } = state;
      const stack = await workspace.stack(nothing, new Interruption());
      const outputs = maskOutputs(await stack.outputs(), this.parts.redactor);
      const last = await this.lastOf(stack);
      return {
        ...common,
        exists: true,
        resources: resources.length,
        resourcesByType: countBy(resources.map(({ type }) => type)),
        pending,
        outputs,
        ...(last === undefined ? {} : { last }),
      };
    });
  }

  private async lastOf(stack: Stack): Promise<EnvironmentStatus["last"]> {
    const [last] = await stack.history(1, 1, false);
    if (last === undefined) return undefined;
    const [, release, settings] = MESSAGE.exec(last.message) ?? [];
    return {
      kind: last.kind,
      result: last.result,
      at: last.endTime.toISOString(),
      message: this.parts.redactor.text(last.message),
      changes: counts(last.resourceChanges),
      ...(release === undefined ? {} : { release }),
      ...(settings === undefined ? {} : { settings }),
    };
  }

  /**
   * The Automation API's own stack: the escape hatch. Its private folder stays until `close` (or the platform's).
   * What is done through it is neither recorded nor made safe.
   */
  async stack(release?: Release): Promise<Stack> {
    const loaded = await this.settings(release);
    const workspace = await StackWorkspace.open(this.parts.home, this.stackName, loaded.document);
    this.handles.push(workspace);
    if ((await workspace.state()) === undefined) await workspace.create();
    return workspace.stack(programOf(loaded, release?.id ?? "unreleased"), new Interruption());
  }

  /** Clients for the account and workspace this environment lives in. */
  async clients(): Promise<EnvironmentClients> {
    const { document } = await this.settings();
    return new EnvironmentClients(this.stackName, document.config, {
      ...process.env,
      ...this.parts.home.environment,
    });
  }

  /** Removes the private folders of stacks that were handed out. */
  async close(): Promise<void> {
    const handles = this.handles;
    this.handles = [];
    await Promise.all(handles.map((workspace) => workspace.close()));
  }

  private operate(kind: OperationKind, release: Release, options: RunOptions): Promise<OperationResult> {
    return this.inWorkspace(release, (workspace, loaded) =>
      this.operateIn(workspace, kind, release, loaded, options),
    );
  }

  private async operateIn(
    workspace: StackWorkspace,
    kind: OperationKind,
    release: Release | undefined,
    loaded: LoadedStack,
    options: RunOptions,
  ): Promise<OperationResult> {
    if (options.unlock === true && (await workspace.state()) !== undefined) await workspace.unlock();
    const run = (): Promise<OperationResult> =>
      this.runOn(workspace, kind, release, loaded, {
        ...pick(options),
        redactor: this.parts.redactor,
        emit: (event) => options.emit?.({ ...event, environment: this.name }),
        ...(release === undefined ? {} : { message: messageOf(release, loaded) }),
      });
    try {
      return await run();
    } catch (error) {
      if (!isLockOfTheDead(error)) throw error;
      await workspace.unlock();
      return run();
    }
  }

  private async runOn(
    workspace: StackWorkspace,
    kind: OperationKind,
    release: Release | undefined,
    loaded: LoadedStack,
    options: OperationOptions,
  ): Promise<OperationResult> {
    if (release === undefined) return runOperation(workspace, kind, options);
    const { home, isolated, releases } = this.parts;
    if (!isolated)
      return runOperation(workspace, kind, { ...options, program: programOf(loaded, release.id) });
    const { entry } = await releases.load(release);
    if (entry === undefined) {
      throw new HeadwaterError("driver/no-entry", "closures of this process cannot run in another", {
        where: `release ${release.id.slice(0, 12)}`,
        field: "isolation",
        found: "process",
        remedy: "Give `sources.entry`, the modules that export programs and pipelines; or isolation: none.",
      });
    }
    const { command: _command, ...sent } = home;
    const { graceMs, timeoutMs, message, pendingOperations, policyPacks, ...here } = options;
    const request = {
      ...{ kind, stack: this.stackName, folder: workspace.folder, home: sent, entry, release: release.id },
      ...{ document: loaded.document, program: loaded.program.name, pipeline: loaded.pipeline.name },
      environment: this.name,
      options: { graceMs, timeoutMs, message, pendingOperations, policyPacks },
    };
    return runIsolated(request, workspace, here);
  }

  private async inWorkspace<T>(
    release: Release | undefined,
    body: (workspace: StackWorkspace, loaded: LoadedStack) => Promise<T>,
  ): Promise<T> {
    const loaded = await this.settings(release);
    const workspace = await StackWorkspace.open(this.parts.home, this.stackName, loaded.document);
    try {
      return await body(workspace, loaded);
    } catch (error) {
      throw asHeadwaterError(error, "driver/engine-failed", `the engine failed on stack ${this.stackName}`);
    } finally {
      await workspace.close();
    }
  }
}

function countBy(types: readonly string[]): Record<string, number> {
  const found: Record<string, number> = {};
  for (const type of types) found[type] = (found[type] ?? 0) + 1;
  return found;
}

const nothing: PulumiFn = () => Promise.resolve();

/** Tells two configurations of an environment apart. */
export function settingsDigest({ document }: LoadedStack): string {
  return createHash("sha256").update(canonical(document.config)).digest("hex").slice(0, 16);
}

function messageOf({ id }: Release, loaded: LoadedStack): string {
  return `headwater: release ${id} settings ${settingsDigest(loaded)}`;
}

function pick(options: RunOptions): Partial<OperationOptions> {
  const { emit: _emit, unlock: _unlock, ...run } = options;
  return run;
}
