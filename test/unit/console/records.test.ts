import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { expect } from "chai";
import { detailOf, Records } from "../../../src/console/records.js";
import { changeOf } from "../../../src/console/previews.js";
import type { Platform } from "../../../src/driver/platform.js";
import { readRecord } from "../../../src/driver/record.js";
import { self } from "../../../src/engine/processes.js";
import { FolderStore } from "../../../src/driver/store/folder-store.js";

type Line = Readonly<Record<string, unknown>>;
const RELEASE = "a".repeat(64);
const GONE = { pid: 1, started: "never" };

describe("the console's view of records", () => {
  let folder: string;
  let store: FolderStore;
  let records: Records;
  beforeEach(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), "headwater-records-"));
    store = new FolderStore(folder);
    records = new Records({
      store,
      record: (id: string) => readRecord(store, id),
      shown: <T>(value: T): T => value,
    } as unknown as Platform);
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const at = (second: number): string => new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString();
  async function write(id: string, through: string[], lines: Line[], head: Line = {}): Promise<void> {
    const first = {
      kind: "promotion",
      id,
      at: at(0),
      by: `ann@${os.hostname()}`,
      process: GONE,
      release: RELEASE,
    };
    const all = [{ ...first, program: "things", pipeline: "shop", through, ...head }, ...lines];
    await store.put(`records/${id}.jsonl`, all.map((line) => `${JSON.stringify(line)}\n`).join(""));
  }
  const phase = (environment: string, name: string, state: string, more: Line = {}): Line => ({
    ...{ at: at(1), kind: "phase", environment, name, state },
    ...more,
  });
  const end = (outcome: string): Line => ({ at: at(9), kind: "end", outcome, elapsedMs: 9000 });

  it("tells how far each environment came", async () => {
    await write(
      "20260101-1-a",
      ["dev", "staging", "prod"],
      [
        phase("dev", "up", "succeeded", { changes: { create: 2 } }),
        phase("staging", "preview", "succeeded", { changes: { create: 1 } }),
        phase("staging", "up", "failed", { error: { code: "driver/x", message: "no" } }),
        end("failed"),
      ],
      { startedBy: "ann" },
    );
    const told = await records.tell("20260101-1-a");
    expect(told).to.include({ outcome: "failed", startedBy: "ann" });
    expect(told.error).to.deep.equal({ code: "driver/x", message: "no" });
    expect(told.steps.map(({ state, changes }) => [state, changes])).to.deep.equal([
      ["passed", { create: 2 }],
      ["failed", { create: 1 }],
      ["pending", undefined],
    ]);
  });

  it("takes a promotion without an end whose process has gone for interrupted", async () => {
    await write("20260101-2-a", ["dev"], [phase("dev", "approve", "started")]);
    expect(await records.tell("20260101-2-a")).to.include({ outcome: "interrupted" });
    expect((await records.unfinished()).map(({ id }) => id)).to.deep.equal(["20260101-2-a"]);
  });

  it("does not take for waiting what a killed process had asked, until its successor asks", async () => {
    const resumed = { at: at(2), kind: "resumed", by: `bob@${os.hostname()}`, process: self() };
    await write("20260101-3-a", ["dev"], [phase("dev", "approve", "started"), resumed]);
    expect((await records.tell("20260101-3-a")).steps[0]).to.include({ state: "running" });
    await write(
      "20260101-4-a",
      ["dev"],
      [phase("dev", "approve", "started"), resumed, phase("dev", "approve", "started")],
    );
    expect((await records.tell("20260101-4-a")).steps[0]).to.include({ state: "waiting" });
  });

  it("knows what is deployed where: the newest, of a way back the earlier release, nothing after a destroy", async () => {
    const up = phase("dev", "up", "succeeded");
    await write(
      "20260101-1-a",
      ["dev", "staging"],
      [up, phase("staging", "up", "succeeded"), end("succeeded")],
    );
    await write(
      "20260101-2-a",
      ["staging"],
      [
        phase("staging", "up", "failed", { error: { code: "x", message: "y" } }),
        phase("staging", "up", "succeeded", { message: "rollback" }),
        phase("staging", "rollback", "succeeded", { message: `back at release ${"b".repeat(12)}` }),
        end("failed"),
      ],
    );
    await write("20260101-3-a", ["dev"], [end("succeeded")], { kind: "destroy", release: undefined });
    const deployed = await records.deployed();
    expect([...deployed.keys()]).to.deep.equal(["shop-staging"]);
    expect(deployed.get("shop-staging")).to.include({
      release: "b".repeat(12),
      operation: "20260101-2-a",
      passed: true,
    });
  });

  it("pages through what fits, newest first", async () => {
    for (const number of [1, 2, 3, 4]) {
      const head = number % 2 === 0 ? { kind: "reload" } : {};
      await write(`20260101-${number}-a`, [number > 2 ? "dev" : "prod"], [end("succeeded")], head);
    }
    const ids = async (query: Partial<Parameters<Records["list"]>[0]>) =>
      (await records.list({ limit: 50, ...query })).map(({ id }) => id.split("-")[1]);
    expect(await ids({})).to.deep.equal(["4", "3", "2", "1"]);
    expect(await ids({ limit: 2 })).to.deep.equal(["4", "3"]);
    expect(await ids({ before: "20260101-3-a" })).to.deep.equal(["2", "1"]);
    expect(await ids({ kind: "promotion" })).to.deep.equal(["3", "1"]);
    expect(await ids({ environment: "prod" })).to.deep.equal(["2", "1"]);
    expect(await ids({ pipeline: "crm" })).to.deep.equal([]);
  });

  it("shows a phase that a killed process had begun, and its successor did again, once", async () => {
    await write(
      "20260101-1-a",
      ["dev"],
      [
        phase("dev", "preview", "started"),
        { at: at(2), kind: "resumed", by: "bob@elsewhere", process: GONE },
        phase("dev", "preview", "started"),
        phase("dev", "preview", "succeeded", { elapsedMs: 5 }),
        {
          at: at(3),
          kind: "gate",
          environment: "dev",
          rule: "proven",
          verdict: "refused",
          findings: [{ message: "no" }],
        },
        {
          at: at(4),
          kind: "gate",
          environment: "dev",
          rule: "proven",
          verdict: "overridden",
          findings: [],
          reason: "yes",
        },
        end("succeeded"),
      ],
    );
    const { parts, resumed } = detailOf(await readRecord(store, "20260101-1-a"));
    expect(parts).to.have.length(1);
    expect(parts[0]!.phases.map(({ name, state }) => [name, state])).to.deep.equal([
      ["preview", "succeeded"],
    ]);
    expect(parts[0]!.verdicts).to.deep.equal([
      { rule: "proven", verdict: "overridden", findings: [], reason: "yes" },
    ]);
    expect(resumed.map(({ by }) => by)).to.deep.equal(["bob@elsewhere"]);
  });
});

