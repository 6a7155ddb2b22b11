import { spawnSync } from "node:child_process";
import { ensurePython } from "../src/engine/python.js";
import { ensureMariaDb } from "./support/mariadb.js";

// `node dist/test/python.js pytest test/notebooks`: runs a Python module, or a file (`./bench/history.py`), in the
// environment the sandbox has.
const progress = (line: string): void => console.log(line);
const { python, sparkJars, javaHome } = await ensurePython({ progress, dev: true });
const work = process.argv.slice(2);
const { status, error } = spawnSync(python, work[0]?.startsWith("./") ? work : ["-m", ...work], {
  stdio: "inherit",
  env: {
    ...process.env,
    HEADWATER_SPARK_JARS: sparkJars,
    HEADWATER_MARIADB: await ensureMariaDb(python, { progress }),
    JAVA_HOME: javaHome,
  },
});
if (error !== undefined) throw error;
process.exitCode = status ?? 1;
