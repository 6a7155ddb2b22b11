import { expect } from "chai";
import fc from "fast-check";
import type { PlannedChange } from "../../../src/driver/engine-events.js";
import { frozenBy } from "../../../src/driver/gates/freeze.js";
import type { Gate, GateContext, Proof } from "../../../src/driver/gates/gate.js";
import { lakehousePolicies, standardGates } from "../../../src/driver/gates/index.js";
import { judgeGates, type GateError, type GateVerdict } from "../../../src/driver/gates/judge.js";
import { heldBy } from "../../../src/model/data-holders.js";
import { definePipeline } from "../../../src/model/pipeline.js";
import { NO_RULES, PromotionRules, rulesFor } from "../../../src/settings/promotion-rules.js";
import { errorOf } from "../operations/errors.js";

const release = {
  id: "a".repeat(64),
  program: "p",
  pipeline: "shop",
  parts: { code: "", pipeline: "", notebooks: "", providers: {} },
};
const pipeline = definePipeline({
  name: "shop",
  engine: "postgresql",
  tables: { s: { t: { keys: ["id"] } } },
});

function change(type: string, op: string, about: Partial<PlannedChange> = {}): PlannedChange {
  const name = type.split(":").at(-1) ?? "";
  return { urn: `urn:${name}`, type, name, op, replaceKeys: [], changedKeys: [], new: {}, ...about };
}

function context(planned: readonly PlannedChange[], about: Partial<GateContext> = {}): GateContext {
  return {
    ...{ environment: "prod", stack: "shop-prod", release, pipeline, settings: {}, settingsDigest: "d" },
    ...{ rules: rulesFor(NO_RULES, "prod"), planned, changes: {}, rollback: false, now: new Date() },
    proofIn: async () => undefined,
    drift: async () => [],
    ...about,
  };
}

async function verdicts(
  gates: readonly Gate[],
  about: GateContext,
  overrides: { rule: string; reason: string; environment?: string }[] = [],
): Promise<Record<string, GateVerdict["verdict"]>> {
  const told: GateVerdict[] = [];
  await judgeGates(gates, overrides, about, async (verdict) => void told.push(verdict)).catch(
    (error: GateError) => error,
  );
  return Object.fromEntries(told.map(({ rule, verdict }) => [rule, verdict]));
}

const BUCKET = "aws:s3/bucket:Bucket";
const prod = (rules: object) =>
  rulesFor(PromotionRules.parse({ version: 1, environments: { prod: rules } }), "prod");