describe("a planned change, as people read it", () => {
  const change = { urn: "urn:x", type: "aws:s3/bucket:Bucket", name: "landing", op: "replace" };

  it("has the properties that differ, those that force a replacement in front", () => {
    const { properties } = changeOf({
      ...change,
      replaceKeys: ["bucket"],
      changedKeys: ["bucket", "tags", "password"],
      old: { bucket: "a", tags: { team: "x", kept: 1 }, password: "[secret]" },
      new: { bucket: "b", tags: { team: "y", kept: 1 }, password: "[secret]" },
    });
    expect(properties).to.deep.equal([
      { field: "bucket", old: '"a"', new: '"b"', replaces: true },
      { field: "tags.team", old: '"x"', new: '"y"', replaces: false },
      // The values are secret: that they differ is known all the same.
      { field: "password", replaces: false },
    ]);
  });

  it("is bounded, and says by how much", () => {
    const many = Object.fromEntries(
      Array.from({ length: 250 }, (_, index) => [`p${index}`, "x".repeat(5000)]),
    );
    const { properties, more } = changeOf({ ...change, replaceKeys: [], changedKeys: [], new: many });
    expect([properties.length, more]).to.deep.equal([200, 50]);
    expect(properties[0]!.new!.length).to.be.below(4100);
  });
});
