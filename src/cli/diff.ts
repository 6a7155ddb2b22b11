import type { Command } from "commander";
import type { EnvironmentDifference } from "../driver/difference.js";
import type { Interrupt } from "./interrupt.js";
import { environmentName, withCommonOptions, type CommonOptions } from "./options.js";

export function addDiff(program: Command, interrupt: Interrupt): void {
  withCommonOptions(program.command("diff"))
    .description("two environments side by side: settings, resources, releases")
    .argument("<one>", "an environment", environmentName)
    .argument("<other>", "another", environmentName)
    .addHelpText("after", "\nExample: headwater diff staging prod")
    .action((one: string, other: string, options: CommonOptions) => diff(one, other, options, interrupt));
}

async function diff(one: string, other: string, options: CommonOptions, interrupt: Interrupt): Promise<void> {
  const { withSession } = await import("./session.js");
  await withSession(options, interrupt, async (session) => {
    const found = await session.platform.difference(one, other, session.pipeline);
    session.answer(describe(one, other, found), { type: "difference", one, other, ...found });
  });
}

function describe(
  one: string,
  other: string,
  { settings, resources, releases, parts }: EnvironmentDifference,
): string {
  const rows: [string, string, string][] = [["", one, other]];
  const short = (id: string | undefined): string => id?.slice(0, 12) ?? "none";
  if (releases.one !== releases.other) rows.push(["release", short(releases.one), short(releases.other)]);
  for (const { type, one: a, other: b } of resources) rows.push([type, String(a), String(b)]);
  for (const { field, one: a, other: b } of settings) rows.push([field, show(a), show(b)]);
  if (rows.length === 1) return `${one} and ${other} agree in settings, resources and release`;
  const widths = [0, 1].map((column) => Math.min(60, Math.max(...rows.map((row) => row[column]!.length))));
  const lines = rows.map(([what, a, b]) =>
    `${what.padEnd(widths[0]!)}  ${a.padEnd(widths[1]!)}  ${b}`.trimEnd(),
  );
  return [...lines, ...(parts === "" ? [] : [`the releases differ in: ${parts}`])].join("\n");
}

function show(value: unknown): string {
  if (value === undefined) return "-";
  return typeof value === "string" ? value : JSON.stringify(value);
}
