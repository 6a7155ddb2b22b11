import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { stripVTControlCharacters } from "node:util";
import { expect } from "chai";
import { errorAsJson, exitCodeOf, renderError } from "../../../src/cli/failure.js";
import { Interrupt } from "../../../src/cli/interrupt.js";
import { Activity } from "../../../src/cli/activity.js";
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

  it("says nothing more of an error that is the interruption itself", () => {
    const told: string[] = [];
    const interrupt = new Interrupt((line) => told.push(line));
    try {
      expect(interrupt.caused(undefined)).to.equal(false);
      process.emit("SIGINT", "SIGINT");
      expect(told.join()).to.contain("SIGINT: stopping");
      expect(interrupt.caused(interrupt.signal.reason)).to.equal(true);
      expect(interrupt.caused(new Error("SIGINT"))).to.equal(false);
    } finally {
      interrupt.dispose();
    }
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

    it("shows on a terminal, below the others, what is going on, and leaves the last of it to be seen", () => {
      const text = show({ isTTY: true, columns: 60 }, true);
      expect(text).to.contain("1 of 2, 1 create");
      expect(text).to.contain("  1 of 2 tables loaded");
      expect(stripVTControlCharacters(text).trimEnd().split("\n").at(-1)).to.contain("succeeded after 4 s");
    });

    it("tells the resources in hand with their time, in as many lines and columns as there are", () => {
      let now = 0;
      const activity = new Activity(() => now);
      const about = {
        type: "resource",
        at,
        environment: "dev",
        phase: "up",
        resourceType: "a:b/c:Bucket",
      } as const;
      activity.expected = 12;
      activity.begin("dev up");
      activity.resource({ ...about, op: "create", state: "started", urn: "done", name: "done" });
      activity.resource({ ...about, op: "create", state: "done", urn: "done", name: "done" });
      activity.resource({ ...about, op: "same", state: "started", urn: "same", name: "same" });
      activity.resource({ ...about, op: "update", state: "failed", urn: "bad", name: "bad" });
      for (let index = 0; index < 8; index++) {
        now += 10_000;
        const name = `a-name-that-is-long-${index}`;
        activity.resource({ ...about, op: "create-replacement", state: "started", urn: name, name });
      }
      activity.waits("dev up", "try 1 of 5: the role is not known yet");
      const wide = activity.lines(80, 24);
      expect(wide.map((line) => line.trim())).to.deep.equal([
        "dev up  1 of 12, 1 create, 1 failed  1 min 20 s",
        ...[70, 60, 50, 40, 30, 20].map((seconds, index) => {
          const elapsed = seconds < 60 ? `${seconds} s` : seconds === 60 ? "1 min" : "1 min 10 s";
          return `replace Bucket a-name-that-is-long-${index}  ${elapsed}`;
        }),
        "and 2 more",
        "try 1 of 5: the role is not known yet",
      ]);
      for (const columns of [20, 40, 60])
        for (const line of activity.lines(columns, 24)) expect(line.length, line).to.be.at.most(columns);
      expect(activity.lines(30, 24)[1]).to.equal("  replace Bucket…  1 min 10 s");
      expect(activity.lines(80, 8)).to.have.length(7);
      expect(activity.sentence()).to.equal(
        "dev up ... 1 min 20 s; 1 of 12, 1 create, 1 failed; replace Bucket a-name-that-is-long-0 (1 min 10 s); " +
          "try 1 of 5: the role is not known yet",
      );
      const inside = "urn:pulumi:dev::p::h:i:Zone$a:b/c:Bucket::inside";
      activity.begin("dev destroy");
      for (const urn of ["urn:pulumi:dev::p::h:i:Zone::zone", inside])
        activity.resource({ ...about, op: "delete", state: "started", urn, name: urn.split("::")[3]! });
      expect(activity.lines(80, 24).slice(1), "a component waits for what is in it").to.deep.equal([
        "  delete Bucket inside  0 s",
      ]);
      activity.end("dev destroy");
      activity.begin("dev preview"); // what is inside hides what is around it, until it has ended
      expect(activity.lines(80, 24)).to.deep.equal(["dev preview  0 s"]);
      activity.end("dev preview");
      expect(activity.lines(80, 24)).to.deep.equal(wide);
    });

    it("leaves what was going on when it ended, and tells who holds the lease until it is let go of", () => {
      let text = "";
      const out = { isTTY: true, columns: 80, rows: 24, write: (part: string) => (text += part) };
      const renderer = new ProgressRenderer(out, { live: true, color: false, now: () => 0 });
      const about = { type: "phase", at, environment: "dev" } as const;
      renderer.note({ ...about, phase: "lease", state: "progress", message: "waiting for ann" });
      renderer.note({ ...about, phase: "preview", state: "started" });
      expect(text).to.contain("waiting for ann");
      const before = text.length;
      renderer.end();
      expect(text.slice(before)).not.to.contain("ann");
      expect(stripVTControlCharacters(text).trimEnd()).to.match(/dev +preview +0 s$/);
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
