import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { expect } from "chai";
import type { Check } from "../../../src/driver/checks/check.js";
import type { PromotionEvent } from "../../../src/driver/events.js";
import type { Promotion } from "../../../src/driver/promotion.js";
import type { HeadwaterError } from "../../../src/model/errors.js";
import { makeScene, readJsonLines, type Scene } from "./support.js";

const ALL = ["dev", "staging", "prod"];

async function failureOf(promotion: Promotion): Promise<HeadwaterError> {
  try {
    await promotion.result;
  } catch (error) {
    return error as HeadwaterError;
  }
  throw new Error("the promotion succeeded");
}

async function all(events: AsyncIterable<PromotionEvent>): Promise<PromotionEvent[]> {
  const list: PromotionEvent[] = [];
  for await (const event of events) list.push(event);
  return list;
}

describe("promotion on the real engine", function () {
  this.timeout(120_000);
  let scene: Scene;
  beforeEach(async () => (scene = await makeScene()));
  afterEach(() => scene.remove());

  const release = { program: "things", pipeline: "shop" };

  it("carries a release through three environments in order, and changes nothing the second time", async () => {
    const before = await Promise.all(ALL.map((name) => readFile(scene.settingsFile(name))));
    const platform = await scene.open();
    const made = await platform.release(release);
    const promotion = platform.promote(made, { through: ALL });
    const events = await all(promotion.events);
    const result = await promotion.result;

    expect(result.steps.map(({ environment }) => environment)).to.deep.equal(ALL);
    for (const step of result.steps) {
      expect(step.preview).to.deep.equal({ create: 2 });
      expect(step.changes).to.deep.equal({ create: 2 });
      expect(step.outputs).to.deep.equal({ thing: "thing", value: step.environment, token: "[secret]" });
    }
    const story = events.flatMap((event) =>
      event.type === "phase" && event.state !== "started"
        ? [`${event.environment ?? "all"} ${event.phase} ${event.state}`]
        : [],
    );
    expect(story).to.deep.equal([
      "all settings succeeded",
      ...ALL.flatMap((name) => ["preview", "gates", "up"].map((phase) => `${name} ${phase} succeeded`)),
    ]);
    expect(events.filter(({ type }) => type === "resource").length).to.be.greaterThan(0);
    expect(events.at(-1)).to.include({ type: "done", outcome: "succeeded" });

    // Another platform, as another run would open it: the salt comes from the state.
    const again = await (await scene.open()).promote(made, { through: ALL }).result;
    for (const step of again.steps) {
      expect(step.preview).to.deep.equal({ same: 2 });
      expect(step.changes).to.deep.equal({ same: 2 });
      expect(step.outputs["token"]).to.equal("[secret]");
    }
    const after = await Promise.all(ALL.map((name) => readFile(scene.settingsFile(name))));
    expect(after).to.deep.equal(before);
    expect(await readdir(path.join(scene.workFolder, "stacks")), "private folders left").to.deep.equal([]);
  });

  it("stops at the first failure, names the resource, and records everything", async () => {
    await scene.write("staging", { behaviour: "fail", value: "a certain cause" });
    const platform = await scene.open();
    const promotion = platform.promote(await platform.release(release), { through: ALL });
    const error = await failureOf(promotion);

    expect(error.code).to.equal("driver/resource-failed");
    expect(error.details.field).to.equal("urn:pulumi:shop-staging::headwater::probe:index:Thing::thing");
    expect(error.message).to.contain("a certain cause");
    expect((await platform.environment("prod").status()).exists).to.equal(false);
    expect((await platform.environment("dev").status()).resources).to.be.greaterThan(0);

    const [past] = await platform.history();
    expect(past?.outcome).to.equal("failed");
    const lines = await readJsonLines(past!.file);
    expect(lines[0]).to.include({ kind: "promotion", program: "things", pipeline: "shop" });
    expect(lines.at(-1)).to.include({ kind: "end", outcome: "failed" });
    const failed = lines.find(({ state }) => state === "failed");
    expect(failed).to.include({ environment: "staging", name: "up" });
    expect(failed?.["error"]).to.include({ code: "driver/resource-failed" });
    expect((await stat(past!.file)).mode & 0o077, "others may not read the record").to.equal(0);
  });

  it("validates the settings of every environment before the first is touched", async () => {
    await scene.write("prod", { behaviour: "explode" });
    const platform = await scene.open();
    const error = await failureOf(platform.promote(await platform.release(release), { through: ALL }));
    expect(error.message).to.contain("Pulumi.shop-prod.yaml").and.to.contain("behaviour");
    expect((await platform.environment("dev").status()).exists).to.equal(false);
    expect((await platform.history())[0]?.outcome).to.equal("failed");
  });

  it("runs the checks after up, hands them outputs and settings, and stops when one fails", async () => {
    const seen: unknown[] = [];
    const check: Check = {
      name: "looks right",
      async run({ environment, outputs, settings, progress }) {
        progress("looking");
        seen.push({ environment, value: outputs["value"], settings });
        return { passed: environment === "dev", message: `judged ${environment}` };
      },
    };
    const platform = await scene.open();
    const promotion = platform.promote(await platform.release(release), { through: ALL, checks: [check] });
    const error = await failureOf(promotion);
    expect(error.code).to.equal("driver/check-failed");
    expect(error.message).to.contain("judged staging");
    expect(seen).to.deep.equal(
      ["dev", "staging"].map((name) => ({
        environment: name,
        value: name,
        settings: { behaviour: "ok", value: name },
      })),
    );
    const checks = (await all(promotion.events)).flatMap((event) =>
      event.type === "check" ? [event.state] : [],
    );
    expect(checks).to.deep.equal(["started", "progress", "passed", "started", "progress", "failed"]);
  });

  it("asks before up, and stops when the answer is no", async () => {
    const asked: unknown[] = [];
    const platform = await scene.open();
    const promotion = platform.promote(await platform.release(release), {
      through: ["dev"],
      approve: ({ environment, changes }) => {
        asked.push({ environment, changes });
        return false;
      },
    });
    expect((await failureOf(promotion)).code).to.equal("driver/not-approved");
    expect(asked).to.deep.equal([{ environment: "dev", changes: { create: 2 } }]);
    expect((await platform.environment("dev").status()).resources).to.equal(0);
  });

  it("goes on when the reader of events leaves", async () => {
    const platform = await scene.open();
    const promotion = platform.promote(await platform.release(release), { through: ["dev"] });
    for await (const event of promotion.events) if (event.type === "phase") break;
    expect((await promotion.result).steps).to.have.length(1);
    const late = await all(promotion.events);
    expect(late[0]?.type).to.equal("started");
  });

  it("tells status, and destroys until nothing is left", async () => {
    const platform = await scene.open();
    const made = await platform.release(release);
    await platform.promote(made, { through: ["dev"] }).result;
    const status = await platform.environment("dev").status();
    expect(status).to.deep.include({ exists: true, resources: 1, pending: [] });
    expect(status.last).to.include({ kind: "update", result: "succeeded", release: made.id });
    expect(status.outputs["token"]).to.equal("[secret]");
    const { changes } = await platform.destroy("dev", { remove: true });
    expect(changes).to.deep.equal({ delete: 2 });
    expect((await platform.environment("dev").status()).exists).to.equal(false);
    expect((await platform.history())[0]).to.deep.include({ outcome: "succeeded" });
  });

  it("does nothing that it cannot record", async () => {
    const platform = await scene.open();
    const made = await platform.release(release);
    await writeFile(path.join(scene.stateFolder, ".headwater", "records"), "no folder");
    const error = await failureOf(platform.promote(made, { through: ["dev"] }));
    expect(error.code).to.equal("driver/record");
    expect((await (await scene.open()).environment("dev").status()).exists).to.equal(false);
  });

  it("merges the overlay over the file, objects member by member", async () => {
    const platform = await scene.open(undefined, {
      overlay: (stack) => ({ "headwater:settings": { value: `over ${stack}` } }),
    });
    const { steps } = await platform.promote(await platform.release(release), { through: ["dev"] }).result;
    expect(steps[0]?.outputs["value"]).to.equal("over shop-dev");
  });

  it("reports the lock another operation holds", async () => {
    const platform = await scene.open();
    const made = await platform.release(release);
    await platform.promote(made, { through: ["dev"] }).result;
    const locks = path.join(scene.stateFolder, ".pulumi", "locks", "organization", "headwater", "shop-dev");
    await mkdir(locks, { recursive: true });
    await writeFile(
      path.join(locks, "0123.json"),
      JSON.stringify({
        pid: 1,
        username: "somebody",
        hostname: "elsewhere",
        timestamp: new Date().toISOString(),
      }),
    );
    const error = await failureOf(platform.promote(made, { through: ["dev"] }));
    expect(error.code).to.equal("driver/stack-locked");
    expect(error.message).to.contain("somebody@elsewhere");
    await platform.promote(made, { through: ["dev"], unlock: true }).result;
  });
});
