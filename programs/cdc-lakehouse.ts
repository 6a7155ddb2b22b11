import type { Output } from "@pulumi/pulumi";
import { CatalogAccess } from "../src/components/catalog-access.js";
import {
  ExportCredentials,
  exportScopeName,
  PASSWORD_KEY,
  readLogin,
  USER_KEY,
} from "../src/components/export-credentials.js";
import { IngestionJob } from "../src/components/ingestion-job.js";
import { JobPrincipal } from "../src/components/job-principal.js";
import { LakehouseSchema } from "../src/components/lakehouse-schema.js";
import { LandingZone } from "../src/components/landing-zone.js";
import { bundledNotebooks, Notebooks } from "../src/components/notebooks.js";
import { ReplicationRoles } from "../src/components/replication-roles.js";
import { ServerlessReplication } from "../src/components/serverless-replication.js";
import { checkSourceEngine, SourceEndpoint } from "../src/components/source-endpoint.js";
import { TargetEndpoint } from "../src/components/target-endpoint.js";
import { layOut } from "../src/model/layout.js";
import { stackName } from "../src/model/naming.js";
import { pipelineConfig, type ExportConfig } from "../src/model/pipeline-config.js";
import { checkLakehouseSettings, LakehouseSettings } from "../src/settings/lakehouse.js";
import { defineProgram } from "../src/settings/program.js";

/** One table, as the stack's outputs name it. */
export interface TableOutput {
  readonly source: { readonly schema: string; readonly table: string };
  readonly name: string;
  /** Path of the volume DMS writes to. */
  readonly incoming: string;
  /** Path of the volume finished files are moved to. */
  readonly processed: string;
  /** `catalog.schema.table` of the history. */
  readonly history: string;
}

/** Outputs of a stack of this program. */
export interface LakehouseOutputs {
  readonly bucket: Output<string>;
  readonly incomingUrl: Output<string>;
  readonly processedUrl: Output<string>;
  readonly replicationConfigArn: Output<string>;
  readonly sourceEndpointArn: Output<string>;
  readonly targetEndpointArn: Output<string>;
  readonly jobId: Output<string>;
  readonly jobName: Output<string>;
  readonly catalog: Output<string>;
  readonly schema: Output<string>;
  readonly notebooksPath: string;
  /** Application id of the service principal the job runs as. */
  readonly servicePrincipal: Output<string>;
  readonly tables: readonly TableOutput[];
}

