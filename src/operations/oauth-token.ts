import { HeadwaterError } from "../model/errors.js";

/** A service principal of a Databricks workspace. */
export interface ServicePrincipalLogin {
  /** `https://dbc-....cloud.databricks.com`. */
  readonly host: string;
  /** Its application id. */
  readonly clientId: string;
  readonly clientSecret: string;
}

/** Milliseconds before its end at which a token is not used any more. */
const MARGIN_MS = 60_000;

/**
 * Fetches tokens of a service principal by OAuth (client credentials, `/oidc/v1/token`, scope `all-apis`), one at a time, and
 * keeps each until shortly before it expires. Source: Databricks, "Authorize service principal access with OAuth".
 */
export function oauthToken({ host, clientId, clientSecret }: ServicePrincipalLogin): () => Promise<string> {
  let current: { token: string; until: number } | undefined;
  let fetching: Promise<string> | undefined;
  const fetchOne = async (): Promise<string> => {
    const where = `${host.replace(/\/+$/, "")}/oidc/v1/token`;
    try {
      const answer = await fetch(where, {
        method: "POST",
        headers: {
          authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString("base64")}`,
          "content-type": "application/x-www-form-urlencoded",
        },
        body: "grant_type=client_credentials&scope=all-apis",
        signal: AbortSignal.timeout(60_000),
      });
      const text = await answer.text();
      if (!answer.ok) throw new Error(`${answer.status}: ${text.slice(0, 200)}`);
      const { access_token: token, expires_in: seconds } = JSON.parse(text) as {
        access_token: string;
        expires_in: number;
      };
      current = { token, until: Date.now() + seconds * 1000 - MARGIN_MS };
      return token;
    } catch (error) {
      throw new HeadwaterError(
        "operations/oauth",
        "the workspace gives no token for this service principal",
        {
          where,
          found: (error as Error).message,
          remedy:
            "Look at DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET, and that it belongs to this workspace.",
        },
        { cause: error },
      );
    }
  };
  return () => {
    if (current !== undefined && Date.now() < current.until) return Promise.resolve(current.token);
    fetching ??= fetchOne().finally(() => (fetching = undefined));
    return fetching;
  };
}
