import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from "fastify";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import type { Platform } from "../driver/platform.js";
import type { Actions } from "./actions.js";
import type { Cached, Turns } from "./cached.js";
import type { Drifts } from "./drift.js";
import type { Feed, Followers } from "./follow.js";
import type { Lakehouse } from "./lakehouse.js";
import type { Operations } from "./operations.js";
import type { Records } from "./records.js";
import { Problem } from "./schemas.js";
import type { Streams } from "./streams.js";

/** What routes work with. */
export interface Console {
  readonly platform: Platform;
  readonly version: string;
  readonly promiseMs: number;
  readonly records: Records;
  readonly followers: Followers;
  readonly feed: Feed;
  readonly operations: Operations;
  readonly drifts: Drifts;
  readonly lakehouse: Lakehouse;
  readonly actions: Actions;
  readonly streams: Streams;
  readonly cached: Cached;
  /** The engine is asked about so many stacks at a time. */
  readonly engineTurns: Turns;
}

/** The API's part of the server, with routes typed by their schemas. */
export type Api = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

function problem(description: string) {
  return { description, content: { "application/problem+json": { schema: Problem } } };
}

/** What the server answers that the console is registered in, before the console is asked. */
function ofServer(description: string) {
  return { description, content: { "application/json": { schema: z.looseObject({}) } } };
}

/** What every route may answer besides. */
export const PROBLEMS = {
  400: problem("The request is not what it should be."),
  401: problem("Nobody that is known."),
  403: problem("Not allowed to whoever asks."),
  404: problem("There is no such thing."),
  409: problem("The state of things does not allow it."),
  413: problem("The request is too long."),
  414: ofServer("The address is too long."),
  415: problem("The body is no JSON."),
  422: problem("What is given cannot be carried out."),
  429: problem("Too many requests."),
  431: ofServer("The headers are too long."),
  500: problem("The server failed."),
  502: problem("A service that was asked failed."),
  503: problem("Too much is open."),
};

/** The schema of the answers of a route. */
export function answers<Schemas extends Record<number, unknown>>(good: Schemas): typeof PROBLEMS & Schemas {
  return { ...PROBLEMS, ...good };
}
