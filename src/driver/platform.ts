import { existsSync } from "node:fs";
import path from "node:path";
import { PulumiCommand } from "@pulumi/pulumi/automation/index.js";
import type { Engine } from "../engine/engine.js";
import { ensureEngine } from "../engine/engine.js";
import { HeadwaterError } from "../model/errors.js";
import { checkEnvironmentName, stackName } from "../model/naming.js";
import type { Pipeline } from "../model/pipeline.js";
import type { ReloadResult } from "../operations/reload.js";
import type { AwsConnection } from "../operations/aws.js";
import { pickByName, type Program } from "../settings/program.js";
import { loadPromotionRules, RULES_FILE, type PromotionRules } from "../settings/promotion-rules.js";
import { differingResources, differingSettings, type EnvironmentDifference } from "./difference.js";
import { EngineCommand } from "./engine-command.js";
import { isOldLock } from "./engine-lock.js";
import { Environment, type ReloadOptions, type RunOptions } from "./environment.js";
import { environmentNames } from "./environment-names.js";
import { asHeadwaterError, type PendingOperation } from "./errors.js";
import type { ChangeSummary } from "./events.js";
import {
  bareEphemeral,
  Ephemerals,
  loadEphemeral,
  parseTtl,
  type EphemeralOptions,
  type EphemeralRecord,
} from "./ephemeral.js";
import { holderOf, type LeaseHolder, type LeaseOptions } from "./lease.js";
import type { OperationResult } from "./operation.js";
import { startPromotion, type PromoteOptions, type Promotion } from "./promotion.js";
import { Proofs } from "./proofs.js";
import { OperationRecord, readRecord, readRecords, type PastOperation, type RecordFilter } from "./record.js";
import { judgeReleases, pruneAge, type PruneVerdict } from "./prune.js";
import { Redactor, withoutSecrets } from "./redact.js";
import { ownSources, type Release, type ReleaseSources } from "./release.js";
import { differingParts, releaseKey, Releases } from "./release-store.js";
import { loadStack, type Known, type LoadedStack, type Overlay } from "./stack-settings.js";
import type { PluginLocation, StackHome } from "./stack-workspace.js";
import type { StepOptions } from "./step.js";
import { openStore } from "./store/open-store.js";
import type { Store } from "./store/store.js";
import { Story, throwIfCancelled } from "./story.js";
import {
  withEphemeral,
  type EphemeralEnvironment,
  type RaisedEnvironment,
  type WithEphemeralOptions,
} from "./with-ephemeral.js";

export interface PlatformOptions {
  /** The Pulumi project's name. */
  readonly project: string;
  readonly programs: readonly Program[];
  readonly pipelines: readonly Pipeline[];
  /** The folder with `Pulumi.<stack>.yaml` of every stack. Only ever read. */
  readonly settingsDir: string;
  /** Where state lives: `file:///folder`, `s3://bucket`, `https://api.pulumi.com`, ... A `file://` folder is made. */
  readonly backend: string;
  /**
   * What protects secrets in the state: `passphrase` (the default; PULUMI_CONFIG_PASSPHRASE or _FILE has to be set),
   * `awskms://...`, `default` (Pulumi Cloud's own). Counts when a stack is created; later its state knows.
   */
  readonly secretsProvider?: string;
  /**
   * Where releases, records, leases and proofs lie: `file:///folder` or `s3://bucket/prefix`. Default: `.headwater` beside the
   * state of a `file://` or `s3://` backend; other backends need it.
   */
  readonly store?: string;
  /** Rules of promotion. Default: `promotion.yaml` in the settings' folder, where there is one. */
  readonly rules?: PromotionRules;
  /** The engine to use. Default: found, downloaded or built (`ensureEngine`). */
  readonly engine?: Pick<Engine, "root">;
  /** Environment variables for the engine, the plugins and the checks' clients, over this process's own. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Plugins that are used instead of those the engine would look for. */
  readonly plugins?: readonly PluginLocation[];
  /**
   * Where programs run. `process`: each operation in a process of its own, so that no program can harm this one, and several
   * run at the same time; releases need an entry for it. Default: `none`, in this process, one after another.
   */
  readonly isolation?: "none" | "process";
  readonly overlay?: Overlay;
  /** For private folders (removed again) and for releases laid out to be run. Default: `.headwater`. */
  readonly workFolder?: string;
  /** What relative paths in programs start from. Default: the current folder. */
  readonly projectFolder?: string;
  /**
   * Where a release's content lies. Default: Headwater's own code and notebooks, and `programs` as they were handed in: such a
   * release can be promoted while what is on disk has its hash. Programs of your own: name their folders, and an `entry`.
   */
  readonly sources?: ReleaseSources;
  /** Told what is done to get an engine, one line at a time. */
  readonly progress?: (line: string) => void;
}

