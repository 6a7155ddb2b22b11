import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import type { Check } from "../../../src/driver/checks/check.js";
import type { PromotionEvent } from "../../../src/driver/events.js";
import { GateError } from "../../../src/driver/gates/judge.js";
import { policyGate, standardGates } from "../../../src/driver/gates/index.js";
import type { Platform } from "../../../src/driver/platform.js";
import { PromotionRules } from "../../../src/settings/promotion-rules.js";
import { errorOf } from "../../unit/operations/errors.js";
import { makeProject, makeScene, makeThing, readJsonLines, thingProgram, type Scene } from "./support.js";

const THINGS = { program: "things", pipeline: "shop" };
const PATH = PromotionRules.parse({ version: 1, path: ["dev", "staging", "prod"] });

async function story(events: AsyncIterable<PromotionEvent>): Promise<string[]> {
  const told: string[] = [];
  for await (const event of events)
    if (event.type === "phase" && event.state !== "started" && event.state !== "progress")
      told.push(`${event.environment ?? "all"} ${event.phase} ${event.state}`);
  return told;
}

describe("releases, gates and the way back", function () {
  this.timeout(180_000);
  let scene: Scene;
  beforeEach(async () => (scene = await makeScene()));
  afterEach(() => scene.remove());

  const up = async (platform: Platform, through: string[], release = THINGS): Promise<string> => {
    const made = await platform.release(release);
    await platform.promote(made, { through }).result;
    return made.id;
  };

  describe("a stored release", () => {
    it("reaches prod as it passed staging, also when the working tree has changed since", async () => {
      const project = await makeProject(scene);
      const platform = await project.open();
      const release = await platform.release(THINGS);
      const first = await platform.promote(release, { through: ["dev", "staging"] }).result;
      expect(first.steps.map(({ outputs }) => outputs["says"])).to.deep.equal(["the first", "the first"]);
      await project.write("the second");
      expect((await platform.release(THINGS)).id).not.to.equal(release.id);
      const again = await (await project.open()).storedRelease(release.id.slice(0, 8));
      expect(again).to.deep.equal(release);
      const { steps } = await platform.promote(again, { through: ["prod"] }).result;
      expect(steps[0]?.outputs["says"]).to.equal("the first");
    });

    it("is stored once, is what its id says, and is not run when somebody has changed it", async () => {
      const project = await makeProject(scene);
      const platform = await project.open();
      const release = await platform.release(THINGS);
      await platform.release(THINGS);
      const stored = path.join(scene.stateFolder, ".headwater", "releases");
      expect(await readdir(stored)).to.deep.equal([release.id]);
      // What was laid out to be run is what is stored, whatever happened to it.
      await platform.promote(release, { through: ["dev"] }).result;
      const laidOut = path.join(scene.workFolder, "releases", release.id, "program.js");
      await writeFile(laidOut, "throw new Error('edited');\n");
      const other = await project.open();
      await other.promote(release, { through: ["dev"] }).result;
      expect(await readFile(laidOut, "utf8")).to.contain("the first");
      await writeFile(path.join(stored, release.id), "no gzip");
      const third = await project.open();
      const error = await errorOf(third.promote(release, { through: ["dev"] }).result);
      expect(error.code).to.equal("driver/store-damaged");
    });

    it("is refused where other provider versions are installed", async () => {
      const project = await makeProject(scene);
      const platform = await project.open();
      const release = await platform.release(THINGS);
      const manifest = path.join(
        scene.folder,
        "content",
        "node_modules",
        "@pulumi",
        "pulumi",
        "package.json",
      );
      await writeFile(
        manifest,
        (await readFile(manifest, "utf8")).replace(/"version": *"[^"]+"/, '"version": "0.0.1"'),
      );
      const error = await errorOf((await project.open()).promote(release, { through: ["dev"] }).result);
      expect(error.code).to.equal("driver/other-providers");
      expect(error.message).to.contain("found: @pulumi/pulumi 0.0.1");
    });

    it("of closures can only be promoted while what is on disk has its hash", async () => {
      const platform = await scene.open();
      const release = await platform.release(THINGS);
      await writeFile(path.join(scene.folder, "content", "program.js"), "export const changed = 1;\n");
      const error = await errorOf((await scene.open()).promote(release, { through: ["dev"] }).result);
      expect(error.code).to.equal("driver/release-changed");
      expect(error.message).to.contain("code");
    });
  });

  describe("gates", () => {
    it("let a release into an environment only when it has passed in the one before; an override is recorded", async () => {
      const platform = await scene.open(undefined, { rules: PATH });
      const made = await platform.release(THINGS);
      const error = (await errorOf(platform.promote(made, { through: ["staging"] }).result)) as GateError;
      expect(error).to.be.instanceOf(GateError);
      expect(error.code).to.equal("driver/gate-refused");
      expect(error.message).to.contain("has not passed in dev yet");
      expect((await platform.environment("staging").status()).resources).to.equal(0);

      const overrides = [{ rule: "proven", reason: "a hotfix, agreed by phone" }];
      const { steps, id } = await platform.promote(made, { through: ["staging"], overrides }).result;
      expect(steps[0]?.verdicts.find(({ rule }) => rule === "proven")).to.deep.include({
        verdict: "overridden",
        reason: "a hotfix, agreed by phone",
      });
      const [past] = await platform.history();
      expect(past?.head.id).to.equal(id);
      const line = past?.lines.find((each) => each.kind === "gate" && each.rule === "proven");
      expect(line).to.deep.include({ verdict: "overridden", reason: "a hotfix, agreed by phone" });

      await platform.promote(made, { through: ["dev"] }).result;
      await platform.promote(made, { through: ["staging", "prod"] }).result;
    });

    it("refuse what was changed by hand, what nothing explains, and more changes than are allowed", async () => {
      const rules = PromotionRules.parse({ version: 1, environments: { dev: { maxChanges: 0 } } });
      const platform = await scene.open(undefined, { rules });
      await up(platform, ["dev"]);
      await scene.write("dev", { value: "another" });
      const made = await platform.release(THINGS);
      const many = (await errorOf(platform.promote(made, { through: ["dev"] }).result)) as GateError;
      expect(many.details.field).to.equal("max-changes");

      const stack = await platform.environment("dev").stack(made);
      await stack.up({ message: "by hand" });
      const byHand = (await errorOf(platform.promote(made, { through: ["dev"] }).result)) as GateError;
      expect(byHand.details.field).to.equal("released");
      expect(byHand.message).to.contain("by hand");
      const accept = [{ rule: "released", reason: "looked at it" }];
      await platform.promote(made, { through: ["dev"], overrides: accept }).result;

      // The same release and settings, and yet a change: something outside of both decides what is built.
      let value = "tick";
      const moody = await scene.open(thingProgram(() => makeThing({ behaviour: "ok", value })));
      await up(moody, ["staging"]);
      value = "tock";
      const error = (await errorOf(up(moody, ["staging"]))) as GateError;
      expect(error.details.field).to.equal("explained");
      expect(error.verdicts.find(({ rule }) => rule === "explained")?.findings[0]?.urn).to.match(
        /Thing::thing$/,
      );
    });

    it("ask policies of one's own about every resource, with its inputs", async () => {
      const platform = await scene.open();
      const seen: unknown[] = [];
      const policy = policyGate("no-prod-values", ({ type, inputs }, { environment }) => {
        if (type === "probe:index:Thing") seen.push({ environment, value: inputs["value"] });
        return inputs["value"] === "prod" ? "holds the value prod" : undefined;
      });
      const made = await platform.release(THINGS);
      const through = ["dev", "prod"];
      const gates = [...standardGates(), policy];
      const error = await errorOf(platform.promote(made, { through, gates }).result);
      expect(error.details.field).to.equal("no-prod-values");
      expect(seen).to.deep.equal([
        { environment: "dev", value: "dev" },
        { environment: "prod", value: "prod" },
      ]);
      const bad = [{ rule: "no-such-rule", reason: "x" }];
      expect(
        (await errorOf(platform.promote(made, { through, gates, overrides: bad }).result)).code,
      ).to.equal("driver/bad-override");
    });
  });

  describe("the way back", () => {
    const failing: Check = {
      name: "says the first",
      run: async ({ outputs }) => ({
        passed: outputs["says"] === "the first",
        message: String(outputs["says"]),
      }),
    };

    it("applies the last release that passed there, when a check fails; the failure stays the failure", async () => {
      const project = await makeProject(scene);
      const first = await (await project.open()).release(THINGS);
      await (await project.open()).promote(first, { through: ["dev"], checks: [failing] }).result;
      await project.write("the second");
      const next = await project.open();
      const promotion = next.promote(await next.release(THINGS), {
        through: ["dev", "staging"],
        checks: [failing],
        onFailure: "rollback",
      });
      const error = await errorOf(promotion.result);
      expect(error.code).to.equal("driver/check-failed");
      expect(error.message).to.contain("the second");
      const changed = ["preview", "gates", "up"].map((phase) => `dev ${phase} succeeded`);
      expect(await story(promotion.events)).to.deep.equal([
        "all settings succeeded",
        ...changed,
        "dev checks failed",
        ...changed,
        "dev rollback succeeded",
      ]);
      const status = await next.environment("dev").status();
      expect(status.outputs["says"]).to.equal("the first");
      expect(status.last?.release).to.equal(first.id);
    });

    it("is told where there is none", async () => {
      const platform = await scene.open();
      const promotion = platform.promote(await platform.release(THINGS), {
        through: ["dev"],
        checks: [failing],
        onFailure: "rollback",
      });
      expect((await errorOf(promotion.result)).code).to.equal("driver/check-failed");
      const [past] = await platform.history();
      const rollback = past?.lines.find(
        (line) => line.kind === "phase" && line.name === "rollback" && line.state === "failed",
      );
      expect(rollback).to.have.nested.property("error.code", "driver/no-rollback");
    });
  });

  it("drift is told resource by resource, changes nothing, and refuses a promotion where the rules say so", async () => {
    const until = path.join(scene.folder, "until");
    await scene.write("dev", { value: "dev", until });
    const rules = PromotionRules.parse({ version: 1, environments: { dev: { drift: "refuse" } } });
    const platform = await scene.open(undefined, { rules });
    await up(platform, ["dev"]);
    const dev = platform.environment("dev");
    expect(await dev.drift()).to.deep.equal([]);
    await writeFile(`${until}.changed`, "");
    const [change, ...others] = await dev.drift();
    expect(others).to.deep.equal([]);
    expect(change).to.deep.include({ op: "update", name: "thing", type: "probe:index:Thing" });
    expect((await dev.status()).outputs["value"], "the state is as it was").to.equal("dev");
    const error = (await errorOf(up(platform, ["dev"]))) as GateError;
    expect(error.details.field).to.equal("drift");
    expect(error.message).to.contain("was changed outside of a promotion");
    await writeFile(`${until}.gone`, "");
    expect((await dev.drift()).map(({ op }) => op)).to.deep.equal(["delete"]);
  });

  it("an up that fails of what passes by itself is done again, and says so", async () => {
    await scene.write("dev", { behaviour: "busy-once", until: path.join(scene.folder, "until") });
    const platform = await scene.open();
    const promotion = platform.promote(await platform.release(THINGS), { through: ["dev"] });
    const told: string[] = [];
    for await (const event of promotion.events)
      if (event.type === "phase" && event.state === "progress") told.push(event.message ?? "");
    expect((await promotion.result).steps[0]?.changes).to.deep.include({ create: 1 });
    expect(told).to.have.length(1);
    expect(told[0]).to.match(/^try 1 of 5: .*again in 2 s$/);
  });

  describe("two promotions to one environment", () => {
    it("exclude each other: the second is refused and told who holds it, or waits", async () => {
      const until = path.join(scene.folder, "until");
      await scene.write("dev", { behaviour: "wait", until });
      const platform = await scene.open();
      const made = await platform.release(THINGS);
      const first = platform.promote(made, { through: ["dev"] });
      for await (const event of first.events) if (event.type === "resource" && event.phase === "up") break;
      const other = await scene.open();
      const error = await errorOf(other.promote(made, { through: ["dev"] }).result);
      expect(error.code).to.equal("driver/held");
      expect(error.message).to.contain(`process ${process.pid}`);
      const waiting = other.promote(made, { through: ["dev"], whenHeld: "wait" });
      for await (const event of waiting.events)
        if (event.type === "phase" && event.phase === "lease") {
          expect(event.message).to.contain("waiting for");
          break;
        }
      await writeFile(until, "");
      await first.result;
      await waiting.result;
    });
  });

  describe("a driver that is killed", () => {
    const killed = ["settings", "preview", "gates", "approve", "up", "checks"];
    for (const [index, phase] of killed.entries()) {
      it(`in the phase ${phase} is gone on with exactly where it stopped`, async () => {
        const platform = await scene.open();
        const through = phase === "checks" ? ["dev", "staging"] : ["dev"];
        const child = startKilled(scene, phase, through);
        await once(child, "close");
        const [past] = await platform.history();
        expect(past?.outcome).to.equal("interrupted");
        const asked: string[] = [];
        const checked: string[] = [];
        const check: Check = {
          name: "looked",
          run: async ({ environment }) => {
            checked.push(environment);
            return { passed: true, message: "well" };
          },
        };
        const promotion = await platform.resume({
          checks: [check],
          approve: ({ environment }) => asked.push(environment) > 0,
        });
        const result = await promotion.result;
        expect(result.id).to.equal(past?.head.id);
        const told = await story(promotion.events);
        const done = index > killed.indexOf("up");
        expect(told.includes("dev up succeeded"), told.join(", ")).to.equal(!done);
        if (through.length > 1) expect(told).to.include("staging up succeeded");
        expect(checked).to.deep.equal(through);
        // What was agreed to is not asked again, unless an engine that was left alone has changed what is left to do.
        if (phase !== "up") expect(asked).to.deep.equal(phase === "checks" ? ["staging"] : ["dev"]);
        const after = await readJsonLines(past!.file);
        expect(after.filter(({ kind }) => kind === "resumed")).to.have.length(1);
        expect(after.at(-1)).to.include({ kind: "end", outcome: "succeeded" });
        for (const name of through)
          expect(await platform.environment(name).status()).to.deep.include({ resources: 1, pending: [] });
        expect((await errorOf(platform.resume())).code).to.equal("driver/nothing-to-resume");
      });
    }
  });
});

/** A process of its own that promotes, and kills itself when a phase of dev begins. */
function startKilled(scene: Scene, phase: string, through: readonly string[]) {
  const here = fileURLToPath(import.meta.url);
  const program = path.join(path.dirname(here), `killed-host${path.extname(here)}`);
  return spawn(process.execPath, [...process.execArgv, program, scene.folder, phase, ...through], {
    stdio: "inherit",
  });
}
