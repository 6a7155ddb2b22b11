import path from "node:path";
import { PulumiCommand } from "@pulumi/pulumi/automation/index.js";
import type { Engine } from "../engine/engine.js";
import { ensureEngine } from "../engine/engine.js";
import { HeadwaterError } from "../model/errors.js";
import type { Pipeline } from "../model/pipeline.js";
import type { ReloadResult } from "../operations/reload.js";
import { pickByName, type Program } from "../settings/program.js";
import { EngineCommand } from "./engine-command.js";
import { Environment, type ReloadOptions, type RunOptions } from "./environment.js";
import { asHeadwaterError } from "./errors.js";
import type { ChangeSummary, NewEvent } from "./events.js";
import type { OperationResult } from "./operation.js";
import { isCancellation, startPromotion, type PromoteOptions, type Promotion } from "./promotion.js";
import { OperationRecord, readRecords, type PastOperation } from "./record.js";
import { Redactor } from "./redact.js";
import { makeRelease, ownSources, type Release, type ReleaseSources } from "./release.js";
import { loadStack, type Overlay } from "./stack-settings.js";
import type { PluginLocation, StackHome } from "./stack-workspace.js";

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
  /** The engine to use. Default: found, downloaded or built (`ensureEngine`). */
  readonly engine?: Pick<Engine, "root">;
  /** Environment variables for the engine, the plugins and the checks' clients, over this process's own. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Plugins that are used instead of those the engine would look for. */
  readonly plugins?: readonly PluginLocation[];
  readonly overlay?: Overlay;
  /** For private folders (removed again) and for `history/` (kept). Default: `.headwater`. */
  readonly workFolder?: string;
  /** What relative paths in programs start from. Default: the current folder. */
  readonly projectFolder?: string;
  /** Where a release's content lies. Default: Headwater's own code and notebooks. Programs of your own: name their folders. */
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

  private constructor(
    private readonly options: PlatformOptions,
    private readonly home: StackHome,
    private readonly redactor: Redactor,
  ) {}

  /** @throws HeadwaterError of the engine, or `driver/no-such` for what the options lack. */
  static async open(options: PlatformOptions): Promise<Platform> {
    const { environment = {}, progress = () => undefined } = options;
    const engine = options.engine ?? (await ensureEngine({ progress }));
    const { command, version } = await PulumiCommand.get({ root: engine.root }).catch((error: unknown) => {
      throw asHeadwaterError(
        error,
        "driver/engine-missing",
        `the Pulumi engine in ${engine.root} cannot be used`,
      );
    });
    const home: StackHome = {
      project: options.project,
      projectFolder: path.resolve(options.projectFolder ?? "."),
      backend: options.backend,
      secretsProvider: options.secretsProvider ?? "passphrase",
      command: new EngineCommand(command, version),
      environment,
      plugins: options.plugins ?? [],
      workFolder: path.resolve(options.workFolder ?? ".headwater"),
    };
    return new Platform(options, home, new Redactor({ ...process.env, ...environment }));
  }

  /** The release of a program and a pipeline as they are on disk now. */
  async release(of: { readonly program: string; readonly pipeline: string }): Promise<Release> {
    const program = pickByName("program", of.program, this.options.programs, "release");
    const pipeline = this.pipeline(of.pipeline);
    return makeRelease(program.name, pipeline, this.options.sources ?? ownSources());
  }

  /** An environment of a pipeline; the pipeline may be left out where there is only one. */
  environment(name: string, pipeline?: string): Environment {
    const { name: owner } = this.pipeline(pipeline);
    const key = `${owner}-${name}`;
    let environment = this.environments.get(key);
    if (environment === undefined) {
      environment = new Environment(name, {
        pipeline: owner,
        home: this.home,
        redactor: this.redactor,
        load: (stack) =>
          loadStack(path.resolve(this.options.settingsDir), stack, this.options, this.options.overlay),
        program:
          ({ program, pipeline, settings, environment }, release) =>
          async () =>
            (await program.run({ pipeline, settings, environment, release })) as Record<string, unknown>,
      });
      this.environments.set(key, environment);
    }
    return environment;
  }

  /**
   * Carries a release through environments, in order: settings of all first, then for each preview, approval, up and
   * checks. Stops at the first failure. Starts at once; the record is written as it goes.
   */
  promote(release: Release, options: PromoteOptions): Promotion {
    if (options.through.length === 0) {
      throw new HeadwaterError("driver/no-environments", "a promotion needs at least one environment", {
        field: "through",
        found: [],
      });
    }
    return startPromotion(
      {
        release,
        pipeline: this.pipeline(release.pipeline),
        environments: options.through.map((name) => this.environment(name, release.pipeline)),
        redactor: this.redactor,
        workFolder: this.home.workFolder,
      },
      options,
    );
  }

  /** Destroys an environment, recorded as a promotion is. */
  destroy(
    name: string,
    options: RunOptions & { readonly pipeline?: string; readonly remove?: boolean } = {},
  ): Promise<OperationResult> {
    const environment = this.environment(name, options.pipeline);
    return this.recorded(
      "destroy",
      environment,
      options.emit,
      () => environment.destroy(options),
      ({ changes }) => ({ changes }),
    );
  }

  /** Reloads an environment (see `Environment.reload`), recorded as a promotion is. */
  reload(
    name: string,
    options: ReloadOptions & { readonly pipeline?: string; readonly emit?: RunOptions["emit"] } = {},
  ): Promise<ReloadResult> {
    const environment = this.environment(name, options.pipeline);
    const progress = (message: string): void => {
      options.progress?.(message);
      options.emit?.({ type: "phase", phase: "reload", environment: name, state: "progress", message });
    };
    return this.recorded("reload", environment, options.emit, () =>
      environment.reload({ ...options, progress }),
    );
  }

  private async recorded<T>(
    kind: "destroy" | "reload",
    environment: Environment,
    show: RunOptions["emit"],
    run: () => Promise<T>,
    changesOf: (result: T) => { changes?: ChangeSummary } = () => ({}),
  ): Promise<T> {
    const { name } = environment;
    const { pipeline, program } = await environment.settings();
    const about = { kind, program: program.name, pipeline: pipeline.name, through: [name] };
    const record = await OperationRecord.open(this.home.workFolder, about);
    const started = performance.now();
    const emit = async (event: NewEvent): Promise<void> => {
      await record.note(event);
      show?.(event);
    };
    const phase = { type: "phase", phase: kind, environment: name } as const;
    await emit({ ...phase, state: "started" });
    try {
      const result = await run();
      const elapsedMs = Math.round(performance.now() - started);
      await emit({ ...phase, state: "succeeded", elapsedMs, ...changesOf(result) });
      await emit({ type: "done", outcome: "succeeded", elapsedMs });
      return result;
    } catch (caught) {
      const error = asHeadwaterError(caught, "driver/internal", `${kind} failed`);
      const elapsedMs = Math.round(performance.now() - started);
      await emit({ ...phase, state: "failed", elapsedMs, error });
      await emit({ type: "done", outcome: isCancellation(error) ? "cancelled" : "failed", elapsedMs });
      throw error;
    }
  }

  /** What was done from this work folder, newest first. */
  history(): Promise<PastOperation[]> {
    return readRecords(this.home.workFolder);
  }

  /** Removes the private folders of stacks that were handed out. */
  async close(): Promise<void> {
    await Promise.all([...this.environments.values()].map((environment) => environment.close()));
  }

  private pipeline(name: string | undefined): Pipeline {
    const { pipelines } = this.options;
    const [only, ...others] = pipelines;
    if (name === undefined && only !== undefined && others.length === 0) return only;
    return pickByName("pipeline", name ?? "", pipelines, "platform");
  }
}
