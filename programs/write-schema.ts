import { writeFileSync } from "node:fs";
import { pipelines } from "../pipelines/index.js";
import { stackFileSchema } from "../src/settings/json-schema.js";
import { programs } from "./all.js";

// `node dist/programs/write-schema.js [file]`: the JSON schema editors check stack files with.
const schema = stackFileSchema(
  Object.fromEntries(programs.map(({ name, settings }) => [name, settings])),
  pipelines.map(({ name }) => name),
);
writeFileSync(process.argv[2] ?? "stacks/stack.schema.json", `${JSON.stringify(schema, null, 2)}\n`);
