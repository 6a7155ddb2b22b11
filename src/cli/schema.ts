import { writeFile } from "node:fs/promises";
import path from "node:path";
import type { Command } from "commander";

interface SchemaOptions {
  readonly project: string;
  readonly settings: string;
}

export function addSchema(program: Command): void {
  program
    .command("schema")
    .description(
      "write stack.schema.json and promotion.schema.json, by which editors complete and check the stacks' files",
    )
    .option("--settings <folder>", "the folder it is for", "stacks")
    .action((options: SchemaOptions) => schema(options));
}

async function schema({ project, settings }: SchemaOptions): Promise<void> {
  const { loadProject } = await import("./project.js");
  const { settingsSchema, stackFileSchema } = await import("../settings/json-schema.js");
  const { PromotionRules } = await import("../settings/promotion-rules.js");
  const { programs, pipelines } = await loadProject(project);
  const content = stackFileSchema(
    Object.fromEntries(programs.map(({ name, settings }) => [name, settings])),
    pipelines.map(({ name }) => name),
  );
  const schemas = { "stack.schema.json": content, "promotion.schema.json": settingsSchema(PromotionRules) };
  for (const [name, schema] of Object.entries(schemas)) {
    const file = path.join(settings, name);
    await writeFile(file, `${JSON.stringify(schema, null, 2)}\n`);
    process.stdout.write(`${file}\n`);
  }
}
