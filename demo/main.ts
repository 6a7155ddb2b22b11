import { once } from "node:events";
import type { Person } from "../src/console/access.js";
import { serveAlone } from "../src/console/alone.js";
import type { Platform } from "../src/driver/platform.js";
import { ensureEngine } from "../src/engine/engine.js";
import { ensurePython } from "../src/engine/python.js";
import { HeadwaterError } from "../src/model/errors.js";
import { withSandbox } from "../src/sandbox/with-sandbox.js";
import { describeConnections } from "./connections.js";
import { parseOptions, usage, type DemoOptions } from "./options.js";
import { allPassed } from "./report/report.js";
import { duration } from "./report/model.js";
import { runDemo, writeReport } from "./run.js";
import { summarize } from "./summary.js";

const startedAt = Date.now();
// The SDK announces on standard error what its future versions will need; the version here is pinned.
process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] ??= "true";

/** Progress goes to standard error with the time since the start; standard output has the summary. */
function print(line: string): void {
  process.stderr.write(`${`[${((Date.now() - startedAt) / 1000).toFixed(1)} s]`.padEnd(10)} ${line}\n`);
}

/** Runs the demo; returns the exit code. */
async function demo(options: DemoOptions): Promise<number> {
  const setup = await interruptible(async (signal) => ({
    engine: await ensureEngine({ progress: print, signal }),
    python: await ensurePython({ progress: print, signal }),
  }));
  const { clockScale } = options;
  let proven: boolean | undefined;
  const sandboxOptions = { progress: print, python: setup.python, clockScale };
  try {
    return await withSandbox(sandboxOptions, async (sandbox, signal) => {
      const run = await runDemo(options, { sandbox, engine: setup.engine, print, signal, startedAt });
      // Nobody reads a report of what they interrupted.
      signal.throwIfAborted();
      const file = await writeReport(run.report, options.report);
      proven = run.failure === undefined && allPassed(run.report);
      process.stdout.write(`\n${summarize(run.report)}\n\n`);
      if (run.failure !== undefined) printError(run.failure);
      process.stdout.write(
        `${proven ? "Proven" : "NOT proven"} in ${duration(Date.now() - startedAt)}; ${clockSentence(clockScale)}\n` +
          `Report: ${file}\n`,
      );
      if (options.keep) {
        const lines = await describeConnections(sandbox, run.databases, run.engineEnvironment);
        process.stdout.write(`\n${lines}\n`);
        await keepConsole(run.platform, signal);
      }
      await run.platform.close();
      return proven ? 0 : 1;
    });
  } catch (error) {
    // Ctrl-C is how a sandbox that was kept is meant to end.
    if (options.keep && proven !== undefined && interruption(error) !== undefined) return proven ? 0 : 1;
    throw error;
  }
}

/** The console over what the demo has left, until the signal is aborted. Two people, as one may not approve what they started. */
async function keepConsole(platform: Platform, signal: AbortSignal): Promise<void> {
  const people: Person[] = [
    { name: "ann", roles: ["viewer", "operator", "approver"] },
    { name: "bob", roles: ["viewer", "operator", "approver"] },
  ];
  const { addresses, close } = await serveAlone({ platform, people });
  const lines = addresses.map(({ person, url }) => `Console, as ${person.name}:  ${url}\n`);
  process.stdout.write(`\n${lines.join("")}`);
  if (!signal.aborted) await once(signal, "abort");
  await close();
}

function clockSentence(scale: number): string {
  return scale === 1
    ? "the sandbox's clock was not scaled"
    : `the sandbox's clock was scaled by ${scale} (trigger polling and DMS's batches)`;
}

/** Runs the work with a signal that SIGINT and SIGTERM abort; a second one ends the process as usual. */
async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const names = ["SIGINT", "SIGTERM"] as const;
  const onSignal = (found: NodeJS.Signals): void => {
    for (const name of names) process.off(name, onSignal);
    controller.abort(new HeadwaterError("sandbox/interrupted", "interrupted", { found }));
  };
  for (const name of names) process.on(name, onSignal);
  try {
    return await work(controller.signal);
  } catch (error) {
    throw controller.signal.aborted ? controller.signal.reason : error;
  } finally {
    for (const name of names) process.off(name, onSignal);
  }
}

/** The exit code a shell gives a process that the signal ended; undefined if the error is no interruption. */
function interruption(error: unknown): number | undefined {
  if (!(error instanceof HeadwaterError) || error.code !== "sandbox/interrupted") return undefined;
  return error.details.found === "SIGTERM" ? 143 : 130;
}

function printError(error: unknown): void {
  const text = error instanceof HeadwaterError ? error.message : ((error as Error).stack ?? String(error));
  process.stderr.write(`\n${text}\n`);
}

async function main(): Promise<number> {
  try {
    const options = parseOptions(process.argv.slice(2));
    if (!options.help) return await demo(options);
    process.stdout.write(`${usage}\n`);
    return 0;
  } catch (error) {
    printError(error);
    if (error instanceof HeadwaterError && /^(demo\/options|naming\/)/.test(error.code)) return 2;
    return interruption(error) ?? 1;
  }
}

// Not process.exit: what is still to be written is written first.
process.exitCode = await main();
