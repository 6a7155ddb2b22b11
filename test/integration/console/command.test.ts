import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { packageRoot } from "../../../src/engine/paths.js";

const main = fileURLToPath(new URL("../../../src/cli/main.js", import.meta.url));

describe("headwater console", function () {
  this.timeout(120_000);
  let folder: string;
  let child: ChildProcess;
  let stderr = "";
  const people: { person: string; roles: string[]; url: string }[] = [];

  before(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), "headwater-console-"));
    const args = ["--project", packageRoot(), "--backend", `file://${folder}/state`, "--work-folder", folder];
    const who = ["--person", "ann=operator", "--person", "bob=viewer,approver"];
    child = spawn(process.execPath, [main, "console", ...args, ...who, "--port", "0", "--json"], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, PULUMI_CONFIG_PASSPHRASE: "only for the test" },
    });
    child.stderr!.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    for await (const line of createInterface(child.stdout!)) {
      people.push(JSON.parse(line) as (typeof people)[number]);
      if (people.length === 2) break;
    }
  });
  after(async () => {
    child.kill("SIGKILL");
    await rm(folder, { recursive: true, force: true });
  });

  /** Asks with a Host of one's own, which fetch does not let one say. */
  async function ask(path: string, token: string, host?: string): Promise<{ status: number; body: string }> {
    const { hostname, port } = new URL(people[0]!.url);
    const headers = { authorization: `Bearer ${token}`, ...(host === undefined ? {} : { host }) };
    const request = http.get({ hostname, port, path, headers });
    const [response] = (await once(request, "response")) as [http.IncomingMessage];
    let body = "";
    for await (const text of response.setEncoding("utf8")) body += text as string;
    return { status: response.statusCode ?? 0, body };
  }
  const tokenOf = (name: string): string =>
    people.find(({ person }) => person === name)!.url.split("#token=")[1] ?? "";

  it("prints an address with a token for each person, on loopback", async () => {
    expect(people.map(({ person, roles }) => [person, roles])).to.deep.equal([
      ["ann", ["operator"]],
      ["bob", ["viewer", "approver"]],
    ]);
    expect(new Set(people.map(({ url }) => new URL(url).hostname))).to.deep.equal(new Set(["127.0.0.1"]));
    expect(tokenOf("ann")).not.to.equal(tokenOf("bob"));
    const { body } = await ask("/api/v1/me", tokenOf("bob"));
    expect(JSON.parse(body)).to.include({ name: "bob" });
    expect((await ask("/", "")).body).to.contain('<div id="app">');
  });

  it("shows the project's environments, on the path's order", async () => {
    const { body } = await ask("/api/v1/environments", tokenOf("ann"));
    expect((JSON.parse(body) as { name: string }[]).map(({ name }) => name)).to.deep.equal([
      "dev",
      "staging",
      "prod",
    ]);
  });

  it("answers to nobody without a token, and under no other name", async () => {
    expect((await ask("/api/v1/environments", "wrong")).status).to.equal(401);
    const rebound = await ask("/api/v1/environments", tokenOf("ann"), "evil.example:80");
    expect([rebound.status, rebound.body.includes("console/other-host")]).to.deep.equal([403, true]);
  });

  it("refuses to listen elsewhere, and people it cannot tell apart", async () => {
    for (const [args, said] of [
      [["--host", "0.0.0.0"], "loopback only"],
      [["--person", "ann=king"], "roles being some of"],
      [["--person", "ann=viewer", "--person", "ann=operator"], "named twice"],
      [["--port", "70000"], "A port from 0 to 65535"],
    ] as const) {
      const refused = spawn(process.execPath, [main, "console", ...args], {
        stdio: ["ignore", "ignore", "pipe"],
      });
      let text = "";
      refused.stderr.setEncoding("utf8").on("data", (part: string) => (text += part));
      const [code] = (await once(refused, "close")) as [number];
      expect(
        [code, said === "loopback only" ? text.includes("127.0.0.1, ::1, localhost") : text.includes(said)],
        text,
      ).to.deep.equal([2, true]);
    }
  });

  it("ends at Ctrl-C, though somebody follows events", async () => {
    const { hostname, port } = new URL(people[0]!.url);
    const headers = { authorization: `Bearer ${tokenOf("bob")}` };
    const open = http.get({ hostname, port, path: "/api/v1/events", headers });
    open.on("error", () => undefined);
    await once(open, "response");
    child.kill("SIGINT");
    const [code] = (await once(child, "exit")) as [number];
    expect(code, stderr).to.equal(130);
    for (const { url } of people) expect(stderr).not.to.contain(url.split("#token=")[1]);
  });
});
