import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { parseTtl } from "../../../src/driver/ephemeral.js";
import { holderOf, withLease, type LeaseHolder } from "../../../src/driver/lease.js";
import { FolderStore } from "../../../src/driver/store/folder-store.js";
import { openStore } from "../../../src/driver/store/open-store.js";
import { getJson, StoreConflict } from "../../../src/driver/store/store.js";
import type { HeadwaterError } from "../../../src/model/errors.js";
import { errorOf } from "../operations/errors.js";
import { storeContract } from "./store-contract.js";

const noAws = () => {
  throw new Error("AWS was asked for");
};

describe("the store beside the state", () => {
  let folder: string;
  beforeEach(async () => (folder = await mkdtemp(path.join(os.tmpdir(), "headwater-store-"))));
  afterEach(() => rm(folder, { recursive: true, force: true }));

  describe("in a folder", () => {
    storeContract(async () => new FolderStore(path.join(folder, "store")));

    it("is for this user only, and leaves no drafts behind", async () => {
      const store = new FolderStore(path.join(folder, "store"));
      await store.put("a/b", "x");
      expect((await stat(path.join(folder, "store"))).mode & 0o077).to.equal(0);
      expect((await stat(store.locate("a/b"))).mode & 0o077).to.equal(0);
      expect(await readdir(path.join(folder, "store", "a"))).to.deep.equal(["b"]);
    });

    it("names what is damaged", async () => {
      const store = new FolderStore(folder);
      await writeFile(path.join(folder, "x.json"), "{ half");
      const error = await errorOf(getJson(store, "x.json"));
      expect(error.code).to.equal("driver/store-damaged");
      expect(error.details.where).to.equal(path.join(folder, "x.json"));
    });
  });

  it("lies beside the engine's own state", () => {
    expect(openStore(`file://${folder}/state`, undefined, noAws).url).to.equal(
      `file://${folder}/state/.headwater`,
    );
    expect(openStore("file://./state", undefined, noAws).url).to.equal(
      `file://${process.cwd()}/state/.headwater`,
    );
    const s3 = openStore("s3://bucket/some/prefix?region=eu-west-1", undefined, () => ({
      region: "us-east-1",
    }));
    expect(s3.url).to.equal("s3://bucket/some/prefix/.headwater");
    expect(openStore("https://api.pulumi.com", `file://${folder}`, noAws).url).to.equal(`file://${folder}`);
    expect(() => openStore("https://api.pulumi.com", undefined, noAws))
      .to.throw()
      .with.property("code", "driver/no-store");
  });

  describe("a lease", () => {
    const store = () => new FolderStore(folder);

    it("is given back, and lets nobody else in meanwhile", async () => {
      let inside = 0;
      const most: number[] = [];
      const one = (): Promise<void> =>
        withLease(store(), "shop-dev", "a test", { whenHeld: "wait", ttlMs: 600 }, async () => {
          most.push(++inside);
          await sleep(20);
          inside--;
        });
      await Promise.all([one(), one(), one()]);
      expect(most).to.deep.equal([1, 1, 1]);
      expect(await holderOf(store(), "shop-dev")).to.equal(undefined);
    });

    it("is refused while somebody has it, who is named; another stack is free", async () => {
      await withLease(store(), "shop-dev", "promotion 12", {}, async () => {
        const error = await errorOf(withLease(store(), "shop-dev", "another", {}, async () => undefined));
        expect(error.code).to.equal("driver/held");
        expect(error.message).to.contain("promotion 12").and.to.contain(`process ${process.pid}`);
        expect(await withLease(store(), "shop-prod", "another", {}, async () => 5)).to.equal(5);
      });
    });

    const holder = (about: Partial<LeaseHolder>): string =>
      JSON.stringify({
        ...{
          by: "somebody@elsewhere",
          host: "elsewhere",
          process: { pid: 1, started: "x" },
          doing: "promotion 1",
        },
        ...{ since: new Date().toISOString(), renewed: new Date().toISOString(), ...about },
      });

    it("of a process that is gone is taken over at once; of another machine when it shows no life", async () => {
      await store().put(
        "leases/shop-dev",
        holder({ host: os.hostname(), process: { pid: 999_999_999, started: "x" } }),
      );
      expect(await withLease(store(), "shop-dev", "t", {}, async () => 1)).to.equal(1);
      const long = new Date(Date.now() - 130_000).toISOString();
      await store().put("leases/shop-dev", holder({ renewed: long }));
      expect(await withLease(store(), "shop-dev", "t", {}, async () => 2)).to.equal(2);
      await store().put("leases/shop-dev", holder({}));
      expect((await errorOf(withLease(store(), "shop-dev", "t", {}, async () => 3))).code).to.equal(
        "driver/held",
      );
    });

    it("that somebody takes away aborts the work, and says so", async () => {
      const reason = await withLease(store(), "shop-dev", "t", { ttlMs: 120 }, async (signal) => {
        await store().put("leases/shop-dev", holder({}));
        while (!signal.aborted) await sleep(5);
        return signal.reason as HeadwaterError;
      });
      expect(reason.code).to.equal("driver/held");
      expect((await holderOf(store(), "shop-dev"))?.by, "theirs is left alone").to.equal(
        "somebody@elsewhere",
      );
    });

    it("is renewed for as long as the work takes", async () => {
      await withLease(store(), "shop-dev", "t", { ttlMs: 120 }, async () => {
        const first = await holderOf(store(), "shop-dev");
        await sleep(200);
        expect(Date.parse((await holderOf(store(), "shop-dev"))!.renewed)).to.be.above(
          Date.parse(first!.renewed),
        );
      });
    });
  });

  it("a conflict is told as such", () => {
    expect(new StoreConflict("here").code).to.equal("driver/store-conflict");
  });

  it("a time to live is a number with a unit", () => {
    expect([parseTtl("90m"), parseTtl("2h"), parseTtl("1.5d"), parseTtl(1000)]).to.deep.equal([
      5_400_000, 7_200_000, 129_600_000, 1000,
    ]);
    for (const bad of ["2 weeks", "", "-1h", 0, Number.NaN])
      expect(() => parseTtl(bad))
        .to.throw()
        .with.property("code", "settings/ttl");
  });
});
