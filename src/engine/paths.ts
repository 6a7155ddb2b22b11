import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

/**
 * The folder that holds the project's `package.json`, wherever this module runs from: the source tree, `dist/` or the
 * installed package. Files that are not compiled (Python, Go modules, notebooks) are found relative to it.
 */
export function packageRoot(): string {
  let folder = path.dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const manifest = path.join(folder, "package.json");
    if (existsSync(manifest) && isHeadwater(manifest)) return folder;
    const parent = path.dirname(folder);
    if (parent === folder)
      throw new Error(`no package.json of headwater above ${fileURLToPath(import.meta.url)}`);
    folder = parent;
  }
}

function isHeadwater(manifest: string): boolean {
  const { name } = JSON.parse(readFileSync(manifest, "utf8")) as { name?: string };
  // Published under a scope or not.
  return name === "headwater" || (name?.endsWith("/headwater") ?? false);
}

/**
 * Where what is expensive to make is kept, per user: the engine, the Python environment, Spark's jars.
 * `HEADWATER_CACHE`, else `$XDG_CACHE_HOME/headwater`, else `~/.cache/headwater`.
 */
export function cacheRoot(environment: NodeJS.ProcessEnv = process.env): string {
  const own = environment["HEADWATER_CACHE"];
  if (own !== undefined && own !== "") return path.resolve(own);
  const xdg = environment["XDG_CACHE_HOME"];
  // The XDG specification has relative values ignored.
  const base = xdg !== undefined && path.isAbsolute(xdg) ? xdg : path.join(homedir(), ".cache");
  return path.join(base, "headwater");
}

/** Headwater's own version, as its package.json has it. */
export function packageVersion(): string {
  return (JSON.parse(readFileSync(path.join(packageRoot(), "package.json"), "utf8")) as { version: string })
    .version;
}
