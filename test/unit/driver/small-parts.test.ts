import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { expect } from "chai";
import { z } from "zod";
import { EngineEvents } from "../../../src/driver/engine-events.js";
import { EventLog, type NewEvent } from "../../../src/driver/events.js";
import { OperationRecord, readRecords } from "../../../src/driver/record.js";
import { FolderStore } from "../../../src/driver/store/folder-store.js";
import { Redactor } from "../../../src/driver/redact.js";
import { loadStack } from "../../../src/driver/stack-settings.js";
import { HeadwaterError } from "../../../src/model/errors.js";
import { definePipeline } from "../../../src/model/pipeline.js";
import { defineProgram } from "../../../src/settings/program.js";
import { errorOf } from "../operations/errors.js";

const head = { kind: "promotion", program: "p", pipeline: "shop", through: ["dev"] } as const;

describe("the driver's small parts", () => {
  let folder: string;
  beforeEach(async () => (folder = await mkdtemp(path.join(os.tmpdir(), "headwater-unit-"))));
  afterEach(() => rm(folder, { recursive: true, force: true }));

  describe("EventLog", () => {
    it("gives every reader everything, early, late, and two at once", async () => {
      const log = new EventLog<number>();
      const read = async (): Promise<number[]> => {
        const seen: number[] = [];
        for await (const event of log) seen.push(event);
        return seen;
      };
      const early = [read(), read()];
      log.push(1);
      await new Promise((resolve) => setTimeout(resolve, 1));
      log.push(2);
      log.push(3);
      log.end();
      expect(await Promise.all([...early, read()])).to.deep.equal([
        [1, 2, 3],
        [1, 2, 3],
        [1, 2, 3],
      ]);
    });
  });

  describe("Redactor", () => {
    it("strikes out secret variables, and every string inside a secret value", () => {
      const redactor = new Redactor({
        DB_PASSWORD: "hunter2hunter2",
        HOME: "/home/somebody",
        AWS_SECRET_ACCESS_KEY: "sandbox",
      });
      redactor.add({ user: "someone-else", keys: ["a-key-to-hide"], n: 1 });
      expect(redactor.text("hunter2hunter2 /home/somebody sandbox someone-else a-key-to-hide")).to.equal(
        "[secret] /home/somebody sandbox [secret] [secret]",
      );
    });
  });

  describe("EngineEvents", () => {
    it("keeps errors once, without colours, stacks and secrets, and drops debug noise", () => {
      const events: NewEvent[] = [];
      const redactor = new Redactor({ TOKEN: "token-to-hide" });
      const engine = new EngineEvents("up", redactor, (event) => events.push(event));
      const diagnose = (severity: string, message: string, urn?: string): void =>
        engine.accept({
          sequence: 1,
          timestamp: 1,
          diagnosticEvent: { severity, message, urn, color: "" } as never,
        });
      diagnose("debug", "Registering resource");
      for (let times = 0; times < 2; times++) {
        diagnose(
          "error",
          "<{%reset%}>it broke: token-to-hide\n    at somewhere (file.js:1:2)<{%reset%}>\n",
          "urn:x",
        );
      }
      diagnose("info#err", "said the program");
      expect(engine.errors).to.deep.equal([{ urn: "urn:x", message: "it broke: [secret]" }]);
      expect(events.map((event) => event.type === "diagnostic" && event.severity)).to.deep.equal([
        "error",
        "error",
        "info",
      ]);
    });

    it("names resource and policy of a policy pack's violation: a mandatory one is an error, others warn", () => {
      const events: NewEvent[] = [];
      const engine = new EngineEvents("preview", new Redactor({}), (event) => events.push(event));
      for (const enforcementLevel of ["mandatory", "advisory"]) {
        const policyEvent = {
          ...{
            resourceUrn: "urn:pulumi:dev::p::aws:s3/bucket:Bucket::logs",
            policyName: "encrypted",
            enforcementLevel,
          },
          ...{ message: "<{%reset%}>buckets are encrypted\n", color: "", policyPackName: "house" },
        };
        engine.accept({ sequence: 1, timestamp: 1, policyEvent: policyEvent as never });
      }
      expect(engine.errors).to.deep.equal([
        {
          urn: "urn:pulumi:dev::p::aws:s3/bucket:Bucket::logs",
          message: "policy encrypted: buckets are encrypted",
        },
      ]);
      expect(events.map((event) => event.type === "diagnostic" && event.severity)).to.deep.equal([
        "error",
        "warning",
      ]);
    });
  });

  describe("OperationRecord", () => {
    it("writes each step as it happens, and reads back how it ended", async () => {
      const record = await OperationRecord.open(new FolderStore(folder), head);
      const phase = { type: "phase", phase: "up", environment: "dev" } as const;
      await record.note({ ...phase, state: "started" });
      expect((await readRecords(new FolderStore(folder)))[0]).to.deep.include({ outcome: "running" });
      const error = new HeadwaterError("driver/x", "broke");
      await record.note({ ...phase, state: "failed", elapsedMs: 5, error });
      await record.note({ type: "done", outcome: "failed", elapsedMs: 6 });
      const [past] = await readRecords(new FolderStore(folder));
      expect(past?.outcome).to.equal("failed");
      expect(past?.head).to.deep.include(head);
      expect(past?.lines.map(({ kind }) => kind)).to.deep.equal(["phase", "phase", "end"]);
      expect(past?.lines[1]).to.deep.include({ error: { code: "driver/x", message: "broke" } });
    });

    it("tells one whose process was killed, though its last line is cut off", async () => {
      const record = await OperationRecord.open(new FolderStore(folder), head);
      const text = (await readFile(record.file, "utf8")).replace(/"pid":\d+/, '"pid":999999999');
      await writeFile(record.file, text);
      await appendFile(record.file, '{"kind":"phase","na');
      const [past] = await readRecords(new FolderStore(folder));
      expect(past).to.deep.include({ outcome: "interrupted", lines: [] });
    });

    it("of another machine counts as running while its lease lives, or it has just written", async () => {
      const store = new FolderStore(folder);
      const record = await OperationRecord.open(store, head);
      const rewrite = (at: string): Promise<string> =>
        store.put(
          `records/${record.id}.jsonl`,
          `${JSON.stringify({ ...record.head, by: "ann@elsewhere", at })}\n`,
        );
      await rewrite(new Date().toISOString());
      expect((await readRecords(store))[0]?.outcome).to.equal("running");
      const before = new Date(Date.now() - 3_600_000).toISOString();
      await rewrite(before);
      expect((await readRecords(store))[0]?.outcome).to.equal("interrupted");
      const now = new Date().toISOString();
      const lease = {
        by: "ann@elsewhere",
        host: "elsewhere",
        process: { pid: 1, started: "x" },
        since: before,
      };
      const doing = `promotion ${record.id}`;
      await store.put("leases/shop-dev", JSON.stringify({ ...lease, doing, renewed: now }));
      expect((await readRecords(store))[0]?.outcome).to.equal("running");
      await store.put(
        "leases/shop-dev",
        JSON.stringify({ ...lease, doing: "promotion another", renewed: now }),
      );
      expect((await readRecords(store))[0]?.outcome).to.equal("interrupted");
    });

    it("has none where nothing was done", async () => {
      expect(await readRecords(new FolderStore(path.join(folder, "nowhere")))).to.deep.equal([]);
    });
  });

  describe("loadStack", () => {
    const shop = definePipeline({
      name: "shop",
      engine: "postgresql",
      tables: { s: { t: { keys: ["id"] } } },
    });
    const settings = z.strictObject({
      size: z.int(),
      list: z.array(z.string()).default([]),
      host: z.string().optional(),
    });
    const program = defineProgram({ name: "p", settings, run: async () => ({}) });
    const known = { programs: [program], pipelines: [shop] };
    const file = `# kept\nencryptionsalt: v1:abc\nconfig:
  aws:region: eu-west-1
  headwater:program: p
  headwater:pipeline: shop
  headwater:settings: { size: 1, list: [a, b] }\n`;

    async function write(name: string, text = file): Promise<void> {
      await mkdir(folder, { recursive: true });
      await writeFile(path.join(folder, `Pulumi.${name}.yaml`), text);
    }

    it("merges the overlay member by member, replaces lists, keeps the salt, and leaves the file alone", async () => {
      await write("shop-dev");
      const overlay = (stack: string) => ({
        "headwater:settings": { host: stack, list: ["c"] },
        "aws:skip": true,
      });
      const loaded = await loadStack(folder, "shop-dev", known, overlay);
      expect(loaded.settings).to.deep.equal({ size: 1, list: ["c"], host: "shop-dev" });
      expect(loaded.document).to.deep.equal({
        encryptionsalt: "v1:abc",
        config: {
          "headwater:program": "p",
          "headwater:pipeline": "shop",
          "headwater:settings": { size: 1, list: ["c"], host: "shop-dev" },
          "aws:region": "eu-west-1",
          "aws:skip": true,
        },
      });
      expect(await readFile(path.join(folder, "Pulumi.shop-dev.yaml"), "utf8")).to.equal(file);
    });

    it("names the file for wrong settings, an unknown program and another pipeline", async () => {
      await write("shop-dev", file.replace("size: 1", "size: one"));
      expect((await errorOf(loadStack(folder, "shop-dev", known))).message)
        .to.contain("Pulumi.shop-dev.yaml")
        .and.to.contain("size");
      await write("shop-dev", file.replace("program: p", "program: q"));
      expect((await errorOf(loadStack(folder, "shop-dev", known))).code).to.equal("settings/unknown-program");
      await write("other-dev");
      const other = definePipeline({
        name: "other",
        engine: "postgresql",
        tables: { s: { t: { keys: ["id"] } } },
      });
      const error = await errorOf(loadStack(folder, "other-dev", { ...known, pipelines: [shop, other] }));
      expect(error.code).to.equal("settings/other-pipeline");
    });
  });
});
