import { createInterface } from "node:readline/promises";
import { HeadwaterError } from "../model/errors.js";

/**
 * For the beginning of a command that will ask.
 * @throws HeadwaterError `cli/cannot-ask` where nobody can answer: `--yes` has to say it then.
 */
export function requirePerson(): void {
  if (process.stdin.isTTY === true) return;
  throw new HeadwaterError("cli/cannot-ask", "nobody is there to be asked", {
    found: "standard input is not a terminal",
    remedy: "Say --yes if that is what you want.",
  });
}

/**
 * Asks a person unless `--yes` has answered.
 * @param undone what is said where they do not agree: "nothing was destroyed".
 * @throws HeadwaterError `driver/not-approved`.
 */
export async function agreed(
  { yes }: { readonly yes: boolean },
  question: string,
  signal: AbortSignal,
  undone: string,
  environment?: string,
): Promise<void> {
  if (yes || (await confirm(question, signal))) return;
  const where = environment === undefined ? {} : { where: `environment ${environment}` };
  throw new HeadwaterError("driver/not-approved", undone, where);
}

/** Asks a person; only `yes` agrees. */
export async function confirm(question: string, signal: AbortSignal): Promise<boolean> {
  const asker = createInterface({ input: process.stdin, output: process.stderr });
  // A terminal in raw mode hands Ctrl-C to readline, which would only fall silent.
  asker.on("SIGINT", () => process.kill(process.pid, "SIGINT"));
  try {
    return (await asker.question(`${question} (yes/no) `, { signal })).trim().toLowerCase() === "yes";
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new HeadwaterError("driver/cancelled", "cancelled instead of answered", {}, { cause: error });
  } finally {
    asker.close();
  }
}
