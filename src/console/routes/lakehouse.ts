import { z } from "zod";
import { answers, type Api, type Console } from "../context.js";
import { definitionOf } from "../lakehouse.js";
import * as schemas from "../schemas.js";

export function addLakehouse(api: Api, { platform, operations, lakehouse }: Console): void {
  api.get(
    "/pipelines",
    {
      schema: {
        tags: ["pipelines"],
        summary: "The pipelines there are, and their tables",
        response: answers({ 200: z.array(schemas.PipelineDefinition) }),
      },
    },
    async () =>
      platform.pipelines.map(({ name, engine, latenessHorizonDays, tables }) => ({
        ...{ name, engine, latenessHorizonDays, tables: tables.map(definitionOf) },
      })),
  );

  api.get(
    "/environments/:pipeline/:environment/pipeline",
    {
      schema: {
        tags: ["pipelines"],
        summary: "A pipeline in an environment, from source to history table, with counts and lag",
        params: schemas.EnvironmentParams,
        response: answers({ 200: schemas.PipelineState }),
      },
    },
    async ({ params: { pipeline, environment } }) => {
      await operations.require(pipeline, environment);
      return lakehouse.state(pipeline, environment);
    },
  );

  api.get(
    "/environments/:pipeline/:environment/freshness",
    {
      schema: {
        tags: ["freshness"],
        summary: "How far each table is behind its source, against the promise",
        params: schemas.EnvironmentParams,
        response: answers({ 200: schemas.Freshness }),
      },
    },
    async ({ params: { pipeline, environment } }) => {
      await operations.require(pipeline, environment);
      const { promiseSeconds, tables } = await lakehouse.state(pipeline, environment);
      return {
        promiseSeconds,
        tables: tables.map(({ name, state, lagSeconds, oldestWaiting }) => ({
          ...{ table: name, state },
          ...(lagSeconds === undefined ? {} : { lagSeconds }),
          ...(oldestWaiting === undefined ? {} : { oldestWaiting }),
        })),
      };
    },
  );

  api.get(
    "/environments/:pipeline/:environment/tables/:table",
    {
      schema: {
        tags: ["tables"],
        summary: "One table's history: versions by when they began, and its runs",
        params: schemas.TableParams,
        response: answers({ 200: schemas.TableHistory }),
      },
    },
    async ({ params: { pipeline, environment, table } }) => {
      await operations.require(pipeline, environment);
      return lakehouse.history(pipeline, environment, table);
    },
  );

  api.get(
    "/environments/:pipeline/:environment/tables/:table/rows",
    {
      schema: {
        tags: ["tables"],
        summary: "Rows of a table: current, or as of a moment",
        params: schemas.TableParams,
        querystring: schemas.RowsQuery,
        response: answers({ 200: schemas.Rows }),
      },
    },
    async ({ params: { pipeline, environment, table }, query }) => {
      await operations.require(pipeline, environment);
      return lakehouse.rows(pipeline, environment, table, query);
    },
  );

  api.get(
    "/environments/:pipeline/:environment/tables/:table/life",
    {
      schema: {
        tags: ["tables"],
        summary: "All versions of one row",
        params: schemas.TableParams,
        querystring: schemas.KeyQuery,
        response: answers({ 200: schemas.Rows }),
      },
    },
    async ({ params: { pipeline, environment, table }, query: { key } }) => {
      await operations.require(pipeline, environment);
      return lakehouse.life(pipeline, environment, table, key);
    },
  );

  api.get(
    "/environments/:pipeline/:environment/runs",
    {
      schema: {
        tags: ["runs"],
        summary: "Runs of the ingestion job, newest first",
        params: schemas.EnvironmentParams,
        querystring: schemas.Page.pick({ limit: true }),
        response: answers({ 200: z.array(schemas.RunSummary) }),
      },
    },
    async ({ params: { pipeline, environment }, query: { limit } }) => {
      await operations.require(pipeline, environment);
      return lakehouse.runs(pipeline, environment, limit);
    },
  );

  api.get(
    "/environments/:pipeline/:environment/runs/:run",
    {
      schema: {
        tags: ["runs"],
        summary: "One run: what its notebooks said, and what it brought to each table",
        params: schemas.RunParams,
        response: answers({ 200: schemas.RunDetail }),
      },
    },
    async ({ params: { pipeline, environment, run } }) => {
      await operations.require(pipeline, environment);
      return lakehouse.run(pipeline, environment, run);
    },
  );
}
