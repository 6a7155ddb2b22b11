import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { expect } from "chai";
import { ownSources, readRelease, type Release, type ReleaseSources } from "../../../src/driver/release.js";
import { definePipeline } from "../../../src/model/pipeline.js";
import { errorOf } from "../operations/errors.js";

const shop = definePipeline({
  name: "shop",
  engine: "postgresql",
  tables: { shop: { a: { keys: ["id"] } } },
});

describe("release", () => {
  let root: string;
  beforeEach(async () => (root = await mkdtemp(path.join(os.tmpdir(), "headwater-release-"))));
  afterEach(() => rm(root, { recursive: true, force: true }));

  async function content(folder: string): Promise<ReleaseSources> {
    const at = path.join(root, folder);
    await mkdir(path.join(at, "model", "dms"), { recursive: true });
    await mkdir(path.join(at, "programs"), { recursive: true });
    await mkdir(path.join(at, "notebooks", "lib"), { recursive: true });
    await mkdir(path.join(at, "node_modules", "@pulumi", "aws"), { recursive: true });
    await writeFile(path.join(at, "model", "names.js"), "export const a = 1;\n");
    await writeFile(path.join(at, "model", "dms", "rules.js"), "export const b = 2;\n");
    await writeFile(path.join(at, "programs", "index.js"), "export default () => 1;\n");
    await writeFile(path.join(at, "notebooks", "apply.py"), "# Databricks notebook source\n");
    await writeFile(path.join(at, "notebooks", "lib", "a.py"), "x = 1\n");
    await writeFile(
      path.join(at, "package.json"),
      JSON.stringify({ dependencies: { "@pulumi/aws": "*", zod: "*" } }),
    );
    await writeFile(path.join(at, "node_modules", "@pulumi", "aws", "package.json"), '{"version":"7.48.0"}');
    return { root: at, code: ["model", "programs"], notebooks: "notebooks", packageJson: "package.json" };
  }

  const make = (sources: ReleaseSources, pipeline: { name: string } = shop): Promise<Release> =>
    readRelease("cdc-lakehouse", pipeline, sources).then(({ release }) => release);

  it("is the same under another path, and next to what does not run", async () => {
    const one = await make(await content("one"));
    const sources = await content("another/place");
    const at = path.join(root, "another/place");
    await writeFile(path.join(at, "model", "names.js.map"), `{"sources":["${root}"]}`);
    await writeFile(path.join(at, "model", "names.d.ts"), "export declare const a = 1;\n");
    await mkdir(path.join(at, "notebooks", "__pycache__"));
    await writeFile(path.join(at, "notebooks", "__pycache__", "a.pyc"), "bytes");
    await writeFile(path.join(at, "notebooks", ".DS_Store"), "bytes");
    expect(await make(sources)).to.deep.equal(one);
    expect(one.id).to.match(/^[0-9a-f]{64}$/);
    expect(one.parts.providers).to.deep.equal({ "@pulumi/aws": "7.48.0" });
  });

  const changes: Record<string, (at: string) => Promise<void>> = {
    "code deep inside": (at) => writeFile(path.join(at, "model", "dms", "rules.js"), "export const b = 3;\n"),
    "a notebook": (at) => writeFile(path.join(at, "notebooks", "apply.py"), "# changed\n"),
    "a new file": (at) => writeFile(path.join(at, "programs", "other.js"), ""),
    "a file's place": (at) =>
      cp(path.join(at, "notebooks", "lib", "a.py"), path.join(at, "notebooks", "b.py")),
    "a provider's version": (at) =>
      writeFile(path.join(at, "node_modules", "@pulumi", "aws", "package.json"), '{"version":"7.49.0"}'),
  };
  for (const [what, change] of Object.entries(changes)) {
    it(`differs when ${what} differs`, async () => {
      const before = await make(await content("a"));
      const sources = await content("b");
      await change(path.join(root, "b"));
      expect((await make(sources)).id).not.to.equal(before.id);
    });
  }

  it("depends on what a pipeline means, not on the order it is written in", async () => {
    const sources = await content("a");
    const one = await make(sources, { name: "p", tables: { x: 1, y: 2 } } as { name: string });
    const two = await make(sources, { tables: { y: 2, x: 1 }, name: "p" } as { name: string });
    const three = await make(sources, { tables: { y: 2, x: 3 }, name: "p" } as { name: string });
    expect(two.id).to.equal(one.id);
    expect(three.parts.pipeline).not.to.equal(one.parts.pipeline);
    expect(three.parts.code).to.equal(one.parts.code);
  });

  it("says which folder is missing", async () => {
    const sources = await content("a");
    const error = await errorOf(make({ ...sources, notebooks: path.join(root, "nowhere") }));
    expect(error.code).to.equal("driver/release-incomplete");
    expect(error.message).to.contain("nowhere");
  });

  it("finds the project's own content", async () => {
    const { parts } = await make(ownSources());
    expect(parts.providers).to.include.keys("@pulumi/pulumi", "@pulumi/aws", "@pulumi/databricks");
  });
});
