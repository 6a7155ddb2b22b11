import { randomBytes } from "node:crypto";
import { setMaxListeners } from "node:events";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { pipelines } from "../pipelines/index.js";
import { programs } from "../programs/all.js";
import { ProgressRenderer } from "../src/cli/render.js";
import { filesLanded } from "../src/driver/checks/files-landed.js";
import { ingested } from "../src/driver/checks/ingested.js";
import { fresh } from "../src/driver/checks/fresh.js";
import { jobHealthy } from "../src/driver/checks/job-healthy.js";
import { replicationLoaded } from "../src/driver/checks/replication-loaded.js";
import { replicationRunning } from "../src/driver/checks/replication-running.js";
import { settled } from "../src/driver/checks/settled.js";
import { Platform } from "../src/driver/platform.js";
import type { Engine } from "../src/engine/engine.js";
import { loadPromotionRules, RULES_FILE } from "../src/settings/promotion-rules.js";
import { ownSources } from "../src/driver/release.js";
import { packageRoot } from "../src/engine/paths.js";
import type { Sandbox } from "../src/sandbox/sandbox.js";
import { prepareDatabases, stackOverlay, type DemoDatabases } from "./bootstrap.js";
import { changesIngested, proven, sourceChanged, type DemoCheckOptions, type Findings } from "./checks.js";
import type { DemoOptions } from "./options.js";
import type { Version } from "./proof/reference.js";
import { Recorder } from "./recorder.js";
import type { Report, Story } from "./report/model.js";
import { renderReport } from "./report/report.js";
import { storyCustomer } from "./source/scenarios.js";
import { keyOf, shopTable } from "./tables.js";

const pipeline = "shop";
const minute = 60_000;

export interface DemoRun {
  readonly report: Report;
  readonly databases: ReadonlyMap<string, DemoDatabases>;
  /** Variables with which the engine reaches the stacks' state by hand. */
  readonly engineEnvironment: Readonly<Record<string, string>>;
  /** The platform it ran on, for whoever keeps the sandbox; to be closed. */
  readonly platform: Platform;
  /** What ended the promotion early; undefined if it succeeded. */
  readonly failure: unknown;
}

export interface DemoContext {
  readonly sandbox: Sandbox;
  readonly engine: Pick<Engine, "root">;
  readonly print: (line: string) => void;
  readonly signal: AbortSignal;
  /** When the demo began, in milliseconds since 1970: the report's axis starts there. */
  readonly startedAt: number;
}

/**
 * Promotes one release through the environments of the sandbox, with the built-in checks, changes in the source, and the
 * proof as further checks. A promotion that fails is told in the result, so that its report can still be written.
 */
export async function runDemo(options: DemoOptions, context: DemoContext): Promise<DemoRun> {
  const { sandbox, engine, print, signal, startedAt } = context;
  const { environments, seed } = options;
  // The proof has more statements under way at a time than the ten listeners Node takes for a leak.
  setMaxListeners(100, signal);
  const databases = new Map(
    await Promise.all(
      environments.map(async (name) => [name, await prepareDatabases(sandbox, name, seed)] as const),
    ),
  );
  print(`loaded the source databases of ${environments.join(", ")} from seed "${seed}"`);
  const of = (environment: string): DemoDatabases => databases.get(environment) as DemoDatabases;
  const engineEnvironment = {
    PULUMI_BACKEND_URL: pathToFileURL(path.join(sandbox.folder, "state")).href,
    PULUMI_CONFIG_PASSPHRASE: randomBytes(18).toString("base64url"),
    // Neither the user's logins nor their plugins belong here.
    PULUMI_HOME: path.join(sandbox.folder, "pulumi"),
  };
  const stacks = path.join(packageRoot(), "stacks");
  const platform = await Platform.open({
    project: "headwater",
    programs,
    pipelines,
    settingsDir: stacks,
    // The environments of the demo are chosen by whoever runs it: so is the path.
    rules: { ...loadPromotionRules(path.join(stacks, RULES_FILE)), path: [...environments] },
    backend: engineEnvironment.PULUMI_BACKEND_URL,
    engine,
    environment: { ...sandbox.environment(), ...engineEnvironment },
    plugins: sandbox.plugins,
    overlay: (stack) => stackOverlay(sandbox, of(stack.slice(pipeline.length + 1))),
    workFolder: path.join(sandbox.folder, "work"),
    projectFolder: packageRoot(),
    sources: ownSources(),
    progress: print,
  });
  const recorder = new Recorder(environments);
  const findings = new Map<string, Findings>(environments.map((name) => [name, {}]));
  const checkOptions: DemoCheckOptions = {
    seed,
    databases: of,
    findings: (environment) => findings.get(environment) as Findings,
    loadWindow: (environment) => recorder.loadWindow(environment),
  };
  try {
    const release = await platform.release({ program: "cdc-lakehouse", pipeline });
    const promotion = platform.promote(release, {
      through: environments,
      checks: [
        settled(),
        replicationLoaded({ timeoutMs: 10 * minute, intervalMs: 200 }),
        filesLanded({ timeoutMs: 5 * minute, intervalMs: 200 }),
        ingested({ timeoutMs: 15 * minute, intervalMs: 250, maxIntervalMs: 500 }),
        sourceChanged(checkOptions),
        changesIngested(checkOptions),
        proven(checkOptions),
        replicationRunning(),
        jobHealthy(),
        fresh(),
      ],
      signal,
    });
    const renderer = new ProgressRenderer(process.stderr);
    for await (const event of promotion.events) {
      recorder.note(event);
      renderer.note(event);
    }
    renderer.end();
    const failure: unknown = await promotion.result.then(
      () => undefined,
      (error: unknown) => error,
    );
    const story = storyOf(environments, findings);
    const report: Report = {
      release: release.id,
      seed,
      clockScale: sandbox.clockScale,
      startedAt,
      endedAt: Date.now(),
      environments: recorder.report(pipeline, checkOptions.findings),
      ...(story && { story }),
    };
    return { report, databases, engineEnvironment, platform, failure };
  } catch (error) {
    await platform.close();
    throw error;
  }
}

/** Writes the report outside the sandbox's folder, which vanishes with it. Returns the file's absolute path. */
export async function writeReport(report: Report, file: string): Promise<string> {
  const absolute = path.resolve(file);
  await writeFile(absolute, renderReport(report));
  return absolute;
}

/** The customer of the last environment that was proven, as its history table has it. */
function storyOf(
  environments: readonly string[],
  findings: ReadonlyMap<string, Findings>,
): Story | undefined {
  const environment = environments.findLast((name) => findings.get(name)?.proof !== undefined);
  if (environment === undefined) return undefined;
  const table = shopTable("customers");
  const versions = (findings.get(environment)?.proof?.histories.get(table.name) ?? [])
    .filter(({ row }) => keyOf(table, row) === JSON.stringify([storyCustomer]))
    .flatMap(({ row, start, end }): Version[] => (start === null ? [] : [{ row, start, end }]))
    .sort((a, b) => (a.start < b.start ? -1 : 1));
  if (versions.length === 0) return undefined;
  return { title: `The life of customer ${storyCustomer}`, environment, table, versions };
}
