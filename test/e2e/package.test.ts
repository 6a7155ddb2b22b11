import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { packageRoot } from "../../src/engine/paths.js";

const repository = packageRoot();

interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly files: readonly { readonly path: string }[];
}

interface Ended {
  readonly code: number;
  readonly output: string;
}

/** Runs a program to its end; a code other than 0 is no exception here. */
async function run(
  cwd: string,
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Ended> {
  const options = { cwd, env: { ...process.env, PULUMI_BACKEND_URL: undefined, ...env } };
  try {
    const { stdout, stderr } = await promisify(execFile)(command, [...args], options);
    return { code: 0, output: stdout + stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, output: stdout + stderr };
  }
}

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

/** Top-level packages of this repository that a package needs, at any depth; and what compiles a project. */
async function installedWith(folder: string): Promise<string[]> {
  const read = async (file: string): Promise<unknown> => JSON.parse(await readFile(file, "utf8"));
  const { packages } = (await read(path.join(repository, "package-lock.json"))) as {
    packages: Readonly<Record<string, Manifest>>;
  };
  const needed = new Set(["typescript", "@types/node"]);
  const need = ({ dependencies, optionalDependencies, peerDependencies }: Manifest): void => {
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })) {
      if (needed.has(name)) continue;
      needed.add(name);
      // Copies further down count as well: their needs may lie at the top.
      const all = Object.keys(packages).filter((key) => key.endsWith(`node_modules/${name}`));
      for (const key of all) need(packages[key]!);
    }
  };
  need((await read(path.join(folder, "package.json"))) as Manifest);
  return [...needed].filter((name) => existsSync(path.join(repository, "node_modules", name)));
}

