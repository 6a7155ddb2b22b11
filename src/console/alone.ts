import Fastify from "fastify";
import { HeadwaterError } from "../model/errors.js";
import { LOOPBACK, type Person } from "./access.js";
import { headwaterConsole, type ConsoleOptions } from "./plugin.js";
import { tokensFor } from "./tokens.js";

export interface AloneOptions extends Omit<ConsoleOptions, "authenticate"> {
  /** Each is given a token of their own. */
  readonly people: readonly Person[];
  /** Loopback only: whoever reaches it with a token may do all that its person may. Default: 127.0.0.1. */
  readonly host?: string;
  /** Default: 0, any that is free. */
  readonly port?: number;
}

export interface Alone {
  /** An address for each person, with their token in the fragment: it is sent to no server and stands in no log. */
  readonly addresses: readonly { readonly person: Person; readonly url: string }[];
  /** Stops listening and lets go of what is under way; the next console goes on with it. */
  readonly close: () => Promise<void>;
}

/**
 * Serves a console by itself, on loopback, to whoever has a token.
 * @throws HeadwaterError `console/off-loopback`, `console/port-taken`.
 */
export async function serveAlone({
  people,
  host = "127.0.0.1",
  port = 0,
  ...options
}: AloneOptions): Promise<Alone> {
  if (!LOOPBACK.includes(host)) {
    throw new HeadwaterError("console/off-loopback", "alone, the console listens on loopback only", {
      field: "host",
      found: host,
      allowed: LOOPBACK.join(", "),
      remedy:
        "To let others in, register `headwaterConsole` of headwater/console in a server of your own, with your own `authenticate` and TLS.",
    });
  }
  const { tokens, authenticate } = tokensFor(people);
  const app = Fastify({ logger: { level: "warn", stream: process.stderr }, forceCloseConnections: true });
  // A page elsewhere that has its own name point here must not be answered, even if it should come by a token.
  app.addHook("onRequest", async ({ hostname }) => {
    if (LOOPBACK.includes(hostname.replace(/^\[|\]$/g, ""))) return;
    throw new HeadwaterError("console/other-host", "alone, the console answers under loopback's names only", {
      field: "Host",
      found: hostname,
      allowed: LOOPBACK.join(", "),
    });
  });
  await app.register(headwaterConsole, { ...options, authenticate });
  await app.listen({ host, port }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EADDRINUSE") throw error;
    throw new HeadwaterError(
      "console/port-taken",
      "somebody else listens there",
      { field: "port", found: port, remedy: "Take another port, or 0 for any that is free." },
      { cause: error },
    );
  });
  const [bound] = app.addresses();
  if (bound === undefined || typeof bound === "string")
    throw new Error("a server that listens has no address");
  const at = `http://${bound.family === "IPv6" ? `[${bound.address}]` : bound.address}:${bound.port}`;
  return {
    addresses: tokens.map(({ person, token }) => ({ person, url: `${at}/#token=${token}` })),
    close: () => app.close(),
  };
}
