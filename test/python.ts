import { spawnSync } from "node:child_process";
import { ensurePython } from "../src/engine/python.js";

// `node dist/test/python.js pytest test/notebooks`: runs a Python module in the environment the sandbox has.
const { python, sparkJars, javaHome } = await ensurePython({
  progress: (line) => console.log(line),
  dev: true,
});
const { status, error } = spawnSync(python, ["-m", ...process.argv.slice(2)], {
  stdio: "inherit",
  env: { ...process.env, HEADWATER_SPARK_JARS: sparkJars, JAVA_HOME: javaHome },
});
if (error !== undefined) throw error;
process.exitCode = status ?? 1;