describe("the package", function () {
  this.timeout(600_000);
  let home: string;
  let packed: Packed;

  before(async () => {
    home = await mkdtemp(path.join(tmpdir(), "headwater-package-"));
    // As it is built now: a build in the middle of a test run would replace files under other tests.
    const args = ["pack", "--ignore-scripts", "--json", "--pack-destination", home];
    const { stdout } = await promisify(execFile)("npm", args, { cwd: repository });
    [packed] = JSON.parse(stdout) as [Packed];
  });
  after(() => rm(home, { recursive: true, force: true }));

  /** An empty project as npm would install it: the packed package, what it depends on and its peers, nothing more. */
  async function install(name: string): Promise<string> {
    const project = path.join(home, name);
    const modules = path.join(project, "node_modules");
    await mkdir(path.join(modules, "headwater"), { recursive: true });
    const archive = path.join(home, packed.filename);
    const target = path.join(modules, "headwater");
    await promisify(execFile)("tar", ["-xzf", archive, "--strip-components=1", "-C", target]);
    for (const dependency of await installedWith(target)) {
      await mkdir(path.dirname(path.join(modules, dependency)), { recursive: true });
      await symlink(path.join(repository, "node_modules", dependency), path.join(modules, dependency));
    }
    return project;
  }

  const headwater = (project: string, ...args: string[]): Promise<Ended> =>
    run(
      project,
      process.execPath,
      [path.join(project, "node_modules", "headwater", "dist", "src", "cli", "main.js"), ...args],
      { PULUMI_CONFIG_PASSPHRASE: "only for the test" },
    );

  const compile = (project: string, ...args: string[]): Promise<Ended> =>
    run(project, process.execPath, [
      path.join(repository, "node_modules", "typescript", "bin", "tsc"),
      ...args,
    ]);

  async function write(project: string, files: Readonly<Record<string, string>>): Promise<void> {
    for (const [file, content] of Object.entries(files)) {
      await mkdir(path.dirname(path.join(project, file)), { recursive: true });
      await writeFile(path.join(project, file), content);
    }
  }

  /** README's examples. */
  async function examples() {
    const text = await readFile(path.join(repository, "README.md"), "utf8");
    const blocks = [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, block = ""]) => block);
    const [
      checks = "",
      pipelines = "",
      promotion = "",
      programs = "",
      body = "",
      suite = "",
      faults = "",
      console = "",
      ...more
    ] = blocks;
    expect(more, "examples nobody compiles").to.be.empty;
    // What these two leave to the reader.
    const ephemeral = `import { Platform } from "headwater";
declare const platform: Platform;
declare function countRows(outputs: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<number>;
${body}export const counted: number = rows;\n`;
    const mocha = `import type { Platform } from "headwater";
declare const openPlatform: () => Promise<Platform>;
declare const describe: (what: string, body: () => void) => void;
declare const it: typeof describe;
declare const expect: (value: unknown) => { to: { be: { a(type: string): void } } };
${suite}`;
    return { checks, pipelines, promotion, programs, ephemeral, mocha, faults, console };
  }

  it("has all that is needed, nothing else, and is small", () => {
    const files = packed.files.map((file) => file.path);
    expect(files).to.include.members([
      ...["README.md", "CHANGELOG.md", "ARCHITECTURE.md", "package.json"],
      ...["index", "console", "programs", "sandbox", "testing"].flatMap((entry) => [
        `dist/src/${entry}.js`,
        `dist/src/${entry}.d.ts`,
      ]),
      "dist/src/cli/main.js",
      "dist/src/console/page/index.html",
      "dist/programs/cdc-lakehouse.js",
      "notebooks/apply.py",
      "notebooks/headwater_history/fold.py",
      "src/engine/go/pulumi/go.mod",
      "src/sandbox/providers/bin/pulumi-resource-aws",
      "src/sandbox/python/requirements.txt",
      "src/sandbox/python/headwater_workspace/jvm/SparkHost.scala",
      "stacks/promotion.schema.json",
      "stacks/stack.schema.json",
      "stacks/samples/Pulumi.shop-sample.yaml",
      "templates/project/gitignore",
    ]);
    const foreign =
      /(^|\/)(test|demo|bench|docs|node_modules|__pycache__|\.[^/]*)\/|\.(pyc|map|tsbuildinfo)$/;
    expect(files.filter((file) => foreign.test(file))).to.deep.equal([]);
    const folders = ["dist", "notebooks", "src", "stacks", "templates"];
    expect(
      [...new Set(files.filter((file) => file.includes("/")).map((file) => file.split("/")[0]!))].sort(),
    ).to.deep.equal(folders);
    expect(files.filter((file) => /^stacks\/Pulumi|^(src|programs|pipelines)\/.*\.ts$/.test(file))).to.be
      .empty;
    expect(packed.size).to.be.lessThan(2_000_000);
  });

  it("can be imported by every entry, and by no other path", async () => {
    const project = await install("imports");
    const expected = {
      headwater: "definePipeline, defineProgram, Platform, LandingZone, replicationLoaded",
      "headwater/programs": "cdcLakehouse, stackMain",
      "headwater/sandbox": "startSandbox, withSandbox",
      "headwater/testing": "record",
      "headwater/console": "headwaterConsole, serveAlone",
    };
    const imports = Object.entries(expected).map(([entry, names]) => `import { ${names} } from "${entry}";`);
    const used = Object.values(expected).join(", ");
    await write(project, {
      "package.json": '{ "type": "module" }',
      "all.js": `${imports.join("\n")}\nconsole.log([${used}].map((thing) => thing !== undefined).join());\n`,
      "inside.js": 'import "headwater/dist/src/index.js";\n',
    });
    const { output } = await run(project, process.execPath, ["all.js"]);
    expect(output).to.match(/^(true,)+true\n$/);
    const { code, output: refused } = await run(project, process.execPath, ["inside.js"]);
    expect([code, refused.includes("ERR_PACKAGE_PATH_NOT_EXPORTED")]).to.deep.equal([1, true]);
  });

  it("compiles README's examples, with types checked to the bottom", async () => {
    const project = await install("readme");
    const { checks, pipelines, promotion, programs, ephemeral, mocha, faults, console } = await examples();
    await write(project, {
      "package.json": '{ "type": "module" }',
      "tsconfig.json": JSON.stringify({
        compilerOptions: {
          ...{ target: "ES2023", module: "NodeNext", strict: true, noEmit: true, types: ["node"] },
          noUncheckedIndexedAccess: true,
          // The package's own types as well: they must not speak of what is not installed with it.
          skipLibCheck: false,
        },
        include: ["*.ts", "pipelines", "programs"],
      }),
      "pipelines/index.ts": pipelines,
      "programs/all.ts": programs,
      "promote.ts": promotion,
      ...{ "checks.ts": checks, "ephemeral.ts": ephemeral, "suite.ts": mocha, "faults.ts": faults },
      "console.ts": console,
      "entries.ts":
        'export * from "headwater";\nexport { cdcLakehouse } from "headwater/programs";\n' +
        'export { startSandbox, type Sandbox } from "headwater/sandbox";\nexport { record } from "headwater/testing";\n' +
        'export { headwaterConsole, type Person } from "headwater/console";\n',
    });
    expect(await compile(project, "-p", ".")).to.deep.equal({ code: 0, output: "" });
    // What does not fit has to be refused: types that were not found would accept it.
    await write(project, {
      "wrong.ts":
        'import { definePipeline } from "headwater";\ndefinePipeline({ name: "a", engine: "dbase", tables: {} });\n',
    });
    expect((await compile(project, "-p", ".")).output)
      .to.contain("wrong.ts(2")
      .and.contain("dbase");
  });

  it("runs a program of the user's own on the real engine: embedded, and by the command line", async () => {
    const project = await install("own");
    const { pipelines, programs } = await examples();
    const stack = (owner: string): string =>
      `config:\n  headwater:program: ownership\n  headwater:pipeline: shop\n  headwater:settings: { owner: ${owner} }\n`;
    await write(project, {
      "package.json": '{ "type": "module", "dependencies": { "headwater": "*", "@pulumi/pulumi": "*" } }',
      "Pulumi.yaml": "name: own\nruntime: nodejs\n",
      "tsconfig.json": JSON.stringify({
        compilerOptions: {
          ...{ target: "ES2023", module: "NodeNext", strict: true, types: ["node"] },
          ...{ rootDir: ".", outDir: "dist", skipLibCheck: true },
        },
        include: ["*.ts", "pipelines", "programs"],
      }),
      "pipelines/index.ts": pipelines,
      "programs/all.ts": programs,
      "stacks/Pulumi.shop-dev.yaml": stack("ada"),
      "stacks/Pulumi.shop-prod.yaml": stack("grace"),
      "promote.ts": `
import { Platform } from "headwater";
import { pipelines } from "./pipelines/index.js";
import { programs } from "./programs/all.js";

const platform = await Platform.open({
  project: "own", programs, pipelines, settingsDir: "stacks",
  backend: new URL("../.headwater/state", import.meta.url).href,
  environment: { PULUMI_CONFIG_PASSPHRASE: "only for the test" },
});
const release = await platform.release({ program: "ownership", pipeline: "shop" });
const promotion = platform.promote(release, { through: ["dev", "prod"] });
const { steps } = await promotion.result;
console.log(JSON.stringify(steps.map(({ environment, changes, outputs }) => ({ environment, create: changes.create, outputs }))));
await platform.close();
`,
    });
    expect(await compile(project, "-p", ".")).to.deep.equal({ code: 0, output: "" });
    const embedded = await run(project, process.execPath, ["dist/promote.js"]);
    expect(embedded.code, embedded.output).to.equal(0);
    const steps = JSON.parse(embedded.output.trim().split("\n").at(-1)!) as Record<string, unknown>[];
    expect(steps.map(({ environment, create }) => [environment, create])).to.deep.equal([
      ["dev", 2],
      ["prod", 2],
    ]);
    expect(steps[1]).to.have.nested.property("outputs.owner", "grace");
    expect(steps[0])
      .to.have.nested.property("outputs.group")
      .that.equals("urn:pulumi:shop-dev::own::example:index:Ownership::shop-dev");

    // The same state, found by the project's own name and folder: nothing is left to change.
    const up = await headwater(project, "up", "-e", "dev", "--yes");
    expect(up.code, up.output).to.equal(0);
    expect(up.output).to.match(/dev: 2 same/);
    const destroyed = await headwater(project, "destroy", "-e", "dev", "--yes", "--remove");
    expect(destroyed.code, destroyed.output).to.equal(0);
  });

  it("starts a project that compiles, is loaded, and has its schema right", async () => {
    const from = await install("starter");
    const project = await install("started");
    const written = await headwater(from, "init", project, "--name", "crm");
    expect(written.code, written.output).to.equal(0);
    expect(await compile(project, "-p", ".")).to.deep.equal({ code: 0, output: "" });
    const { code, output } = await headwater(project, "preview", "--help");
    expect([code, output.includes("Usage: headwater preview")]).to.deep.equal([0, true]);
    const other = await headwater(project, "status", "--pipeline", "erp");
    expect([other.code, other.output.includes("allowed: crm")], other.output).to.deep.equal([2, true]);
    const schema = path.join(project, "stacks", "stack.schema.json");
    const before = JSON.parse(await readFile(schema, "utf8")) as unknown;
    const anew = await headwater(project, "schema");
    expect(anew.code, anew.output).to.equal(0);
    expect(JSON.parse(await readFile(schema, "utf8"))).to.deep.equal(before);
    // `pulumi up` by hand finds its program as well.
    const script =
      'const { default: main } = await import("./dist/programs/index.js"); console.log(typeof main);';
    const byHand = await run(project, process.execPath, ["--input-type=module", "--eval", script]);
    expect(byHand.output).to.equal("function\n");
  });
});
