import { HeadwaterError } from "../model/errors.js";
import { waitFor, type WaitOptions } from "./wait.js";
import type { WorkspaceClient } from "./workspace-client.js";

/** A statement's result. Values are the strings Databricks sends, NULL is null; `type` is its name for the type. */
export interface StatementResult {
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly rows: readonly (readonly (string | null)[])[];
}

/** Parameters of a statement, by name (`:name` in its text). Always sent as values, never put into the text. */
export type StatementParameters = Readonly<Record<string, string | number | boolean | null>>;

const BASE = "/api/2.0/sql/statements";

/** A name in a statement's text, its parts quoted: catalog, schema and table, or a column. */
export function quoteName(...parts: readonly string[]): string {
  return parts.map((part) => `\`${part.replaceAll("`", "``")}\``).join(".");
}

/** Databricks SQL Statement Execution API on one warehouse. */
export class Statements {
  constructor(
    private readonly workspace: WorkspaceClient,
    private readonly warehouseId: string,
  ) {}

  /**
   * Runs a statement to its end and fetches every chunk of its result. A statement that is given up (deadline,
   * signal) is cancelled in the workspace as well.
   * @throws HeadwaterError `operations/statement` with the warehouse's own message, `operations/timeout`,
   * `operations/cancelled`.
   */
  async execute(
    text: string,
    parameters: StatementParameters,
    options: WaitOptions,
  ): Promise<StatementResult> {
    let answer = await this.workspace.post<RawStatement>(
      BASE,
      {
        statement: text,
        warehouse_id: this.warehouseId,
        // The least the API allows: what takes longer is looked at again, so that a signal is heard meanwhile.
        wait_timeout: "5s",
        on_wait_timeout: "CONTINUE",
        disposition: "INLINE",
        format: "JSON_ARRAY",
        parameters: Object.entries(parameters).map(([name, value]) => toParameter(name, value)),
      },
      { signal: options.signal },
    );
    const id = answer.statement_id;
    try {
      answer = await waitFor("the statement", options, async () => {
        if (!isPending(answer)) return { done: true, value: answer };
        answer = await this.workspace.get<RawStatement>(`${BASE}/${id}`, { signal: options.signal });
        return isPending(answer) ? { done: false, seen: answer.status.state } : { done: true, value: answer };
      });
    } catch (error) {
      if (isPending(answer)) await this.workspace.post(`${BASE}/${id}/cancel`, {});
      throw error;
    }
    if (answer.status.state !== "SUCCEEDED") throw failure(text, answer);
    return {
      columns: (answer.manifest?.schema?.columns ?? []).map(({ name, type_text: type }) => ({ name, type })),
      rows: await this.rows(answer, options.signal),
    };
  }

  private async rows(answer: RawStatement, signal?: AbortSignal): Promise<(string | null)[][]> {
    const rows = [...(answer.result?.data_array ?? [])];
    let next = answer.result?.next_chunk_internal_link;
    while (next !== undefined && next !== null) {
      const chunk = await this.workspace.get<RawChunk>(next, { signal });
      rows.push(...(chunk.data_array ?? []));
      next = chunk.next_chunk_internal_link;
    }
    const expected = answer.manifest?.total_row_count ?? rows.length;
    if (rows.length === expected && answer.manifest?.truncated !== true) return rows;
    throw new HeadwaterError("operations/statement", "the workspace sent only a part of the result", {
      where: `statement ${answer.statement_id}`,
      found: `${rows.length} of ${expected} rows`,
      remedy: "Ask for fewer rows: an inline result may hold 25 MiB.",
    });
  }
}

/**
 * The id of a warehouse to run statements on: the named one, else one that runs, else the first.
 * @throws HeadwaterError `operations/no-warehouse`.
 */
export async function findWarehouse(
  workspace: WorkspaceClient,
  name?: string,
  signal?: AbortSignal,
): Promise<string> {
  const answer = await workspace.get<{ warehouses?: { id: string; name: string; state?: string }[] }>(
    "/api/2.0/sql/warehouses",
    { signal },
  );
  const all = answer.warehouses ?? [];
  const found =
    name === undefined
      ? (all.find(({ state }) => state === "RUNNING") ?? all[0])
      : all.find((warehouse) => warehouse.name === name);
  if (found !== undefined) return found.id;
  throw new HeadwaterError("operations/no-warehouse", "the workspace has no such SQL warehouse", {
    found: all.map((warehouse) => warehouse.name).join(", ") || "none",
    ...(name === undefined ? {} : { allowed: name }),
    remedy: "Create a SQL warehouse, or give the token's principal the permission to use one.",
  });
}

interface RawChunk {
  data_array?: (string | null)[][] | null;
  next_chunk_internal_link?: string | null;
}

interface RawStatement {
  statement_id: string;
  status: { state: string; error?: { error_code?: string; message?: string } | null };
  manifest?: {
    schema?: { columns?: { name: string; type_text: string }[] };
    total_row_count?: number;
    truncated?: boolean;
  } | null;
  result?: RawChunk | null;
}

function isPending({ status }: RawStatement): boolean {
  return status.state === "PENDING" || status.state === "RUNNING";
}

function toParameter(name: string, value: string | number | boolean | null): Record<string, string> {
  if (value === null) return { name };
  if (typeof value === "string") return { name, value, type: "STRING" };
  if (typeof value === "boolean") return { name, value: String(value), type: "BOOLEAN" };
  return { name, value: String(value), type: Number.isSafeInteger(value) ? "BIGINT" : "DOUBLE" };
}

function failure(text: string, { statement_id: id, status }: RawStatement): HeadwaterError {
  const firstLine = text.trim().split("\n", 1)[0] ?? "";
  return new HeadwaterError("operations/statement", `the statement ended as ${status.state}`, {
    where: `statement ${id}: ${firstLine.length > 80 ? `${firstLine.slice(0, 80)}...` : firstLine}`,
    found:
      [status.error?.error_code, status.error?.message].filter((part) => part).join(": ") || status.state,
  });
}
