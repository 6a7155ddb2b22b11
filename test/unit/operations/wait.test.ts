import { expect } from "chai";
import { describeMs, systemClock, waitFor } from "../../../src/operations/wait.js";
import { errorOf } from "./errors.js";
import { FakeClock } from "./fake-server.js";

describe("waitFor", () => {
  it("looks until the thing is there, ever less often", async () => {
    const clock = new FakeClock();
    let looks = 0;
    const value = await waitFor(
      "it",
      { timeoutMs: 60_000, intervalMs: 100, maxIntervalMs: 300, clock },
      async () => (++looks < 6 ? { done: false, seen: "no" } : { done: true, value: "there" }),
    );
    expect(value).to.equal("there");
    expect(clock.sleeps.map(Math.round)).to.deep.equal([100, 150, 225, 300, 300]);
  });

  it("tells what it sees, each thing once", async () => {
    const clock = new FakeClock();
    const seen = ["a", "a", "b"];
    const told: string[] = [];
    await waitFor("it", { timeoutMs: 60_000, clock, progress: (text) => told.push(text) }, async () => {
      const next = seen.shift();
      return next === undefined ? { done: true, value: 1 } : { done: false, seen: next };
    });
    expect(told).to.deep.equal(["a", "b"]);
  });

  it("gives up at the deadline, not an interval later, and tells the last thing seen", async () => {
    const clock = new FakeClock();
    const error = await errorOf(
      waitFor("the load", { timeoutMs: 1000, intervalMs: 800, clock }, async () => ({
        done: false,
        seen: "3 of 4",
      })),
    );
    expect(error.code).to.equal("operations/timeout");
    expect(error.message).to.contain("waited 1 s for the load").and.to.contain("3 of 4");
    expect(clock.time).to.equal(1000);
  });

  it("does not look when cancelled before, and wakes from its sleep when cancelled later", async () => {
    let looks = 0;
    const look = async () => ({ done: false, seen: `look ${++looks}` }) as const;
    const before = await errorOf(waitFor("it", { timeoutMs: 1000, signal: AbortSignal.abort() }, look));
    expect(before.code).to.equal("operations/cancelled");
    expect(looks).to.equal(0);
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 10);
    const started = systemClock.now();
    const later = await errorOf(
      waitFor("it", { timeoutMs: 60_000, intervalMs: 30_000, signal: controller.signal }, look),
    );
    expect(later.code).to.equal("operations/cancelled");
    expect(later.message).to.contain("look 1");
    expect(systemClock.now() - started).to.be.lessThan(5000);
  });

  it("says times as people do", () => {
    expect([12.4, 1500, 90_000, 120_000].map(describeMs)).to.deep.equal([
      "12 ms",
      "1.5 s",
      "1 min 30 s",
      "2 min",
    ]);
  });
});
