import { expect } from "chai";
import { awsProvider } from "../../../src/sandbox/providers/aws/provider.js";
import { check } from "../../../src/sandbox/providers/check.js";
import { databricksProvider } from "../../../src/sandbox/providers/databricks/provider.js";
import { diff } from "../../../src/sandbox/providers/diff.js";
import type { Field, Fields, Values } from "../../../src/sandbox/providers/fields.js";
import { randomProvider } from "../../../src/sandbox/providers/random/provider.js";
import type { ResourceType } from "../../../src/sandbox/providers/resource.js";
import { replacing } from "./replacing.js";
import { declaredArgs, declaredInput } from "./sdk.js";

const types = [awsProvider, databricksProvider, randomProvider].flatMap(
  (provider) => provider.types as readonly ResourceType<never>[],
);

/** Every property that can be changed alone: those of objects one by one, lists and maps as a whole. */
function leaves(
  fields: Fields,
  at: string[] = [],
  above = false,
): { path: string[]; field: Field; replaces: boolean }[] {
  return Object.entries(fields).flatMap(([name, field]) => {
    const [path, replaces] = [[...at, name], above || field.replaces === true];
    return field.kind === "object" ? leaves(field.fields!, path, replaces) : [{ path, field, replaces }];
  });
}

function sample(field: Field, variant: "a" | "b"): unknown {
  switch (field.kind) {
    case "string":
      return `value-${variant}`;
    case "number":
      return variant === "a" ? 1 : 2;
    case "boolean":
      return variant === "a";
    case "json":
    case "policy":
      return JSON.stringify({ variant });
    case "map":
      return { key: variant };
    case "list":
    case "set":
      return [sample(field.item!, variant)];
    case "object":
      return samples(field.fields!, variant);
  }
}

function samples(fields: Fields, variant: "a" | "b"): Values {
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, sample(field, variant)]));
}

function changedAt(inputs: Values, [name, ...below]: string[], field: Field): Values {
  const value = below.length === 0 ? sample(field, "b") : changedAt(inputs[name!] as Values, below, field);
  return { ...inputs, [name!]: value };
}

describe("light providers' tables", () => {
  for (const type of types) {
    describe(type.token, () => {
      const base = samples(type.inputs, "a");

      it("accepts or refuses by name every property of the SDK's class, and no other", () => {
        const declared = declaredArgs(type.token);
        const known = [...Object.keys(type.inputs), ...(type.refused ?? [])];
        expect(known.sort()).to.deep.equal([...declared.keys()].sort());
        for (const [name, field] of Object.entries(type.inputs)) {
          expect(field.required ?? false, name).to.equal(declared.get(name)!.required);
        }
      });

      it("has no nested property that the SDK does not have", () => {
        const sdk = type.token.split(":")[0]!;
        const compare = (fields: Fields, declared: ReturnType<typeof declaredArgs>, at: string): void => {
          for (const [name, field] of Object.entries(fields)) {
            const found = declared.get(name);
            expect(found, `${at}${name}`).not.to.be.undefined;
            const nested = field.fields ?? field.item?.fields;
            if (nested !== undefined && found?.input !== undefined) {
              compare(nested, declaredInput(sdk, found.input), `${at}${name}.`);
            }
          }
        };
        compare(type.inputs, declaredArgs(type.token), "");
      });

      it("shows no difference between equal inputs", () => {
        expect([...diff(type, base, structuredClone(base)).changes.keys()]).to.deep.equal([]);
      });

      for (const { path, field, replaces } of leaves(type.inputs)) {
        it(`${path.join(".")}: ${replaces ? "replaces" : "changes in place"}`, () => {
          const result = diff(type, base, changedAt(base, path, field));
          expect([...result.changes]).to.deep.equal([[path.join("."), { kind: "update", replaces }]]);
          expect([...result.changed]).to.deep.equal([path[0]]);
          expect(result.replaces).to.equal(replaces);
        });
      }

      it("takes its computed properties from the service when they are not given", () => {
        const given = Object.entries(type.inputs).filter(([, field]) => field.computed !== true);
        const without = Object.fromEntries(given.map(([name]) => [name, base[name]]));
        expect([...diff(type, base, without).changes.keys()]).to.deep.equal([]);
      });

      it("replaces for the properties the real provider's source says", () => {
        const marked = leaves(type.inputs).filter((leaf) => leaf.replaces);
        expect(marked.map(({ path }) => path.join(".")).sort()).to.deep.equal(
          [...replacing[type.token]!].sort(),
        );
      });

      it("replaces for the properties the SDK's documentation says", () => {
        for (const [name, { comment }] of declaredArgs(type.token)) {
          if (!/forces? (the )?creation of a new resource/i.test(comment) || type.inputs[name] === undefined)
            continue;
          expect(type.inputs[name].replaces, name).to.be.true;
        }
      });

      it("refuses what it does not know, by name, and says what it knows", () => {
        const failures = check(type.token, type.inputs, { ...base, somethingElse: 1 }, type.refused);
        expect(failures.map(({ property }) => property)).to.deep.equal(["somethingElse"]);
        expect(failures[0]!.reason).to.contain('"somethingElse" (there is no such property)');
        expect(failures[0]!.reason).to.contain(Object.keys(type.inputs).sort().join(", "));
        for (const name of type.refused ?? []) {
          const [failure] = check(type.token, type.inputs, { ...base, [name]: "x" }, type.refused);
          expect(failure!.reason).to.contain(
            `"${name}" (the real provider has it, the sandbox's light provider does not)`,
          );
        }
      });
    });
  }

  it("has every token once, under its SDK's name", () => {
    for (const provider of [awsProvider, databricksProvider, randomProvider]) {
      const tokens = [...provider.types, ...provider.functions].map(({ token }) => token);
      expect(new Set(tokens).size).to.equal(tokens.length);
      for (const token of tokens) expect(token.split(":")[0]).to.equal(provider.name);
      expect(provider.version).to.match(/^\d+\.\d+\.\d+$/);
    }
  });
});
