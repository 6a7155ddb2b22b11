import helmet from "@fastify/helmet";
import rateLimit from "@fastify/rate-limit";
import swagger from "@fastify/swagger";
import type { FastifyPluginAsync, FastifyRequest } from "fastify";
import {
  jsonSchemaTransform,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from "fastify-type-provider-zod";
import { z } from "zod";
import type { Check } from "../driver/checks/check.js";
import { lakehouseChecks } from "../driver/checks/index.js";
import type { Gate } from "../driver/gates/gate.js";
import type { Platform } from "../driver/platform.js";
import { packageVersion } from "../engine/paths.js";
import { HeadwaterError } from "../model/errors.js";
import { personOf, refuseOtherOrigins, requireRole, type Authenticate } from "./access.js";
import { Actions } from "./actions.js";
import { Cached, Turns } from "./cached.js";
import { answers, type Console } from "./context.js";
import { Drifts } from "./drift.js";
import { Feed, Followers } from "./follow.js";
import { Lakehouse } from "./lakehouse.js";
import { Operations } from "./operations.js";
import { addPage } from "./page.js";
import { notFound, problemOf } from "./problems.js";
import { Records } from "./records.js";
import { addEnvironments } from "./routes/environments.js";
import { addLakehouse } from "./routes/lakehouse.js";
import { addOperations } from "./routes/operations.js";
import * as schemas from "./schemas.js";
import { Streams } from "./streams.js";

export interface ConsoleOptions {
  /** Opened with `isolation: "process"` wherever programs are not the server's own: none of them can harm it then. */
  readonly platform: Platform;
  readonly authenticate: Authenticate;
  /** Checks after `up`. Default: `lakehouseChecks()` for the program `cdc-lakehouse`, none for others. */
  readonly checks?: (about: { readonly program: string; readonly pipeline: string }) => readonly Check[];
  /** Judgements on previews. Default: `standardGates()`. */
  readonly gates?: () => readonly Gate[];
  /** The promise of freshness, in milliseconds from a commit in the source. Default: 15 minutes, as the check `fresh` has it. */
  readonly promiseMs?: number;
  /** Whether promotions that a console had started and that were interrupted are gone on with by themselves. Default: true. */
  readonly resume?: boolean;
  /** Milliseconds between two looks at the store, for what other processes write there. Default: 2,000. */
  readonly pollMs?: number;
  /** Streams that may be open at a time. Default: 1,000. */
  readonly maxStreams?: number;
  /** Milliseconds after which a stream is let go whose reader takes nothing. Default: 60,000. */
  readonly stuckMs?: number;
  /** Requests by person (or address, before one is known) and minute. Default: 600; changes: a tenth of it. */
  readonly requestsPerMinute?: number;
  /** Origins that may show the page in a frame of theirs: `https://portal.example.com`. Default: none. */
  readonly frameAncestors?: readonly string[];
}

/**
 * A Fastify plugin: the page at its prefix, the API below `api/v1`.
 *
 *   await app.register(headwaterConsole, { prefix: "/headwater", platform, authenticate });
 *
 * What it sets up (headers, limits, errors) holds for its own routes only. Closing the server lets operations go: they are
 * gone on with at the next start.
 */
export const headwaterConsole: FastifyPluginAsync<ConsoleOptions> = async (app, options) => {
  const { platform, promiseMs = 15 * 60_000, pollMs = 2000, requestsPerMinute = 600 } = options;
  const records = new Records(platform);
  const followers = new Followers(platform, pollMs);
  const feed = new Feed(records, pollMs);
  const cached = new Cached();
  const engineTurns = new Turns(2);
  const streams = new Streams(options.maxStreams ?? 1000, options.stuckMs ?? 60_000);
  const actions = new Actions(platform.store);
  const context: Console = {
    ...{ platform, version: packageVersion(), promiseMs, records, followers, feed, actions, streams, cached },
    operations: new Operations(platform, records, followers, feed, {
      checks: options.checks ?? (({ program }) => (program === "cdc-lakehouse" ? lakehouseChecks() : [])),
      gates: options.gates,
      pollMs,
      log: app.log,
    }),
    drifts: new Drifts(platform),
    lakehouse: new Lakehouse(platform, cached, promiseMs, engineTurns),
    engineTurns,
  };

  app.setErrorHandler((error, request, reply) => {
    const problem = platform.shown(problemOf(error));
    if (problem.status >= 500 && problem.code === "console/internal")
      request.log.error({ err: error }, "a request failed");
    if (problem.status === 503) reply.header("retry-after", "5");
    return reply.code(problem.status).type("application/problem+json").send(JSON.stringify(problem));
  });
  app.setNotFoundHandler((request) => {
    throw notFound("address", request.url.split("?", 1)[0] ?? "");
  });
  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        ...{
          defaultSrc: ["'none'"],
          scriptSrc: ["'self'"],
          styleSrc: ["'self'"],
          imgSrc: ["'self'", "data:"],
        },
        ...{ connectSrc: ["'self'"], fontSrc: ["'self'"], baseUri: ["'self'"], formAction: ["'none'"] },
        frameAncestors: options.frameAncestors === undefined ? ["'none'"] : [...options.frameAncestors],
      },
    },
    // Whether the site is reached by TLS only is for whoever embeds it to say; in a frame of theirs the page may be shown.
    hsts: false,
    frameguard: options.frameAncestors === undefined ? { action: "deny" } : false,
    crossOriginEmbedderPolicy: false,
    referrerPolicy: { policy: "no-referrer" },
  });
  await app.register(addApi, { prefix: "/api/v1", context, options, requestsPerMinute });
  await app.register(addPage);

  app.addHook("onReady", async () => {
    // Not waited for: it takes the engine, and people want to look meanwhile.
    if (options.resume !== false) context.operations.resumeAll();
  });
  app.addHook("preClose", async () => {
    context.operations.close();
    streams.close();
  });
};

