import { existsSync } from "node:fs";
import path from "node:path";
import { run } from "../../src/engine/run.js";
import type { Work } from "../../src/engine/progress.js";
import { HeadwaterError } from "../../src/model/errors.js";

/** Set where the tests in a browser are to be left out, and only there. */
export const WITHOUT_BROWSER = "HEADWATER_TEST_WITHOUT_BROWSER";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/** The browser that the console's page is tested in; undefined where there is none. `HEADWATER_CHROMIUM` names another. */
export function findChromium(): string | undefined {
  const own = process.env["HEADWATER_CHROMIUM"];
  if (own !== undefined && own !== "") return own;
  const folders = (process.env["PATH"] ?? "").split(path.delimiter);
  return NAMES.flatMap((name) => folders.map((folder) => path.join(folder, name))).find((file) =>
    existsSync(file),
  );
}

/**
 * Finds a browser or, as root on Debian, installs Debian's.
 * @throws HeadwaterError `test/no-browser`.
 */
export async function ensureChromium({ progress, signal }: Work): Promise<void> {
  if (findChromium() !== undefined || process.env[WITHOUT_BROWSER] === "1") return;
  if (process.getuid?.() === 0 && existsSync("/usr/bin/apt-get")) {
    progress("installing Debian's Chromium for the tests of the console (apt-get, 100 MB, once)");
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    const options = { env, signal, onLine: () => undefined };
    await run("apt-get", ["update", "-q"], options);
    await run(
      "apt-get",
      ["install", "-q", "-y", "--no-install-recommends", "chromium", "fonts-liberation"],
      options,
    );
    if (findChromium() !== undefined) return;
  }
  throw new HeadwaterError("test/no-browser", "the tests of the console's page need a browser", {
    found: "none on PATH",
    allowed: `${NAMES.join(", ")}, or HEADWATER_CHROMIUM=/path/to/one`,
    remedy: `Install one (Debian: apt-get install chromium), or leave these tests out: ${WITHOUT_BROWSER}=1.`,
  });
}
