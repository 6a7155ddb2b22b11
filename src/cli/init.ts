import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { Option, type Command } from "commander";
import { packageRoot } from "../engine/paths.js";
import { HeadwaterError } from "../model/errors.js";
import { checkPipelineName } from "../model/naming.js";

/** The sources the program `cdc-lakehouse` can read. Written out, because components take seconds to load. */
export const INIT_ENGINES = ["postgresql"] as const;

interface InitOptions {
  readonly name?: string;
  readonly engine: (typeof INIT_ENGINES)[number];
  readonly package?: string;
}

export function addInit(program: Command): void {
  program
    .command("init")
    .description("write a project to start from; nothing that is there is overwritten")
    .argument("[folder]", "where", ".")
    .option("--name <name>", "of the project and its pipeline (default: after the folder)")
    .addOption(
      new Option("--engine <engine>", "the source database").choices(INIT_ENGINES).default(INIT_ENGINES[0]),
    )
    .option("--package <version or file>", "the headwater it depends on (default: this version)")
    .addHelpText("after", "\nExample: headwater init shop")
    .action((folder: string, options: InitOptions) => init(folder, options));
}

async function init(given: string, options: InitOptions): Promise<void> {
  const folder = path.resolve(given);
  const name = options.name ?? nameAfter(folder);
  checkPipelineName(name);
  const files = await projectFiles({ ...options, name, folder });
  const there = [...files.keys()].filter((file) => existsSync(path.join(folder, file)));
  if (there.length > 0) {
    throw new HeadwaterError("cli/exists", "files that would be written are there already", {
      where: folder,
      found: there.join(", "),
      allowed: "a folder without them",
      remedy: "Name another folder, or move them away.",
    });
  }
  for (const [file, content] of files) {
    await mkdir(path.dirname(path.join(folder, file)), { recursive: true });
    // `wx`: a file somebody makes meanwhile is not overwritten either.
    await writeFile(path.join(folder, file), content, { flag: "wx" });
  }
  const steps = [...(given === "." ? [] : [`cd ${given}`]), "npm install", "npm run build"];
  process.stdout.write(
    [
      ...[...files.keys()].map((file) => path.join(given, file)),
      "",
      `Next: ${steps.join(" && ")} && npx headwater preview --environment dev --sandbox`,
      "",
    ].join("\n"),
  );
}

/** `data-platform` -> `dataplatform`: pipelines have no hyphens in their names. */
function nameAfter(folder: string): string {
  const letters = path
    .basename(folder)
    .toLowerCase()
    .replaceAll(/[^a-z0-9]/g, "");
  return letters.slice(0, 20);
}

interface Wanted extends InitOptions {
  readonly name: string;
  readonly folder: string;
}

