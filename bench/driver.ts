import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { LocalWorkspace, PulumiCommand } from "@pulumi/pulumi/automation/index.js";
import { Platform } from "../src/driver/platform.js";
import { importEntry } from "../src/driver/release-store.js";
import { ensureEngine } from "../src/engine/engine.js";
import { packageRoot } from "../src/engine/paths.js";

/*
 * `npm run bench:driver [-- <runs>]`: what the driver costs over the bare engine (the Automation API, called directly), on the
 * same stack of components, in alternating runs. Prints medians and, for what has a goal, the goal. Absolute times are this
 * machine's.
 */

const COMPONENTS = 50;
const runs = Number(process.argv[2] ?? 5);
const folder = await mkdtemp(path.join(os.tmpdir(), "headwater-bench-"));
process.env["PULUMI_CONFIG_PASSPHRASE"] = "bench";

async function project(): Promise<{ programs: string; pipelines: string }> {
  await writeFile(
    path.join(folder, "package.json"),
    '{"type":"module","dependencies":{"@pulumi/pulumi":"*"}}',
  );
  await symlink(path.join(packageRoot(), "node_modules"), path.join(folder, "node_modules"));
  await writeFile(
    path.join(folder, "programs.js"),
    `import * as pulumi from "@pulumi/pulumi";
class Thing extends pulumi.ComponentResource { constructor(name) { super("bench:index:Thing", name); } }
const any = { safeParse: (data) => ({ success: true, data }) };
export const programs = [{ name: "bench", settings: any, ephemeral: (s) => s, run: async () => {
  for (let i = 0; i < ${COMPONENTS}; i++) new Thing("thing-" + i);
  return { made: ${COMPONENTS} };
} }];\n`,
  );
  await writeFile(
    path.join(folder, "pipelines.js"),
    'export const pipelines = [{ name: "shop", engine: "postgresql", tables: [] }];\n',
  );
  await mkdir(path.join(folder, "stacks"));
  for (const name of ["dev", "staging", "prod"])
    await writeFile(
      path.join(folder, "stacks", `Pulumi.shop-${name}.yaml`),
      "config:\n  headwater:program: bench\n  headwater:pipeline: shop\n  headwater:settings: {}\n",
    );
  return { programs: path.join(folder, "programs.js"), pipelines: path.join(folder, "pipelines.js") };
}

/** Milliseconds until `body` is done. */
async function time(body: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await body();
  return performance.now() - started;
}

function median(all: readonly number[]): number {
  const sorted = [...all].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function tell(what: string, value: string, goal = ""): void {
  console.log(`${what.padEnd(70)} ${value.padStart(10)}   ${goal}`);
}

try {
  const entry = await project();
  const known = await importEntry(entry);
  const engine = await ensureEngine({ progress: (line) => console.log(line) });
  const open = (isolation: "none" | "process"): Promise<Platform> =>
    Platform.open({
      ...{ project: "headwater", ...known, isolation, engine },
      settingsDir: path.join(folder, "stacks"),
      backend: pathToFileURL(path.join(folder, "state")).href,
      workFolder: path.join(folder, "work"),
      projectFolder: folder,
      sources: {
        root: folder,
        code: ["programs.js", "pipelines.js"],
        packageJson: "package.json",
        entry: { programs: "programs.js", pipelines: "pipelines.js" },
      },
    });
  const [inProcess, isolated] = [await open("none"), await open("process")];
  const release = await inProcess.release({ program: "bench", pipeline: "shop" });
  await inProcess.promote(release, { through: ["dev", "staging", "prod"] }).result;

  const pulumiCommand = await PulumiCommand.get({ root: engine.root });
  const bare = await LocalWorkspace.createOrSelectStack(
    {
      stackName: "bare",
      projectName: "headwater",
      program: async () =>
        (await known.programs[0]!.run({
          pipeline: known.pipelines[0]!,
          settings: {},
          environment: "bare",
          release: "x",
        })) as Record<string, unknown>,
    },
    {
      pulumiCommand,
      envVars: { PULUMI_BACKEND_URL: pathToFileURL(path.join(folder, "state")).href },
    },
  );
  await bare.up({ suppressProgress: true });

  const times: Record<"bare" | "inProcess" | "isolated" | "firstBare" | "firstOurs", number[]> = {
    ...{ bare: [], inProcess: [], isolated: [], firstBare: [], firstOurs: [] },
  };
  for (let run = 0; run < runs; run++) {
    let first: number | undefined;
    let started = performance.now();
    const seen = (): void => void (first ??= performance.now() - started);
    times.bare.push(await time(() => bare.preview({ suppressProgress: true, onEvent: seen })));
    times.firstBare.push(first ?? Number.NaN);
    first = undefined;
    started = performance.now();
    times.inProcess.push(await time(() => inProcess.environment("dev").preview(release, { emit: seen })));
    times.firstOurs.push(first ?? Number.NaN);
    times.isolated.push(await time(() => isolated.environment("dev").preview(release)));
  }
  const [engineMs, here, apart] = [median(times.bare), median(times.inProcess), median(times.isolated)];
  tell(`preview of ${COMPONENTS} components, the bare engine`, `${engineMs.toFixed(0)} ms`);
  tell("  by the driver, in process", `${((here / engineMs - 1) * 100).toFixed(1)} %`, "more; goal <= 5 %");
  tell(
    "  by the driver, in a process of its own",
    `${(apart - engineMs).toFixed(0)} ms`,
    "more; goal <= 3,000 ms",
  );
  const delay = median(times.firstOurs) - median(times.firstBare);
  tell("  delay of the first event, in process", `${delay.toFixed(0)} ms`, "goal <= 150 ms");

  const names = ["dev", "staging", "prod"];
  const previews = (one: (name: string) => Promise<unknown>) => time(() => Promise.all(names.map(one)));
  const parallel = await previews((name) => isolated.environment(name).preview(release));
  const serial = await time(async () => {
    for (const name of names) await isolated.environment(name).preview(release);
  });
  tell(
    "three environments previewed at once, against one after another",
    `${(parallel / serial).toFixed(2)}`,
  );
  const ephemeral = await time(() =>
    inProcess.withEphemeral({ name: "bench", ttl: "1h", release, gates: [] }, () => undefined),
  );
  tell(
    "an ephemeral environment from nothing to checked and gone",
    `${(ephemeral / 1000).toFixed(1)} s`,
    "goal <= 25 s",
  );
} finally {
  await rm(folder, { recursive: true, force: true });
}
