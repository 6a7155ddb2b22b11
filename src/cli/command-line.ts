import { Command, CommanderError } from "commander";
import { packageVersion } from "../engine/paths.js";
import { addCompletion } from "./completion.js";
import { addConsole } from "./console.js";
import { addDestroy } from "./destroy.js";
import { errorAsJson, exitCodeOf, renderError } from "./failure.js";
import { addInit } from "./init.js";
import { Interrupt } from "./interrupt.js";
import { settleProject } from "./options.js";
import { addPreview } from "./preview.js";
import { addDiff } from "./diff.js";
import { addDrift } from "./drift.js";
import { addEphemeral } from "./ephemeral.js";
import { addHistory } from "./history.js";
import { addPromote, addResume, addUp } from "./promote.js";
import { addReleases } from "./releases.js";
import { addReload } from "./reload.js";
import { addSandbox } from "./sandbox.js";
import { addSchema } from "./schema.js";
import { printJson } from "./output.js";
import { addSource } from "./source.js";
import { addStatus } from "./status.js";
import { styleFor } from "./style.js";

/**
 * The whole command line; `interrupt` is heard by every command. Commands import what is heavy only when they run: programs and
 * providers take seconds to load, and `--help` needs none of them.
 */
export function commandLine(interrupt: Interrupt): Command {
  const program = new Command("headwater")
    .description("Change data capture into a lakehouse, as Pulumi stacks")
    .version(packageVersion())
    .option("--project <folder>", "the project's folder", ".")
    .hook("preAction", (_, command) => settleProject(command))
    .showHelpAfterError("(headwater --help tells what there is)")
    .configureHelp({ showGlobalOptions: true })
    .addHelpText(
      "after",
      "\nExit codes: 0 done; 1 something failed; 2 wrong usage or input, nothing was tried; 3 drift was found;\n130 and 143 interrupted.",
    )
    .exitOverride();
  addPreview(program, interrupt);
  addUp(program, interrupt);
  addPromote(program, interrupt);
  addResume(program, interrupt);
  addEphemeral(program, interrupt);
  addReleases(program, interrupt);
  addSource(program, interrupt);
  addReload(program, interrupt);
  addDestroy(program, interrupt);
  addStatus(program, interrupt);
  addHistory(program, interrupt);
  addDiff(program, interrupt);
  addDrift(program, interrupt);
  addSandbox(program, interrupt);
  addConsole(program, interrupt);
  addInit(program);
  addSchema(program);
  addCompletion(program);
  return program;
}

/** Runs one command line (without `node` and the script); returns the exit code and never ends the process. */
export async function runCommandLine(args: readonly string[]): Promise<number> {
  // The SDK announces on standard error what its future versions will need; the version here is pinned.
  process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] ??= "true";
  const interrupt = new Interrupt((line) => process.stderr.write(`${line}\n`));
  try {
    await commandLine(interrupt).parseAsync([...args], { from: "user" });
    return exitCodeOf(new CommanderError(0, "", ""), interrupt.by);
  } catch (error) {
    // Commander has said what is wrong with the usage already.
    if (!(error instanceof CommanderError || interrupt.caused(error))) report(error, args);
    return exitCodeOf(error, interrupt.by);
  } finally {
    interrupt.dispose();
  }
}

function report(error: unknown, args: readonly string[]): void {
  if (args.includes("--json")) printJson(errorAsJson(error));
  const style = styleFor(process.stderr, !args.includes("--no-color"));
  process.stderr.write(`${renderError(error, style, args.includes("--verbose"))}\n`);
}
