import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { expect } from "chai";
import { isRunning } from "../../../src/engine/processes.js";
import { Child, type ChildOptions } from "../../../src/sandbox/child.js";
import { rejection } from "../engine/machine.js";

describe("sandbox/child", function () {
  this.timeout(20_000);
  let folder: string;

  beforeEach(async () => (folder = await mkdtemp(path.join(os.tmpdir(), "headwater-child-test-"))));
  afterEach(async () => rm(folder, { recursive: true, force: true }));

  const start = (script: string, more: Partial<ChildOptions> = {}): Promise<Child> =>
    Child.start({
      ...{
        name: "the part",
        command: "/bin/sh",
        args: ["-c", script],
        env: process.env,
        logFile: path.join(folder, "log"),
      },
      ...more,
    });

  it("takes the first line that says ready, and logs all of both streams for nobody else to read", async () => {
    const child = await start(
      `echo '{"ready":false}'; echo '{not json'; echo oops >&2; echo '{"ready": true, "port": 7}'; sleep 60`,
    );
    const ready = await child.ready({ probe: async () => child.readyLine(), deadlineMs: 5_000 });
    expect(ready).to.deep.equal({ ready: true, port: 7 });
    await child.stop();
    expect(child.endedWith).to.equal("signal SIGTERM");
    expect((await readFile(child.logFile, "utf8")).split("\n")).to.include.members(["{not json", "oops"]);
    expect((await stat(child.logFile)).mode & 0o777).to.equal(0o600);
  });

  it("gives the last lines when it dies, and the last failure of the probe when it never answers", async () => {
    const dying = await start(
      "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17; do echo line $i >&2; done; exit 4",
    );
    const { message } = await rejection(dying.ready({ probe: async () => undefined, deadlineMs: 5_000 }));
    expect(message).to.contain("the part ended while it was starting (exit code 4)");
    expect(message).not.to.contain("line 2\n");
    expect(message).to.contain("    line 3\n").and.to.contain("    line 17");

    const silent = await start("sleep 60");
    const probe = () => Promise.reject(new Error("connection refused"));
    const late = await rejection(silent.ready({ probe, deadlineMs: 300 }));
    expect(late).to.have.property("code", "sandbox/child-not-ready");
    expect(late.message).to.contain("the part did not answer within 0 s (last: connection refused)");
    expect(isRunning(silent.identity)).to.equal(false);
  });

  it("kills one that does not end when asked, with its own children", async () => {
    const child = await start("trap '' TERM; sleep 61 & echo $!; while :; do sleep 1; done", {
      graceMs: 200,
    });
    const grandchild = await child.ready({
      probe: async () =>
        (await readFile(child.logFile, "utf8")).split("\n").find((line) => /^\d+$/.test(line)),
      deadlineMs: 5_000,
    });
    await child.stop();
    expect(child.endedWith).to.equal("signal SIGKILL");
    const state = await readFile(`/proc/${grandchild}/stat`, "utf8").catch(() => "gone");
    // Nobody may have waited for it yet.
    expect(state === "gone" || / Z /.test(state)).to.equal(true);
  });

  it("says what cannot be started", async () => {
    const error = await rejection(start("", { command: "/no/such/program" }));
    expect(error).to.have.property("code", "sandbox/child-not-started");
    expect(error.message).to.contain("/no/such/program: the part cannot be started");
  });
});
