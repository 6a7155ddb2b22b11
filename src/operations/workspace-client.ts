import { HeadwaterError } from "../model/errors.js";
import { describeMs, systemClock, type Clock } from "./wait.js";

/** How to reach one environment's Databricks workspace. */
export interface WorkspaceConnection {
  /** `https://dbc-....cloud.databricks.com`, without a path. */
  readonly host: string;
  /** A token, or something that fetches one (called before every request: it caches what it likes). */
  readonly token: string | (() => Promise<string>);
}

export interface WorkspaceRequest {
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: unknown;
  readonly signal?: AbortSignal;
}

export interface WorkspaceClientOptions {
  readonly clock?: Clock;
  /** How often a request is tried again after 429, 503 or (only where that changes nothing) a broken line. Default 5. */
  readonly retries?: number;
  /** Milliseconds one try may take. Default 60,000. */
  readonly requestTimeoutMs?: number;
}

/** An answer of the workspace that is an error: `errorCode` is Databricks' own (`RESOURCE_DOES_NOT_EXIST`, ...). */
export class WorkspaceError extends HeadwaterError {
  constructor(
    readonly status: number,
    readonly errorCode: string,
    message: string,
    request: string,
    options?: ErrorOptions,
  ) {
    super(
      "operations/workspace",
      `the workspace answered ${status === 0 ? "nothing" : status} (${errorCode})`,
      { where: request, found: message, ...(status in REMEDIES ? { remedy: REMEDIES[status] } : {}) },
      options,
    );
  }
}

const REMEDIES: Record<number, string> = {
  0: "Look whether the host is right and reachable (DATABRICKS_HOST or databricks:host).",
  401: "Look whether the token is valid for this workspace (DATABRICKS_TOKEN).",
  403: "Give the token's principal the permission the message names.",
};

/**
 * Databricks REST: JSON in, JSON out, retried where the workspace asks for it.
 * Used for jobs and statements, and open to whatever else (`request`).
 */
export class WorkspaceClient {
  private readonly host: string;
  /** What the last answer's `x-databricks-org-id` said. */
  private orgId: string | undefined;

  constructor(
    private readonly connection: WorkspaceConnection,
    private readonly options: WorkspaceClientOptions = {},
  ) {
    this.host = connection.host.replace(/\/+$/, "");
    if (!/^https?:\/\/[^/]+$/.test(this.host)) {
      throw new HeadwaterError("operations/workspace-host", "not the address of a workspace", {
        found: connection.host,
        allowed: "https://<workspace>, without a path",
      });
    }
  }

  get<T>(path: string, request: WorkspaceRequest = {}): Promise<T> {
    return this.request<T>("GET", path, request);
  }

  post<T>(path: string, body: unknown, request: WorkspaceRequest = {}): Promise<T> {
    return this.request<T>("POST", path, { ...request, body });
  }

  /** The workspace's id, which Databricks puts into the headers of its answers; undefined where it does not. */
  async workspaceId(signal?: AbortSignal): Promise<string | undefined> {
    await this.get("/api/2.0/preview/scim/v2/Me", signal === undefined ? {} : { signal });
    return this.orgId;
  }

  /** @throws WorkspaceError for every answer but 2xx, and (with status 0) when there is no answer. */
  async request<T>(method: string, path: string, request: WorkspaceRequest = {}): Promise<T> {
    const { retries = 5, clock = systemClock } = this.options;
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.once<T>(method, path, request);
      } catch (error) {
        if (!(error instanceof Retryable)) throw error;
        if (attempt >= retries) throw error.failure;
        await clock.sleep(error.waitMs ?? Math.min(250 * 2 ** attempt, 10_000), request.signal);
      }
    }
  }

  private async once<T>(
    method: string,
    path: string,
    { query = {}, body, signal }: WorkspaceRequest,
  ): Promise<T> {
    const url = new URL(this.host + path);
    for (const [key, value] of Object.entries(query))
      if (value !== undefined) url.searchParams.set(key, String(value));
    const what = `${method} ${path}`;
    const { token } = this.connection;
    const limit = this.options.requestTimeoutMs ?? 60_000;
    let response: Response;
    let text: string;
    try {
      response = await fetch(url, {
        method,
        headers: {
          authorization: `Bearer ${typeof token === "string" ? token : await token()}`,
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.any([AbortSignal.timeout(limit), ...(signal === undefined ? [] : [signal])]),
      });
      text = await response.text();
      this.orgId = response.headers.get("x-databricks-org-id") ?? undefined;
    } catch (error) {
      if (signal?.aborted === true) throw error;
      if (error instanceof HeadwaterError) throw error;
      const failure = new WorkspaceError(0, "NO_ANSWER", noAnswer(error, limit), what, { cause: error });
      // A line that broke may have carried the request: only what changes nothing is sent again.
      throw method === "GET" ? new Retryable(failure) : failure;
    }
    if (response.ok) return parse<T>(text, response.status, what);
    const failure = errorOf(response.status, text, what);
    if (response.status !== 429 && response.status !== 503) throw failure;
    const after = Number(response.headers.get("retry-after"));
    throw new Retryable(failure, Number.isFinite(after) && after > 0 ? after * 1000 : undefined);
  }
}

/** Carries a failure to the retry loop, with how long the workspace asked to wait. */
class Retryable extends Error {
  constructor(
    readonly failure: WorkspaceError,
    readonly waitMs?: number,
  ) {
    super(failure.message);
  }
}

function parse<T>(text: string, status: number, what: string): T {
  try {
    return (text === "" ? {} : JSON.parse(text)) as T;
  } catch (error) {
    throw new WorkspaceError(status, "NOT_JSON", text.slice(0, 200), what, { cause: error });
  }
}

function errorOf(status: number, text: string, what: string): WorkspaceError {
  let answer: { error_code?: string; message?: string } = {};
  try {
    answer = JSON.parse(text) as typeof answer;
  } catch {
    // A proxy in between answers HTML: its first line is all there is to tell.
    answer = { message: text.slice(0, 200) };
  }
  return new WorkspaceError(
    status,
    answer.error_code ?? "UNKNOWN",
    answer.message ?? text.slice(0, 200),
    what,
  );
}

function noAnswer(error: unknown, limit: number): string {
  const { name, message, cause } = error as Error;
  if (name === "TimeoutError") return `no answer within ${describeMs(limit)}`;
  return cause instanceof Error ? `${message}: ${cause.message}` : message;
}
