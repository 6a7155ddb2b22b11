import { findWarehouse, quoteName, Statements } from "../../operations/statements.js";
import { waitFor, type WaitOptions } from "../../operations/wait.js";
import type { Check, CheckContext } from "./check.js";
import { lakehouseOutputs, type TableOutput } from "./outputs.js";

/** What is compared of a table: how many rows there are now and, where the caller has them, other figures by name. */
export type TableFigures = Readonly<Record<string, string | number>>;

/** How both sides are looked at until they agree. */
export interface AgreementOptions extends Partial<
  Pick<WaitOptions, "timeoutMs" | "intervalMs" | "maxIntervalMs">
> {
  /** Tables to compare. Default: all. */
  readonly tables?: (table: TableOutput) => boolean;
  /** Name of the SQL warehouse. Default: one that runs, else the first. */
  readonly warehouse?: string;
}

export interface MatchesSourceOptions extends AgreementOptions {
  /**
   * Figures of a table as the source has them now, by name; `rows` at least. Only this function reaches the source, which may
   * be behind a VPC. Asked again at each look, because a source goes on.
   */
  readonly source: (table: TableOutput, context: CheckContext) => Promise<TableFigures>;
  /** SQL expressions over the current rows, by the names `source` uses. Default: `{ rows: "count(*)" }`. */
  readonly figures?: (table: TableOutput) => Readonly<Record<string, string>>;
}

/**
 * The current rows of each history agree with the source, in numbers, sums or hashes: whatever both sides can compute (where rows
 * are to be compared, `rowsMatchSource` has the figures). Only reads, so it serves in protected environments. A source that
 * changes is looked at again until both agree or the time (default 15 min, the promise of freshness) is over.
 */
export function matchesSource(options: MatchesSourceOptions): Check {
  const { figures = () => ({ rows: "count(*)" }) } = options;
  return {
    name: "matches-source",
    async run(context) {
      const message = await untilAgreed(context, options, async (table, statements, wait) => {
        const [here, there] = await Promise.all([
          lakehouseFigures(statements, table, figures(table), wait),
          options.source(table, context),
        ]);
        return { here, there };
      });
      return { passed: true, message };
    },
  };
}

/**
 * Looks at every table until the figures here are those of the source.
 * @returns a sentence that says so.
 * @throws HeadwaterError `operations/timeout` with what differs.
 */
export async function untilAgreed(
  { stack, clients, progress, signal, outputs }: CheckContext,
  options: AgreementOptions,
  look: (
    table: TableOutput,
    statements: Statements,
    wait: WaitOptions,
  ) => Promise<{ here: TableFigures; there: TableFigures }>,
): Promise<string> {
  const { tables: wanted = () => true } = options;
  const tables = lakehouseOutputs(stack, outputs).tables.filter(wanted);
  const statements = new Statements(
    clients.workspace,
    await findWarehouse(clients.workspace, options.warehouse, signal),
  );
  const wait = { timeoutMs: 15 * 60_000, intervalMs: 2000, ...options, progress, signal };
  await waitFor("history and source to agree", wait, async () => {
    const differing: string[] = [];
    for (const table of tables) {
      const { here, there } = await look(table, statements, wait);
      for (const name of Object.keys(here))
        if (String(here[name]) !== String(there[name]))
          differing.push(
            `${table.name} ${name}: ${here[name] ?? "none"} here, ${there[name] ?? "none"} in the source`,
          );
    }
    return differing.length === 0
      ? { done: true, value: undefined }
      : { done: false, seen: differing.join("; ") };
  });
  return `${tables.length} tables agree with the source`;
}

async function lakehouseFigures(
  statements: Statements,
  table: TableOutput,
  expressions: Readonly<Record<string, string>>,
  wait: WaitOptions,
): Promise<TableFigures> {
  const names = Object.keys(expressions);
  // Expressions are the caller's own SQL.
  const { rows } = await statements.execute(
    `SELECT ${names.map((name) => `CAST(${expressions[name]} AS STRING)`).join(", ")} FROM ${currentRows(table)}`,
    {},
    wait,
  );
  return Object.fromEntries(names.map((name, index) => [name, rows[0]?.[index] ?? "none"]));
}

/** The view of a table's current rows. Names come from the layout and are quoted all the same. */
export function currentRows({ history }: TableOutput): string {
  return quoteName(...`${history}_current`.split("."));
}
