import { expect } from "chai";
import fc from "fast-check";
import { HeadwaterError } from "../../../src/model/errors.js";
import { parseStackName, physicalName, stackName, type PhysicalKind } from "../../../src/model/naming.js";

const pipeline = fc.stringMatching(/^[a-z][a-z0-9]{0,19}$/);
const environment = fc.stringMatching(/^[a-z][a-z0-9]{0,5}(-[a-z0-9]{1,4}){0,2}$/);

/** What each service takes; see model/naming.ts for the sources. */
const forms: Record<PhysicalKind, RegExp> = {
  bucket: /^(?=.{3,56}$)[a-z0-9][a-z0-9-]*[a-z0-9]$/,
  role: /^[\w+=,.@-]{1,64}$/,
  endpoint: /^(?=.{1,255}$)[a-z](-?[a-z0-9])*$/,
  subnetGroup: /^(?=.{1,255}$)[a-z](-?[a-z0-9])*$/,
  replicationConfig: /^(?=.{1,31}$)[a-z](-?[a-z0-9])*$/,
  storageCredential: /^[a-z0-9_]{1,255}$/,
  externalLocation: /^[a-z0-9_]{1,255}$/,
  secretScope: /^[\w.@-]{1,128}$/,
  job: /^.{1,255}$/,
};
const parts: Partial<Record<PhysicalKind, string[]>> = {
  role: ["dms-s3", "dms-secrets", "unity-catalog"],
  endpoint: ["source", "target"],
};

describe("stack names", () => {
  it("can be read back", () => {
    fc.assert(
      fc.property(pipeline, environment, (pipeline, environment) => {
        expect(parseStackName(stackName(pipeline, environment))).to.deep.equal({ pipeline, environment });
      }),
    );
  });

  it("differ where pipeline or environment differ", () => {
    fc.assert(
      fc.property(pipeline, environment, pipeline, environment, (p, e, q, f) => {
        expect(stackName(p, e) === stackName(q, f)).to.equal(p === q && e === f);
      }),
    );
  });

  for (const bad of ["", "Dev", "dev-", "dev--eu", "1dev", "dev_eu", "a".repeat(21)]) {
    it(`refuses the environment "${bad}"`, () => {
      expect(() => stackName("shop", bad)).to.throw(HeadwaterError, "not an environment's name");
    });
  }

  it("refuses a stack without an environment", () => {
    expect(() => parseStackName("shop")).to.throw(
      HeadwaterError,
      "stack shop: not a stack's name\n  found: shop\n  allowed: <pipeline>-<environment>",
    );
  });
});

describe("physicalName", () => {
  it("reads well", () => {
    expect(physicalName("role", "shop-dev", "dms-s3")).to.equal("headwater-shop-dev-dms-s3");
    expect(physicalName("externalLocation", "shop-dev")).to.equal("headwater_shop_dev");
    expect(physicalName("replicationConfig", "shop-dev")).to.equal("headwater-shop-dev");
  });

  for (const kind of Object.keys(forms) as PhysicalKind[]) {
    it(`keeps what the service allows for a ${kind}`, () => {
      fc.assert(
        fc.property(pipeline, environment, fc.constantFrom(...(parts[kind] ?? [undefined])), (p, e, part) => {
          // The bucket's name leaves room for a hyphen and six random characters.
          expect(physicalName(kind, stackName(p, e), part, kind === "bucket" ? 7 : 0)).to.match(forms[kind]);
        }),
      );
    });
  }

  it("keeps names apart when it has to shorten them", () => {
    const long = (environment: string) =>
      physicalName("replicationConfig", stackName("a".repeat(20), environment));
    expect(long("environment-1")).to.have.length.at.most(31);
    expect(long("environment-1")).not.to.equal(long("environment-2"));
    expect(long("environment-1")).to.equal(long("environment-1"));
  });
});
