import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { withLock } from "../../../src/engine/lock.js";
import { identify, isRunning, self } from "../../../src/engine/processes.js";

const here = fileURLToPath(import.meta.url);
const holder = path.join(path.dirname(here), `lock-holder${path.extname(here)}`);

describe("engine/lock", function () {
  this.timeout(60_000);
  let folder: string;
  let lock: string;
  let count: string;

  beforeEach(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), "headwater-lock-test-"));
    lock = path.join(folder, "the.lock");
    count = path.join(folder, "count");
    await writeFile(count, "0");
  });
  afterEach(async () => rm(folder, { recursive: true, force: true }));

  const start = (how?: string) =>
    spawn(process.execPath, [...process.execArgv, holder, lock, count, ...(how ? [how] : [])], {
      stdio: ["ignore", "pipe", "inherit"],
    });
  const quiet = { progress: () => undefined };

  it("lets one process in at a time, and leaves nothing behind", async () => {
    const children = Array.from({ length: 6 }, () => start());
    const ends = await Promise.all(children.map(async (child) => (await once(child, "exit"))[0] as number));
    expect(ends).to.deep.equal([0, 0, 0, 0, 0, 0]);
    expect(await readFile(count, "utf8")).to.equal("6");
    expect(await readdir(folder)).to.deep.equal(["count"]);
  });

  it("lets one call in at a time within a process, and lets go when the body fails", async () => {
    let inside = 0;
    const body = async (): Promise<void> => {
      inside++;
      expect(inside).to.equal(1);
      await new Promise((resolve) => setTimeout(resolve, 20));
      inside--;
      throw new Error("the body's own");
    };
    const calls = [1, 2, 3].map(() =>
      withLock(lock, "testing", quiet, body).catch((error: Error) => error.message),
    );
    expect(await Promise.all(calls)).to.deep.equal(Array(3).fill("the body's own"));
    expect(existsSync(lock)).to.equal(false);
  });

  it("tells those who wait who holds it, and breaks the lock when that process is killed", async () => {
    const child = start("forever");
    await once(child.stdout, "data");
    const told: string[] = [];
    const waiting = withLock(lock, "waiting", { progress: (line) => told.push(line) }, async () => "in");
    while (told.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(told[0]).to.equal(`waiting for process ${child.pid}, which is counting (0 s)`);
    child.kill("SIGKILL");
    expect(await waiting).to.equal("in");
    expect(await readdir(folder)).to.deep.equal(["count"]);
  });

  it("breaks a stale lock once only when many find it", async () => {
    const stale = { pid: process.pid, started: "another boot", doing: "nothing" };
    await writeFile(lock, JSON.stringify(stale));
    const children = Array.from({ length: 6 }, () => start());
    await Promise.all(children.map((child) => once(child, "exit")));
    expect(await readFile(count, "utf8")).to.equal("6");
  });

  it("stops waiting when it is told to", async () => {
    const child = start("forever");
    try {
      await once(child.stdout, "data");
      const reason = new Error("enough");
      const signal = AbortSignal.abort(reason);
      const error = await withLock(lock, "waiting", { ...quiet, signal }, async () => "in").catch(
        (e: unknown) => e,
      );
      expect(error).to.equal(reason);
    } finally {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
  });
});

describe("engine/processes", () => {
  it("knows a process by more than its pid", async () => {
    const child = spawn("sleep", ["600"], { stdio: "ignore" });
    const identity = identify(child.pid ?? 0);
    expect(identity?.pid).to.equal(child.pid);
    if (identity === undefined) throw new Error("unreachable");
    expect(isRunning(identity)).to.equal(true);
    expect(isRunning({ ...identity, started: "some other time" })).to.equal(false);
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(isRunning(identity)).to.equal(false);
    expect(isRunning(self())).to.equal(true);
  });
});
