import type { SourceEngine } from "../model/pipeline.js";

/** Where a database runs: some statements are procedures of RDS there, some settings its parameter group's. */
export const HOSTINGS = ["rds", "self-managed"] as const;
export type Hosting = (typeof HOSTINGS)[number];

/** How SQL Server hands its changes to DMS; RDS has MS-CDC only. */
export const CAPTURE_METHODS = ["ms-cdc", "ms-replication"] as const;
export type CaptureMethod = (typeof CAPTURE_METHODS)[number];

/** One step of a preparation: SQL that changes nothing when it is run again. */
export interface Statement {
  readonly sql: string;
  /** For whoever reads the script. */
  readonly why: string;
  /**
   * `own` is what bears Headwater's name and is undone by `--undo`. `shared` may serve others as well (a log's retention,
   * capture of a whole database): its `undo` is only named, for somebody to run who knows.
   */
  readonly scope: "own" | "shared";
  /** Guarded like `sql`. Absent where there is nothing to take back. */
  readonly undo?: string;
  /** The SQL holds {@link PASSWORD}, which is replaced by the password when it is run, and stays when it is printed. */
  readonly password?: true;
}

/** Stands in a statement for the password of DMS's user. */
export const PASSWORD = "<password of the DMS user>";

/** What is ours bears our name: only that is dropped without a person asked for it. */
export function scopeOf(name: string): "own" | "shared" {
  return name.toLowerCase().startsWith("headwater_") ? "own" : "shared";
}

/** A statement about DMS's user; without an undo of its own where the user is not ours. */
export function ofUser(user: string, statement: Omit<Statement, "scope">): Statement {
  return { ...statement, scope: scopeOf(user) };
}

/** A statement about what others may depend on as well. */
export function shared(statement: Omit<Statement, "scope">): Statement {
  return { ...statement, scope: "shared" };
}

/** What is run to undo, in order: the last statement's first. */
export function undoOf(statements: readonly Statement[]): { own: Statement[]; byHand: Statement[] } {
  const undone = statements.toReversed().filter(({ undo }) => undo !== undefined);
  return {
    own: undone.filter(({ scope }) => scope === "own"),
    byHand: undone.filter(({ scope }) => scope === "shared"),
  };
}

/** The script as text for the engine's own client: psql, mysql, sqlcmd, SQL*Plus. The password is not in it. */
export function printScript(engine: SourceEngine, statements: readonly Statement[]): string {
  // SQL*Plus would otherwise take & in a name for a variable.
  const head = engine === "oracle" ? "SET DEFINE OFF\n\n" : "";
  return head + statements.map(({ why, sql }) => `${comment(why)}\n${ended(engine, sql)}\n`).join("\n");
}

/** The same for an undo; what is left to a person comes as comments. */
export function printUndo(engine: SourceEngine, statements: readonly Statement[]): string {
  const { own, byHand } = undoOf(statements);
  const left = byHand.map(
    ({ why, undo = "" }) =>
      `${comment(`by hand, if nobody else needs it. It was: ${why}`)}\n${comment(undo)}\n`,
  );
  return [...own.map(({ undo = "" }) => `${ended(engine, undo)}\n`), ...left].join("\n");
}

function ended(engine: SourceEngine, sql: string): string {
  if (engine === "sqlserver") return `${sql};\nGO`;
  // A block of PL/SQL ends with its own semicolon, and SQL*Plus runs it at the slash.
  if (engine === "oracle" && sql.endsWith("END;")) return `${sql}\n/`;
  return `${sql};`;
}

function comment(text: string): string {
  return text
    .split("\n")
    .map((line) => `-- ${line}`)
    .join("\n");
}