/**
 * Pipelines, their environments and the way from one to the next.
 *
 * Operations of one process take turns, and while one runs, a stray exception anywhere in the process counts as the
 * program's: the SDK cannot tell them apart. Close the platform to remove private folders of stacks handed out.
 */
export class Platform {
  private readonly environments = new Map<string, Environment>();
  private readonly proofs: Proofs;
  private readonly ephemeralStore: Ephemerals;

  private constructor(
    private readonly options: PlatformOptions,
    private readonly home: StackHome,
    private readonly redactor: Redactor,
    /** What lies beside the state, for every machine that shares it. */
    readonly store: Store,
    private readonly releases: Releases,
    /** The order of environments and what each asks for. */
    readonly rules: PromotionRules,
  ) {
    this.proofs = new Proofs(store);
    this.ephemeralStore = new Ephemerals(store);
  }

  /** @throws HeadwaterError of the engine, of the rules, or `driver/no-store`. */
  static async open(options: PlatformOptions): Promise<Platform> {
    const { environment = {}, progress = () => undefined, backend } = options;
    const settingsDir = path.resolve(options.settingsDir);
    const rules = options.rules ?? loadPromotionRules(path.join(settingsDir, RULES_FILE));
    const all = { ...process.env, ...environment };
    const store = openStore(backend, options.store, () => backendConnection(all));
    const engine = options.engine ?? (await ensureEngine({ progress }));
    const { command, version } = await PulumiCommand.get({ root: engine.root }).catch((error: unknown) => {
      throw asHeadwaterError(
        error,
        "driver/engine-missing",
        `the Pulumi engine in ${engine.root} cannot be used`,
      );
    });
    const workFolder = path.resolve(options.workFolder ?? ".headwater");
    const home: StackHome = {
      project: options.project,
      projectFolder: path.resolve(options.projectFolder ?? "."),
      backend,
      secretsProvider: options.secretsProvider ?? "passphrase",
      command: new EngineCommand(command, version),
      engineRoot: engine.root,
      environment,
      plugins: options.plugins ?? [],
      workFolder,
    };
    const releases = new Releases(store, options.sources ?? handedIn(), options, workFolder);
    return new Platform(options, home, new Redactor(all), store, releases, rules);
  }

  /** The release of a program and a pipeline as they are on disk now; stored, so that it can be promoted later. */
  async release(of: { readonly program: string; readonly pipeline: string }): Promise<Release> {
    const program = pickByName("program", of.program, this.options.programs, "release");
    return this.releases.make(program.name, this.pipeline(of.pipeline));
  }

  /** A release that was stored, by its id or the beginning of it. */
  storedRelease(id: string): Promise<Release> {
    return this.releases.find(id);
  }

  /**
   * Removes stored releases that nothing needs: none that an environment has or may be rolled back to, none of an operation that
   * has not ended, and none that was made within the time.
   * @param options.olderThan milliseconds, or `30d`. Default: 30 days; at least two hours.
   * @param options.dryRun only judges.
   * @throws HeadwaterError `driver/prune-age`.
   */
  async pruneReleases(
    options: { readonly olderThan?: number | string; readonly dryRun?: boolean } = {},
  ): Promise<PruneVerdict[]> {
    const verdicts = await judgeReleases(this.store, this.proofs, pruneAge(options.olderThan ?? "30d"));
    for (const { release, keptFor } of verdicts)
      if (keptFor === undefined && options.dryRun !== true) await this.store.remove(releaseKey(release));
    return verdicts;
  }

  /** An environment of a pipeline; the pipeline may be left out where there is only one. */
  environment(name: string, pipeline?: string): Environment {
    const { name: owner } = this.pipeline(pipeline);
    const key = `${owner}-${name}`;
    let environment = this.environments.get(key);
    if (environment === undefined) {
      environment = this.makeEnvironment(name, owner, (stack, known) =>
        loadStack(path.resolve(this.options.settingsDir), stack, known, this.options.overlay),
      );
      this.environments.set(key, environment);
    }
    return environment;
  }

