import { z } from "zod";
import type { FastifyReply } from "fastify";
import { personOf } from "../access.js";
import { answers, type Api, type Console } from "../context.js";
import { once } from "../keys.js";
import { notFound } from "../problems.js";
import { detailOf, verdictsOf, type Told } from "../records.js";
import * as schemas from "../schemas.js";

const STREAM = {
  description:
    "Server-sent events: `head` and then a line of the record each (`phase`, `check`, `gate`, `settings`, `approval`, `resumed`, `end`), with its number as id; `outcome`; and, without an id, what is shown in `passing`.",
  content: { "text/event-stream": { schema: z.string() } },
};

export function addOperations(api: Api, context: Console): void {
  const { platform, operations, records, followers, feed, streams, actions } = context;
  const told = async (what: Told): Promise<schemas.Operation> => ({
    ...what,
    ownedHere: (await operations.order(what.id)) !== undefined,
  });
  const started = (reply: FastifyReply, { id, first }: { id: string; first: boolean }) =>
    reply
      .code(first ? 202 : 200)
      .header("location", `${api.prefix}/operations/${id}`)
      .send({ id });

  api.get(
    "/operations",
    {
      schema: {
        tags: ["history"],
        summary: "The history: what was done and is being done, newest first",
        querystring: schemas.OperationQuery,
        response: answers({ 200: z.array(schemas.Operation) }),
      },
    },
    async ({ query }) => Promise.all((await records.list(query)).map(told)),
  );

  api.get(
    "/operations/:id",
    {
      schema: {
        tags: ["history"],
        summary: "One operation with all its phases, checks, verdicts and approvals",
        params: schemas.OperationParams,
        response: answers({ 200: schemas.OperationDetail }),
      },
    },
    async ({ params: { id } }) => {
      const [summary, past, order, hasPreviews] = await Promise.all([
        records.tell(id),
        platform.record(id),
        operations.order(id),
        operations.previews.of(id),
      ]);
      return {
        ...(await told(summary)),
        ...platform.shown(detailOf(past)),
        overrides: (order?.overrides ?? []).map((each) => ({ ...each })),
        hasPreviews,
      };
    },
  );

  api.get(
    "/operations/:id/events",
    {
      schema: {
        tags: ["events"],
        summary: "Follow an operation; goes on behind Last-Event-ID, also after a restart of the server",
        params: schemas.OperationParams,
        headers: schemas.Since,
        response: answers({ 200: STREAM }),
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      await records.tell(id);
      const since = request.headers["last-event-id"];
      const after = since !== undefined && /^\d{1,9}$/.test(since) ? Number(since) : -1;
      return streams.send(request, reply, (signal) => followers.stream(id, after, signal));
    },
  );

  api.get(
    "/events",
    {
      schema: {
        tags: ["events"],
        summary: "Follow all operations: an event for each whose record has changed",
        headers: schemas.Since,
        response: answers({
          200: {
            description:
              "Server-sent events `operation`; the id is the time of the record's last line. Told at least once.",
            content: { "text/event-stream": { schema: z.string() } },
          },
        }),
      },
    },
    async (request, reply) => {
      const since = request.headers["last-event-id"];
      const known = since !== undefined && !Number.isNaN(Date.parse(since)) ? since : undefined;
      return streams.send(request, reply, (signal) => feed.stream(known, signal));
    },
  );

  api.post(
    "/promotions",
    {
      config: { headwaterRole: "operator" },
      schema: {
        tags: ["promotions"],
        summary: "Start a promotion",
        description: "200: the idempotency key had started it before.",
        headers: schemas.Idempotent,
        body: schemas.StartPromotion,
        response: answers({ 200: schemas.Started, 202: schemas.Started }),
      },
    },
    async (request, reply) => {
      const person = personOf(request);
      const key = request.headers["idempotency-key"];
      const about = { key, by: person.name, request: ["promote", request.body] };
      return started(
        reply,
        await once(platform.store, about, () => operations.promote(person, request.body)),
      );
    },
  );

  api.post(
    "/operations/:id/cancellation",
    {
      config: { headwaterRole: "operator" },
      schema: {
        tags: ["promotions"],
        summary: "Stop an operation as soon as what is in hand is done; firm: at once",
        params: schemas.OperationParams,
        body: schemas.Cancel,
        response: answers({ 202: schemas.Started }),
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      await operations.cancel(personOf(request), id, request.body.firm);
      return reply.code(202).send({ id });
    },
  );

  api.post(
    "/operations/:id/resumption",
    {
      config: { headwaterRole: "operator" },
      schema: {
        tags: ["promotions"],
        summary: "Go on with a promotion that was interrupted",
        params: schemas.OperationParams,
        response: answers({ 202: schemas.Started }),
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      await operations.resume(personOf(request), id);
      return reply.code(202).send({ id });
    },
  );

  api.get(
    "/operations/:id/previews/:environment",
    {
      schema: {
        tags: ["gates and approvals"],
        summary: "What a promotion would change in an environment, with the gates' verdicts",
        params: schemas.PreviewParams,
        response: answers({ 200: schemas.Preview }),
      },
    },
    async ({ params: { id, environment } }) => {
      const [past, preview] = await Promise.all([
        platform.record(id),
        operations.previews.read(id, environment),
      ]);
      if (preview === undefined) throw notFound("preview", `${id}, environment ${environment}`);
      const lines = past.lines.filter((line) => line.environment === environment);
      const decision = await operations.decision(id, preview);
      return {
        ...preview,
        verdicts: platform.shown(verdictsOf(lines)),
        ...(decision === undefined ? {} : { decision }),
      };
    },
  );

  api.post(
    "/operations/:id/approvals/:environment",
    {
      config: { headwaterRole: "approver" },
      schema: {
        tags: ["gates and approvals"],
        summary: "Approve or refuse a preview; the first decision counts",
        params: schemas.PreviewParams,
        body: schemas.Decide,
        response: answers({ 200: schemas.Approval }),
      },
    },
    async (request) => {
      const { id, environment } = request.params;
      return operations.decide(personOf(request), id, environment, request.body);
    },
  );

  api.get(
    "/approvals",
    {
      schema: {
        tags: ["gates and approvals"],
        summary: "What waits for an approval, and whether whoever asks may give it",
        response: answers({ 200: z.array(schemas.Waiting) }),
      },
    },
    (request) => operations.waiting(personOf(request)),
  );

  api.get(
    "/ephemerals",
    {
      schema: {
        tags: ["ephemeral environments"],
        summary: "Ephemeral environments, the next to expire first",
        response: answers({ 200: z.array(schemas.Ephemeral) }),
      },
    },
    async () =>
      (await platform.ephemerals()).map(({ holder, ...each }) => ({
        ...each,
        ...(holder === undefined ? {} : { holder: `${holder.by}: ${holder.doing}` }),
      })),
  );

  api.post(
    "/ephemerals",
    {
      config: { headwaterRole: "operator" },
      schema: {
        tags: ["ephemeral environments"],
        summary: "Raise one",
        description: "200: the idempotency key had started it before.",
        headers: schemas.Idempotent,
        body: schemas.RaiseEphemeral,
        response: answers({ 200: schemas.Started, 202: schemas.Started }),
      },
    },
    async (request, reply) => {
      const person = personOf(request);
      const key = request.headers["idempotency-key"];
      const about = { key, by: person.name, request: ["raise", request.body] };
      return started(reply, await once(platform.store, about, () => operations.raise(person, request.body)));
    },
  );

  api.patch(
    "/ephemerals/:pipeline/:environment",
    {
      config: { headwaterRole: "operator" },
      schema: {
        tags: ["ephemeral environments"],
        summary: "Let one live for a while from now",
        params: schemas.EnvironmentParams,
        body: schemas.ExtendEphemeral,
        response: answers({ 200: z.object({ expires: schemas.time }) }),
      },
    },
    async ({ params: { pipeline, environment }, body: { ttl } }) => {
      await operations.ephemeral(pipeline, environment);
      return { expires: await platform.extendEphemeral(environment, ttl, pipeline) };
    },
  );

  api.delete(
    "/ephemerals/:pipeline/:environment",
    {
      config: { headwaterRole: "operator" },
      schema: {
        tags: ["ephemeral environments"],
        summary: "Destroy one with its data",
        params: schemas.EnvironmentParams,
        response: answers({ 202: schemas.Started }),
      },
    },
    async (request, reply) => {
      const { pipeline, environment } = request.params;
      const id = await operations.destroyEphemeral(personOf(request), pipeline, environment);
      return started(reply, { id, first: true });
    },
  );

  api.get(
    "/actions",
    {
      schema: {
        tags: ["history"],
        summary: "Who asked for what change, newest first",
        querystring: schemas.Page,
        response: answers({ 200: z.array(schemas.Action.extend({ id: z.string() })) }),
      },
    },
    ({ query: { limit, before } }) => actions.list(limit, before),
  );
}