describe("gates", () => {
  it("are open for what only makes and changes", async () => {
    const plan = context([change(BUCKET, "create"), change("databricks:index/job:Job", "replace")]);
    expect(Object.values(await verdicts(standardGates(), plan))).to.not.include("refused");
  });

  it("keep whatever holds data or a position from being deleted or replaced, and name it", async () => {
    for (const type of [
      BUCKET,
      "databricks:index/catalog:Catalog",
      "aws:dms/replicationConfig:ReplicationConfig",
    ]) {
      expect(heldBy(type), type).to.be.a("string");
      for (const op of ["delete", "replace"]) {
        const plan = context([change(type, op, { replaceKeys: ["name"] })]);
        const error = (await errorOf(
          judgeGates(standardGates(), [], plan, async () => undefined),
        )) as GateError;
        expect(error.details.field).to.equal("keeps-data");
        expect(error.message).to.contain(`${op} of what holds`).and.to.contain("urn:");
        if (op === "replace") expect(error.message).to.contain("because name changed");
      }
    }
  });

  it("take an override with its reason, there and nowhere else; but never for data on the way back", async () => {
    const plan = [change(BUCKET, "delete")];
    const override = { rule: "keeps-data", reason: "it is empty" };
    expect(await verdicts(standardGates(), context(plan), [override])).to.include({
      "keeps-data": "overridden",
    });
    const elsewhere = [{ ...override, environment: "dev" }];
    expect(await verdicts(standardGates(), context(plan), elsewhere)).to.include({ "keeps-data": "refused" });
    const back = context(plan, { rollback: true });
    expect(await verdicts(standardGates(), back, [override])).to.include({ "keeps-data": "refused" });
    const error = await errorOf(judgeGates(standardGates(), [override], back, async () => undefined));
    expect(error.message).to.contain("There is no override: a rollback never gives up data");
  });

  it("tell all that stands in the way at once", async () => {
    const rules = prod({
      protected: true,
      maxChanges: 1,
      freeze: [{ from: "2020-01-01T00:00:00Z", until: "2120-01-01T00:00:00Z", reason: "audit" }],
    });
    const last = { kind: "update", result: "succeeded", at: "2026-01-01T00:00:00Z", message: "by hand" };
    const plan = context(
      [change(BUCKET, "delete"), change(BUCKET, "update", { urn: "urn:b", new: { forceDestroy: true } })],
      { rules, last, before: "staging" },
    );
    const all = await verdicts(standardGates(), plan);
    const refused = Object.keys(all).filter((rule) => all[rule] === "refused");
    expect(refused).to.deep.equal([
      "freeze",
      "proven",
      "released",
      "keeps-data",
      "force-destroy",
      "max-changes",
    ]);
  });

  it("ask for drift only where the rules say so", async () => {
    let asked = 0;
    const drift = async () => [change(BUCKET, "update", { changedKeys: ["tags"] })].slice(0, ++asked);
    expect(await verdicts(standardGates(), context([], { drift }))).to.include({ drift: "passed" });
    expect(asked).to.equal(0);
    const strict = context([], { drift, rules: prod({ drift: "refuse" }) });
    expect(await verdicts(standardGates(), strict)).to.include({ drift: "refused" });
  });

  it("are open for a release that is proven before, and for the way back without proof", async () => {
    const proof: Proof = { release: release.id, environment: "staging", record: "r", at: "" };
    const asked = context([], {
      before: "staging",
      proofIn: async (name) => (name === "staging" ? proof : undefined),
    });
    expect(await verdicts(standardGates(), asked)).to.include({ proven: "passed" });
    expect(await verdicts(standardGates(), context([], { before: "staging", rollback: true }))).to.include({
      proven: "passed",
    });
  });

  describe("policies of the lakehouse", () => {
    const refused: Record<string, PlannedChange> = {
      encryption: change("aws:rds/instance:Instance", "create", { new: { publiclyAccessible: false } }),
      "public-access": change("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "update", {
        new: {
          blockPublicAcls: true,
          blockPublicPolicy: true,
          ignorePublicAcls: false,
          restrictPublicBuckets: true,
        },
      }),
      cost: change("aws:dms/replicationConfig:ReplicationConfig", "create", {
        new: { computeConfig: { maxCapacityUnits: 128 } },
      }),
      tags: change("aws:iam/role:Role", "create", { new: { tags: { team: "data" } } }),
    };
    for (const [rule, planned] of Object.entries(refused)) {
      it(`refuse ${rule}, and only that`, async () => {
        const all = await verdicts(lakehousePolicies({ tags: ["owner"] }), context([planned]));
        const shut = Object.keys(all).filter((name) => all[name] === "refused");
        // A database without tags lacks these as well.
        expect(shut.filter((name) => name !== "tags" || rule === "tags")).to.deep.equal([rule]);
      });
    }

    it("are open for what is as it should be", async () => {
      const good = [
        change("aws:iam/role:Role", "create", { new: { tagsAll: { owner: "data" } } }),
        change("aws:dms/replicationConfig:ReplicationConfig", "create", {
          new: { computeConfig: { maxCapacityUnits: 16 }, tags: { owner: "data" } },
        }),
        change(BUCKET, "delete", { new: {} }),
      ];
      expect(
        Object.values(await verdicts(lakehousePolicies({ tags: ["owner"] }), context(good))),
      ).to.not.include("refused");
    });
  });

  describe("freeze windows", () => {
    const weekend = {
      weekly: { from: "Fri 16:00", until: "Mon 07:00" },
      timezone: "Europe/Paris",
      reason: "nobody is here",
    };
    const moments: [string, boolean][] = [
      ["2026-11-27T14:59:00Z", false], // Friday 15:59 in Paris
      ["2026-11-27T15:00:00Z", true],
      ["2026-11-29T12:00:00Z", true],
      ["2026-11-30T05:59:00Z", true],
      ["2026-11-30T06:00:00Z", false], // Monday 07:00
      ["2026-07-03T14:00:00Z", true], // in summer two hours before UTC: Friday 16:00
      ["2026-07-03T13:59:00Z", false],
    ];
    for (const [moment, frozen] of moments) {
      it(`${frozen ? "hold" : "do not hold"} at ${moment}`, () => {
        expect(frozenBy(weekend, new Date(moment)) !== undefined).to.equal(frozen);
      });
    }

    it("are half-open, once and every week alike", () => {
      fc.assert(
        fc.property(fc.integer({ min: 0, max: 7 * 24 * 60 - 1 }), (minute) => {
          const monday = Date.parse("2026-11-23T00:00:00Z");
          const at = new Date(monday + minute * 60_000);
          const from = new Date(monday + 600 * 60_000).toISOString();
          const until = new Date(monday + 3000 * 60_000).toISOString(); // Wednesday 02:00
          const once = frozenBy({ from, until, reason: "r" }, at) !== undefined;
          const weekly = { weekly: { from: "Mon 10:00", until: "Wed 02:00" }, timezone: "UTC", reason: "r" };
          return once === (frozenBy(weekly, at) !== undefined) && once === (minute >= 600 && minute < 3000);
        }),
      );
    });
  });
});
