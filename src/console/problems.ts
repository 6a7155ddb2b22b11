import type { FastifyError } from "fastify";
import { HeadwaterError } from "../model/errors.js";
import type { Problem } from "./schemas.js";

/** Answers to errors of the driver, by code or by its area; all others of Headwater's own are conflicts with the state. */
const STATUS: Readonly<Record<string, number>> = {
  "console/not-known": 401,
  "console/not-allowed": 403,
  "console/other-origin": 403,
  "console/other-host": 403,
  "console/not-found": 404,
  "console/key-reused": 422,
  "console/too-many-streams": 503,
  "console/too-many-requests": 429,
  "console/bad-key": 400,
  "driver/no-record": 404,
  "driver/no-release": 404,
  "driver/no-such-ephemeral": 404,
  "driver/store": 502,
  "driver/engine-failed": 502,
  "driver/no-connection": 502,
  "settings/unknown-pipeline": 404,
  settings: 422,
  naming: 422,
  operations: 502,
};

/** An error as it is answered. What is nobody's business is told in the server's log only. */
export function problemOf(error: unknown): Problem {
  if (error instanceof HeadwaterError) {
    const { code, summary, details } = error;
    const status = STATUS[code] ?? STATUS[code.split("/", 1)[0] ?? ""] ?? 409;
    return { title: summary, status, code, ...textsOf(details) };
  }
  const { statusCode, code, message, validation } = error as FastifyError;
  if (validation !== undefined) {
    const [first] = validation;
    return {
      title: "the request is not what it should be",
      status: 400,
      code: "console/bad-request",
      ...(first === undefined ? {} : { field: first.instancePath || "/", found: first.message ?? "" }),
    };
  }
  // Fastify's own: a body that is no JSON, too long, of another type.
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return { title: message, status: statusCode, code: code ?? "console/bad-request" };
  return { title: "the server failed", status: 500, code: "console/internal", remedy: "Its log says why." };
}

function textsOf(details: HeadwaterError["details"]): Partial<Problem> {
  return Object.fromEntries(
    Object.entries(details).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, typeof value === "string" ? value : JSON.stringify(value)]],
    ),
  );
}

export function notFound(what: string, found: string): HeadwaterError {
  return new HeadwaterError("console/not-found", `there is no such ${what}`, { found });
}
