import { z } from "zod";
import { rulesFor, type EnvironmentRules } from "../../settings/promotion-rules.js";
import { stackName } from "../../model/naming.js";
import { holderOf, leasedStacks } from "../../driver/lease.js";
import { releaseIds } from "../../driver/release-store.js";
import { personOf } from "../access.js";
import { answers, type Api, type Console } from "../context.js";
import { statusOf } from "../lakehouse.js";
import * as schemas from "../schemas.js";

export function addEnvironments(api: Api, context: Console): void {
  const { platform, operations, drifts, records, cached, engineTurns } = context;

  api.get(
    "/environments",
    {
      schema: {
        tags: ["environments"],
        summary: "All environments: those on the path in its order, the others, and ephemeral ones",
        response: answers({ 200: z.array(schemas.EnvironmentSummary) }),
      },
    },
    () => environmentsOf(context),
  );

  api.get(
    "/environments/:pipeline/:environment",
    {
      schema: {
        tags: ["environments"],
        summary: "One environment, as the state backend knows it",
        params: schemas.EnvironmentParams,
        response: answers({ 200: schemas.EnvironmentDetail }),
      },
    },
    async ({ params: { pipeline, environment: name } }) => {
      await operations.require(pipeline, name);
      const summary = (await environmentsOf(context)).find(
        (each) => each.pipeline === pipeline && each.name === name,
      );
      const environment = await platform.findEnvironment(name, pipeline);
      const { program } = await environment.settings();
      // What an operation changes shows once it has ended; while it runs its own events tell.
      const status = await statusOf(environment, cached, engineTurns);
      const { exists, resources, resourcesByType, pending, last, outputs } = platform.shown(status);
      return {
        ...summary!,
        ...{ program: program.name, stack: environment.stackName, exists, resources },
        resourcesByType: { ...resourcesByType },
        pending: [...pending],
        ...(last === undefined
          ? {}
          : {
              last: {
                ...{ kind: last.kind, result: last.result, at: last.at, changes: { ...last.changes } },
                ...(last.release === undefined ? {} : { release: last.release }),
              },
            }),
        outputs: Object.fromEntries(
          Object.entries(outputs).map(([key, value]) => [key, JSON.stringify(value) ?? "null"]),
        ),
        rules: ruleTexts(rulesFor(platform.rules, name)),
      };
    },
  );

  api.get(
    "/environments/:pipeline/:environment/drift",
    {
      schema: {
        tags: ["drift"],
        summary: "The last comparison of cloud and state",
        params: schemas.EnvironmentParams,
        response: answers({ 200: schemas.Drift }),
      },
    },
    async ({ params: { pipeline, environment } }) => {
      await operations.require(pipeline, environment);
      return drifts.read(stackName(pipeline, environment));
    },
  );

  api.post(
    "/environments/:pipeline/:environment/drift",
    {
      config: { headwaterRole: "operator" },
      schema: {
        tags: ["drift"],
        summary: "Compare cloud and state now; read the result there",
        params: schemas.EnvironmentParams,
        response: answers({ 202: schemas.Drift }),
      },
    },
    async (request, reply) => {
      const { pipeline, environment } = request.params;
      await operations.require(pipeline, environment);
      return reply.code(202).send(await drifts.start(personOf(request), pipeline, environment));
    },
  );

  api.delete(
    "/environments/:pipeline/:environment/drift",
    {
      config: { headwaterRole: "operator" },
      schema: {
        tags: ["drift"],
        summary: "Stop comparing",
        params: schemas.EnvironmentParams,
        response: answers({ 202: schemas.Drift }),
      },
    },
    async ({ params: { pipeline, environment } }, reply) => {
      await operations.require(pipeline, environment);
      const stack = stackName(pipeline, environment);
      drifts.cancel(stack);
      return reply.code(202).send(await drifts.read(stack));
    },
  );

  api.get(
    "/releases",
    {
      schema: {
        tags: ["releases"],
        summary: "Stored releases, and where they are deployed",
        response: answers({ 200: z.array(schemas.ReleaseSummary) }),
      },
    },
    async () => {
      const [ids, deployed, promotions] = await Promise.all([
        releaseIds(platform.store),
        records.deployed(),
        records.list({ limit: Infinity, kind: "promotion" }),
      ]);
      const first = new Map<string, { pipeline: string; at: string }>();
      for (const { release, pipeline, at } of promotions)
        if (release !== undefined) first.set(release, { pipeline, at });
      const where = (id: string): string[] =>
        [...deployed].flatMap(([stack, { release }]) =>
          id.startsWith(release) ? [stack.replace("-", "/")] : [],
        );
      return ids
        .map((id) => {
          const promoted = first.get(id);
          return {
            id,
            ...(promoted === undefined ? {} : { pipeline: promoted.pipeline, firstPromoted: promoted.at }),
            environments: where(id),
          };
        })
        .sort((a, b) => ((a.firstPromoted ?? "~") < (b.firstPromoted ?? "~") ? 1 : -1));
    },
  );

  api.get(
    "/releases/:release",
    {
      schema: {
        tags: ["releases"],
        summary: "One release: what it consists of",
        params: schemas.ReleaseParams,
        response: answers({ 200: schemas.Release }),
      },
    },
    async ({ params: { release } }) => {
      const { id, program, pipeline, parts } = await platform.storedRelease(release);
      return { id, program, pipeline, parts: { ...parts, providers: { ...parts.providers } } };
    },
  );

  api.post(
    "/releases",
    {
      config: { headwaterRole: "operator" },
      schema: {
        tags: ["releases"],
        summary: "Store what is on the server's disk as a release; equal content is the same release",
        body: schemas.MakeRelease,
        response: answers({ 200: schemas.Release }),
      },
    },
    async ({ body: { pipeline: of, environment } }) => {
      const { id, program, pipeline, parts } = await operations.release(undefined, environment, of);
      return { id, program, pipeline, parts: { ...parts, providers: { ...parts.providers } } };
    },
  );
}

