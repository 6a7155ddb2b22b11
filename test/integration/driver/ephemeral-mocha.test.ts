import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { useEphemeralEnvironment } from "../../../src/testing.js";
import { makeScene, type Scene } from "./support.js";

interface Report {
  readonly passes: readonly { fullTitle: string }[];
  readonly failures: readonly { fullTitle: string; err: { message: string } }[];
}

describe("useEphemeralEnvironment in suites of a user's", function () {
  this.timeout(180_000);
  let scene: Scene;
  beforeEach(async () => (scene = await makeScene()));
  afterEach(() => scene.remove());

  it("is up for passing and failing tests, and gone after them; also where it came up half-way only", async () => {
    const cloud = path.join(scene.folder, "cloud");
    await mkdir(cloud);
    await scene.write("dev", { cloud });
    const broken = path.join(scene.folder, "broken");
    await mkdir(broken);
    const text = await readFile(scene.settingsFile("dev"), "utf8");
    await writeFile(
      path.join(broken, "Pulumi.shop-dev.yaml"),
      text.replace("headwater:settings:\n", "headwater:settings:\n    behaviour: fail\n"),
    );
    const { code, report } = await runMocha("mocha-suite", { SCENE: scene.folder });
    expect(report.passes.map(({ fullTitle }) => fullTitle)).to.deep.equal([
      "a suite that fails in part passes",
    ]);
    const [failed, half, ...others] = report.failures;
    expect(failed?.fullTitle).to.equal("a suite that fails in part fails");
    const [, name = ""] = /^the test failed in (t-[0-9a-f]{14})$/.exec(failed?.err.message ?? "") ?? [];
    expect(half?.fullTitle).to.contain('"before all" hook');
    expect(half?.err.message).to.contain("the probe was told to fail with half-way");
    expect([others, code]).to.deep.equal([[], 2]);
    expect(await readdir(cloud), "the cloud").to.deep.equal([]);
    const platform = await scene.open();
    expect(await platform.ephemerals()).to.deep.equal([]);
    expect(
      (await platform.history()).map(({ head, outcome }) => `${head.kind} ${head.through.join()} ${outcome}`),
    ).to.deep.equal([
      "destroy half-way succeeded",
      "promotion half-way failed",
      `destroy ${name} succeeded`,
      `promotion ${name} succeeded`,
    ]);
  });

  it("says what it needs where there is no mocha", async () => {
    const scope = globalThis as { before?: unknown };
    const { before } = scope;
    delete scope.before;
    try {
      expect(() => useEphemeralEnvironment({ platform: () => scene.open() })).to.throw("mocha's functions");
    } finally {
      scope.before = before;
    }
  });
});

/** Runs a file beside this one by a mocha of its own. */
function runMocha(
  name: string,
  variables: Record<string, string>,
): Promise<{ code: number; report: Report }> {
  const here = fileURLToPath(import.meta.url);
  const file = path.join(path.dirname(here), `${name}${path.extname(here)}`);
  const mocha = path.join(
    path.dirname(createRequire(import.meta.url).resolve("mocha/package.json")),
    "bin",
    "mocha.js",
  );
  const args = [...process.execArgv, mocha, "--no-config", "--reporter", "json", file];
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { env: { ...process.env, ...variables } }, (error, stdout, stderr) => {
      try {
        resolve({ code: Number(error?.code ?? 0), report: JSON.parse(stdout) as Report });
      } catch {
        reject(new Error(`mocha said ${stdout}${stderr}`));
      }
    });
  });
}
