import { randomInt, randomUUID } from "node:crypto";
import { flag, map, number, text, type Fields, type Values } from "../fields.js";
import type { LightProvider, ResourceType } from "../resource.js";
import { versionOf } from "../version.js";
import { randomId, randomText, type Alphabet } from "./generate.js";

const made = { replaces: true };
const keepers = map(made);

const alphabet: Fields = {
  keepers,
  length: number({ ...made, required: true }),
  lower: flag({ ...made, default: true }),
  upper: flag({ ...made, default: true }),
  numeric: flag({ ...made, default: true }),
  special: flag({ ...made, default: true }),
  overrideSpecial: text(made),
  minLower: number({ ...made, default: 0 }),
  minUpper: number({ ...made, default: 0 }),
  minNumeric: number({ ...made, default: 0 }),
  minSpecial: number({ ...made, default: 0 }),
};

type Random = Pick<ResourceType<null>, "inputs" | "outputs" | "refused"> & {
  readonly make: (inputs: Values) => Promise<{ id: string; properties: Values }>;
};

/** There is no service behind these: what was made is what was recorded. */
function random(name: string, { make, ...type }: Random): ResourceType<null> {
  return {
    token: `random:index/${name[0]!.toLowerCase()}${name.slice(1)}:${name}`,
    source: "terraform-provider-random internal/provider/resource_*.go: every argument has RequiresReplace",
    ...type,
    create: ({ inputs }) => make(inputs),
    read: async ({ state }) => state,
    delete: async () => {},
  };
}

export const randomProvider: LightProvider<null> = {
  name: "random",
  version: versionOf("@pulumi/random"),
  config: { version: text(), pluginDownloadURL: text() },
  types: [
    random("RandomId", {
      inputs: { byteLength: number({ ...made, required: true }), keepers, prefix: text(made) },
      outputs: { b64Std: {}, b64Url: {}, dec: {}, hex: {} },
      async make({ byteLength, prefix }) {
        const { id, ...properties } = randomId(byteLength as number, prefix as string | undefined);
        return { id, properties };
      },
    }),
    random("RandomString", {
      inputs: alphabet,
      outputs: { result: {} },
      refused: ["number"], // the deprecated name of `numeric`
      async make(inputs) {
        const result = randomText(inputs as unknown as Alphabet);
        return { id: result, properties: { result } };
      },
    }),
    random("RandomPassword", {
      inputs: alphabet,
      outputs: { result: { secret: true }, bcryptHash: { secret: true } },
      refused: ["number"],
      async make(inputs) {
        const { hash } = await import("bcryptjs");
        const result = randomText(inputs as unknown as Alphabet);
        // bcrypt reads 72 bytes; the provider cuts there too, rather than failing on a longer password.
        return { id: "none", properties: { result, bcryptHash: await hash(result.slice(0, 72), 10) } };
      },
    }),
    random("RandomUuid", {
      inputs: { keepers },
      outputs: { result: {} },
      async make() {
        const result = randomUUID();
        return { id: result, properties: { result } };
      },
    }),
    random("RandomInteger", {
      inputs: { keepers, min: number({ ...made, required: true }), max: number({ ...made, required: true }) },
      outputs: { result: {} },
      refused: ["seed"], // would have to follow Go's generator to mean the same number
      async make({ min, max }) {
        const result = randomInt(min as number, (max as number) + 1);
        return { id: String(result), properties: { result } };
      },
    }),
  ],
  functions: [],
  connect: () => null,
  isMissing: () => false,
  explain: (error) => (error instanceof Error ? error.message : String(error)),
};