  /** An environment that is to stay or an ephemeral one, whichever has the name. */
  async findEnvironment(name: string, pipeline?: string): Promise<Environment> {
    const { name: owner } = this.pipeline(pipeline);
    const ephemeral = await this.ephemeralStore.find(stackName(owner, name));
    return ephemeral === undefined ? this.environment(name, owner) : this.ephemeralEnvironment(ephemeral);
  }

  /** Names of a pipeline's environments that are to stay: those with a stack file, in the order of the path, then by name. */
  environmentNames(pipeline?: string): Promise<string[]> {
    const { path: order = [] } = this.rules;
    return environmentNames(path.resolve(this.options.settingsDir), this.pipeline(pipeline).name, order);
  }

  get pipelines(): readonly Pipeline[] {
    return this.options.pipelines;
  }

  /** A value as it may be shown: texts without the secrets that are known here. */
  shown<T>(value: T): T {
    return withoutSecrets(value, this.redactor) as T;
  }

  private makeEnvironment(
    name: string,
    pipeline: string,
    load: (stack: string, known: Known) => Promise<LoadedStack>,
  ): Environment {
    const { home, redactor, releases, options } = this;
    const isolated = options.isolation === "process";
    return new Environment(name, { pipeline, home, redactor, releases, known: options, load, isolated });
  }

  /**
   * Carries a release through environments, in order: settings of all first, then for each preview, gates, approval, up and
   * checks. Stops at the first failure. Starts at once; the record is written as it goes.
   */
  promote(release: Release, { through, ...options }: PromoteOptions): Promotion {
    if (through.length === 0) {
      throw new HeadwaterError("driver/no-environments", "a promotion needs at least one environment", {
        field: "through",
        found: [],
      });
    }
    return this.start(
      release,
      through.map((name) => this.environment(name, release.pipeline)),
      options,
    );
  }

  /**
   * Goes on with a promotion whose process was killed, exactly where it stopped: environments that passed are left alone, an
   * `up` that succeeded is not repeated, what was approved is not asked again unless the plan has changed.
   * @param id of its record. Default: the newest promotion that was interrupted.
   * @throws HeadwaterError `driver/nothing-to-resume`.
   */
  async resume(options: StepOptions & { readonly id?: string } = {}): Promise<Promotion> {
    const { id, ...step } = options;
    const past =
      id === undefined
        ? (await this.history({ kind: "promotion" })).find(({ outcome }) => outcome === "interrupted")
        : await this.record(id);
    if (past?.outcome !== "interrupted" || past.head.release === undefined) {
      throw new HeadwaterError("driver/nothing-to-resume", "no promotion waits to be gone on with", {
        where: past === undefined ? this.store.locate("records") : past.file,
        found: past?.outcome ?? "none that was interrupted",
        allowed: "interrupted",
        remedy: "What failed or was cancelled is promoted again: headwater promote.",
      });
    }
    const { through, pipeline, release } = past.head;
    const environments = await Promise.all(through.map((name) => this.findEnvironment(name, pipeline)));
    return this.start(await this.releases.find(release), environments, step, past);
  }

  private start(
    release: Release,
    environments: readonly Environment[],
    options: StepOptions,
    past?: PastOperation,
  ): Promotion {
    const { redactor, store, proofs, releases, rules } = this;
    return startPromotion(
      {
        ...{ release, rules, redactor, store, proofs, releases },
        pipeline: this.pipeline(release.pipeline),
        environments,
        ...(past === undefined ? {} : { past }),
      },
      options,
    );
  }

  /**
   * Raises an ephemeral environment: written down in the store first, then promoted into as any other. Whoever calls this
   * destroys it; `withEphemeral` does both.
   */
  async raise(
    options: EphemeralOptions & StepOptions & { readonly release?: Release },
  ): Promise<RaisedEnvironment> {
    const { name, ttl, pipeline, from = this.rules.path?.[0] ?? "dev", release: given, ...step } = options;
    parseTtl(ttl);
    checkEnvironmentName(name);
    const owner = this.pipeline(pipeline);
    const model = this.environment(from, owner.name);
    const { program } = await model.settings(given);
    const release = given ?? (await this.release({ program: program.name, pipeline: owner.name }));
    const base = await model.settings(release);
    await this.refuseTaken(name, base);
    const record = await this.ephemeralStore.add(base, { name, ttl }, options.startedBy);
    const environment = this.ephemeralEnvironment(record);
    const { created, expires } = record;
    return { environment, promotion: this.start(release, [environment], step), created, expires };
  }

