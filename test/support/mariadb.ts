import { existsSync } from "node:fs";
import path from "node:path";
import { removeDrafts, withLock } from "../../src/engine/lock.js";
import { cacheRoot, packageRoot } from "../../src/engine/paths.js";
import type { Work } from "../../src/engine/progress.js";
import { run } from "../../src/engine/run.js";

const VERSION = "11.4.5";

/** The folder with a MariaDB server's binaries, which the tests of the export run against; fetched once per user. */
export async function ensureMariaDb(python: string, work: Work): Promise<string> {
  const home = path.join(cacheRoot(), "mariadb", VERSION);
  if (existsSync(home)) return home;
  return withLock(path.join(cacheRoot(), "mariadb.lock"), "fetching MariaDB", work, async () => {
    await removeDrafts(path.dirname(home));
    await run(python, [path.join(packageRoot(), "test", "notebooks", "mariadb_binaries.py"), home], {
      env: process.env,
      signal: work.signal,
      onLine: work.progress,
    });
    return home;
  });
}
