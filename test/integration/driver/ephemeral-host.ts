import { writeFileSync } from "node:fs";
import path from "node:path";
import { openPlatform, thingProgram } from "./support.js";

/**
 * Run as a process of its own by ephemeral.test.ts: `ephemeral-host <scene's folder> <name>...`; holds ephemeral environments
 * of these names and waits, having made the file `in-<name>` in each.
 */
const [, , folder = "", ...names] = process.argv;
const platform = await openPlatform(folder, thingProgram());
await Promise.all(
  names.map((name) =>
    platform.withEphemeral({ name, ttl: "1h" }, async () => {
      writeFileSync(path.join(folder, `in-${name}`), "");
      await new Promise(() => undefined);
    }),
  ),
);
