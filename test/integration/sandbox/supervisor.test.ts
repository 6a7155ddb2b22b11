import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { GetRoleCommand, IAMClient, ListAttachedRolePoliciesCommand } from "@aws-sdk/client-iam";
import { expect } from "chai";
import pg from "pg";
import type { PythonSetup } from "../../../src/engine/python.js";
import { startSandbox, type SandboxOptions } from "../../../src/sandbox/sandbox.js";
import { withSandbox } from "../../../src/sandbox/with-sandbox.js";
import { rejection } from "../../unit/engine/machine.js";
import {
  commandLines,
  leftOf,
  newFolder,
  NOTHING,
  testPython,
  TestRegistry,
  tracesOf,
  type Traces,
} from "./setup.js";
import { standIns } from "./stand-ins.js";

const here = fileURLToPath(import.meta.url);
const owner = path.join(path.dirname(here), `owner${path.extname(here)}`);

// What is tested here is the supervisor, with moto and PostgreSQL and with stand-ins for our two services.
describe("sandbox: the supervisor", function () {
  this.timeout(120_000);
  let python: PythonSetup;
  let runs: TestRegistry;
  let told: string[];
  const owners: ChildProcess[] = [];

  before(async function () {
    this.timeout(1_800_000);
    python = await testPython();
  });
  beforeEach(async () => {
    runs = await TestRegistry.make();
    told = [];
  });
  afterEach(async () => {
    for (const child of owners.splice(0)) child.kill("SIGKILL");
    await runs.registry.cleanUp({ progress: () => undefined });
    await runs.remove();
  });

  const options = (more: Partial<SandboxOptions> = {}): SandboxOptions => ({
    ...{ progress: (line: string) => told.push(line), registry: runs.registry, services: standIns, python },
    ...more,
  });

  /** Another process that has a sandbox up. */
  async function startOwner(mode: "wait" | "deaf" = "wait") {
    const args = [...process.execArgv, owner, runs.folder, JSON.stringify(python), mode];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    owners.push(child);
    const errors: string[] = [];
    child.stderr.setEncoding("utf8").on("data", (text: string) => errors.push(text));
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const first = await lines.next();
    if (first.done === true) throw new Error(`the owner ended early: ${errors.join("")}`);
    const traces = JSON.parse(first.value) as Traces;
    const end = async () => {
      const [code] = (await once(child, "exit")) as [number | null];
      return { code, said: String((await lines.next()).value) };
    };
    return { child, traces, end };
  }

  it("has everything up that a real account and workspace hold, and leaves nothing", async () => {
    let traces: Traces | undefined;
    await withSandbox(options(), async (sandbox) => {
      traces = tracesOf(sandbox);
      expect((await stat(sandbox.folder)).mode & 0o777).to.equal(0o711);
      for (const database of ["source", "target"] as const) {
        const client = new pg.Client({ ...sandbox[database] });
        await client.connect();
        const settings = ["wal_level", "track_commit_timestamp", "password_encryption", "server_encoding"];
        const { rows } = await client.query<{ database: string; settings: string[] }>(
          "SELECT current_database() AS database, array_agg(current_setting(name) ORDER BY ordinal) AS settings " +
            "FROM unnest($1::text[]) WITH ORDINALITY AS t (name, ordinal)",
          [settings],
        );
        await client.end();
        expect(rows[0]).to.deep.equal({ database, settings: ["logical", "on", "scram-sha-256", "UTF8"] });
      }
      const { subnetIds, securityGroupIds, vpcId } = sandbox.foundations;
      expect([vpcId, ...subnetIds, ...securityGroupIds].map((id) => id.split("-")[0])).to.deep.equal(
        ["vpc", "subnet", "subnet", "sg"], // prettier-ignore
      );
      const iam = new IAMClient({
        endpoint: sandbox.urls.aws,
        region: "eu-west-1",
        credentials: { accessKeyId: "sandbox", secretAccessKey: "sandbox" },
      });
      const RoleName = "dms-vpc-role";
      expect((await iam.send(new GetRoleCommand({ RoleName }))).Role?.RoleName).to.equal(RoleName);
      const { AttachedPolicies } = await iam.send(new ListAttachedRolePoliciesCommand({ RoleName }));
      expect(AttachedPolicies?.[0]?.PolicyName).to.equal("AmazonDMSVPCManagementRole");
      iam.destroy();
      expect(await sandbox.putSecret("shop/source", { username: "u" })).to.match(
        /^arn:aws:secretsmanager:eu-west-1:123456789012:secret:/,
      );
      expect(await runs.entries()).to.deep.equal([`${sandbox.id}.json`]);

      // Whoever can list processes sees no secret.
      const secrets = [sandbox.workspaceToken, sandbox.source.password, sandbox.target.password];
      const seen = (await commandLines(sandbox.id)).join("\n");
      expect(seen).to.contain("moto");
      for (const secret of secrets) expect(seen).not.to.contain(secret);
    });
    expect(await leftOf(traces as Traces)).to.deep.equal(NOTHING);
    expect(await runs.entries()).to.deep.equal([]);
  });

  it("leaves nothing when the body fails, and gives the body's own error", async () => {
    let traces: Traces | undefined;
    const wanted = new Error("the body's own");
    const error = await rejection(
      withSandbox(options(), async (sandbox) => {
        traces = tracesOf(sandbox);
        throw wanted;
      }),
    );
    expect(error).to.equal(wanted);
    expect(await leftOf(traces as Traces)).to.deep.equal(NOTHING);
    expect(await runs.entries()).to.deep.equal([]);
  });

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    it(`leaves nothing after ${signal}`, async () => {
      const { child, traces, end } = await startOwner();
      child.kill(signal);
      expect(await end()).to.deep.equal({ code: 7, said: `interrupted   found: ${signal}` });
      expect(await leftOf(traces)).to.deep.equal(NOTHING);
      expect(await runs.entries()).to.deep.equal([]);
    });
  }

  it("waits for nothing at the second SIGINT", async () => {
    const { child, traces, end } = await startOwner("deaf");
    const since = Date.now();
    child.kill("SIGINT");
    setTimeout(() => child.kill("SIGINT"), 300);
    expect(await end()).to.deep.equal({ code: 7, said: "interrupted   found: SIGINT" });
    expect(Date.now() - since).to.be.lessThan(10_000);
    expect(await leftOf(traces)).to.deep.equal(NOTHING);
  });

  it("cleans up at the next start what a killed process left, and touches no other sandbox", async () => {
    const killed = await startOwner();
    const living = await startOwner();
    killed.child.kill("SIGKILL");
    await once(killed.child, "exit");
    expect((await leftOf(killed.traces)).listening).not.to.deep.equal([]);
    await withSandbox(options(), async () => {
      expect(await leftOf(killed.traces)).to.deep.equal(NOTHING);
      const { listening, folder } = await leftOf(living.traces);
      expect({ listening, folder }).to.deep.equal({
        listening: living.traces.ports,
        folder: living.traces.folder,
      });
    });
    expect(told).to.include(
      `cleaning up after sandbox ${killed.traces.id}, whose process ${killed.child.pid} was killed`,
    );
    living.child.kill("SIGTERM");
    await living.end();
    expect(await leftOf(living.traces)).to.deep.equal(NOTHING);
    expect(await runs.entries()).to.deep.equal([]);
  });

  it("never removes a folder that is not marked as that sandbox's", async () => {
    const { child, traces } = await startOwner();
    await writeFile(path.join(traces.folder, ".headwater-sandbox"), "another");
    child.kill("SIGKILL");
    await once(child, "exit");
    await runs.registry.cleanUp({ progress: () => undefined });
    expect(await leftOf(traces)).to.deep.equal({ ...NOTHING, folder: traces.folder });
    await rm(traces.folder, { recursive: true });
  });

  it("has two up at the same time", async () => {
    await withSandbox(options(), (one) =>
      withSandbox(options(), async (two) => {
        const ports = [...tracesOf(one).ports, ...tracesOf(two).ports];
        expect(new Set(ports).size).to.equal(new Set(tracesOf(one).ports).size * 2);
        expect(one.folder).not.to.equal(two.folder);
        expect(one.source.password).not.to.equal(two.source.password);
        expect(await runs.entries()).to.have.length(2);
      }),
    );
    expect(await runs.entries()).to.deep.equal([]);
  });

  it("names the port, the option and the holder when a fixed port is taken, before anything is started", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    try {
      const error = await rejection(startSandbox(options({ ports: { dms: port } })));
      expect(error).to.have.property("code", "sandbox/port-taken");
      const [what, found, remedy] = error.message.split("\n");
      expect(what).to.equal(`port ${port}: ports.dms: the port is already taken`);
      // The program's name is node's own affair.
      expect(found).to.match(new RegExp(`^ {2}found: process ${process.pid} \\(.+\\)$`));
      expect(remedy).to.equal(
        "  remedy: stop what listens there, choose another port, or leave the option out to get a free one",
      );
      expect(await runs.entries()).to.deep.equal([]);
    } finally {
      server.close();
    }
  });

  it("takes the ports that are fixed", async () => {
    const free = async (): Promise<number> => {
      const server = createServer().listen(0, "127.0.0.1");
      await once(server, "listening");
      const { port } = server.address() as AddressInfo;
      await new Promise((resolve) => server.close(resolve));
      return port;
    };
    const ports = {
      aws: await free(),
      dms: await free(),
      workspace: await free(),
      source: await free(),
      target: await free(),
    };
    await withSandbox(options({ ports }), async ({ urls, source, target }) => {
      const port = (url: string) => Number(new URL(url).port);
      expect({
        ...{ aws: port(urls.aws), dms: port(urls.dms), workspace: port(urls.workspace) },
        ...{ source: source.port, target: target.port },
      }).to.deep.equal(ports);
    });
  });

  it("shows the last words of a part that dies while starting, and leaves nothing", async () => {
    const folder = newFolder();
    const error = await rejection(startSandbox(options({ folder, dms: { dies: "no such luck" } })));
    expect(error).to.have.property("code", "sandbox/child-died");
    expect(error.message).to.equal(
      [
        `${folder}/dms/stand-in.log: the DMS service ended while it was starting (exit code 3)`,
        "  found: the last lines of its log",
        "    cannot go on: no such luck",
      ].join("\n"),
    );
    expect(await leftOf({ id: "none", folder, ports: [] })).to.deep.equal(NOTHING);
    expect(await runs.entries()).to.deep.equal([]);
  });

  it("fails when a part dies while it is up: the body is told, and nothing is left", async () => {
    let traces: Traces | undefined;
    let reason: unknown;
    const error = await rejection(
      withSandbox(options(), async (sandbox, signal) => {
        traces = tracesOf(sandbox);
        const run = JSON.parse(await readFile(path.join(runs.folder, `${sandbox.id}.json`), "utf8")) as {
          children: { name: string; pid: number }[];
        };
        const target = run.children.find(({ name }) => name === "the target PostgreSQL");
        process.kill(target?.pid ?? 0, "SIGKILL");
        await once(signal, "abort");
        reason = signal.reason;
      }),
    );
    expect(error.message).to.contain("the target PostgreSQL ended while the sandbox was up (signal SIGKILL)");
    expect(reason).to.equal(error);
    expect(await leftOf(traces as Traces)).to.deep.equal(NOTHING);
  });

  it("keeps the folder when it is told to", async () => {
    const folder = newFolder();
    const sandbox = await startSandbox(options({ folder, keep: true }));
    await Promise.all([sandbox.stop(), sandbox.stop()]);
    expect(await leftOf(tracesOf(sandbox))).to.deep.equal({ ...NOTHING, folder });
    expect(await runs.entries()).to.deep.equal([]);
    await rm(folder, { recursive: true });
  });

  it("refuses a folder that has something in it, and leaves that alone", async () => {
    const folder = newFolder();
    await mkdir(folder);
    await writeFile(path.join(folder, "mine"), "precious");
    const error = await rejection(startSandbox(options({ folder })));
    expect(error.message).to.equal(
      [
        `${folder}: the folder for the sandbox is not empty`,
        "  found: mine",
        "  remedy: choose another one: a sandbox removes its folder when it stops",
      ].join("\n"),
    );
    expect(await readFile(path.join(folder, "mine"), "utf8")).to.equal("precious");
    await rm(folder, { recursive: true });
  });

  // Only root starts them as another user; a test that skips itself would fail the run (forbid-pending).
  const asRoot = process.getuid?.() === 0 ? it : () => undefined;
  asRoot("says so when the databases' user cannot reach the folder", async () => {
    const parent = newFolder();
    await mkdir(parent);
    await chmod(parent, 0o700);
    const error = await rejection(startSandbox(options({ folder: path.join(parent, "sandbox") })));
    expect(error).to.have.property("code", "sandbox/folder-not-reachable");
    expect(error.message).to.contain("the user postgres cannot enter the folder or one above it");
    await rm(parent, { recursive: true });
  });

  it("stops starting when it is told to, and leaves nothing", async () => {
    const folder = newFolder();
    const told = new AbortController();
    const reason = new Error("enough");
    const starting = startSandbox(options({ folder, signal: told.signal }));
    setTimeout(() => told.abort(reason), 400);
    expect(await rejection(starting)).to.equal(reason);
    expect(await leftOf({ id: "none", folder, ports: [] })).to.deep.equal(NOTHING);
    expect(await runs.entries()).to.deep.equal([]);
  });
});
