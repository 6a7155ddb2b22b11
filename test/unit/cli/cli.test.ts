import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { expect } from "chai";
import { errorAsJson, exitCodeOf, renderError } from "../../../src/cli/failure.js";
import { ProgressRenderer, type Terminal } from "../../../src/cli/render.js";
import { readLink, sandboxOverlay, saveLink, type SandboxLink } from "../../../src/cli/sandbox-link.js";
import { styleFor } from "../../../src/cli/style.js";
import { EngineError } from "../../../src/driver/errors.js";
import type { PromotionEvent } from "../../../src/driver/events.js";
import { packageRoot } from "../../../src/engine/paths.js";
import { self } from "../../../src/engine/processes.js";
import { HeadwaterError } from "../../../src/model/errors.js";
import { headwater as run, type Ended } from "./command.js";

const style = styleFor({}, false);

describe("the command line", function () {
  this.timeout(60_000);
  let folder: string;
  beforeEach(async () => (folder = await mkdtemp(path.join(os.tmpdir(), "headwater-cli-"))));
  afterEach(() => rm(folder, { recursive: true, force: true }));

  /** The command, with no engine to be found. */
  const headwater = (...args: string[]): Promise<Ended> =>
    run(args, { env: { HEADWATER_PULUMI: path.join(folder, "no-engine") } });

  it("tells what there is, with exit codes", async () => {
    const { code, stdout } = await headwater("--help");
    expect(code).to.equal(0);
    for (const command of [
      "preview",
      "up",
      "promote",
      "reload",
      "destroy",
      "status",
      "sandbox",
      "init",
      "schema",
    ])
      expect(stdout).to.contain(command);
    expect(stdout).to.contain("Exit codes");
    expect((await headwater("promote", "--help")).stdout).to.contain("--through dev,staging,prod");
  });

  const wrong: Record<string, [string[], string]> = {
    "an unknown command": [["nosuch"], "unknown command"],
    "an unknown option": [["up", "-e", "dev", "--nosuch"], "unknown option"],
    "a missing environment": [["up"], "--environment"],
    "a name that is none": [["up", "-e", "Dev_1"], "not an environment's name"],
    "an environment named twice": [["promote", "-t", "dev,dev"], "named twice"],
    "several environments for up": [["up", "-e", "dev,prod"], "Only one environment"],
    "a pipeline that is not there": [["status", "--pipeline", "nosuch"], "headwater:pipeline"],
    "a change nobody can agree to": [["up", "-e", "dev"], "nobody is there to be asked"],
    "a reload nobody can agree to": [["reload", "-e", "dev"], "nobody is there to be asked"],
    "several environments for reload": [["reload", "-e", "dev,prod"], "Only one environment"],
    "a time of nothing": [["reload", "-e", "dev", "--timeout", "soon"], "A number of minutes"],
    "a port of nothing": [["sandbox", "--port", "nosuch=1"], "--port"],
    "a sandbox that is not up": [["sandbox", "status", "--work-folder", "/nonexistent"], "no sandbox is up"],
  };
  for (const [what, [args, message]] of Object.entries(wrong)) {
    it(`ends with 2 and a sentence for ${what}`, async () => {
      const { code, stderr } = await headwater(...args);
      expect(stderr).to.contain(message);
      expect(code).to.equal(2);
      expect(stderr).not.to.match(/^\s+at /m);
    });
  }

  it("ends with 1 when the engine is missing, and tells programs in JSON", async () => {
    const { code, stdout, stderr } = await headwater("status", "--json", "--work-folder", folder);
    expect(code).to.equal(1);
    expect(stderr).to.contain("no-engine");
    expect(JSON.parse(stdout)).to.include({ type: "error", code: "engine/unusable" });
  });

  it("renders errors for people: no stack, what the provider said, and where to look on --verbose", () => {
    const error = new EngineError(
      "driver/resource-failed",
      "up failed on a resource",
      { where: "stack shop-dev", found: "said once", remedy: "Mend it." },
      [
        { urn: "urn:a", message: "said once" },
        { urn: "urn:b", message: "said besides" },
      ],
      { cause: new Error("deep inside") },
    );
    expect(renderError(error, style, false)).to.equal(
      [
        "Error: stack shop-dev: up failed on a resource",
        "  found: said once",
        "  remedy: Mend it.",
        "  code: driver/resource-failed",
        "  urn:b: said besides",
      ].join("\n"),
    );
    expect(renderError(error, style, true))
      .to.contain("deep inside")
      .and.to.match(/\n\s+at /);
    expect(renderError(new TypeError("a bug"), style, false))
      .to.contain("a bug")
      .and.not.to.match(/\n\s+at /);
    expect(errorAsJson(error)).to.deep.include({ code: "driver/resource-failed", remedy: "Mend it." });
  });

  it("has an exit code for each kind of end", () => {
    expect(exitCodeOf(new HeadwaterError("settings/type", ""), undefined)).to.equal(2);
    expect(exitCodeOf(new HeadwaterError("driver/resource-failed", ""), undefined)).to.equal(1);
    expect(exitCodeOf(new Error("bug"), undefined)).to.equal(1);
    expect(exitCodeOf(new HeadwaterError("driver/cancelled", ""), "SIGINT")).to.equal(130);
    expect(exitCodeOf(new HeadwaterError("driver/cancelled", ""), "SIGTERM")).to.equal(143);
  });

  describe("progress", () => {
    const at = "2026-11-22T00:00:00.000Z";
    const story: PromotionEvent[] = [
      { type: "started", at, id: "1", release: "abcdef0123456789", through: ["dev"], record: "/r.jsonl" },
      { type: "phase", at, environment: "dev", phase: "preview", state: "started" },
      {
        type: "phase",
        at,
        environment: "dev",
        phase: "preview",
        state: "succeeded",
        elapsedMs: 1500,
        changes: { create: 2, same: 1 },
      },
      { type: "phase", at, environment: "dev", phase: "up", state: "started" },
      {
        type: "resource",
        at,
        environment: "dev",
        phase: "up",
        op: "create",
        state: "done",
        urn: "urn:a",
        resourceType: "t",
        name: "a",
      },
      {
        type: "diagnostic",
        at,
        environment: "dev",
        phase: "up",
        severity: "warning",
        message: "beware\nof this",
      },
      {
        type: "phase",
        at,
        environment: "dev",
        phase: "up",
        state: "succeeded",
        elapsedMs: 2000,
        changes: { create: 2 },
      },
      { type: "check", at, environment: "dev", check: "files-landed", state: "started" },
      {
        type: "check",
        at,
        environment: "dev",
        check: "files-landed",
        state: "progress",
        message: "no files yet",
      },
      {
        type: "check",
        at,
        environment: "dev",
        check: "files-landed",
        state: "passed",
        message: "4 files",
        elapsedMs: 300,
      },
      { type: "phase", at, environment: "dev", phase: "reload", state: "started" },
      {
        type: "phase",
        at,
        environment: "dev",
        phase: "reload",
        state: "progress",
        message: "1 of 2 tables loaded",
      },
      { type: "phase", at, environment: "dev", phase: "reload", state: "succeeded", elapsedMs: 700 },
      { type: "done", at, outcome: "succeeded", elapsedMs: 4000 },
    ];

    function show(terminal: Omit<Terminal, "write">, live: boolean): string {
      let text = "";
      const out = { ...terminal, write: (part: string) => (text += part) };
      const renderer = new ProgressRenderer(out, { live, color: false, now: () => 0 });
      for (const event of story) renderer.note(event);
      renderer.end();
      return text;
    }

    it("is plain lines where there is no terminal", () => {
      const lines = show({}, false)
        .split("\n")
        .map((line) => line.replace(/\s+/g, " ").trim());
      expect(lines).to.deep.equal([
        "release abcdef012345 through dev (record: /r.jsonl)",
        "dev preview ok 2 create, 1 same 1.5 s",
        "warning beware",
        "dev up ok 2 create 2 s",
        "dev files-landed ... no files yet",
        "dev files-landed ok 4 files 300 ms",
        "dev reload ... 1 of 2 tables loaded",
        "dev reload ok 700 ms",
        "succeeded after 4 s",
        "",
      ]);
    });

    it("is one moving line below the others on a terminal, never longer than it is wide", () => {
      const text = show({ isTTY: true, columns: 60 }, true);
      expect(text).to.contain("1 of 2 resources");
      expect(text.endsWith("\r\x1b[2K") || text.endsWith("\n"), "the moving line is taken away").to.equal(
        true,
      );
      for (const line of text.replaceAll("\r\x1b[2K", "\n").split("\n"))
        if (!line.includes("record")) expect(line.length).to.be.lessThan(61);
    });
  });

  describe("a sandbox left up", () => {
    const database = { host: "127.0.0.1", port: 5433, user: "u", password: "p", database: "source", url: "" };
    const link: SandboxLink = {
      ...{ id: "sb-1", folder: "/tmp/sb", clockScale: 60, plugins: [], owner: self(), environment: {} },
      urls: { aws: "http://a", dms: "http://d", workspace: "http://w", sparkConnect: "sc://s" },
      source: database,
      target: { ...database, database: "target" },
      foundations: {
        ...{ vpcId: "vpc-1", subnetIds: ["subnet-1", "subnet-2"], securityGroupIds: ["sg-1"] },
        groups: { readers: "readers", operators: "operators" },
      },
      config: { "aws:region": "eu-west-1" },
      secretArns: { source: "arn:s", target: "arn:t" },
    };

    it("is found again, unless its process is gone", () => {
      expect(readLink(folder)).to.equal(undefined);
      saveLink(folder, link);
      expect(readLink(folder)).to.deep.equal(link);
      saveLink(folder, { ...link, owner: { pid: process.pid, started: "before the flood" } });
      expect(readLink(folder)).to.equal(undefined);
    });

    it("is laid over the stack's file", () => {
      const overlay = sandboxOverlay(link, path.join(packageRoot(), "stacks"));
      const { "headwater:settings": settings, ...config } = overlay("shop-dev");
      expect(config).to.deep.equal(link.config);
      expect(settings).to.deep.include({ access: { readers: "readers", operators: "operators" } });
      expect(settings).to.have.nested.property("source.secretArn", "arn:s");
      expect(settings).to.have.nested.property("export.database", "target");
    });
  });
});
