import { HeadwaterError } from "../model/errors.js";
import type { SourceConnection } from "./connection.js";
import { checkPassword, fillPassword, type Filled } from "./password.js";
import { undoOf, type Statement } from "./statement.js";

export interface RunOptions {
  /** Password of DMS's user, for the statement that makes it. */
  readonly password: string;
  /** Told why each statement is run, before it is. */
  readonly progress?: (line: string) => void;
  /** Looked at between statements: what has begun is finished. */
  readonly signal?: AbortSignal;
}

/**
 * Runs a preparation. Each statement is a transaction of its own; after a failure it is run again from the start.
 * @throws HeadwaterError `source/statement` with what the database said and the statement as it is printed; `source/password`.
 */
export async function runPreparation(
  connection: SourceConnection,
  statements: readonly Statement[],
  { password, progress, signal }: RunOptions,
): Promise<void> {
  const { engine } = connection;
  checkPassword(password, "password of the DMS user");
  for (const statement of statements) {
    cancelled(signal);
    progress?.(statement.why);
    const filled =
      statement.password === true
        ? fillPassword(engine, statement, password)
        : { sql: statement.sql, secrets: [] };
    await run(connection, statement.sql, filled);
  }
}

/**
 * Takes back what is ours, the last first, and leaves what is shared.
 * @returns what is left to a person.
 * @throws HeadwaterError `source/statement`.
 */
export async function runUndo(
  connection: SourceConnection,
  statements: readonly Statement[],
  { progress, signal }: Omit<RunOptions, "password"> = {},
): Promise<readonly Statement[]> {
  const { own, byHand } = undoOf(statements);
  for (const { why, undo = "" } of own) {
    cancelled(signal);
    progress?.(`taking back: ${why}`);
    await run(connection, undo, { sql: undo, secrets: [] });
  }
  return byHand;
}

async function run(connection: SourceConnection, printed: string, { sql, secrets }: Filled): Promise<void> {
  try {
    await connection.query(sql);
  } catch (error) {
    const { message, hint } = error as Error & { hint?: string };
    const found = secrets.reduce((text, secret) => text.replaceAll(secret, "[secret]"), message);
    // The driver's own error holds the statement as it was sent: with a password in it, it goes no further.
    throw new HeadwaterError(
      "source/statement",
      "the source refused a statement",
      {
        where: printed,
        found,
        remedy:
          hint ??
          "Mend what it says, or run it as one who may; then run the whole again: what is done is left alone.",
      },
      secrets.length > 0 ? {} : { cause: error },
    );
  }
}

function cancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  throw new HeadwaterError("source/cancelled", "cancelled between two statements", {
    remedy: "Run it again: what is done is left alone.",
  });
}
