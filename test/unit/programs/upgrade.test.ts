import { readFileSync } from "node:fs";
import { expect } from "chai";
import { shop } from "../../../pipelines/shop.js";
import { cdcLakehouse } from "../../../programs/cdc-lakehouse.js";
import { heldBy } from "../../../src/model/data-holders.js";
import { resolveStackFile } from "../../../src/settings/program.js";
import { loadStackFile } from "../../../src/settings/stack-file.js";
import { record } from "../../../src/testing.js";

/** Inputs that are part of what a thing is: another value is another thing, and its data is gone. */
const IDENTITY = [
  ...["bucket", "name", "catalogName", "schemaName", "storageLocation", "storageRoot", "volumeType"],
  ...["replicationConfigIdentifier", "sourceEndpointArn", "targetEndpointArn"],
];

/** URN -> identity of everything that holds data, in the stack of the sample settings. */
async function holders(): Promise<Record<string, Record<string, unknown>>> {
  const settings = resolveStackFile(
    cdcLakehouse,
    shop,
    loadStackFile("stacks/samples/Pulumi.shop-sample.yaml"),
  );
  const made = await record(
    () => cdcLakehouse.run({ pipeline: shop, settings, environment: "dev", release: "r" }),
    { stack: "shop-dev" },
  );
  const found = made.resources.filter(({ type }) => heldBy(type) !== undefined);
  return Object.fromEntries(
    found.map(({ urn, inputs }) => [
      urn,
      Object.fromEntries(IDENTITY.filter((key) => key in inputs).map((key) => [key, inputs[key]])),
    ]),
  );
}

describe("an upgrade of the package", function () {
  this.timeout(30_000);

  it("neither replaces nor renames what holds data in a stack of version 0.1.0", async () => {
    // Made by version 0.1.0. A component that moves or renames such a resource gives it an alias, and says so here.
    const before = JSON.parse(readFileSync("test/unit/programs/deployed-0.1.0.json", "utf8")) as Record<
      string,
      object
    >;
    const now = await holders();
    expect(Object.keys(before).length).to.be.greaterThan(5);
    expect(now).to.deep.include(before);
  });
});