/** Path below the folder -> content. */
async function projectFiles(wanted: Wanted): Promise<Map<string, string>> {
  const root = packageRoot();
  const read = (...parts: string[]): Promise<string> => readFile(path.join(root, ...parts), "utf8");
  const files = new Map<string, string>();
  files.set("package.json", manifest(await read("package.json"), wanted));
  const templates = path.join(root, "templates", "project");
  const entries = await readdir(templates, { recursive: true, withFileTypes: true });
  for (const entry of entries.filter((entry) => entry.isFile())) {
    const source = path.join(entry.parentPath, entry.name);
    // npm would read a .gitignore in a package instead of shipping it.
    const file = path.relative(templates, source).replace(/^gitignore$/, ".gitignore");
    const text = await readFile(source, "utf8");
    files.set(file, text.replaceAll("{{name}}", wanted.name).replaceAll("{{engine}}", wanted.engine));
  }
  files.set(
    path.join("stacks", "stack.schema.json"),
    schema(await read("stacks", "stack.schema.json"), wanted),
  );
  files.set(path.join("stacks", "promotion.schema.json"), await read("stacks", "promotion.schema.json"));
  const sample = await read("stacks", "samples", "Pulumi.shop-sample.yaml");
  for (const environment of ["dev", "prod"] as const) {
    const file = path.join("stacks", `Pulumi.${wanted.name}-${environment}.yaml`);
    files.set(file, await stackFile(sample, wanted.name, environment));
  }
  return new Map([...files].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Versions are this package's own: those it was tested with. */
function manifest(own: string, wanted: Wanted): string {
  const { version, engines, peerDependencies, peerDependenciesMeta, devDependencies } = JSON.parse(
    own,
  ) as Record<"engines" | "peerDependencies" | "devDependencies", Readonly<Record<string, string>>> & {
    readonly version: string;
    readonly peerDependenciesMeta: Readonly<Record<string, { readonly optional: boolean }>>;
  };
  // Drivers of databases that few have are theirs to add.
  const needed = Object.keys(peerDependencies).filter(
    (name) => peerDependenciesMeta[name]?.optional !== true,
  );
  const pinned = (names: readonly string[]): Record<string, string> =>
    Object.fromEntries(names.map((name) => [name, devDependencies[name] ?? ""]));
  const content = {
    name: wanted.name,
    version: "0.1.0",
    private: true,
    type: "module",
    engines,
    scripts: { build: "tsc -p ." },
    dependencies: { ...pinned(needed), headwater: dependency(wanted, version) },
    devDependencies: pinned(["@types/node", "typescript"]),
  };
  return `${JSON.stringify(content, null, 2)}\n`;
}

function dependency({ package: from, folder }: Wanted, version: string): string {
  if (from === undefined) return version;
  return existsSync(from) ? `file:${path.relative(folder, path.resolve(from))}` : from;
}

/** The editors' schema knows the pipelines by name. */
function schema(own: string, { name }: Wanted): string {
  const content = JSON.parse(own) as {
    properties: { config: { properties: { "headwater:pipeline": { enum: string[] } } } };
  };
  content.properties.config.properties["headwater:pipeline"].enum = [name];
  return `${JSON.stringify(content, null, 2)}\n`;
}

/**
 * The sample with what an account must have beforehand taken out (keys, certificates, a catalog, a service principal), so that it
 * works on the sandbox as it is.
 */
async function stackFile(sample: string, name: string, environment: "dev" | "prod"): Promise<string> {
  const { parseDocument } = await import("yaml");
  // Without its first comment, which speaks of copying it.
  const document = parseDocument(sample.replace(/^(#.*\n)+/, ""));
  const settings = ["config", "headwater:settings"];
  const set = (at: string, value: unknown): void =>
    document.setIn([...settings, ...at.split(".")], document.createNode(value, { flow: true }));
  const stack = `${name}-${environment}`;
  const dev = environment === "dev";
  document.setIn(["config", "headwater:pipeline"], name);
  for (const at of [
    ...["source.secretKmsKeyArn", "landing.kmsKeyArn", "landing.bucketName", "export", "tables"],
    ...(dev ? ["job.alerts"] : []),
  ]) {
    document.deleteIn([...settings, ...at.split(".")]);
  }
  set("source.host", `${stack}.example.com`);
  set("source.database", name);
  set("source.secretArn", `arn:aws:secretsmanager:eu-west-1:123456789012:secret:${stack}/source`);
  set("source.tls", { mode: "require" });
  set("replication.capacity", dev ? { min: 1, max: 2 } : { min: 2, max: 16 });
  set("replication.multiAz", !dev);
  set("landing.forceDestroy", dev);
  set("target.catalog", { provision: "create", name: `${name}_${environment}` });
  set("target.schema", name);
  set("target.forceDestroy", dev);
  set("access.readers", `${name}-readers`);
  set("access.operators", `${name}-operators`);
  set("access.runAs", { provision: "create", name: `headwater-${stack}` });
  // The sample's own style: room inside braces, none inside brackets.
  const content = document.toString({ lineWidth: 110 }).replaceAll(/\[ (.*) \]/g, "[$1]");
  return `# yaml-language-server: $schema=./stack.schema.json
#
# Settings of pipeline "${name}" in environment "${environment}": replace account, hosts, ids and names.
# node_modules/headwater/stacks/samples/ has every setting written out. Credentials never go in here.
# On the sandbox the source, the network and the groups are the sandbox's own, whatever is written here.
${content}`;
}
