import path from "node:path";
import { removeDrafts, withLock } from "../../src/engine/lock.js";
import { cacheRoot, packageRoot } from "../../src/engine/paths.js";
import type { Work } from "../../src/engine/progress.js";
import { run } from "../../src/engine/run.js";

/** The folder with a MariaDB server's binaries, which the tests of the export run against; fetched once per user. */
export async function ensureMariaDb(python: string, work: Work): Promise<string> {
  const home = path.join(cacheRoot(), "mariadb");
  return withLock(path.join(cacheRoot(), "mariadb.lock"), "fetching MariaDB", work, async () => {
    await removeDrafts(home);
    const said = await run(
      python,
      [path.join(packageRoot(), "test", "notebooks", "mariadb_binaries.py"), home],
      {
        env: process.env,
        signal: work.signal,
        onLine: (line) => {
          if (!line.startsWith(home)) work.progress(line);
        },
      },
    );
    return said.trim().split("\n").at(-1) ?? home;
  });
}
