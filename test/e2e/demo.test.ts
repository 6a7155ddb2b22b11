import { expect } from "chai";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { isListening } from "../../src/sandbox/ports.js";
import { markedProcesses } from "../../src/sandbox/registry.js";

/** The demo's entry beside these tests: compiled, or TypeScript where a loader runs the sources. */
const self = fileURLToPath(import.meta.url);
const entry = path.join(path.dirname(self), "..", "..", "demo", `main${path.extname(self)}`);

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the demo to its end; `watch` is shown all it has printed so far, whenever that grows. */
function runDemo(
  args: readonly string[],
  watch: (printed: string, pid: number) => void = () => undefined,
): Promise<Ended> {
  const child = spawn(process.execPath, [...process.execArgv, entry, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [stdout, stderr] = ["", ""];
  const grown = (): void => watch(stdout + stderr, child.pid ?? 0);
  child.stdout.setEncoding("utf8").on("data", (text: string) => ((stdout += text), grown()));
  child.stderr.setEncoding("utf8").on("data", (text: string) => ((stderr += text), grown()));
  return new Promise((resolve, reject) => {
    child.once("error", reject).once("close", (code) => resolve({ code, stdout, stderr }));
  });
}

/** Nothing of the sandbox that was announced may remain: no process, no listening port, no folder. */
async function expectNothingLeft(printed: string): Promise<void> {
  const [, id = "", folder = ""] = /starting the sandbox (\S+) in (\S+)/.exec(printed) ?? [];
  expect(id, printed).to.not.equal("");
  expect(await markedProcesses(id), "processes").to.deep.equal([]);
  expect(existsSync(folder), folder).to.equal(false);
  const ports = [...printed.matchAll(/127\.0\.0\.1:(\d+)/g)].map(([, port]) => Number(port));
  // A process that has ended leaves its port a moment later on a busy machine.
  const deadline = Date.now() + 10_000;
  for (const port of ports) {
    while (Date.now() < deadline && (await isListening(port)))
      await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await isListening(port), `port ${port}`).to.equal(false);
  }
}

describe("the demo", function () {
  this.timeout(1_200_000);
  let folder: string;

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "headwater-demo-test-"));
  });
  after(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  it("promotes a release through two environments, proves every row and leaves nothing but its report", async () => {
    const report = path.join(folder, "report.html");
    const ended = await runDemo(["--environments", "dev,prod", "--seed", "end to end", "--report", report]);
    expect(ended.code, ended.stderr).to.equal(0);
    expect(ended.stdout).to.match(/Proven in .*; the sandbox's clock was scaled by 60/);
    expect(ended.stdout).to.contain(`Report: ${report}`);
    for (const check of ["history", "current", "as-of", "target"]) {
      expect(ended.stdout).to.match(new RegExp(`${check} +equal, [\\d,]+ rows +equal, [\\d,]+ rows`));
    }
    const page = await readFile(report, "utf8");
    expect(page).to.contain("Proven: all rows").and.contain("shop-dev").and.contain("shop-prod");
    expect(page).to.contain("The life of customer 7");
    await expectNothingLeft(ended.stderr);
  });

  it("ends with 130 after Ctrl-C in the middle of an update, and leaves nothing", async () => {
    let sent = false;
    const report = path.join(folder, "interrupted.html");
    const ended = await runDemo(["--environments", "dev", "--report", report], (printed, pid) => {
      if (sent || !/dev +preview +ok/.test(printed)) return;
      sent = true;
      process.kill(pid, "SIGINT");
    });
    expect(sent, ended.stderr).to.equal(true);
    expect(ended.code, ended.stderr).to.equal(130);
    expect(ended.stderr).to.contain("interrupted");
    expect(existsSync(report)).to.equal(false);
    await expectNothingLeft(ended.stderr);
  });

  it("with --keep prints every URL, holds the sandbox until Ctrl-C and prints no password", async () => {
    let sent = false;
    const args = ["--environments", "dev", "--keep", "--report", path.join(folder, "kept.html")];
    const ended = await runDemo(args, (printed, pid) => {
      if (sent || !printed.includes("Console, as bob")) return;
      sent = true;
      process.kill(pid, "SIGINT");
    });
    expect(ended.code, ended.stderr).to.equal(0);
    for (const name of [
      "AWS (moto)",
      "DMS",
      "Databricks workspace",
      "Spark Connect",
      "source of dev",
      "target of dev",
    ]) {
      expect(ended.stdout).to.contain(name);
    }
    expect(ended.stdout, "the last lines").to.match(
      /Console, as ann: {2}http:\/\/127\.0\.0\.1:\d+\/#token=\S+\nConsole, as bob: {2}http:\S+\n$/,
    );
    expect(ended.stdout).to.match(/postgresql:\/\/postgres@127\.0\.0\.1:\d+\/shop_dev/);
    expect(ended.stdout).to.not.match(/postgresql:\/\/\w+:|dapi[0-9a-f]{8}/);
    await expectNothingLeft(ended.stderr + ended.stdout);
  });

  it("refuses wrong options with 2 before anything is started, and explains them", async () => {
    const wrong = await runDemo(["--clock-scale", "0"]);
    expect(wrong.code).to.equal(2);
    expect(wrong.stderr).to.contain("--clock-scale").and.contain("found: 0").and.not.contain("starting");
    const help = await runDemo(["--help"]);
    expect([help.code, help.stdout.split("\n")[0]]).to.deep.equal([0, "Usage: npm run demo -- [options]"]);
  });
});
