import { expect } from "chai";
import { StoreConflict, type Store } from "../../../src/driver/store/store.js";
import { errorOf } from "../operations/errors.js";

/** What every store does, whatever it is made of. */
export function storeContract(open: () => Promise<Store>): void {
  let store: Store;
  beforeEach(async () => (store = await open()));

  it("holds bytes under keys, lists and removes them", async () => {
    expect(await store.get("nothing/here")).to.equal(undefined);
    expect(await store.list("records/")).to.deep.equal([]);
    await store.put("records/b", Buffer.from([0, 255, 10]));
    await store.put("records/a", "ä");
    await store.put("releases/a", "other");
    expect((await store.get("records/b"))?.bytes).to.deep.equal(Buffer.from([0, 255, 10]));
    expect((await store.get("records/a"))?.bytes.toString()).to.equal("ä");
    expect(await store.modified("nothing/here")).to.equal(undefined);
    const age = Date.now() - (await store.modified("records/a"))!.getTime();
    expect(age).to.be.within(-5000, 60_000);
    expect(await store.list("records/")).to.deep.equal(["records/a", "records/b"]);
    await store.remove("records/a");
    await store.remove("records/a");
    expect(await store.list("records/")).to.deep.equal(["records/b"]);
    await store.remove("records/b");
    await store.remove("releases/a");
  });

  it("writes on condition: only what is absent, or what is as it was seen", async () => {
    const first = await store.put("x", "1", "absent");
    expect(await errorOf(store.put("x", "2", "absent"))).to.be.instanceOf(StoreConflict);
    const second = await store.put("x", "2", { version: first });
    expect((await store.get("x"))?.version).to.equal(second);
    expect(await errorOf(store.put("x", "3", { version: first }))).to.be.instanceOf(StoreConflict);
    expect(await errorOf(store.remove("x", { version: first }))).to.be.instanceOf(StoreConflict);
    expect((await store.get("x"))?.bytes.toString()).to.equal("2");
    await store.remove("x", { version: second });
    expect(await errorOf(store.put("x", "4", { version: second }))).to.be.instanceOf(StoreConflict);
  });

  it("lets one of many win who write at once", async () => {
    const writes = Array.from({ length: 8 }, (_, index) => store.put("y", String(index), "absent"));
    const won = (await Promise.allSettled(writes)).filter(({ status }) => status === "fulfilled");
    expect(won).to.have.length(1);
    await store.remove("y");
  });
}
