import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { expect } from "chai";
import { Cached, Turns } from "../../../src/console/cached.js";
import { digestOf, once } from "../../../src/console/keys.js";
import { FolderStore } from "../../../src/driver/store/folder-store.js";
import type { HeadwaterError } from "../../../src/model/errors.js";

describe("requests with an idempotency key", () => {
  let folder: string;
  let store: FolderStore;
  beforeEach(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), "headwater-keys-"));
    store = new FolderStore(folder);
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const about = { key: "a-key-of-mine", by: "ann", request: { through: ["dev"] } };

  it("start one thing, however many are sent at once", async () => {
    let started = 0;
    const start = async (): Promise<string> => {
      started += 1;
      await new Promise((resolve) => setTimeout(resolve, 20));
      return `operation-${started}`;
    };
    const all = await Promise.all([1, 2, 3, 4].map(() => once(store, about, start)));
    expect(all.map(({ id }) => id)).to.deep.equal(Array(4).fill("operation-1"));
    expect(all.filter(({ first }) => first)).to.have.length(1);
    // Another server, or this one after a restart.
    expect(await once(new FolderStore(folder), about, start)).to.deep.equal({
      id: "operation-1",
      first: false,
    });
    expect(started).to.equal(1);
  });

  it("are one person's, refuse another request, and are free again when nothing was started", async () => {
    await once(store, about, async () => "first");
    expect((await once(store, { ...about, by: "bob" }, async () => "of bob")).id).to.equal("of bob");
    const other = once(store, { ...about, request: { through: ["prod"] } }, async () => "never");
    expect(((await other.catch((error: unknown) => error)) as HeadwaterError).code).to.equal(
      "console/key-reused",
    );

    const failing = { ...about, key: "one-that-fails" };
    const failure = once(store, failing, () => Promise.reject(new Error("no room")));
    expect(((await failure.catch((error: unknown) => error)) as Error).message).to.equal("no room");
    expect(await once(store, failing, async () => "second")).to.deep.equal({ id: "second", first: true });
  });

  it("take over what a server that died had reserved, and never what is being started", async () => {
    const key = `console/keys/${digestOf(["ann", about.key])}.json`;
    const kept = (age: number): string =>
      JSON.stringify({ at: new Date(Date.now() - age).toISOString(), request: digestOf(about.request) });
    await store.put(key, kept(61_000));
    expect(await once(store, about, async () => "anew")).to.deep.equal({ id: "anew", first: true });
  });
});

describe("what is costly to ask", () => {
  it("is asked once for all who wait, kept for a while, and asked again after a failure", async () => {
    const cached = new Cached();
    let asked = 0;
    const ask = async (): Promise<number> => {
      asked += 1;
      await new Promise((resolve) => setTimeout(resolve, 10));
      if (asked === 1) throw new Error("away");
      return asked;
    };
    const first = await Promise.allSettled([cached.get("a", 1000, ask), cached.get("a", 1000, ask)]);
    expect(first.map(({ status }) => status)).to.deep.equal(["rejected", "rejected"]);
    expect(await Promise.all([cached.get("a", 1000, ask), cached.get("a", 1000, ask)])).to.deep.equal([2, 2]);
    expect(await cached.get("a", 1000, ask)).to.equal(2);
    expect(await cached.get("b", 0, ask)).to.equal(3);
    expect(await cached.get("b", 0, ask)).to.equal(4);
  });

  it("takes turns", async () => {
    const turns = new Turns(2);
    let [now, most] = [0, 0];
    await Promise.allSettled(
      Array.from({ length: 7 }, (_, index) =>
        turns.run(async () => {
          now += 1;
          most = Math.max(most, now);
          await new Promise((resolve) => setTimeout(resolve, 5));
          now -= 1;
          if (index === 1) throw new Error("one that fails gives its turn back");
        }),
      ),
    );
    expect([now, most]).to.deep.equal([0, 2]);
  });
});
