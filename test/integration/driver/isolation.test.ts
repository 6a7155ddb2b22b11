import { readdir } from "node:fs/promises";
import path from "node:path";
import { expect } from "chai";
import { EngineError } from "../../../src/driver/errors.js";
import { errorOf } from "../../unit/operations/errors.js";
import { makeProject, makeScene, thingProgram, type Scene } from "./support.js";

const THINGS = { program: "things", pipeline: "shop" };

describe("a process for each operation", function () {
  this.timeout(120_000);
  let scene: Scene;
  beforeEach(async () => (scene = await makeScene()));
  afterEach(() => scene.remove());

  const project = () => makeProject(scene, { isolation: "process" });

  it("gives what an operation gives here, and changes nothing the second time", async () => {
    const { open } = await project();
    const platform = await open();
    const release = await platform.release(THINGS);
    const { steps } = await platform.promote(release, { through: ["dev"] }).result;
    expect(steps[0]).to.deep.include({
      changes: { create: 1 },
      outputs: { says: "the first", environment: "dev" },
    });
    const here = await (await makeProject(scene)).open();
    const again = await here.promote(release, { through: ["dev"] }).result;
    expect(again.steps[0]?.changes).to.deep.equal({ same: 1 });
    expect(await readdir(path.join(scene.workFolder, "stacks"))).to.deep.equal([]);
  });

  const harm: Record<string, [string, string, RegExp]> = {
    "ends its process": ["process.exit(7)", "driver/host-died", /exit code 7/],
    "is killed": ["process.kill(process.pid, 'SIGKILL')", "driver/host-died", /SIGKILL/],
    throws: ["throw new Error('the cause')", "driver/program-error", /the cause/],
    "throws where nobody listens": [
      "setTimeout(() => { throw new Error('the cause') }, 1); await new Promise((r) => setTimeout(r, 200))",
      "driver/program-error",
      /the cause/,
    ],
  };
  for (const [what, [body, code, message]] of Object.entries(harm)) {
    it(`keeps this process from harm when a program ${what}`, async () => {
      const { open, write } = await project();
      await write("never", body);
      const platform = await open();
      const error = await errorOf(platform.environment("dev").preview(await platform.release(THINGS)));
      expect(error.code).to.equal(code);
      expect(error.message).to.match(message);
      if (code === "driver/program-error") expect(error).to.be.instanceOf(EngineError);
      // The stack is as free as before.
      await write("the second");
      const next = await open();
      await next.environment("dev").preview(await next.release(THINGS));
    });
  }

  it("ends a program that hangs, when the time is over and when the signal says so", async () => {
    const { open, write } = await project();
    await write("never", "await new Promise((resolve) => setTimeout(resolve, 600000))");
    const platform = await open();
    const release = await platform.release(THINGS);
    const limits = { timeoutMs: 4000, graceMs: 500 };
    expect((await errorOf(platform.environment("dev").preview(release, limits))).code).to.equal(
      "driver/timeout",
    );
    const controller = new AbortController();
    const preview = platform.environment("dev").preview(release, { signal: controller.signal, graceMs: 500 });
    setTimeout(() => controller.abort(), 3000);
    expect((await errorOf(preview)).code).to.equal("driver/cancelled");
  });

  it("runs programs of several environments at the same time", async () => {
    const { open, write } = await project();
    // Each waits until all three are there: one after another they would wait for ever.
    await write(
      "together",
      `const fs = await import("node:fs"); const at = ${JSON.stringify(scene.folder)} + "/met-";
       fs.writeFileSync(at + environment, "");
       while (!["dev", "staging", "prod"].every((name) => fs.existsSync(at + name))) await new Promise((r) => setTimeout(r, 20))`,
    );
    const platform = await open();
    const release = await platform.release(THINGS);
    const all = ["dev", "staging", "prod"].map((name) =>
      platform.environment(name).preview(release, { timeoutMs: 60_000 }),
    );
    expect((await Promise.all(all)).map(({ changes }) => changes)).to.deep.equal(
      Array(3).fill({ create: 1 }),
    );
  });

  it("is refused for closures, which no other process has", async () => {
    const platform = await scene.open(thingProgram(), { isolation: "process" });
    const release = await platform.release(THINGS);
    expect((await errorOf(platform.environment("dev").preview(release))).code).to.equal("driver/no-entry");
  });
});
