import { readdir } from "node:fs/promises";
import { HeadwaterError } from "../model/errors.js";

/**
 * Environments with a stack file for the pipeline: those on the path in its order, then the others by name.
 * @throws HeadwaterError `driver/no-settings`.
 */
export async function environmentNames(
  settingsDir: string,
  pipeline: string,
  path: readonly string[],
): Promise<string[]> {
  const files = await readdir(settingsDir).catch((error: unknown) => {
    throw new HeadwaterError(
      "driver/no-settings",
      "the folder of the stacks' settings cannot be read",
      { where: settingsDir, remedy: "Run in the project's folder, or name it with --settings." },
      { cause: error },
    );
  });
  const stack = new RegExp(`^Pulumi\\.${pipeline}-(.+)\\.yaml$`);
  const names = files.flatMap((file) => stack.exec(file)?.slice(1) ?? []).sort();
  return [...path.filter((name) => names.includes(name)), ...names.filter((name) => !path.includes(name))];
}
