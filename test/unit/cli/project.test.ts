import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { Command } from "commander";
import { settleProject } from "../../../src/cli/options.js";
import { loadProject, releaseSources } from "../../../src/cli/project.js";
import { pickPipeline } from "../../../src/cli/session.js";
import { ownSources, readRelease, type Release } from "../../../src/driver/release.js";
import { packageRoot } from "../../../src/engine/paths.js";
import { errorOf } from "../operations/errors.js";
import { headwater } from "./command.js";

const PROGRAMS = "export const programs = [{ name: 'mine', settings: {}, run: async () => ({}) }];\n";
const PIPELINES = "export const pipelines = [{ name: 'crm', tables: {} }, { name: 'erp', tables: {} }];\n";

describe("a project of the user's own", function () {
  this.timeout(60_000);
  let folder: string;
  beforeEach(async () => (folder = await mkdtemp(path.join(os.tmpdir(), "headwater-project-"))));
  afterEach(() => rm(folder, { recursive: true, force: true }));

  async function write(file: string, content: string): Promise<void> {
    await mkdir(path.dirname(path.join(folder, file)), { recursive: true });
    await writeFile(path.join(folder, file), content);
  }

  async function project(programs = PROGRAMS, pipelines = PIPELINES, manifest: object = {}): Promise<void> {
    await write("package.json", JSON.stringify({ type: "module", ...manifest }));
    await write("dist/programs/all.js", programs);
    await write("dist/pipelines/index.js", pipelines);
  }

  it("is its compiled programs and pipelines, under the name in Pulumi.yaml", async () => {
    await project();
    const found = await loadProject(folder);
    expect(found).to.deep.include({
      folder,
      name: "headwater",
      entry: {
        programs: path.join(folder, "dist/programs/all.js"),
        pipelines: path.join(folder, "dist/pipelines/index.js"),
      },
    });
    expect(found.programs.map(({ name }) => name)).to.deep.equal(["mine"]);
    expect(pickPipeline(found, "erp")).to.equal("erp");
    expect(() => pickPipeline(found, undefined)).to.throw("crm, erp");
    await write("Pulumi.yaml", "name: warehouse\nruntime: nodejs\n");
    expect((await loadProject(folder)).name).to.equal("warehouse");
  });

  const refused: Record<string, [() => Promise<void>, string, string[]]> = {
    "a folder with nothing in it": [
      async () => undefined,
      "cli/no-project",
      ["no package.json", "dist/programs/all.js", "--project", "headwater init"],
    ],
    "a project that is not built": [
      () => write("package.json", "{}"),
      "cli/no-project",
      ["not built", "no dist/programs/all.js, no dist/pipelines/index.js", "npm run build"],
    ],
    "a package.json that is no JSON": [
      async () => {
        await project();
        await write("package.json", "{");
      },
      "cli/project-broken",
      ["package.json"],
    ],
    "code that throws": [
      () => project("throw new TypeError('no such thing');\n"),
      "cli/project-broken",
      ["dist/programs/all.js", "TypeError: no such thing"],
    ],
    "a module without the export": [
      () => project("export default [];\n"),
      "cli/project-exports",
      ["no such export", "defineProgram"],
    ],
    "a program without a name": [
      () => project("export const programs = [{ run() {} }];\n"),
      "cli/project-exports",
      ["programs[0]", "without a name"],
    ],
    "a program that cannot run": [
      () => project("export const programs = [{ name: 'mine', settings: {} }];\n"),
      "cli/project-exports",
      ["programs[0]", "mine without run"],
    ],
    "two pipelines of one name": [
      () =>
        project(
          PROGRAMS,
          "export const pipelines = [{ name: 'a', tables: {} }, { name: 'a', tables: {} }];\n",
        ),
      "cli/project-exports",
      ["pipelines[1]", "a for a second time"],
    ],
    "no pipeline at all": [
      () => project(PROGRAMS, "export const pipelines = [];\n"),
      "cli/project-exports",
      ["an empty array"],
    ],
    "a Pulumi.yaml without a name": [
      async () => {
        await project();
        await write("Pulumi.yaml", "runtime: nodejs\n");
      },
      "cli/project-broken",
      ["Pulumi.yaml: name"],
    ],
    "another copy of the SDK": [
      async () => {
        await project();
        await write("node_modules/@pulumi/pulumi/package.json", '{ "version": "3.0.0" }');
      },
      "cli/two-sdks",
      ["node_modules/@pulumi/pulumi and ", "npm ls"],
    ],
  };
  for (const [what, [prepare, code, words]] of Object.entries(refused)) {
    it(`is refused with a remedy: ${what}`, async () => {
      await prepare();
      const error = await errorOf(loadProject(folder));
      expect(error.code, error.message).to.equal(code);
      for (const word of words) expect(error.message).to.contain(word);
      expect(error.message).to.contain(folder).and.contain("remedy");
    });
  }

  it("is picked by --project, wherever on the command line it stands", async () => {
    await project();
    for (const args of [
      ["--project", folder, "status"],
      ["status", "--project", folder],
    ]) {
      const { code, stderr } = await headwater(args);
      expect(stderr).to.contain("allowed: crm, erp");
      expect(code).to.equal(2);
    }
    const { code, stderr } = await headwater(["status"], { cwd: os.tmpdir() });
    expect([code, stderr.includes("cli/no-project")]).to.deep.equal([2, true]);
  });

  it("has settings and records below it, unless an option says otherwise", async () => {
    async function settled(...args: string[]): Promise<unknown> {
      let options: unknown;
      const program = new Command().option("--project <folder>", "", ".");
      program.hook("preAction", (_, command) => settleProject(command));
      program
        .command("go")
        .option("--settings <folder>", "", "stacks")
        .option("--work-folder <folder>", "", ".headwater")
        .action((given: unknown) => void (options = given));
      await program.parseAsync(["go", ...args], { from: "user" });
      return options;
    }
    expect(await settled()).to.deep.equal({ project: ".", settings: "stacks", workFolder: ".headwater" });
    expect(await settled("--project", "/p", "--settings", "here")).to.deep.equal({
      project: "/p",
      settings: "here",
      workFolder: "/p/.headwater",
    });
  });

  it("is part of the release, with all that it has compiled", async () => {
    await project(PROGRAMS, PIPELINES, { dependencies: { headwater: "1.0.0" } });
    await mkdir(path.join(folder, "node_modules"));
    await symlink(packageRoot(), path.join(folder, "node_modules", "headwater"));
    await symlink(
      path.join(packageRoot(), "node_modules", "@pulumi"),
      path.join(folder, "node_modules", "@pulumi"),
    );
    const release = async (): Promise<Release> => {
      const found = await loadProject(folder);
      return (await readRelease("mine", found.pipelines[0]!, releaseSources(found))).release;
    };
    const before = await release();
    expect(before.parts.providers, "npm brings the peers").to.include.keys("@pulumi/aws");
    await write("dist/lib/shared.js", "export const a = 1;\n");
    const after = await release();
    expect(after.parts.code).not.to.equal(before.parts.code);
    expect(after.parts.notebooks).to.equal(before.parts.notebooks);
  });

  it("is this repository, too, whose releases stay what they were", async () => {
    const found = await loadProject(packageRoot());
    expect(found.name).to.equal("headwater");
    expect(found.programs.map(({ name }) => name)).to.include("cdc-lakehouse");
    expect(releaseSources(found)).to.deep.equal(ownSources());
  });

  it("is not loaded for --help, nor is the SDK", async () => {
    const script = `
      import { createRequire } from "node:module";
      const { runCommandLine } = await import(process.argv[1]);
      for (const args of [["--help"], ["up", "--help"], ["completion", "bash"]]) await runCommandLine(args);
      const loaded = Object.keys(createRequire(process.argv[1]).cache);
      console.error(loaded.filter((file) => /@pulumi|@aws-sdk/.test(file)).length, loaded.length > 0);`;
    const entry = path.join(packageRoot(), "dist", "src", "cli", "command-line.js");
    const { stderr } = await promisify(execFile)(process.execPath, [
      "--input-type=module",
      "--eval",
      script,
      entry,
    ]);
    expect(stderr.trim()).to.equal("0 true");
  });
});
