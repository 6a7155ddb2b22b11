// Run as a process of its own: has a sandbox up, prints its traces, and does with it what it is told.
import { withSandbox } from "../../../src/sandbox/with-sandbox.js";
import type { PythonSetup } from "../../../src/engine/python.js";
import { RunRegistry } from "../../../src/sandbox/registry.js";
import { tracesOf } from "./setup.js";
import { OUR_SERVICES } from "../../../src/sandbox/services.js";
import { standIns } from "./stand-ins.js";

const [registry, python, mode] = process.argv.slice(2) as [string, string, "wait" | "deaf" | "whole"];
// Keeps the process alive while the body only waits.
const timer = setInterval(() => undefined, 60_000);
try {
  await withSandbox(
    {
      progress: (line) => console.error(line),
      registry: new RunRegistry(registry),
      services: mode === "whole" ? OUR_SERVICES : standIns,
      python: JSON.parse(python) as PythonSetup,
    },
    async (sandbox, signal) => {
      console.log(
        JSON.stringify({ ...tracesOf(sandbox), urls: sandbox.urls, token: sandbox.workspaceToken }),
      );
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      if (mode === "deaf") await new Promise(() => undefined);
    },
  );
} catch (error) {
  console.log((error as Error).message.replaceAll("\n", " "));
  process.exitCode = 7;
} finally {
  clearInterval(timer);
}