const addApi: FastifyPluginAsync<{
  readonly context: Console;
  readonly options: ConsoleOptions;
  readonly requestsPerMinute: number;
}> = async (app, { context, options, requestsPerMinute }) => {
  const { actions } = context;
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.decorateRequest("headwaterPerson", undefined);
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Headwater",
        version: context.version,
        description:
          "Environments, releases, promotions and pipelines. Long operations are resources: started (202), followed (events), cancelled.",
      },
      security: [{ bearer: [] }],
      components: {
        securitySchemes: {
          bearer: {
            type: "http",
            scheme: "bearer",
            description: "Of a console that runs alone; embedded: whatever `authenticate` asks for.",
          },
        },
      },
    },
    transform: jsonSchemaTransform,
  });
  await app.register(rateLimit, {
    hook: "preValidation",
    timeWindow: 60_000,
    max: (request: FastifyRequest) =>
      Math.ceil(isChange(request) ? requestsPerMinute / 10 : requestsPerMinute),
    keyGenerator: (request: FastifyRequest) =>
      `${isChange(request) ? "change" : "look"} ${request.headwaterPerson?.name ?? request.ip}`,
    errorResponseBuilder: (_request, { after }) =>
      new HeadwaterError("console/too-many-requests", "too many requests", {
        remedy: `Try again after ${after}.`,
      }),
  });
  // Whoever guesses tokens is slowed down by address.
  const strangers = app.createRateLimit({
    max: 60,
    timeWindow: 60_000,
    keyGenerator: (request: FastifyRequest) => `stranger ${request.ip}`,
  });
  app.addHook("onRequest", async (request) => {
    refuseOtherOrigins(request);
    const person = await options.authenticate(request);
    if (person === undefined) {
      const limit = await strangers(request);
      if (!limit.isAllowed && limit.isExceeded) throw tooMany();
      throw new HeadwaterError("console/not-known", "nobody that is known asks", {
        remedy: "Sign in, or open the address that `headwater console` has printed.",
      });
    }
    request.headwaterPerson = person;
    requireRole(
      person,
      request.routeOptions.config.headwaterRole ?? "viewer",
      `${request.method} ${request.routeOptions.url ?? ""}`,
    );
  });
  // Recorded before it is carried out; how it was answered is noted after.
  const noted = new WeakMap<FastifyRequest, (status: number) => Promise<void>>();
  app.addHook("preHandler", async (request) => {
    if (!isChange(request)) return;
    const route = (request.routeOptions.url ?? "").slice(app.prefix.length);
    const target = request.url.split("?", 1)[0]?.slice(app.prefix.length) ?? "";
    noted.set(
      request,
      await actions.begin(personOf(request), `${request.method} ${route}`, target.slice(0, 300)),
    );
  });
  const noting = new Set<Promise<void>>();
  app.addHook("onResponse", async (request, reply) => {
    const note = noted
      .get(request)?.(reply.statusCode)
      .catch((error: unknown) => {
        request.log.error({ err: error }, "how an action was answered could not be recorded");
      });
    if (note === undefined) return;
    noting.add(note);
    await note;
    noting.delete(note);
  });
  // A server that is closed has noted all that it has answered.
  app.addHook("onClose", async () => {
    await Promise.all(noting);
  });
  app.addHook("onSend", async (_request, reply) => {
    if (reply.getHeader("cache-control") === undefined) reply.header("cache-control", "no-store");
  });

  await app.register(async (inner) => {
    const api = inner.withTypeProvider<ZodTypeProvider>();
    api.get(
      "/me",
      {
        schema: {
          tags: ["access"],
          summary: "Who asks, and what they may do",
          response: answers({ 200: schemas.Me }),
        },
      },
      (request) => {
        const { name, roles } = personOf(request);
        return {
          name,
          roles: [...roles],
          version: context.version,
          promiseSeconds: context.promiseMs / 1000,
        };
      },
    );
    addEnvironments(api, context);
    addOperations(api, context);
    addLakehouse(api, context);
    api.get("/openapi.json", { schema: { hide: true, response: { 200: z.unknown() } } }, () =>
      inner.swagger(),
    );
  });
  app.setNotFoundHandler((request) => {
    throw notFound("address", request.url.split("?", 1)[0]?.slice(0, 200) ?? "");
  });
};

function isChange({ method }: FastifyRequest): boolean {
  return !["GET", "HEAD", "OPTIONS"].includes(method);
}

function tooMany(): HeadwaterError {
  return new HeadwaterError("console/too-many-requests", "too many requests", {
    remedy: "Try again in a minute.",
  });
}
