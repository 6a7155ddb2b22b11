import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { expect } from "chai";
import { ENGINE_VERSION, ensureEngine } from "../../../src/engine/engine.js";
import { Machine, rejection } from "./machine.js";

describe("engine/engine", function () {
  this.timeout(60_000);
  let machine: Machine;
  let told: string[];
  const ensure = (more: NodeJS.ProcessEnv = {}) =>
    ensureEngine({ progress: (line) => told.push(line), environment: machine.environment(more) });

  beforeEach(async () => {
    machine = await Machine.make();
    told = [];
  });
  afterEach(async () => machine.remove());

  it("takes the one HEADWATER_PULUMI names, as a file or as a root", async () => {
    const file = await machine.script("my-pulumi", "echo v3.230.1", path.join(machine.folder, "tools"));
    const engine = await ensure({ HEADWATER_PULUMI: file });
    expect(engine).to.include({ version: "3.230.1", origin: "HEADWATER_PULUMI" });
    expect(engine.command).to.equal(path.join(engine.root, "bin", "pulumi"));
    expect(execFileSync(engine.command, { encoding: "utf8" })).to.equal("v3.230.1\n");

    await machine.script("pulumi", "echo v3.231.0", path.join(machine.folder, "root/bin"));
    const rooted = await ensure({ HEADWATER_PULUMI: path.join(machine.folder, "root") });
    expect(rooted).to.include({ root: path.join(machine.folder, "root"), version: "3.231.0" });
  });

  it("refuses a HEADWATER_PULUMI that does not serve, instead of taking another one", async () => {
    await machine.script("pulumi", "echo v3.259.0");
    const old = await machine.script("old", "echo v3.100.0", machine.folder);
    expect((await rejection(ensure({ HEADWATER_PULUMI: old }))).message).to.equal(
      [
        `HEADWATER_PULUMI: ${old} is Pulumi 3.100.0, not 3.206.0 or newer`,
        `  found: ${old}`,
        "  allowed: the path of a Pulumi CLI 3.206.0 or newer of major version 3",
        "  remedy: name another one, or leave the variable out",
      ].join("\n"),
    );
    const nowhere = path.join(machine.folder, "nowhere");
    expect((await rejection(ensure({ HEADWATER_PULUMI: nowhere }))).message).to.contain(
      "does not run (not found)",
    );
  });

  it("takes the one on PATH, quietly", async () => {
    await machine.script("pulumi", "echo v3.206.0");
    expect(await ensure()).to.include({ root: machine.folder, version: "3.206.0", origin: "PATH" });
    expect(told).to.deep.equal([]);
  });

  it("passes over one on PATH that is too old, too new or broken, and says so with all else it tried", async () => {
    for (const [script, sentence] of [
      ["echo v3.205.9", "is Pulumi 3.205.9, not 3.206.0 or newer"],
      ["echo v4.0.0", "is Pulumi 4.0.0, not of major version 3"],
      ["exit 3", "does not run (exit code 3)"],
      ["echo hello", "does not tell its version"],
    ] as const) {
      const file = await machine.script("pulumi", script);
      const { message } = await rejection(ensure());
      expect(message.split("\n").slice(0, 2)).to.deep.equal([
        "there is no Pulumi engine on this machine, and none could be got",
        `  found: - ${file} ${sentence}`,
      ]);
      expect(told).to.include(`${file} ${sentence}; passed over`);
    }
  });

  it("says what it tried and what to do on a machine with nothing and no network", async () => {
    const error = await rejection(ensure());
    expect(error).to.have.property("code", "engine/not-found");
    const sums = `http://127.0.0.1:9/pulumi-${ENGINE_VERSION}-checksums.txt`;
    expect(error.message.split("\n")).to.deep.equal([
      "there is no Pulumi engine on this machine, and none could be got",
      "  found: - pulumi is not on PATH",
      `    - cannot be downloaded: ${sums}: ${blocked(error.message)}`,
      "    - go is not on PATH",
      "    - python3 is not on PATH",
      "  remedy: install the Pulumi CLI 3.206.0 or newer (https://www.pulumi.com/docs/install/), or Go 1.25.11 or newer to have it " +
        "built, or set HEADWATER_PULUMI to the path of a pulumi executable",
    ]);
  });

  it("passes over a Go that is too old", async () => {
    const go = await machine.script("go", "echo go1.21.0");
    expect((await rejection(ensure())).message).to.contain(`- ${go} is Go 1.21.0, not 1.25.11 or newer`);
    await machine.script(
      "go",
      "echo 'go: go.mod requires go >= 1.25.11 (running go 1.22.1; GOTOOLCHAIN=local)' >&2; exit 1",
    );
    expect((await rejection(ensure())).message).to.contain("(running go 1.22.1; GOTOOLCHAIN=local)");
  });

  it("builds with Go, in the module of this package, and finds the result in the cache the next time", async () => {
    await machine.real("cat", "chmod", "pwd");
    await machine.script(
      "go",
      `if [ "$1" = env ]; then echo go1.26.8; exit 0; fi
       pwd; echo "go: downloading something" >&2
       while [ "$1" != -o ]; do shift; done
       printf '#!/bin/sh\\necho v${ENGINE_VERSION}\\n' > "$2"; chmod 755 "$2"`,
    );
    const engine = await ensure();
    expect(engine).to.include({ version: ENGINE_VERSION, origin: "build" });
    expect(told).to.include("building the Pulumi engine with Go 1.26.8 (about 3 minutes on 2 cores)");
    expect(told.some((line) => line.trim().endsWith("src/engine/go/pulumi"))).to.equal(true);
    expect(told.some((line) => line.includes("downloading something"))).to.equal(false);
    await machine.script("go", "exit 9");
    expect(await ensure()).to.include({ root: engine.root, origin: "cache" });
  });

  it("tells why a build failed", async () => {
    await machine.script(
      "go",
      'if [ "$1" = env ]; then echo go1.26.8; else echo "no space left on device" >&2; exit 1; fi',
    );
    expect((await rejection(ensure())).message).to.contain(
      "cannot be built with Go 1.26.8: go: exit code 1\nno space left on device",
    );
  });

  describe("downloading", () => {
    let server: Server;
    let archive: Buffer;
    let sums: string;
    const name = `pulumi-v${ENGINE_VERSION}-${process.platform}-${process.arch}.tar.gz`;

    beforeEach(async () => {
      await machine.script("pulumi", `echo v${ENGINE_VERSION}`, path.join(machine.folder, "release/pulumi"));
      execFileSync("tar", [
        "-czf",
        path.join(machine.folder, name),
        "-C",
        path.join(machine.folder, "release"),
        "pulumi",
      ]);
      archive = await readFile(path.join(machine.folder, name));
      sums = `${createHash("sha256").update(archive).digest("hex")}  ${name}\n`;
      server = createServer((request, response) => {
        if (request.url === `/pulumi-${ENGINE_VERSION}-checksums.txt`)
          response.end(`00  another.tar.gz\n${sums}`);
        else if (request.url === `/${name}`) response.end(archive);
        else response.writeHead(404).end();
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      await machine.real("tar", "gzip");
    });
    afterEach(() => server.close());
    const mirror = () => ({
      HEADWATER_PULUMI_RELEASES: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    });

    it("takes the release whose checksum is right, and leaves no draft", async () => {
      const engine = await ensure(mirror());
      expect(engine).to.include({ version: ENGINE_VERSION, origin: "download" });
      expect(await readdir(path.dirname(engine.root))).to.deep.equal([path.basename(engine.root)]);
    });

    it("takes nothing whose checksum is wrong", async () => {
      sums = `${"0".repeat(64)}  ${name}\n`;
      const { message } = await rejection(ensure(mirror()));
      expect(message).to.match(new RegExp(`${name}: its SHA-256 is [0-9a-f]{64}, not 0{64}`));
      expect(await readdir(path.join(machine.folder, "cache/engine"))).to.deep.equal([]);
    });

    it("makes one of concurrent first runs do the work", async () => {
      const engines = await Promise.all([ensure(mirror()), ensure(mirror()), ensure(mirror())]);
      expect(engines.map(({ origin }) => origin).sort()).to.deep.equal(["cache", "cache", "download"]);
    });

    it("makes anew what a killed run left half-made or what does not run", async () => {
      const { root } = await ensure(mirror());
      await machine.script("pulumi", "exit 1", path.join(root, "bin"));
      await mkdir(path.join(path.dirname(root), "draft-of-a-killed-run"));
      expect(await ensure(mirror())).to.include({ root, origin: "download" });
      expect(existsSync(path.join(path.dirname(root), "draft-of-a-killed-run"))).to.equal(false);
    });
  });
});

/** What fetch says to a closed port differs between versions of Node. */
function blocked(message: string): string {
  return /checksums\.txt: (.+)/.exec(message)?.[1] ?? "a reason";
}
