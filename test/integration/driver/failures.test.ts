import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, statSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import * as pulumi from "@pulumi/pulumi";
import { expect } from "chai";
import { EngineError, PendingOperationsError } from "../../../src/driver/errors.js";
import { readRecords } from "../../../src/driver/record.js";
import { FolderStore } from "../../../src/driver/store/folder-store.js";
import { HeadwaterError } from "../../../src/model/errors.js";
import { makeScene, makeThing, PASSPHRASE, processesIn, thingProgram, type Scene } from "./support.js";

const RELEASE = { program: "things", pipeline: "shop" };

async function errorOf(promise: Promise<unknown>): Promise<HeadwaterError> {
  const error = await promise.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  expect(error, "no error").to.be.instanceOf(HeadwaterError);
  return error as HeadwaterError;
}

async function appears(file: string): Promise<void> {
  for (const deadline = Date.now() + 60_000; !existsSync(file); await sleep(20)) {
    if (Date.now() > deadline) throw new Error(`${file} did not appear`);
  }
}

describe("the driver when things go wrong", function () {
  this.timeout(120_000);
  let scene: Scene;
  beforeEach(async () => (scene = await makeScene()));
  afterEach(() => scene.remove());

  const throwers: Record<string, () => Promise<Record<string, unknown>>> = {
    "throws synchronously": () => {
      throw new Error("the cause");
    },
    "rejects later": async () => {
      await sleep(5);
      throw new Error("the cause");
    },
    "throws inside an apply nobody awaits": async () => {
      pulumi.output(1).apply(() => {
        throw new Error("the cause");
      });
      return {};
    },
    "leaves a rejection behind": async () => {
      setTimeout(() => void Promise.reject(new Error("the cause")), 5);
      return {};
    },
  };
  for (const [what, run] of Object.entries(throwers)) {
    it(`turns a program that ${what} into a rejection`, async () => {
      const platform = await scene.open(thingProgram(run));
      const promotion = platform.promote(await platform.release(RELEASE), { through: ["dev"] });
      const error = await errorOf(promotion.result);
      expect(error.code).to.equal("driver/program-error");
      expect(error).to.be.instanceOf(EngineError);
      expect(error.details.found).to.contain("the cause");
      expect((error.cause as Error).message).to.equal("the cause");
      expect(error.message).not.to.contain("    at ");
    });
  }

  it("passes a HeadwaterError of the program on as it is", async () => {
    const own = new HeadwaterError("mine/own", "says the program");
    const platform = await scene.open(thingProgram(() => Promise.reject(own)));
    const made = await platform.release(RELEASE);
    expect(await errorOf(platform.promote(made, { through: ["dev"] }).result)).to.equal(own);
  });

  it("strikes the passphrase and secret outputs out of errors and records", async () => {
    await scene.write("dev", { behaviour: "fail", value: `words with ${PASSPHRASE} in them` });
    const platform = await scene.open();
    const promotion = platform.promote(await platform.release(RELEASE), { through: ["dev"] });
    const error = await errorOf(promotion.result);
    expect(error.message).to.contain("words with [secret] in them");
    const [past] = await platform.history();
    expect(await readFile(past!.file, "utf8")).not.to.contain(PASSPHRASE);
    for await (const event of promotion.events) {
      if (event.type === "diagnostic") expect(event.message).not.to.contain(PASSPHRASE);
    }
  });

  it("does nothing when the signal is aborted already", async () => {
    const platform = await scene.open();
    const promotion = platform.promote(await platform.release(RELEASE), {
      through: ["dev"],
      signal: AbortSignal.abort(),
    });
    expect((await errorOf(promotion.result)).code).to.equal("driver/cancelled");
    expect(existsSync(path.join(scene.stateFolder, ".pulumi"))).to.equal(false);
    expect((await platform.history())[0]?.outcome).to.equal("cancelled");
  });

  it("lets the engine finish the resource in hand when aborted, and touches no later environment", async () => {
    const until = path.join(scene.folder, "until");
    await scene.write("dev", { behaviour: "wait", until });
    const platform = await scene.open();
    const controller = new AbortController();
    const promotion = platform.promote(await platform.release(RELEASE), {
      through: ["dev", "staging"],
      signal: controller.signal,
    });
    await appears(`${until}.begun`);
    controller.abort();
    await sleep(300);
    await writeFile(until, "");
    const error = await errorOf(promotion.result);
    expect(error.code).to.equal("driver/cancelled");
    expect(error.details.found, "nothing is half-way").to.equal(undefined);
    const dev = await platform.environment("dev").status();
    expect(dev).to.deep.include({ resources: 1, pending: [] });
    expect((await platform.environment("staging").status()).exists).to.equal(false);
  });

  it("kills an engine that does not end within the grace, and tells of pending operations now and next time", async () => {
    const until = path.join(scene.folder, "until");
    await scene.write("dev", { behaviour: "wait", until });
    const platform = await scene.open();
    const made = await platform.release(RELEASE);
    const controller = new AbortController();
    const run = platform.promote(made, { through: ["dev"], signal: controller.signal, graceMs: 300 });
    await appears(`${until}.begun`);
    controller.abort();
    const error = await errorOf(run.result);
    expect(error.code).to.equal("driver/cancelled");
    expect(error.message)
      .to.contain("left half-way: creating urn:")
      .and.to.contain("probe:index:Thing::thing");

    await scene.write("dev", { behaviour: "ok" });
    const refused = await errorOf(platform.promote(made, { through: ["dev"] }).result);
    expect(refused).to.be.instanceOf(PendingOperationsError);
    expect((refused as PendingOperationsError).pending.map(({ type }) => type)).to.deep.equal(["creating"]);
    const dev = platform.environment("dev");
    expect(await errorOf(dev.up(made)), "without a promotion").to.be.instanceOf(PendingOperationsError);
    expect(await errorOf(dev.drift())).to.be.instanceOf(PendingOperationsError);
    const { pending, resources } = await dev.status();
    expect(pending).to.have.length(1);
    expect(resources, "nothing was begun").to.equal(0);

    const forced = await platform.promote(made, { through: ["dev"], pendingOperations: "forget" }).result;
    expect(forced.steps[0]?.changes["create"]).to.be.greaterThan(0);
    expect((await platform.environment("dev").status()).pending).to.deep.equal([]);
  });

  it("puts no secret into any command line", async () => {
    const until = path.join(scene.folder, "until");
    await scene.write(
      "dev",
      { behaviour: "wait", until, value: "shown" },
      { "aws:skipMetadataApiCheck": true },
    );
    const secret = "an-overlaid-secret-value";
    const platform = await scene.open(thingProgram(makeThing), {
      overlay: () => ({ "other:token": secret }),
    });
    const promotion = platform.promote(await platform.release(RELEASE), { through: ["dev"] });
    await appears(`${until}.begun`);
    const lines = await commandLines();
    await writeFile(until, "");
    await promotion.result;
    expect(lines.filter((line) => line.includes("pulumi")).join("\n")).to.contain("shop-dev");
    for (const line of lines) {
      expect(line).not.to.contain(PASSPHRASE);
      expect(line).not.to.contain(secret);
    }
  });

  it("keeps the private copy of the settings to itself, and cleans up after a process that was killed", async () => {
    const until = path.join(scene.folder, "until");
    await scene.write("dev", { behaviour: "wait", until });
    const host = await startHost(scene, "dev");
    await appears(`${until}.begun`);
    const stacks = path.join(scene.workFolder, "stacks");
    const [folder] = await readdir(stacks);
    expect(statSync(path.join(stacks, folder!)).mode & 0o777).to.equal(0o700);
    host.child.kill("SIGKILL");
    await once(host.child, "close");

    const [past] = await readRecords(new FolderStore(path.join(scene.stateFolder, ".headwater")));
    expect(past?.outcome).to.equal("interrupted");
    expect(past?.lines.at(-1)).to.include({
      kind: "phase",
      name: "up",
      state: "started",
      environment: "dev",
    });

    // The engine that was left alone finishes the resource it has in hand; no other stack waits for it, its own does.
    const platform = await scene.open();
    await platform.environment("staging").status();
    expect(await readdir(stacks)).to.deep.equal([folder]);
    const status = platform.environment("dev").status();
    await sleep(500);
    await writeFile(until, "");
    expect(await status, "it is recorded").to.deep.include({ resources: 1, pending: [] });
    expect(await readdir(stacks)).to.deep.equal([]);
    expect(await processesIn(scene.folder)).to.deep.equal([]);
    const { steps } = await (await platform.resume()).result;
    expect(steps[0]?.changes["create"]).to.equal(undefined);
  });

  for (const [what, behaviour, code] of [
    ["success", "ok", 0],
    ["failure", "fail", 3],
  ] as const) {
    it(`lets the host process end by itself after ${what}`, async () => {
      await scene.write("dev", { behaviour });
      const host = await startHost(scene, "dev");
      const [exit] = (await once(host.child, "close")) as [number];
      expect(exit, host.output()).to.equal(code);
      expect(host.output()).to.contain("the last line");
    });
  }
});

/** A process of its own that promotes through one environment, and never calls `process.exit`. */
async function startHost(scene: Scene, environment: string) {
  const here = fileURLToPath(import.meta.url);
  const program = path.join(path.dirname(here), `host${path.extname(here)}`);
  const child = spawn(process.execPath, [...process.execArgv, program, scene.folder, environment], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (part: string) => (text += part));
  child.stderr.setEncoding("utf8").on("data", (part: string) => (text += part));
  return { child, output: () => text };
}

/** The command lines of all processes, as `ps` would show them. */
async function commandLines(): Promise<string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")), // ended meanwhile
  );
  return lines.map((line) => line.replaceAll("\0", " "));
}
