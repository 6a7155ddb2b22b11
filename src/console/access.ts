import type { FastifyRequest } from "fastify";
import { HeadwaterError } from "../model/errors.js";
import type { Role } from "./schemas.js";

/** Where a console that runs alone may listen, and by what names it answers. */
export const LOOPBACK = ["127.0.0.1", "::1", "localhost"];

/** Who asks. */
export interface Person {
  /** Recorded with what they do. Names tell people apart: who starts a promotion may not approve it under the same one. */
  readonly name: string;
  /**
   * `viewer` looks, `operator` starts and cancels, `approver` decides about previews and overrides gates. Everybody who is let
   * in may look.
   */
  readonly roles: readonly Role[];
}

/** Tells who asks; undefined: nobody that is known. Asked for every request but those for the page's own files. */
export type Authenticate = (request: FastifyRequest) => Person | undefined | Promise<Person | undefined>;

declare module "fastify" {
  interface FastifyRequest {
    /** @internal */
    headwaterPerson: Person | undefined;
  }
  interface FastifyContextConfig {
    /** @internal The role a route asks for. */
    headwaterRole?: Role;
  }
}

/** Who asks, once the console has let them in. */
export function personOf(request: FastifyRequest): Person {
  const person = request.headwaterPerson;
  if (person === undefined) throw new Error("a route was reached without authentication");
  return person;
}

/** @throws HeadwaterError `console/not-allowed`. */
export function requireRole(person: Person, role: Role, what: string): void {
  if (role === "viewer" || person.roles.includes(role)) return;
  throw new HeadwaterError("console/not-allowed", `${what} takes the role ${role}`, {
    where: person.name,
    field: "roles",
    found: person.roles.join(", ") || "none",
    allowed: role,
    remedy: "Ask somebody who has it.",
  });
}

const SAFE = new Set(["GET", "HEAD", "OPTIONS"]);

/**
 * Refuses a change that a page of another origin asks for with somebody's cookies. Browsers say where a request comes from
 * (`Sec-Fetch-Site`, `Origin`); programs send neither, and no cookies of a browser's.
 */
export function refuseOtherOrigins({ method, headers, host }: FastifyRequest): void {
  if (SAFE.has(method)) return;
  const site = headers["sec-fetch-site"];
  if (site === "same-origin" || site === "none") return;
  const { origin } = headers;
  if (site === undefined && (origin === undefined || hostOf(origin) === host)) return;
  throw new HeadwaterError("console/other-origin", "a change was asked for by a page of another origin", {
    field: site === undefined ? "Origin" : "Sec-Fetch-Site",
    found: String(site ?? origin),
    allowed: "the console's own page, or a program",
  });
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}
