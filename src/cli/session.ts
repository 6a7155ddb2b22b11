import path from "node:path";
import { pathToFileURL } from "node:url";
import type { Environment, RunOptions } from "../driver/environment.js";
import type { PromotionEvent } from "../driver/events.js";
import { Platform } from "../driver/platform.js";
import type { Release } from "../driver/release.js";
import { HeadwaterError } from "../model/errors.js";
import { pickByName } from "../settings/program.js";
import { withSandbox } from "../sandbox/with-sandbox.js";
import type { Interrupt } from "./interrupt.js";
import type { CommonOptions } from "./options.js";
import { printJson } from "./output.js";
import { loadProject, releaseSources, type Project } from "./project.js";
import { ProgressRenderer } from "./render.js";
import { linkTo, readLink, sandboxOverlay, type SandboxLink } from "./sandbox-link.js";

/** What a command works with. */
export interface Session {
  readonly platform: Platform;
  readonly pipeline: string;
  readonly signal: AbortSignal;
  readonly firmSignal: AbortSignal;
  /** Shows an event, to people or (`--json`) to programs. */
  readonly show: (event: PromotionEvent) => void;
  /** How an operation is run that is no promotion: interrupted and shown as this command is. */
  readonly run: RunOptions;
  /** A line for people; nothing with `--json`. */
  readonly tell: (line: string) => void;
  /** The result: a JSON object with `--json`, else the text. */
  readonly answer: (text: string, json: Readonly<Record<string, unknown>>) => void;
  environment(name: string): Environment;
  /** The release of what is on disk now, for the program the environment's file (or `--program`) names. */
  release(environment: string): Promise<Release>;
}

/** Opens the platform the options describe, on a sandbox where they say so, and closes it afterwards. */
export async function withSession<T>(
  options: CommonOptions,
  interrupt: Interrupt,
  body: (session: Session) => Promise<T>,
): Promise<T> {
  return withPlatform(options, interrupt, (project) => {
    const pipeline = pickPipeline(project, options.pipeline);
    return ({ platform, tell, signal }, renderer) => {
      const parts = { platform, pipeline, tell, signal, firmSignal: interrupt.firmSignal };
      return body(makeSession(options, parts, renderer));
    };
  });
}

/**
 * The same for what works on all pipelines.
 * @param prepare is given the project before anything is opened, and returns what is then done.
 */
export async function withPlatform<T>(
  options: CommonOptions,
  interrupt: Interrupt,
  prepare: (
    project: Project,
  ) => (opened: Pick<Session, "platform" | "tell" | "signal">, renderer: ProgressRenderer) => Promise<T>,
): Promise<T> {
  const renderer = new ProgressRenderer(process.stderr, {
    color: options.color,
    verbose: options.verbose,
    ...(options.json ? { live: false } : {}),
  });
  const tell = (line: string): void => {
    if (!options.json) renderer.line(line);
  };
  const project = await loadProject(options.project);
  const body = prepare(project);
  const run = async (link: SandboxLink | undefined, signal: AbortSignal): Promise<T> => {
    const platform = await openPlatform(project, options, link, tell);
    try {
      return await body({ platform, tell, signal }, renderer);
    } finally {
      await platform.close();
    }
  };
  const alone = interrupt.tell;
  interrupt.tell = (line) => renderer.line(line);
  try {
    if (!options.sandbox) return await run(undefined, interrupt.signal);
    const link = readLink(path.resolve(options.workFolder));
    if (link !== undefined) return await run(link, interrupt.signal);
    tell("no sandbox is up here (`headwater sandbox` keeps one): starting one just for this command");
    return await withSandbox({ progress: tell, signal: interrupt.signal }, async (sandbox, signal) =>
      run(await linkTo(sandbox), signal),
    );
  } finally {
    interrupt.tell = alone;
    renderer.end();
  }
}

function makeSession(
  options: CommonOptions,
  parts: Pick<Session, "platform" | "pipeline" | "tell" | "signal" | "firmSignal">,
  renderer: ProgressRenderer,
): Session {
  const { platform, pipeline, signal, firmSignal } = parts;
  const show = (event: PromotionEvent): void =>
    options.json ? printJson(eventAsJson(event)) : renderer.note(event);
  return {
    ...parts,
    show,
    run: { signal, firmSignal, emit: (event) => show({ ...event, at: new Date().toISOString() }) },
    answer: (text, json) => {
      renderer.end();
      if (options.json) printJson(json);
      else process.stdout.write(`${text}\n`);
    },
    environment: (name) => platform.environment(name, pipeline),
    release: async (name) => {
      const program = options.program ?? (await platform.environment(name, pipeline).settings()).program.name;
      return platform.release({ program, pipeline });
    },
  };
}

async function openPlatform(
  project: Project,
  options: CommonOptions,
  link: SandboxLink | undefined,
  progress: (line: string) => void,
): Promise<Platform> {
  const workFolder = path.resolve(options.workFolder);
  const stateFolder = path.join(link?.folder ?? workFolder, "state");
  const passphrase = process.env["PULUMI_CONFIG_PASSPHRASE"] ?? process.env["PULUMI_CONFIG_PASSPHRASE_FILE"];
  return Platform.open({
    project: project.name,
    programs: project.programs,
    pipelines: project.pipelines,
    projectFolder: project.folder,
    sources: releaseSources(project),
    settingsDir: options.settings,
    // A sandbox's state is of no use without the sandbox: it goes where the sandbox lives.
    backend:
      link === undefined && options.backend !== undefined ? options.backend : pathToFileURL(stateFolder).href,
    workFolder,
    progress,
    ...(options.secretsProvider === undefined ? {} : { secretsProvider: options.secretsProvider }),
    // A sandbox's records go where its state goes.
    ...(options.store === undefined || link !== undefined ? {} : { store: options.store }),
    isolation: options.isolate ? "process" : "none",
    ...(link === undefined
      ? {}
      : {
          overlay: sandboxOverlay(link, options.settings),
          plugins: link.plugins,
          environment: {
            ...link.environment,
            // Nothing in a sandbox is worth a passphrase of its own.
            ...(passphrase === undefined ? { PULUMI_CONFIG_PASSPHRASE: "sandbox" } : {}),
          },
        }),
  });
}

/** The project's pipeline of that name, or the only one there is. */
export function pickPipeline({ pipelines }: Pick<Project, "pipelines">, name: string | undefined): string {
  if (name !== undefined) return pickByName("pipeline", name, pipelines, "--pipeline").name;
  const [only, ...others] = pipelines;
  if (only !== undefined && others.length === 0) return only.name;
  throw new HeadwaterError("cli/which-pipeline", "there are several pipelines", {
    field: "--pipeline",
    found: "nothing",
    allowed: pipelines.map((pipeline) => pipeline.name).join(", "),
    remedy: "Name one.",
  });
}

function eventAsJson(event: PromotionEvent): object {
  if (event.type !== "phase" || event.error === undefined) return event;
  const { code, message } = event.error;
  return { ...event, error: { code, message } };
}
