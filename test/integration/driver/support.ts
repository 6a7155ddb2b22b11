import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import * as pulumi from "@pulumi/pulumi";
import { stringify } from "yaml";
import { z } from "zod";
import { Platform, type PlatformOptions } from "../../../src/driver/platform.js";
import { definePipeline } from "../../../src/model/pipeline.js";
import { defineProgram, type Program } from "../../../src/settings/program.js";
import type { ThingInputs } from "./probe-plugin.js";

export const PASSPHRASE = "a passphrase nobody may see";

export const shop = definePipeline({
  name: "shop",
  engine: "postgresql",
  tables: { shop: { customers: { keys: ["id"] } } },
});

/** A resource of the probe plugin. */
export class Thing extends pulumi.CustomResource {
  declare readonly value: pulumi.Output<string | undefined>;

  constructor(
    name: string,
    inputs: { [K in keyof ThingInputs]: pulumi.Input<ThingInputs[K]> },
    options?: pulumi.CustomResourceOptions,
  ) {
    super("probe:index:Thing", name, { value: undefined, ...inputs }, options);
  }
}

export const ThingSettings = z.strictObject({
  behaviour: z.enum(["ok", "fail", "busy-once", "wait"]).default("ok"),
  until: z.string().optional(),
  value: z.string().optional(),
  cloud: z.string().optional(),
});

/** A program of one component and one thing, told by settings what to do. */
export function thingProgram(
  run: (
    settings: z.output<typeof ThingSettings>,
    environment: string,
  ) => Promise<Record<string, unknown>> = makeThing,
): Program {
  return defineProgram({
    name: "things",
    settings: ThingSettings,
    ephemeral: (settings, { name }) => ({ ...settings, value: name }),
    run: ({ settings, environment }) => run(settings, environment),
  });
}

export async function makeThing(settings: z.output<typeof ThingSettings>): Promise<Record<string, unknown>> {
  const thing = new Thing("thing", settings);
  return { thing: thing.id, value: thing.value, token: pulumi.secret("output-that-is-secret") };
}

/** A platform in a folder of its own, with stack files for dev, staging and prod. */
export interface Scene {
  readonly folder: string;
  readonly stateFolder: string;
  readonly workFolder: string;
  open(program?: Program, options?: Partial<PlatformOptions>): Promise<Platform>;
  /** Writes `stacks/Pulumi.shop-<environment>.yaml`. */
  write(
    environment: string,
    settings: Record<string, unknown>,
    extra?: Record<string, unknown>,
  ): Promise<void>;
  settingsFile(environment: string): string;
  remove(): Promise<void>;
}

export async function makeScene(): Promise<Scene> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "headwater-driver-"));
  const stacks = path.join(folder, "stacks");
  await mkdir(stacks);
  await makePlugin(folder);
  await makeSources(folder);
  const platforms: Platform[] = [];
  const settingsFile = (environment: string): string => path.join(stacks, `Pulumi.shop-${environment}.yaml`);
  const scene: Scene = {
    folder,
    stateFolder: path.join(folder, "state"),
    workFolder: path.join(folder, "work"),
    settingsFile,
    async open(program = thingProgram(), options = {}) {
      const platform = await openPlatform(folder, program, options);
      platforms.push(platform);
      return platform;
    },
    async write(environment, settings, extra = {}) {
      const config = {
        "headwater:program": "things",
        "headwater:pipeline": "shop",
        "headwater:settings": settings,
        ...extra,
      };
      await writeFile(settingsFile(environment), `# A comment that must survive.\n${stringify({ config })}`);
    },
    async remove() {
      await Promise.all(platforms.map((platform) => platform.close()));
      await rm(folder, { recursive: true, force: true });
    },
  };
  for (const environment of ["dev", "staging", "prod"])
    await scene.write(environment, { value: environment });
  return scene;
}

/** A platform on a scene that exists, as another run of a tool would open it. */
export function openPlatform(
  folder: string,
  program: Program,
  options: Partial<PlatformOptions> = {},
): Promise<Platform> {
  const root = process.env["HEADWATER_TEST_PULUMI_ROOT"];
  const content = path.join(folder, "content");
  return Platform.open({
    project: "headwater",
    programs: [program],
    pipelines: [shop],
    settingsDir: path.join(folder, "stacks"),
    backend: `file://${path.join(folder, "state")}`,
    environment: { PULUMI_CONFIG_PASSPHRASE: PASSPHRASE },
    plugins: [{ name: "probe", path: path.join(folder, "plugin") }],
    workFolder: path.join(folder, "work"),
    projectFolder: folder,
    sources: { root: content, code: ["program.js"], notebooks: "notebooks", packageJson: "package.json" },
    ...(root === undefined ? {} : { engine: { root } }),
    ...options,
  });
}

/** A release's content that does not change while others build the project's own. */
async function makeSources(folder: string): Promise<void> {
  const content = path.join(folder, "content");
  await mkdir(path.join(content, "notebooks"), { recursive: true });
  await writeFile(path.join(content, "program.js"), "export {};\n");
  await writeFile(path.join(content, "package.json"), "{}\n");
}

async function makePlugin(folder: string): Promise<void> {
  const plugin = path.join(folder, "plugin");
  const executable = path.join(plugin, "pulumi-resource-probe");
  const here = fileURLToPath(import.meta.url);
  const program = path.join(path.dirname(here), `probe-plugin${path.extname(here)}`);
  await mkdir(plugin);
  // Run as this process is run: plain, or with the loader that reads TypeScript.
  const command = [process.execPath, ...process.execArgv, program].map((part) => `'${part}'`).join(" ");
  await writeFile(executable, `#!/bin/sh\nexec ${command} "$@"\n`);
  await chmod(executable, 0o755);
}

/** A project whose programs are files, as users have them: written, opened, written again. */
export async function makeProject(scene: Scene, options: Partial<PlatformOptions> = {}) {
  const root = path.join(scene.folder, "content");
  /** Writes the program; `body` runs in it with `environment`. */
  const write = (says: string, body = ""): Promise<void> =>
    writeFile(
      path.join(root, "program.js"),
      `const any = { safeParse: (data) => ({ success: true, data }) };
const run = async ({ environment }) => { ${body}; return { says: "${says}", environment }; };
export const programs = [{ name: "things", settings: any, run }];\n`,
    );
  await mkdir(path.join(root, "node_modules", "@pulumi", "pulumi"), { recursive: true });
  await writeFile(
    path.join(root, "node_modules", "@pulumi", "pulumi", "package.json"),
    '{"version": "1.0.0"}',
  );
  await writeFile(path.join(root, "package.json"), '{"type":"module","dependencies":{"@pulumi/pulumi":"*"}}');
  await writeFile(path.join(root, "pipelines.js"), `export const pipelines = ${JSON.stringify([shop])};\n`);
  await write("the first");
  const entry = { programs: "program.js", pipelines: "pipelines.js" };
  const sources = { root, code: ["program.js", "pipelines.js"], packageJson: "package.json", entry };
  return { write, open: () => scene.open(undefined, { sources, ...options }) };
}

export async function readJsonLines(file: string): Promise<Record<string, unknown>[]> {
  const lines = (await readFile(file, "utf8")).trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** Processes the driver started for a stack of the scene. */
export async function processesIn(folder: string): Promise<string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const marked = await Promise.all(
    pids.map(async (pid) => {
      const environment = await readFile(`/proc/${pid}/environ`, "latin1").catch(() => ""); // ended meanwhile
      return environment.includes(`HEADWATER_STACK_FOLDER=${folder}`);
    }),
  );
  return pids.filter((_, index) => marked[index]);
}
