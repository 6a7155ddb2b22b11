import { expect } from "chai";
import { readFileSync } from "node:fs";
import { pipelines } from "../../../pipelines/index.js";
import { programs } from "../../../programs/all.js";
import { settingsSchema, stackFileSchema } from "../../../src/settings/json-schema.js";
import { PromotionRules } from "../../../src/settings/promotion-rules.js";

type Node = { readonly [key: string]: unknown };

/** Every property of the settings, by dotted path, with its schema. */
function properties(node: Node, path = ""): [string, Node][] {
  const variants = [
    ...((node["anyOf"] as Node[] | undefined) ?? []),
    ...((node["oneOf"] as Node[] | undefined) ?? []),
  ];
  return [
    ...Object.entries((node["properties"] ?? {}) as Record<string, Node>).flatMap(([key, child]) => [
      [`${path}${key}`, child] as [string, Node],
      ...properties(child, `${path}${key}.`),
    ]),
    ...variants.flatMap((variant) => properties(variant, path)),
  ];
}

describe("stacks/promotion.schema.json", () => {
  it("is what the rules' schema gives (write it anew with node dist/src/cli/main.js schema)", () => {
    const written: unknown = JSON.parse(readFileSync("stacks/promotion.schema.json", "utf8"));
    expect(written).to.deep.equal(settingsSchema(PromotionRules));
  });
});

describe("stacks/stack.schema.json", () => {
  const schema = stackFileSchema(
    Object.fromEntries(programs.map(({ name, settings }) => [name, settings])),
    pipelines.map(({ name }) => name),
  );

  it("is what the settings' schema gives (write it anew with node dist/src/cli/main.js schema)", () => {
    expect(JSON.parse(readFileSync("stacks/stack.schema.json", "utf8"))).to.deep.equal(schema);
  });

  it("says what every setting means", () => {
    const settings = (schema as { properties: { config: { properties: Record<string, Node> } } }).properties
      .config;
    const all = properties(settings.properties["headwater:settings"]!);
    expect(all.length).to.be.greaterThan(50);
    // A constant explains itself; all else needs words.
    expect(
      all.filter(([, node]) => node["description"] === undefined && !("const" in node)).map(([path]) => path),
    ).to.deep.equal([]);
  });

  it("takes no key of the project's that nobody reads", () => {
    const config = (schema as { properties: { config: Node } }).properties.config;
    expect(config["patternProperties"]).to.deep.equal({
      "^headwater:(?!(program|pipeline|settings)$)": false,
    });
  });
});