  /** An environment that is to stay must never be taken for one that may be destroyed with its data. */
  private async refuseTaken(name: string, base: LoadedStack): Promise<void> {
    const pipeline = base.pipeline.name;
    const stack = stackName(pipeline, name);
    const file = path.join(path.resolve(this.options.settingsDir), `Pulumi.${stack}.yaml`);
    const refuse = (found: string): never => {
      throw new HeadwaterError("driver/ephemeral-name", "an environment that is to stay has that name", {
        where: `stack ${stack}`,
        field: "name",
        ...{ found, allowed: "a name that no other environment of the pipeline has" },
        remedy: "Take another name, for example pr-12.",
      });
    };
    if (this.rules.path?.includes(name) === true) refuse(`${name}, on the path of promotion`);
    if (existsSync(file)) refuse(`${name}, with settings in ${file}`);
    const { exists } = await this.makeEnvironment(name, pipeline, async () => base).status();
    if (exists && (await this.ephemeralStore.find(stack)) === undefined)
      refuse(`${name}, a stack in ${this.options.backend}`);
  }

  /**
   * Raises an ephemeral environment, hands it to `body` and destroys it, whatever happens: success, an exception, the
   * time being over, the caller's signal, SIGINT or SIGTERM. After a kill -9, `reap` destroys it once it has expired.
   * @throws whatever `body` throws; HeadwaterError `driver/ephemeral-left` when it could not be destroyed.
   */
  async withEphemeral<T>(
    options: WithEphemeralOptions,
    body: (environment: EphemeralEnvironment) => Promise<T> | T,
  ): Promise<T> {
    return withEphemeral(this, { ...options, timeoutMs: options.timeoutMs ?? parseTtl(options.ttl) }, body);
  }

  /** The ephemeral environments of this backend, those that expire first in front. */
  async ephemerals(): Promise<EphemeralStatus[]> {
    const all = await this.ephemeralStore.all();
    return Promise.all(
      all.map(async (record) => {
        const { config: _, ...shown } = record;
        const holder = await holderOf(this.store, stackName(record.pipeline, record.name));
        return {
          ...shown,
          expired: hasExpired(record),
          ...(holder === undefined ? {} : { holder }),
        };
      }),
    );
  }

  /** Lets an ephemeral environment live for a while from now. @returns when it expires, as ISO time. */
  async extendEphemeral(name: string, ttl: number | string, pipeline?: string): Promise<string> {
    return (await this.ephemeralStore.extend(stackName(this.pipeline(pipeline).name, name), ttl)).expires;
  }

  /**
   * Destroys an ephemeral environment, its stack and what is known of it. What an earlier run left half-way is forgotten, and
   * returned: whether it exists is for somebody to look.
   * @param options.created only the one that was raised then; a later one of that name is left alone.
   * @throws HeadwaterError `driver/no-such-ephemeral`.
   */
  async destroyEphemeral(
    name: string,
    options: Omit<RunOptions, "pendingOperations"> &
      RecordedChoice & { readonly pipeline?: string; readonly created?: string } = {},
  ): Promise<EphemeralDestruction> {
    const { pipeline, created, ...run } = options;
    const stack = stackName(this.pipeline(pipeline).name, name);
    const meant = (record: EphemeralRecord): boolean => created === undefined || record.created === created;
    const result = await this.endEphemeral(stack, { whenHeld: "wait", ...run }, meant);
    if (result === undefined) throw this.ephemeralStore.unknown(stack);
    return result;
  }

