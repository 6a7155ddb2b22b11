import { z } from "zod";
import { capacityUnits } from "../model/dms/capacity.js";
import type { Pipeline } from "../model/pipeline.js";
import { DEFAULT_LOB_MAX_SIZE_KB, DEFAULT_PARALLEL_TABLES } from "../model/replication-settings.js";
import { findTable } from "../model/pipeline.js";
import { nearest, type SettingsProblem } from "./problems.js";

/*
 * Settings of the program cdc-lakehouse: what differs by environment. Every description ends up in
 * stacks/stack.schema.json, so editors show it; defaults are there as well. Secrets cannot be written here, only
 * the ARNs of secrets.
 */

/** A text that must match; `allowed` is what a person is told. */
const text = (pattern: RegExp, allowed: string) => z.string().regex(pattern, { error: allowed });

const secretArn = text(
  /^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:\S+$/,
  "the ARN of a secret in Secrets Manager: arn:aws:secretsmanager:<region>:<account>:secret:<name>",
);
const kmsKeyArn = text(
  /^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key\/\S+$/,
  "the ARN of a KMS key: arn:aws:kms:<region>:<account>:key/<id>",
);
const host = text(
  /^[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?$/,
  "a host name or address, without scheme, user or port",
);
const port = z.int().min(1).max(65_535);
const groupName = text(/\S/, "the name of a group of the workspace");
const unityName = text(
  /^[a-z_][a-z0-9_]{0,127}$/,
  "lower-case letters, digits and _, beginning with a letter or _, at most 128 characters",
);
const databaseName = z.string().min(1).max(63);

const certificateArn = text(
  /^arn:aws[a-z-]*:dms:[a-z0-9-]+:\d{12}:cert:\S+$/,
  "the ARN of a certificate imported into DMS: arn:aws:dms:<region>:<account>:cert:<id>",
).describe("Certificate of the authority that signed the database's certificate, imported into DMS.");

const SourceTls = z
  .discriminatedUnion("mode", [
    z.strictObject({ mode: z.literal("none") }),
    z.strictObject({ mode: z.literal("require") }),
    z.strictObject({ mode: z.literal("verify-ca"), certificateArn }),
    z.strictObject({ mode: z.literal("verify-full"), certificateArn }),
  ])
  .describe("Encryption of DMS's connection to the source: DMS's own ssl modes.");

const Source = z
  .discriminatedUnion("provision", [
    z.strictObject({
      provision: z.literal("existing").describe("A database that exists, anywhere DMS can reach."),
      host: host.describe("Where the database answers; the secret must name the same host."),
      port: port.default(5432).describe("Its port; the secret must name the same port."),
      database: databaseName.describe("The database to read."),
      secretArn: secretArn.describe(
        'Secret with the login of DMS\'s own user: {"username", "password", "host", "port"}. DMS reads host and port ' +
          "from it, not from here. The password may not hold ; . : + (DMS refuses them).",
      ),
      secretKmsKeyArn: kmsKeyArn
        .optional()
        .describe(
          "Key the secret is encrypted with. Default: Secrets Manager's own key, which needs no grant.",
        ),
      tls: SourceTls.default({ mode: "require" }),
    }),
  ])
  .describe("The source database. Its engine is part of the pipeline.");

const capacity = z.literal([...capacityUnits]);

const Replication = z
  .discriminatedUnion("mode", [
    z.strictObject({
      mode: z.literal("serverless").describe("DMS Serverless: capacity follows the load."),
      capacity: z
        .strictObject({
          min: capacity.default(1).describe("Fewest DMS capacity units (2 GB of memory each)."),
          max: capacity.describe("Most DMS capacity units."),
        })
        .superRefine(({ min, max }, context) => {
          if (min <= max) return;
          context.addIssue({
            code: "custom",
            path: ["max"],
            message: "capacity.max is below capacity.min",
            params: {
              allowed: capacityUnits.filter((units) => units >= min).join(", "),
              remedy: `Raise max, or lower min (${min}).`,
            },
          });
        })
        .describe("Bounds of the capacity. Changing them needs the replication stopped."),
      network: z
        .strictObject({
          subnetIds: z
            .array(text(/^subnet-[0-9a-z]+$/, "the id of a subnet: subnet-..."))
            .min(2)
            .refine((ids) => new Set(ids).size === ids.length, { error: "different subnets" })
            .describe("Subnets the replication runs in; DMS wants two availability zones, so at least two."),
          securityGroupIds: z
            .array(text(/^sg-[0-9a-z]+$/, "the id of a security group: sg-..."))
            .min(1)
            .describe("Security groups of the replication; they must let it reach the source."),
        })
        .describe("Where DMS runs. It needs VPC endpoints for S3 and Secrets Manager there."),
      multiAz: z.boolean().default(false).describe("Keep a standby in a second zone."),
      lobMaxSizeKb: z
        .int()
        .min(1)
        .max(102_400)
        .default(DEFAULT_LOB_MAX_SIZE_KB)
        .describe(
          "KB kept of a large object; the rest is cut off. PostgreSQL's text and jsonb count as such.",
        ),
      parallelTables: z
        .int()
        .min(1)
        .max(49)
        .default(DEFAULT_PARALLEL_TABLES)
        .describe("Tables loaded at the same time."),
    }),
  ])
  .describe("How DMS carries the data. It is never started by an update, but by the driver.");

const Landing = z
  .strictObject({
    bucketName: text(
      /^(?!xn--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/,
      "3 to 63 lower-case letters, digits and hyphens (no dots: Unity Catalog refuses them)",
    )
      .optional()
      .describe(
        "Name of the bucket to make. Default: headwater-<stack>-<random>. A change replaces the bucket.",
      ),
    kmsKeyArn: kmsKeyArn
      .optional()
      .describe("Key to encrypt the bucket with. Default: S3's own key (SSE-S3)."),
    forceDestroy: z
      .boolean()
      .default(false)
      .describe(
        "Destroying the stack also deletes the files in the bucket. Only for environments that may vanish.",
      ),
    processedExpirationDays: z
      .int()
      .min(1)
      .optional()
      .describe("Delete finished files after so many days. Default: they are kept."),
    batch: z
      .strictObject({
        maxSeconds: z
          .int()
          .min(1)
          .max(3600)
          .default(60)
          .describe("Longest wait before DMS writes a file of changes."),
        minFileSizeKb: z
          .int()
          .min(1)
          .max(1_048_576)
          .default(32_000)
          .describe("DMS writes earlier once so much waits."),
      })
      .prefault({})
      .describe("When DMS writes a file of changes: whichever comes first."),
  })
  .prefault({})
  .describe("The bucket DMS writes to.");

const RESERVED_CATALOGS = ["system", "hive_metastore", "samples", "spark_catalog", "main"];

const Target = z
  .strictObject({
    catalog: z
      .discriminatedUnion("provision", [
        z.strictObject({
          provision: z
            .literal("create")
            .describe("The stack makes the catalog and keeps its tables in its bucket."),
          name: unityName
            .refine((name) => !RESERVED_CATALOGS.includes(name), {
              error: `any name but Databricks' own: ${RESERVED_CATALOGS.join(", ")}`,
            })
            .describe("Name of the catalog. A change replaces it."),
        }),
        z.strictObject({
          provision: z
            .literal("existing")
            .describe("The catalog exists; its owner grants groups USE CATALOG."),
          name: unityName.describe("Name of the catalog."),
        }),
      ])
      .describe("The Unity Catalog catalog the history goes to."),
    schema: unityName
      .refine((name) => name !== "information_schema", { error: "any name but information_schema" })
      .describe("The schema the stack makes in it."),
    forceDestroy: z
      .boolean()
      .default(false)
      .describe("Destroying the stack also drops the tables in it. Only for environments that may vanish."),
    notebooksFolder: text(/^\/(Shared|Workspace|Users|Repos)(\/[^/\s]+)*$/, "an absolute workspace folder")
      .default("/Shared/headwater")
      .describe("Folder of the workspace for the notebooks. The job's principal must be able to read it."),
  })
  .describe("Where the history goes.");

const Access = z
  .strictObject({
    readers: groupName.describe("Group that may read the history."),
    operators: groupName.describe("Group that may read the history and the files, and run the job."),
    runAs: z
      .discriminatedUnion("provision", [
        z.strictObject({
          provision: z.literal("create"),
          name: z.string().min(1).describe("Display name of the service principal to make."),
        }),
        z.strictObject({
          provision: z.literal("existing"),
          applicationId: z
            .uuid({ error: "the application id of a service principal (a UUID)" })
            .describe("Its application id, not its name or its id."),
        }),
      ])
      .describe("The service principal the job runs as."),
  })
  .describe("Who may do what.");

const Job = z
  .strictObject({
    compute: z
      .discriminatedUnion("kind", [
        z.strictObject({ kind: z.literal("serverless") }),
        z.strictObject({
          kind: z.literal("jobCluster"),
          sparkVersion: z.string().min(1).describe("Databricks runtime, for example 17.3.x-scala2.13."),
          nodeTypeId: z.string().min(1).describe("Instance type, for example m6gd.large."),
          workers: z.int().min(1).max(1000).default(1).describe("Number of workers."),
        }),
      ])
      .default({ kind: "serverless" })
      .describe("What the job runs on."),
    trigger: z
      .discriminatedUnion("on", [
        z.strictObject({
          on: z.literal("fileArrival").describe("Run when DMS has written new files."),
          minTimeBetweenTriggersSeconds: z
            .int()
            .min(60)
            .default(60)
            .describe("Shortest time between two runs."),
          waitAfterLastChangeSeconds: z
            .int()
            .min(60)
            .optional()
            .describe("Wait until no file has arrived for so long. Default: no wait."),
        }),
        z.strictObject({
          on: z.literal("schedule").describe("Run at fixed times."),
          cron: text(
            /^\S+( \S+){5,6}$/,
            "a Quartz cron expression of six or seven fields: 0 0/15 * * * ?",
          ).describe(
            "When to run, as a Quartz cron expression, for example 0 0/15 * * * ? for every quarter of an hour.",
          ),
          timezone: z
            .string()
            .min(1)
            .default("UTC")
            .describe("Time zone of the expression, for example Europe/Paris."),
        }),
        z.strictObject({ on: z.literal("manual").describe("Run by hand only.") }),
      ])
      .default({ on: "fileArrival", minTimeBetweenTriggersSeconds: 60 })
      .describe("What starts the job."),
    maxRetries: z.int().min(0).max(10).default(2).describe("Tries after a failed one, per task."),
    timeoutSeconds: z
      .int()
      .min(60)
      .default(7200)
      .describe("A run is stopped after so long; one that hangs would otherwise hold up all later ones."),
    alerts: z
      .strictObject({ onFailure: z.array(z.email()).min(1).describe("Addresses told when a run fails.") })
      .optional()
      .describe("Default: nobody is told."),
  })
  .prefault({})
  .describe("The job that turns files into history.");

/** What the settings of every kind of target database have, but for its schema. */
const exportTo = (defaultPort: number) => ({
  host: host.describe("Where the database answers, as seen from the job's compute."),
  port: port.default(defaultPort).describe("Its port."),
  database: databaseName.describe("The database to write."),
  mode: z
    .enum(["upsert", "replace", "changes"])
    .default("upsert")
    .describe(
      "upsert: all current rows are compared, and what differs is written. replace: a new table is filled and takes the " +
        "old one's place. changes: only keys that events came for since the last export.",
    ),
  deletes: z
    .enum(["delete", "keep"])
    .default("delete")
    .describe("What becomes of rows that are gone at the source. The mode replace deletes them."),
  tls: z
    .enum(["require", "disable", "verify-full"])
    .default("require")
    .describe(
      "Encryption of the connection: require encrypts, verify-full checks certificate and host as well.",
    ),
  secretArn: secretArn.describe('Secret with the login to write with: {"username", "password"}.'),
  numConnections: z
    .int()
    .min(1)
    .max(32)
    .default(2)
    .describe("Connections that write at the same time; a table has one."),
});
const exportSchema = databaseName.describe("The schema to write; it must exist.");

const Export = z
  .discriminatedUnion("kind", [
    z.strictObject({
      kind: z.literal("postgresql").describe("A PostgreSQL database."),
      ...exportTo(5432),
      schema: exportSchema,
    }),
    z.strictObject({
      kind: z.literal("mysql").describe("A MySQL database, 8.0.17 or later. It has no schemas."),
      ...exportTo(3306),
    }),
    z.strictObject({
      kind: z.literal("mariadb").describe("A MariaDB database, 10.2 or later. It has no schemas."),
      ...exportTo(3306),
    }),
    z.strictObject({
      kind: z.literal("sqlserver").describe("A SQL Server database, 2016 or later."),
      ...exportTo(1433),
      schema: exportSchema,
    }),
  ])
  .superRefine(({ mode, deletes }, context) => {
    if (mode !== "replace" || deletes !== "keep") return;
    context.addIssue({
      code: "custom",
      path: ["deletes"],
      message: "deletes: keep contradicts mode: replace, which leaves nothing of the old table",
      params: { allowed: "delete", remedy: "Leave deletes out, or set mode to upsert or changes." },
    });
  })
  .describe("Where the current rows are pushed to after each run. Default: nowhere.");

const Tables = z
  .record(
    z.string(),
    z.record(
      z.string(),
      z.strictObject({
        lob: z
          .strictObject({ maxSizeKb: z.int().min(1).max(102_400).describe("KB kept of a large object.") })
          .optional()
          .describe("Large objects of this table. Default: replication.lobMaxSizeKb."),
      }),
    ),
  )
  .describe(
    "Overrides for single tables, by source schema and table. Tables are added in the pipeline, not here.",
  );

export const LakehouseSettings = z.strictObject({
  version: z.literal(1).describe("Version of this format."),
  source: Source,
  replication: Replication,
  landing: Landing,
  target: Target,
  access: Access,
  job: Job,
  export: Export.optional(),
  tables: Tables.default({}),
});
export type LakehouseSettings = z.output<typeof LakehouseSettings>;

/** What settings alone cannot say: tables that are overridden must be the pipeline's. */
export function checkLakehouseSettings(settings: LakehouseSettings, pipeline: Pipeline): SettingsProblem[] {
  return Object.entries(settings.tables).flatMap(([schema, tables]) =>
    Object.keys(tables).flatMap((table) => {
      if (findTable(pipeline, schema, table) !== undefined) return [];
      const known = pipeline.tables.map(({ source }) => `${source.schema}.${source.table}`);
      const close = nearest(`${schema}.${table}`, known);
      return {
        code: "settings/unknown-table",
        summary: `pipeline ${pipeline.name} has no such table`,
        path: ["tables", schema, table],
        atKey: true,
        found: `${schema}.${table}`,
        allowed: known.join(", "),
        remedy:
          close === undefined
            ? "Remove the override; tables are added in the pipeline."
            : `Did you mean ${close}? Tables are added in the pipeline, not in settings.`,
      };
    }),
  );
}