/** Change data capture from one source database into one Unity Catalog schema: DMS -> S3 -> history in Delta. */
export const cdcLakehouse = defineProgram({
  name: "cdc-lakehouse",
  settings: LakehouseSettings,
  check: checkLakehouseSettings,
  ephemeral: ephemeralLakehouse,
  run: async ({ pipeline, settings, environment, release }): Promise<LakehouseOutputs> => {
    const { source, replication, landing, target, access, job } = settings;
    const stack = stackName(pipeline.name, environment);
    const { kmsKeyArn } = landing;
    // All that can be refused is refused before the first resource.
    checkSourceEngine(pipeline.engine);
    const tables = layOut(pipeline, { catalog: target.catalog.name, schema: target.schema });
    const files = bundledNotebooks();
    const login = settings.export === undefined ? undefined : await readLogin(settings.export.secretArn);

    const { bucketName, forceDestroy, processedExpirationDays } = landing;
    const zone = new LandingZone("landing", {
      stack,
      bucketName,
      kmsKeyArn,
      forceDestroy,
      processedExpirationDays,
    });
    const roles = new ReplicationRoles("replication-roles", {
      stack,
      bucketArn: zone.bucketArn,
      bucketKmsKeyArn: kmsKeyArn,
      sourceSecretArn: source.secretArn,
      sourceSecretKmsKeyArn: source.secretKmsKeyArn,
    });
    const sourceEndpoint = new SourceEndpoint("source", {
      stack,
      engine: pipeline.engine,
      database: source.database,
      secretArn: source.secretArn,
      secretsRoleArn: roles.secretsRoleArn,
      tls: source.tls,
    });
    const targetEndpoint = new TargetEndpoint("target", {
      stack,
      bucket: zone.bucket,
      s3RoleArn: roles.s3RoleArn,
      kmsKeyArn,
      cdcMaxBatchInterval: landing.batch.maxSeconds,
      cdcMinFileSize: landing.batch.minFileSizeKb,
    });
    const serverless = new ServerlessReplication("replication", {
      stack,
      pipeline,
      sourceEndpointArn: sourceEndpoint.endpointArn,
      targetEndpointArn: targetEndpoint.endpointArn,
      capacity: replication.capacity,
      network: replication.network,
      multiAz: replication.multiAz,
      lobMaxSizeKb: replication.lobMaxSizeKb,
      parallelTables: replication.parallelTables,
      tables: settings.tables,
    });

    const principal = new JobPrincipal("job-principal", { runAs: access.runAs });
    const catalogAccess = new CatalogAccess(
      "catalog-access",
      {
        stack,
        bucketArn: zone.bucketArn,
        url: zone.url,
        kmsKeyArn,
        forceDestroy: landing.forceDestroy,
      },
      // Unity Catalog checks the bucket; it must have its policy and encryption by then.
      { dependsOn: zone },
    );
    const lakehouse = new LakehouseSchema("lakehouse", {
      catalog: target.catalog,
      schema: target.schema,
      tables,
      bucket: zone.bucket,
      externalLocation: catalogAccess.externalLocation,
      readers: access.readers,
      operators: access.operators,
      principal: principal.applicationId,
      forceDestroy: target.forceDestroy,
    });
    const notebooks = new Notebooks("notebooks", {
      stack,
      root: target.notebooksFolder,
      files,
      config: pipelineConfig({
        pipeline,
        environment,
        release,
        target: { catalog: target.catalog.name, schema: target.schema },
        tables,
        export: exportConfig(stack, settings),
      }),
    });
    const credentials =
      login === undefined
        ? undefined
        : new ExportCredentials("export", { stack, login, principal: principal.applicationId });
    const ingestion = new IngestionJob(
      "ingestion",
      {
        stack,
        notebooksPath: notebooks.ready,
        incomingUrl: zone.incomingUrl,
        trigger: job.trigger,
        compute: job.compute,
        exportsTo: settings.export?.kind,
        maxRetries: job.maxRetries,
        timeoutSeconds: job.timeoutSeconds,
        principal: principal.applicationId,
        operators: access.operators,
        alertOnFailure: job.alerts?.onFailure,
      },
      // A file that waits already would start the job before it may read anything.
      { dependsOn: [lakehouse, ...(credentials === undefined ? [] : [credentials])] },
    );

    return {
      bucket: zone.bucket,
      incomingUrl: zone.incomingUrl,
      processedUrl: zone.processedUrl,
      replicationConfigArn: serverless.replicationConfigArn,
      sourceEndpointArn: sourceEndpoint.endpointArn,
      targetEndpointArn: targetEndpoint.endpointArn,
      jobId: ingestion.jobId,
      jobName: ingestion.jobName,
      catalog: lakehouse.catalog,
      schema: lakehouse.schema,
      notebooksPath: notebooks.path,
      servicePrincipal: principal.applicationId,
      tables: tables.map(({ source, name, paths, history }) => ({ source, name, ...paths, history })),
    };
  },
});

/**
 * A lakehouse that comes and goes: it reads the same source, under a replication of its own, and keeps its files and tables apart
 * from everybody's. It exports nothing: the target's tables are the environment's it is modelled on.
 */
function ephemeralLakehouse(
  { export: _, ...settings }: LakehouseSettings,
  { name }: { readonly name: string },
): LakehouseSettings {
  const { landing, replication, target, access, job } = settings;
  const { bucketName: _bucket, ...ownLanding } = landing;
  const { alerts: _alerts, ...quietJob } = job;
  const suffix = name.replaceAll("-", "_");
  const { catalog } = target;
  const { runAs } = access;
  const { min, max } = replication.capacity;
  return {
    ...settings,
    landing: { ...ownLanding, forceDestroy: true },
    replication: {
      ...replication,
      multiAz: false,
      capacity: { min: min > 2 ? 2 : min, max: max > 2 ? 2 : max },
    },
    target: {
      ...target,
      catalog: catalog.provision === "create" ? { ...catalog, name: `${catalog.name}_${suffix}` } : catalog,
      schema: `${target.schema}_${suffix}`,
      forceDestroy: true,
    },
    access: {
      ...access,
      runAs: runAs.provision === "create" ? { ...runAs, name: `${runAs.name}-${name}` } : runAs,
    },
    job: { ...quietJob, maxRetries: 0 },
  };
}

function exportConfig(stack: string, { export: to }: LakehouseSettings): ExportConfig | undefined {
  if (to === undefined) return undefined;
  const { kind, mode, deletes, host, port, database, tls, numConnections } = to;
  return {
    ...{ kind, mode, deletes, host, port, database, schema: "schema" in to ? to.schema : database, tls },
    ...{ secretScope: exportScopeName(stack), userKey: USER_KEY, passwordKey: PASSWORD_KEY, numConnections },
  };
}