  /**
   * Destroys every ephemeral environment that has expired; the backend is all that needs to be known, neither the programs nor
   * their settings. One that fails does not stop the others. One that somebody is working on right now is left for the next time.
   */
  async reap(options: Omit<RunOptions, "pendingOperations"> = {}): Promise<ReapResult> {
    const [destroyed, held]: [string[], string[]] = [[], []];
    const failed: { name: string; error: HeadwaterError }[] = [];
    const leftHalfWay: (PendingOperation & { name: string })[] = [];
    for (const { name, pipeline, expired, holder } of await this.ephemerals()) {
      if (!expired) continue;
      if (options.signal !== undefined) throwIfCancelled(options.signal, name);
      if (holder !== undefined) {
        held.push(name);
        continue;
      }
      try {
        const choice = { ...options, whenHeld: "refuse" as const };
        // Looked at again once it is ours: somebody may have let it live longer, or have destroyed it, in between.
        const result = await this.endEphemeral(stackName(pipeline, name), choice, hasExpired);
        if (result === undefined) continue;
        destroyed.push(name);
        leftHalfWay.push(...result.leftHalfWay.map((each) => ({ name, ...each })));
      } catch (caught) {
        const error = asHeadwaterError(caught, "driver/internal", "it could not be destroyed");
        if (error.code === "driver/held") held.push(name);
        else failed.push({ name, error });
      }
    }
    return { destroyed, held, failed, leftHalfWay };
  }

  /** @returns undefined where there is none, or none that is meant. */
  private async endEphemeral(
    stack: string,
    options: Omit<RunOptions, "pendingOperations"> & RecordedChoice,
    meant: (record: EphemeralRecord) => boolean,
  ): Promise<EphemeralDestruction | undefined> {
    const found = await this.ephemeralStore.find(stack);
    if (found === undefined || !meant(found)) return undefined;
    const environment = this.makeEnvironment(found.name, found.pipeline, async () => bareEphemeral(found));
    const destroy = async (signal: AbortSignal): Promise<EphemeralDestruction | undefined> => {
      const record = await this.ephemeralStore.find(stack);
      if (record === undefined || !meant(record)) return undefined;
      const run = { ...options, signal, pendingOperations: "forget" as const, remove: true };
      const result = await environment.destroy(run).catch((error: unknown) => {
        // Whoever works with us holds the lease, and that is ours: an old lock is of an engine that is gone.
        if (!isOldLock(error)) throw error;
        return environment.destroy({ ...run, unlock: true });
      });
      await this.proofs.forget(stack);
      await this.ephemeralStore.forget(stack);
      return { ...result, leftHalfWay: result.forgotten };
    };
    return this.recorded("destroy", environment, options, destroy, (result) =>
      result === undefined ? {} : { changes: result.changes },
    );
  }

  private ephemeralEnvironment(record: EphemeralRecord): Environment {
    return this.makeEnvironment(record.name, record.pipeline, async (_stack, known) =>
      loadEphemeral(record, known),
    );
  }

  /** Destroys an environment, recorded as a promotion is. What was proven there is forgotten. */
  destroy(
    name: string,
    options: RunOptions & RecordedChoice & { readonly pipeline?: string; readonly remove?: boolean } = {},
  ): Promise<OperationResult> {
    const environment = this.environment(name, options.pipeline);
    const destroy = async (signal: AbortSignal): Promise<OperationResult> => {
      const result = await environment.destroy({ ...options, signal });
      await this.proofs.forget(environment.stackName);
      return result;
    };
    return this.recorded("destroy", environment, options, destroy, ({ changes }) => ({ changes }));
  }

  /** Reloads an environment (see `Environment.reload`), recorded as a promotion is. */
  reload(
    name: string,
    options: ReloadOptions &
      RecordedChoice & { readonly pipeline?: string; readonly emit?: RunOptions["emit"] } = {},
  ): Promise<ReloadResult> {
    const environment = this.environment(name, options.pipeline);
    const progress = (message: string): void => {
      options.progress?.(message);
      options.emit?.({ type: "phase", phase: "reload", environment: name, state: "progress", message });
    };
    return this.recorded("reload", environment, options, (signal) =>
      environment.reload({ ...options, signal, progress }),
    );
  }

  private async recorded<T>(
    kind: "destroy" | "reload",
    environment: Environment,
    { emit, signal, whenHeld, startedBy, onRecord }: Pick<RunOptions, "emit" | "signal"> & RecordedChoice,
    body: (signal: AbortSignal) => Promise<T>,
    changesOf: (result: T) => { changes?: ChangeSummary } = () => ({}),
  ): Promise<T> {
    const { name } = environment;
    const { pipeline, program } = await environment.settings();
    const about = { kind, program: program.name, pipeline: pipeline.name, through: [name] };
    const record = await OperationRecord.open(this.store, {
      ...about,
      ...(startedBy === undefined ? {} : { startedBy }),
    });
    onRecord?.(record.id);
    const story = new Story(record, (event) => emit?.(event));
    try {
      const result = await story.phase(
        kind,
        name,
        signal,
        () => story.underLease(this.store, environment, { signal, whenHeld }, body),
        changesOf,
      );
      await story.end();
      return result;
    } catch (caught) {
      const error = asHeadwaterError(caught, "driver/internal", `${kind} failed`);
      await story.end(error);
      throw error;
    }
  }

