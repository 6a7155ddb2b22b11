import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { whoami } from "../../../src/driver/whoami.js";
import { FolderStore } from "../../../src/driver/store/folder-store.js";
import type { Platform } from "../../../src/driver/platform.js";
import { defineProgram } from "../../../src/settings/program.js";
import { PromotionRules } from "../../../src/settings/promotion-rules.js";
import { errorOf } from "../../unit/operations/errors.js";
import { makeScene, openPlatform, processesIn, thingProgram, ThingSettings, type Scene } from "./support.js";

describe("ephemeral environments", function () {
  this.timeout(180_000);
  let scene: Scene;
  let cloud: string;
  let until: string;
  let children: ChildProcess[];
  beforeEach(async () => {
    scene = await makeScene();
    children = [];
    cloud = path.join(scene.folder, "cloud");
    until = path.join(scene.folder, "until");
    await mkdir(cloud);
    await model({});
  });
  afterEach(async () => {
    for (const child of children) if (child.exitCode === null) child.kill("SIGKILL");
    await scene.remove();
  });

  /** What ephemeral environments start from. */
  const model = (settings: Record<string, unknown>): Promise<void> =>
    scene.write("dev", { cloud, ...settings });
  const things = (): Promise<string[]> => readdir(cloud);

  /** Neither the cloud, nor the state, the store or the work folder know anything of what has this in its name. */
  async function expectGone(name: string): Promise<void> {
    expect(await things(), "the cloud").to.deep.equal([]);
    const store = new FolderStore(path.join(scene.stateFolder, ".headwater"));
    for (const folder of ["ephemeral/", "leases/", "proofs/"])
      expect(await store.list(folder), folder).to.deep.equal([]);
    const pulumi = path.join(scene.stateFolder, ".pulumi");
    const state = (await readdir(pulumi, { recursive: true, withFileTypes: true }))
      .map((entry) => ({ entry, file: path.relative(pulumi, path.join(entry.parentPath, entry.name)) }))
      // The engine itself keeps a backup of a stack that is removed, and folders.
      .filter(({ entry, file }) => entry.isFile() && !/^backups|\.bak(\.attrs)?$/.test(file))
      .map(({ file }) => file);
    expect(
      state.filter((file) => file.includes(`shop-${name}`)),
      "the state",
    ).to.deep.equal([]);
    expect(await readdir(path.join(scene.workFolder, "stacks")), "the work folder").to.deep.equal([]);
  }

  /** A process of its own that holds ephemeral environments. */
  function startHost(...names: string[]): ChildProcess {
    const here = fileURLToPath(import.meta.url);
    const program = path.join(path.dirname(here), `ephemeral-host${path.extname(here)}`);
    const child = spawn(process.execPath, [...process.execArgv, program, scene.folder, ...names], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    children.push(child);
    return child;
  }

  /** Another machine, which has the backend and nothing else: no settings, programs or pipelines. */
  async function openElsewhere(): Promise<Platform> {
    const settingsDir = path.join(scene.folder, "elsewhere");
    await mkdir(settingsDir, { recursive: true });
    const workFolder = path.join(scene.folder, "elsewhere-work");
    return openPlatform(scene.folder, thingProgram(), {
      settingsDir,
      workFolder,
      programs: [],
      pipelines: [],
    });
  }

  it("are up in between, with settings of their own, and gone after success", async () => {
    const platform = await scene.open();
    const result = await platform.withEphemeral({ name: "pr-1", ttl: "10m" }, async (made) => {
      expect(await things()).to.deep.equal(["pr-1"]);
      expect(made.outputs).to.deep.include({ value: "pr-1", token: "[secret]" });
      expect(made.signal.aborted).to.equal(false);
      expect(await made.environment.status()).to.deep.include({ resources: 1, stack: "shop-pr-1" });
      const [listed, ...others] = await platform.ephemerals();
      expect(listed).to.include({
        name: "pr-1",
        pipeline: "shop",
        from: "dev",
        by: whoami(),
        expired: false,
      });
      expect(others).to.deep.equal([]);
      await made.environment.stack();
      return 42;
    });
    expect(result).to.equal(42);
    await expectGone("pr-1");
    expect((await platform.history()).map(({ head, outcome }) => `${head.kind} ${outcome}`)).to.deep.equal([
      "destroy succeeded",
      "promotion succeeded",
    ]);
  });

  it("are gone after an exception, which is passed on as it is", async () => {
    const platform = await scene.open();
    const cause = new Error("the test failed");
    const error = await platform
      .withEphemeral({ name: "pr-1", ttl: "10m" }, () => Promise.reject(cause))
      .catch((caught: unknown) => caught);
    expect(error).to.equal(cause);
    await expectGone("pr-1");
  });

  it("are gone after an `up` that failed half-way, and after a check that did not pass", async () => {
    await model({ behaviour: "fail" });
    const platform = await scene.open(
      thingProgram(async (settings) => {
        const { Thing } = await import("./support.js");
        const first = new Thing("first", { ...settings, behaviour: "ok" });
        new Thing("second", { behaviour: settings.behaviour, value: "second" }, { dependsOn: first });
        return {};
      }),
    );
    const never = () => expect.fail("the body was called");
    const failed = await errorOf(platform.withEphemeral({ name: "pr-1", ttl: "10m" }, never));
    expect(failed.code).to.equal("driver/resource-failed");
    await expectGone("pr-1");
    await model({});
    const check = { name: "sees", run: async () => ({ passed: false, message: "nothing" }) };
    const seen = await errorOf(platform.withEphemeral({ name: "pr-1", ttl: "10m", checks: [check] }, never));
    expect(seen.code).to.equal("driver/check-failed");
    await expectGone("pr-1");
  });

  it("are gone after the time is over and after the caller's signal, also when the body goes on for ever", async () => {
    const platform = await scene.open();
    const forEver = () => new Promise<never>(() => undefined);
    const late = await errorOf(
      platform.withEphemeral(
        { name: "pr-1", ttl: "10m", timeoutMs: 6000, checks: [] },
        async ({ signal }) => {
          // The time counts from the beginning; the body is told when it is over.
          await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
          return forEver();
        },
      ),
    );
    expect(late).to.include({ code: "driver/cancelled" });
    await expectGone("pr-1");
    const controller = new AbortController();
    const stopped = platform.withEphemeral({ name: "pr-2", ttl: "10m", signal: controller.signal }, () => {
      controller.abort();
      return forEver();
    });
    const error = await errorOf(stopped);
    expect(error.details.found).to.equal("the caller's signal");
    await expectGone("pr-2");
  });

  for (const signal of ["SIGINT", "SIGTERM"] as const)
    it(`are gone after ${signal}, all of a process before it ends by that signal`, async () => {
      const child = startHost("pr-1", "pr-2");
      await Promise.all(["pr-1", "pr-2"].map((name) => appears(path.join(scene.folder, `in-${name}`))));
      expect(await things()).to.have.length(2);
      child.kill(signal);
      expect(await once(child, "close")).to.deep.equal([null, signal]);
      await expectGone("pr-");
    });

  it("are gone after SIGTERM in the middle of `up`, once the resource in hand is done", async () => {
    await model({ behaviour: "wait", until });
    const child = startHost("pr-1");
    await appears(`${until}.begun`);
    child.kill("SIGTERM");
    await sleep(500);
    await writeFile(until, "");
    expect(await once(child, "close")).to.deep.equal([null, "SIGTERM"]);
    await expectGone("pr-1");
  });

  describe("of a process that was killed", () => {
    it("while it used one: `reap` elsewhere lets it live until it expires, and then destroys it", async () => {
      const child = startHost("pr-1");
      await appears(path.join(scene.folder, "in-pr-1"));
      child.kill("SIGKILL");
      await once(child, "close");
      const elsewhere = await openElsewhere();
      const nothing = { destroyed: [], held: [], failed: [], leftHalfWay: [] };
      expect(await elsewhere.reap()).to.deep.equal(nothing);
      expect(await things()).to.deep.equal(["pr-1"]);
      const platform = await scene.open();
      await platform.extendEphemeral("pr-1", 1);
      await platform.extendEphemeral("pr-1", "1h");
      expect(await elsewhere.reap(), "it was let live longer").to.deep.equal(nothing);
      await platform.extendEphemeral("pr-1", 1);
      expect(await elsewhere.reap()).to.deep.equal({ ...nothing, destroyed: ["pr-1"] });
      expect(await elsewhere.reap()).to.deep.equal(nothing);
      await (await scene.open()).environment("dev").status(); // removes the dead process's work folder
      await expectGone("pr-1");
    });

    it("in the middle of `up`: the engine finishes and records what it has in hand, and `reap` destroys it", async () => {
      await model({ behaviour: "wait", until });
      const child = startHost("pr-1");
      await appears(`${until}.begun`);
      child.kill("SIGKILL");
      await once(child, "close");
      const platform = await scene.open();
      await platform.extendEphemeral("pr-1", 1);
      const elsewhere = await openElsewhere();
      const left: string[] = [];
      // An engine that survives its driver still holds its lock, until the resource in hand is done.
      setTimeout(() => void writeFile(until, ""), 3000);
      for (
        const deadline = Date.now() + 60_000;
        (await elsewhere.ephemerals()).length > 0;
        await sleep(200)
      ) {
        const { failed, leftHalfWay } = await elsewhere.reap();
        for (const { error } of failed) expect(error.code).to.equal("driver/stack-locked");
        left.push(...leftHalfWay.map(({ name, type, urn }) => `${name}: ${type} ${urn.split("::").at(-1)}`));
        expect(Date.now()).to.be.lessThan(deadline);
      }
      await platform.environment("dev").status(); // removes the dead process's work folder
      expect(left).to.deep.equal([]);
      await expectGone("pr-1");
    });
  });

  it("of a process that was killed together with its engine: `reap` names what nobody saw the end of", async () => {
    await model({ behaviour: "wait", until });
    const child = startHost("pr-1");
    await appears(`${until}.begun`);
    child.kill("SIGKILL");
    for (const pid of await processesIn(scene.folder)) process.kill(Number(pid), "SIGKILL");
    await once(child, "close");
    const platform = await scene.open();
    await platform.extendEphemeral("pr-1", 1);
    const { destroyed, leftHalfWay } = await platform.reap();
    expect(destroyed).to.deep.equal(["pr-1"]);
    expect(leftHalfWay.map(({ type, urn }) => `${type} ${urn.split("::").at(-1)}`)).to.deep.equal([
      "creating thing",
    ]);
  });

  it("are left alone by `reap` while somebody works on them", async () => {
    await model({ behaviour: "wait", until });
    const platform = await scene.open();
    const { promotion } = await platform.raise({ name: "pr-1", ttl: 1 });
    await appears(`${until}.begun`);
    expect(await (await openElsewhere()).reap()).to.deep.include({
      destroyed: [],
      held: ["pr-1"],
      failed: [],
    });
    await writeFile(until, "");
    await promotion.result;
    expect((await platform.reap()).destroyed).to.deep.equal(["pr-1"]);
    await expectGone("pr-1");
  });

  it("of one name exclude each other: the second is refused and told by whom", async () => {
    const platform = await scene.open();
    await platform.withEphemeral({ name: "pr-1", ttl: "10m" }, async () => {
      const never = () => expect.fail("the body was called");
      const second = await errorOf(platform.withEphemeral({ name: "pr-1", ttl: "10m" }, never));
      expect(second.code).to.equal("driver/ephemeral-exists");
      expect(second.details.found).to.contain(`pr-1, by ${whoami()} until 20`);
      expect(await things(), "the first is untouched").to.deep.equal(["pr-1"]);
    });
    await expectGone("pr-1");
  });

  it("are ten at once on one machine", async () => {
    const platform = await scene.open();
    const names = Array.from({ length: 10 }, (_, index) => `pr-${index}`);
    let [inside, all] = [0, (): void => undefined];
    const together = new Promise<void>((resolve) => (all = resolve));
    const raised = names.map((name) =>
      platform.withEphemeral({ name, ttl: "10m" }, async ({ outputs }) => {
        inside += 1;
        if (inside === names.length) all();
        await together;
        expect(await things()).to.include(name);
        return outputs["value"];
      }),
    );
    expect(await Promise.all(raised)).to.deep.equal(names);
    await expectGone("pr-");
  }).timeout(600_000);

  it("are refused where they cannot be: nothing is written down or made", async () => {
    const never = () => expect.fail("the body was called");
    const platform = await scene.open(thingProgram(), {
      rules: PromotionRules.parse({ version: 1, path: ["qa", "dev"] }),
    });
    const refusal = async (options: { name?: string; ttl?: number | string; from?: string }, on = platform) =>
      errorOf(on.withEphemeral({ name: "pr-1", ttl: "10m", from: "dev", ...options }, never));
    for (const ttl of ["soon", "10", "0m", "-1h", "366d", 0, -5, NaN, Infinity])
      expect((await refusal({ ttl })).code, String(ttl)).to.equal("settings/ttl");
    for (const name of ["Pr", "pr_1", "a-name-that-is-too-long"])
      expect((await refusal({ name })).code, name).to.equal("naming/environment");
    const without = defineProgram({ name: "things", settings: ThingSettings, run: async () => ({}) });
    expect((await refusal({}, await scene.open(without))).code).to.equal("driver/no-ephemeral");
    await scene.write("dev", {}, { "aws:secretKey": { secure: "v1:abc" } });
    const encrypted = await refusal({});
    expect(encrypted).to.include({ code: "driver/encrypted-config" });
    expect(encrypted.message).to.contain("aws:secretKey").and.not.to.contain("v1:abc");
    expect(await platform.ephemerals()).to.deep.equal([]);
  });

  it("never take the name of an environment that is to stay", async () => {
    const never = () => expect.fail("the body was called");
    const platform = await scene.open(thingProgram(), {
      rules: PromotionRules.parse({ version: 1, path: ["qa", "dev"] }),
    });
    await model({ value: "dev" });
    const plain = await scene.open();
    await plain.promote(await plain.release({ program: "things", pipeline: "shop" }), { through: ["dev"] })
      .result;
    const codes = [];
    for (const name of ["dev", "staging", "qa"])
      codes.push((await errorOf(platform.withEphemeral({ name, ttl: "10m", from: "dev" }, never))).code);
    expect(codes).to.deep.equal(Array(3).fill("driver/ephemeral-name"));
    expect(await platform.environment("dev").status()).to.include({ exists: true, resources: 1 });
    // Nor that of a stack whose settings are elsewhere.
    const settingsDir = path.join(scene.folder, "other");
    await mkdir(settingsDir);
    const { config } = {
      config: { "headwater:program": "things", "headwater:pipeline": "shop", "headwater:settings": {} },
    };
    await writeFile(path.join(settingsDir, "Pulumi.shop-base.yaml"), JSON.stringify({ config }));
    const other = await scene.open(thingProgram(), { settingsDir });
    const error = await errorOf(other.withEphemeral({ name: "dev", ttl: "10m", from: "base" }, never));
    expect(error.code).to.equal("driver/ephemeral-name");
    expect(error.details.found).to.contain("a stack in file://");
  });
});

async function appears(file: string): Promise<void> {
  for (const deadline = Date.now() + 60_000; !existsSync(file); await sleep(20))
    if (Date.now() > deadline) throw new Error(`${file} did not appear`);
}
