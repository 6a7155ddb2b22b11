import { expect } from "chai";
import { checkCurrent, checkNames } from "../../../demo/proof/checks.js";
import { Recorder } from "../../../demo/recorder.js";
import { summarize } from "../../../demo/summary.js";
import { shopTable } from "../../../demo/tables.js";
import type { NewEvent, PromotionEvent } from "../../../src/driver/events.js";
import { HeadwaterError } from "../../../src/model/errors.js";

const began = Date.parse("2026-03-01T12:00:00.000Z");

/** Events half a second apart. */
function dated(...events: NewEvent[]): PromotionEvent[] {
  return events.map((event, index) => ({ ...event, at: new Date(began + index * 500).toISOString() }));
}

const inDev = { environment: "dev" } as const;
const check = (name: string, state: "started" | "passed" | "failed", message?: string): NewEvent => ({
  ...{ type: "check", check: name, state, ...inDev },
  ...(message === undefined ? {} : { message }),
});

const events = dated(
  { type: "phase", phase: "preview", state: "started", ...inDev },
  { type: "phase", phase: "preview", state: "succeeded", elapsedMs: 500, changes: { create: 31 }, ...inDev },
  { type: "phase", phase: "up", state: "started", ...inDev },
  {
    type: "phase",
    phase: "up",
    state: "succeeded",
    elapsedMs: 500,
    changes: { create: 30, same: 1 },
    ...inDev,
  },
  { type: "phase", phase: "checks", state: "started", ...inDev },
  check("replication-loaded", "started"),
  check("replication-loaded", "passed", "4 tables loaded, 5100 rows"),
  check("proven", "started"),
  check("proven", "failed", "current of orders: 1 missing"),
  {
    ...{ type: "phase", phase: "checks", state: "failed", ...inDev },
    error: new HeadwaterError("driver/check-failed", "the check proven failed"),
  },
);

function record(): Recorder {
  const recorder = new Recorder(["dev", "prod"]);
  for (const event of events) recorder.note(event);
  return recorder;
}

describe("the demo's account of a promotion", () => {
  it("has each environment's steps with their times, resources and failure; none of those not reached", () => {
    const environments = record().report("shop", () => ({}));
    expect(environments.map(({ name }) => name)).to.deep.equal(["dev"]);
    const [dev] = environments;
    expect(dev).to.include({ stack: "shop-dev", resources: 31, error: "the check proven failed" });
    expect(dev?.steps.map(({ name, detail, failed }) => [name, detail, failed])).to.deep.equal([
      ["preview", "31 create", false],
      ["up", "30 create, 1 same", false],
      ["replication-loaded", "4 tables loaded, 5100 rows", false],
      ["proven", "current of orders: 1 missing", true],
    ]);
    expect(dev?.steps[2]).to.include({ startedAt: began + 2500, endedAt: began + 3000 });
  });

  it("knows between which instants the load began, to the microsecond outward", () => {
    expect(record().loadWindow("dev")).to.deep.equal({
      from: "2026-03-01 12:00:02.500000",
      until: "2026-03-01 12:00:03.000999",
    });
    expect(() => record().loadWindow("prod")).to.throw("nothing has been loaded in prod");
  });

  it("is summarized as a table, with what failed and what was not run", () => {
    const verdicts = [checkCurrent(shopTable("orders"), [], [["1"]])];
    const environments = record().report("shop", () => ({ proof: { verdicts, histories: new Map() } }));
    const text = summarize({
      ...{ release: "r", seed: "s", clockScale: 60, startedAt: began, endedAt: began + 5000 },
      environments,
    });
    expect(text).to.match(/^ +dev\n-+ +-+\nresources +31\npreview +0\.5 s\nup +0\.5 s\n/);
    expect(text).to.match(/proven +FAILED, 0\.5 s/);
    expect(text).to.match(/current +NOT EQUAL/);
    for (const name of checkNames.filter((each) => each !== "current"))
      expect(text).to.match(new RegExp(`${name} +not run`));
  });
});
