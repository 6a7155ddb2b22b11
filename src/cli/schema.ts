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
    .description("write stack.schema.json, by which editors complete and check the stacks' files")
    .option("--settings <folder>", "the folder it is for", "stacks")
    .action((options: SchemaOptions) => schema(options));
}

async function schema({ project, settings }: SchemaOptions): Promise<void> {
  const { loadProject } = await import("./project.js");
  const { stackFileSchema } = await import("../settings/json-schema.js");
  const { programs, pipelines } = await loadProject(project);
  const content = stackFileSchema(
    Object.fromEntries(programs.map(({ name, settings }) => [name, settings])),
    pipelines.map(({ name }) => name),
  );
  const file = path.join(settings, "stack.schema.json");
  await writeFile(file, `${JSON.stringify(content, null, 2)}\n`);
  process.stdout.write(`${file}\n`);
}