/** Every environment, with what is deployed there and what is under way. */
export async function environmentsOf({ platform, records }: Console): Promise<schemas.EnvironmentSummary[]> {
  const [ephemerals, deployed, unfinished, leased, names] = await Promise.all([
    platform.ephemerals(),
    records.deployed(),
    records.unfinished(),
    leasedStacks(platform.store),
    Promise.all(
      platform.pipelines.map(async ({ name }) => [name, await platform.environmentNames(name)] as const),
    ),
  ]);
  const stacksHeld = new Set(leased);
  const summary = async (pipeline: string, name: string, ephemeral: boolean) => {
    const stack = stackName(pipeline, name);
    const holder = stacksHeld.has(stack) ? await holderOf(platform.store, stack) : undefined;
    const position = platform.rules.path?.indexOf(name) ?? -1;
    const what = deployed.get(stack);
    const operation = unfinished.find(
      (each) =>
        each.pipeline === pipeline &&
        each.steps.some((step) => step.environment === name && !["passed", "failed"].includes(step.state)),
    );
    return {
      ...{ pipeline, name, ephemeral, protected: rulesFor(platform.rules, name).protected },
      ...(position < 0 || ephemeral ? {} : { position }),
      ...(what === undefined ? {} : { deployed: what }),
      ...(operation === undefined ? {} : { operation: operation.id }),
      ...(holder === undefined
        ? {}
        : { holder: { by: holder.by, doing: holder.doing, since: holder.since } }),
    };
  };
  return Promise.all([
    ...names.flatMap(([pipeline, all]) => all.map((name) => summary(pipeline, name, false))),
    ...ephemerals.map(({ pipeline, name }) => summary(pipeline, name, true)),
  ]);
}

function ruleTexts({ maxChanges, drift, onFailure, freeze }: EnvironmentRules) {
  return {
    ...(maxChanges === undefined ? {} : { maxChanges }),
    ...{ drift, onFailure },
    freeze: freeze.map((window) =>
      "weekly" in window
        ? `${window.weekly.from} to ${window.weekly.until} (${window.timezone}): ${window.reason}`
        : `${window.from} to ${window.until}: ${window.reason}`,
    ),
  };
}
