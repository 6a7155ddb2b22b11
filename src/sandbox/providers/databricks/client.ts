import { HeadwaterError } from "../../../model/errors.js";
import { text, type Fields, type Values } from "../fields.js";

export const databricksConfig: Fields = {
  host: text(),
  token: text({ secret: true }),
  version: text(),
  pluginDownloadURL: text(),
};

/** The workspace's own answer to a call that failed. */
export class DatabricksError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(`${code}: ${message}`);
  }
}

/** Databricks' REST API: plain calls, tried again while the workspace is busy. */
export class Databricks {
  readonly host: string;
  readonly #token: string;

  constructor(config: Values, environment: NodeJS.ProcessEnv = process.env) {
    const host = required(config["host"] ?? environment["DATABRICKS_HOST"], "databricks:host");
    this.host = host.replace(/\/+$/, "");
    this.#token = required(config["token"] ?? environment["DATABRICKS_TOKEN"], "DATABRICKS_TOKEN");
  }

  get = (path: string, query: Values = {}): Promise<Values> => {
    const given = Object.entries(query).filter(([, value]) => value !== undefined);
    const search = new URLSearchParams(
      given.map(([name, value]) => [name, String(value)] as [string, string]),
    ).toString();
    return this.#call("GET", search === "" ? path : `${path}?${search}`);
  };
  post = (path: string, body: Values | FormData): Promise<Values> => this.#call("POST", path, body);
  put = (path: string, body: Values): Promise<Values> => this.#call("PUT", path, body);
  patch = (path: string, body: Values): Promise<Values> => this.#call("PATCH", path, body);
  delete = (path: string): Promise<Values> => this.#call("DELETE", path);

  async #call(method: string, path: string, body?: Values | FormData): Promise<Values> {
    const json = body !== undefined && !(body instanceof FormData);
    for (let attempt = 1; ; attempt++) {
      const response = await fetch(`${this.host}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${this.#token}`,
          ...(json ? { "content-type": "application/json" } : {}),
        },
        ...(body === undefined ? {} : { body: json ? JSON.stringify(body) : body }),
      });
      const answer = await response.text();
      if (response.ok) return answer === "" ? {} : (JSON.parse(answer) as Values);
      const busy = response.status === 429 || response.status === 503;
      if (!busy || attempt >= 6) throw errorOf(response.status, answer);
      const asked = Number(response.headers.get("retry-after") ?? 0) * 1000;
      await new Promise((resolve) => setTimeout(resolve, Math.min(asked || 100 * 2 ** attempt, 10_000)));
    }
  }
}

/** Databricks answers in its own form, SCIM in another, a proxy in none. */
function errorOf(status: number, answer: string): DatabricksError {
  try {
    const body = JSON.parse(answer) as Record<string, string | undefined>;
    const code = body["error_code"] ?? body["scimType"] ?? `HTTP ${status}`;
    const message = body["message"] ?? body["detail"] ?? answer;
    return new DatabricksError(status, code, typeof message === "string" ? message : JSON.stringify(message));
  } catch {
    return new DatabricksError(status, `HTTP ${status}`, answer.slice(0, 500));
  }
}

/** A part of a path: names may hold anything. */
export const part = encodeURIComponent;

function required(value: unknown, field: string): string {
  if (typeof value === "string" && value !== "") return value;
  const summary = "the sandbox's light databricks provider is not told enough";
  const remedy = "set it in the stack's configuration or in the engine's environment";
  throw new HeadwaterError("sandbox/provider-config", summary, { field, found: "nothing", remedy });
}
