import { constants } from "node:os";
import { CommanderError } from "commander";
import { EngineError } from "../driver/errors.js";
import { HeadwaterError } from "../model/errors.js";
import type { Style } from "./style.js";

/** What the command line promises about its exit codes. */
export const EXIT = { success: 0, failure: 1, usage: 2, drift: 3 } as const;

/** Areas of error codes that mean: what was given is wrong, nothing was tried. */
const INPUT = ["settings", "pipeline", "naming", "layout", "cli"];
/** Single codes of other areas that mean the same. */
const INPUT_CODES = ["source/option", "source/name", "source/password"];

export function exitCodeOf(error: unknown, interruptedBy: NodeJS.Signals | undefined): number {
  // As shells count: 129 after SIGHUP, 130 after SIGINT, 143 after SIGTERM.
  if (interruptedBy !== undefined) return 128 + constants.signals[interruptedBy];
  // Commander ends --help and --version by an error as well.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.success : EXIT.usage;
  if (error instanceof HeadwaterError && error.code === "driver/drift") return EXIT.drift;
  if (error instanceof HeadwaterError && isInput(error.code)) return EXIT.usage;
  return EXIT.failure;
}

function isInput(code: string): boolean {
  return INPUT_CODES.includes(code) || INPUT.includes(code.split("/", 1)[0] ?? "");
}

/** An error as people read it; stacks only where asked for. */
export function renderError(error: unknown, style: Style, verbose: boolean): string {
  if (!(error instanceof HeadwaterError)) {
    const found = error instanceof Error ? error : new Error(String(error));
    const lines = [`${style.bad("Error:")} ${found.message}`];
    lines.push(
      verbose
        ? (found.stack ?? "")
        : "  This is a fault of Headwater. Run again with --verbose to see where.",
    );
    return lines.join("\n");
  }
  const lines = [`${style.bad("Error:")} ${error.message}`, style.faint(`  code: ${error.code}`)];
  if (error instanceof EngineError) {
    // What the message already says is not said again.
    const more = error.diagnostics.filter(({ message }) => !error.message.includes(message));
    for (const { urn, message } of verbose ? error.diagnostics : more.slice(0, 5)) {
      lines.push(`  ${style.faint(urn ?? "engine")}: ${message}`);
    }
  }
  if (verbose)
    for (let cause: unknown = error; cause instanceof Error; cause = cause.cause)
      lines.push(cause.stack ?? "");
  return lines.join("\n");
}

/** The same for programs. */
export function errorAsJson(error: unknown): Record<string, unknown> {
  if (!(error instanceof HeadwaterError)) return { type: "error", message: String(error) };
  const { code, summary, details } = error;
  const diagnostics = error instanceof EngineError ? { diagnostics: error.diagnostics } : {};
  return { type: "error", code, summary, ...details, ...diagnostics };
}
