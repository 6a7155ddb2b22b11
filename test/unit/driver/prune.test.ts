import { mkdtemp, rm, utimes } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { expect } from "chai";
import { Proofs } from "../../../src/driver/proofs.js";
import { judgeReleases, pruneAge } from "../../../src/driver/prune.js";
import { OperationRecord } from "../../../src/driver/record.js";
import { FolderStore } from "../../../src/driver/store/folder-store.js";

const DAY = 86_400_000;

describe("pruning of stored releases", () => {
  let folder: string;
  let store: FolderStore;
  let proofs: Proofs;
  beforeEach(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), "headwater-prune-"));
    store = new FolderStore(folder);
    proofs = new Proofs(store);
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  async function stored(release: string, days: number): Promise<void> {
    await store.put(`releases/${release}`, "content");
    const at = new Date(Date.now() - days * DAY);
    await utimes(store.locate(`releases/${release}`), at, at);
  }

  /** A promotion that ended well and, unless told otherwise, passed. */
  async function promoted(release: string, name: string, days: number, passed = true): Promise<void> {
    const about = { kind: "promotion", program: "things", pipeline: "shop", through: [name] } as const;
    const record = await OperationRecord.open(store, { ...about, release });
    const outcome = passed ? "succeeded" : "failed";
    await record.write({ kind: "end", outcome, elapsedMs: 1 });
    const at = new Date(Date.now() - days * DAY).toISOString();
    if (passed) await proofs.write(`shop-${name}`, { release, environment: name, record: record.id, at });
  }

  const kept = async (): Promise<Record<string, string | undefined>> =>
    Object.fromEntries(
      (await judgeReleases(store, proofs, 30 * DAY)).map(({ release, keptFor }) => [release, keptFor]),
    );

  it("keeps what an environment has, what it may be rolled back to, and what is young; nothing else", async () => {
    for (const [index, release] of ["a1", "a2", "a3", "a4"].entries()) {
      await stored(release, 90 - index);
      await promoted(release, "dev", 90 - index);
    }
    await promoted("a1", "prod", 80);
    await stored("b1", 60); // in prod, but its checks failed: the way back is to a1
    await promoted("b1", "prod", 60, false);
    await stored("c1", 60); // never promoted
    await stored("d1", 29); // made again a while ago
    const verdicts = await kept();
    expect(verdicts["d1"]).to.match(/^made 20/);
    expect({ ...verdicts, d1: "young" }).to.deep.equal({
      a1: "passed in shop-prod",
      a2: undefined,
      a3: "passed in shop-dev",
      a4: "the last in shop-dev",
      b1: "the last in shop-prod",
      c1: undefined,
      d1: "young",
    });
  });

  it("keeps what an operation that has not ended was begun with", async () => {
    for (const release of ["a1", "a2", "a3"]) await stored(release, 90);
    const about = { kind: "promotion", program: "things", pipeline: "shop", through: ["dev"] } as const;
    const running = await OperationRecord.open(store, { ...about, release: "a1" });
    await promoted("a2", "dev", 80, false);
    expect(await kept()).to.deep.equal({
      a1: `running: ${running.id}`,
      a2: "the last in shop-dev",
      a3: undefined,
    });
  });

  it("does not keep what an environment that was destroyed had", async () => {
    await stored("a1", 90);
    await promoted("a1", "pr-1", 80, false);
    expect(await kept()).to.deep.equal({ a1: "the last in shop-pr-1" });
    const about = { kind: "destroy", program: "things", pipeline: "shop", through: ["pr-1"] } as const;
    await (
      await OperationRecord.open(store, about)
    ).write({ kind: "end", outcome: "succeeded", elapsedMs: 1 });
    expect(await kept()).to.deep.equal({ a1: undefined });
  });

  it("takes no age at which a release may be about to be promoted", () => {
    expect(pruneAge("30d")).to.equal(30 * DAY);
    for (const bad of ["1h", "soon", 0, NaN])
      expect(() => pruneAge(bad), String(bad)).to.throw(/2h and more/);
  });
});