  /** Settings (as the files have them now), resources and releases of two environments, side by side. */
  async difference(one: string, other: string, pipeline?: string): Promise<EnvironmentDifference> {
    const sides = [this.environment(one, pipeline), this.environment(other, pipeline)] as const;
    const [a, b] = await Promise.all(sides.map((environment) => environment.settings()));
    const [first, second] = await Promise.all(sides.map((environment) => environment.status()));
    const shown = ({ document, settings }: LoadedStack) => ({
      ...document.config,
      "headwater:settings": settings,
    });
    const [oneId, otherId] = [first?.last?.release, second?.last?.release];
    const parts =
      oneId === undefined || otherId === undefined || oneId === otherId
        ? ""
        : differingParts(await this.releases.find(oneId), await this.releases.find(otherId));
    return {
      settings: differingSettings(shown(a!), shown(b!)),
      resources: differingResources(first!.resourcesByType, second!.resourcesByType),
      releases: {
        ...(oneId === undefined ? {} : { one: oneId }),
        ...(otherId === undefined ? {} : { other: otherId }),
      },
      parts,
    };
  }

  /** What was done with this backend, from any machine, newest first. */
  history(filter: RecordFilter = {}): Promise<PastOperation[]> {
    return readRecords(this.store, filter);
  }

  /** One record, by its id. */
  record(id: string): Promise<PastOperation> {
    return readRecord(this.store, id);
  }

  /** Removes the private folders of stacks that were handed out, and what was laid out of releases. */
  async close(): Promise<void> {
    await Promise.all([...this.environments.values()].map((environment) => environment.close()));
    await this.releases.close();
  }

  private pipeline(name: string | undefined): Pipeline {
    const { pipelines } = this.options;
    const [only, ...others] = pipelines;
    if (name === undefined && only !== undefined && others.length === 0) return only;
    return pickByName("pipeline", name ?? "", pipelines, "platform");
  }
}

/** An ephemeral environment as the store knows it. */
export interface EphemeralStatus extends Omit<EphemeralRecord, "config"> {
  readonly expired: boolean;
  /** Who works on it now. */
  readonly holder?: LeaseHolder;
}

export interface EphemeralDestruction extends OperationResult {
  /** What an earlier run had begun and nobody saw the end of. */
  readonly leftHalfWay: readonly PendingOperation[];
}

export interface ReapResult {
  readonly destroyed: readonly string[];
  /** Expired, but somebody is working on them. */
  readonly held: readonly string[];
  /** What earlier runs had begun in those destroyed, and nobody saw the end of. */
  readonly leftHalfWay: readonly (PendingOperation & { readonly name: string })[];
  readonly failed: readonly { readonly name: string; readonly error: HeadwaterError }[];
}

function hasExpired({ expires }: EphemeralRecord): boolean {
  return Date.parse(expires) <= Date.now();
}

/** Whoever hands programs in wants these, and not those of Headwater's repository. */
function handedIn(): ReleaseSources {
  const { entry: _, ...sources } = ownSources();
  return sources;
}

/** How an operation is begun that is recorded as a promotion is. */
type RecordedChoice = Pick<LeaseOptions, "whenHeld"> & {
  /** On whose behalf. Default: the user this process runs as. */
  readonly startedBy?: string;
  /** Told the id of the record, before anything is done. */
  readonly onRecord?: (id: string) => void;
};

/** S3 as the engine reaches its backend: by the environment alone. */
function backendConnection(environment: Readonly<Record<string, string | undefined>>): AwsConnection {
  const { AWS_REGION: region, AWS_DEFAULT_REGION: other, AWS_PROFILE: profile } = environment;
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = environment;
  const { AWS_SESSION_TOKEN: sessionToken, AWS_ENDPOINT_URL_S3: s3 = environment["AWS_ENDPOINT_URL"] } =
    environment;
  return {
    region: region || other || "us-east-1",
    ...(s3 ? { endpoints: { s3 } } : {}),
    ...(accessKeyId && secretAccessKey
      ? { credentials: { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) } }
      : profile
        ? { profile }
        : {}),
  };
}
