import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { expect } from "chai";
import { cdcLakehouse } from "../../../programs/cdc-lakehouse.js";
import { INIT_ENGINES } from "../../../src/cli/init.js";
import { SUPPORTED_ENGINES } from "../../../src/components/source-endpoint.js";
import { definePipeline } from "../../../src/model/pipeline.js";
import { resolveStackFile } from "../../../src/settings/program.js";
import { loadStackFile } from "../../../src/settings/stack-file.js";
import { headwater } from "./command.js";

describe("headwater init", function () {
  this.timeout(60_000);
  let folder: string;
  beforeEach(async () => (folder = await mkdtemp(path.join(os.tmpdir(), "headwater-init-"))));
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const read = (file: string): Promise<string> => readFile(path.join(folder, file), "utf8");

  it("writes a project named after its folder, and what to do next", async () => {
    const { code, stdout, stderr } = await headwater(["init", "data-Platform"], { cwd: folder });
    expect(code, stderr).to.equal(0);
    expect(stdout).to.contain("cd data-Platform && npm install && npm run build");
    const files = await readdir(path.join(folder, "data-Platform"), { recursive: true, withFileTypes: true });
    const names = files.filter((entry) => entry.isFile()).map(({ name }) => name);
    expect(names.sort()).to.deep.equal([
      ".gitignore",
      "Pulumi.dataplatform-dev.yaml",
      "Pulumi.dataplatform-prod.yaml",
      "Pulumi.yaml",
      "README.md",
      "all.ts",
      "index.ts",
      "index.ts",
      "package.json",
      "promotion.schema.json",
      "promotion.yaml",
      "stack.schema.json",
      "tsconfig.json",
    ]);
    for (const file of files.filter((entry) => entry.isFile()))
      expect(await readFile(path.join(file.parentPath, file.name), "utf8"), file.name).not.to.match(
        /\{\{|shop-/,
      );
    const manifest = JSON.parse(await read("data-Platform/package.json")) as {
      dependencies: Record<string, string>;
    };
    expect(manifest).to.deep.include({ name: "dataplatform", type: "module" });
    expect(manifest.dependencies).to.have.all.keys(
      "headwater",
      ...["pulumi", "aws", "databricks", "random"].map((name) => `@pulumi/${name}`),
    );
    // Exact versions: what was tested together.
    expect(Object.values(manifest.dependencies).filter((version) => !/^\d+\.\d+\.\d+$/.test(version))).to.be
      .empty;
  });

  it("writes settings the program takes, strict in prod and removable in dev", async () => {
    await headwater(["init", ".", "--name", "crm"], { cwd: folder });
    const pipeline = definePipeline({
      name: "crm",
      engine: "postgresql",
      tables: { shop: { customers: { keys: ["id"] } } },
    });
    const settings = (environment: string) => {
      const file = loadStackFile(path.join(folder, "stacks", `Pulumi.crm-${environment}.yaml`));
      expect(file).to.include({ program: "cdc-lakehouse", pipeline: "crm" });
      return resolveStackFile(cdcLakehouse, pipeline, file);
    };
    const [dev, prod] = [settings("dev"), settings("prod")];
    expect([dev.landing.forceDestroy, dev.target.forceDestroy]).to.deep.equal([true, true]);
    expect([prod.landing.forceDestroy, prod.target.forceDestroy]).to.deep.equal([false, false]);
    expect(dev.target.catalog.name).not.to.equal(prod.target.catalog.name);
  });

  it("overwrites nothing: names what is there, and writes nothing at all", async () => {
    await mkdir(path.join(folder, "programs"));
    await writeFile(path.join(folder, "programs", "all.ts"), "mine");
    await writeFile(path.join(folder, "README.md"), "mine too");
    const { code, stderr } = await headwater(["init", "--name", "crm"], { cwd: folder });
    expect(code).to.equal(2);
    expect(stderr).to.contain("cli/exists").and.contain("found: README.md, programs/all.ts");
    expect((await readdir(folder)).sort()).to.deep.equal(["README.md", "programs"]);
    expect(await read("programs/all.ts")).to.equal("mine");
  });

  it("refuses a name that is none, and an engine it cannot read", async () => {
    const wrong = await headwater(["init", "--name", "My_Shop"], { cwd: folder });
    expect([wrong.code, wrong.stderr.includes("not a pipeline's name")]).to.deep.equal([2, true]);
    const oracle = await headwater(["init", "--engine", "oracle"], { cwd: folder });
    expect([oracle.code, oracle.stderr.includes("postgresql")]).to.deep.equal([2, true]);
    expect(await readdir(folder)).to.be.empty;
    expect([...INIT_ENGINES]).to.deep.equal(SUPPORTED_ENGINES);
  });

  it("depends on a package that lies in a file, where one is named", async () => {
    await writeFile(path.join(folder, "headwater-0.1.0.tgz"), "");
    await headwater(["init", "crm", "--package", "headwater-0.1.0.tgz"], { cwd: folder });
    const { dependencies } = JSON.parse(await read("crm/package.json")) as {
      dependencies: Record<string, string>;
    };
    expect(dependencies["headwater"]).to.equal("file:../headwater-0.1.0.tgz");
  });
});
