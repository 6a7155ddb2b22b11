import {
  CreateEndpointCommand,
  CreateReplicationConfigCommand,
  CreateReplicationSubnetGroupCommand,
  type DatabaseMigrationServiceClient,
} from "@aws-sdk/client-database-migration-service";
import { CreateRoleCommand, IAMClient, PutRolePolicyCommand } from "@aws-sdk/client-iam";
import { CreateBucketCommand, type S3Client } from "@aws-sdk/client-s3";
import { dmsSecret, type DmsUser } from "../../demo/source/source.js";
import type { Connection } from "../../demo/source/connection.js";
import { readNotebooks } from "../../src/components/notebooks.js";
import { INCOMING, layOut, MANAGED, s3Url, type TableLayout } from "../../src/model/layout.js";
import type { Pipeline } from "../../src/model/pipeline.js";
import { pipelineConfig } from "../../src/model/pipeline-config.js";
import {
  dmsRegionalTrustPolicy,
  dmsS3AccessPolicy,
  dmsSecretAccessPolicy,
  dmsTrustPolicy,
  unityCatalogAccessPolicy,
  unityCatalogTrustPolicy,
  type PolicyDocument,
} from "../../src/model/policies.js";
import { replicationSettings } from "../../src/model/replication-settings.js";
import { FILE_COLUMNS, tableMappings } from "../../src/model/table-mappings.js";
import type { WorkspaceClient } from "../../src/operations/workspace-client.js";
import type { Sandbox } from "../../src/sandbox/sandbox.js";

/*
 * What the program cdc-lakehouse builds through Pulumi, built by hand with the AWS SDK and Databricks' REST API: the
 * shortest way from a source to a history, and the proof that the sandbox serves others than our plugins.
 */

export interface HandBuilt {
  readonly replicationConfigArn: string;
  readonly jobId: number;
}

export interface Site {
  readonly sandbox: Sandbox;
  readonly dms: DatabaseMigrationServiceClient;
  readonly s3: S3Client;
  readonly workspace: WorkspaceClient;
  readonly pipeline: Pipeline;
  readonly bucket: string;
  readonly catalog: string;
  readonly schema: string;
}

export async function buildByHand(site: Site, source: Connection, dmsUser: DmsUser): Promise<HandBuilt> {
  const { s3, bucket, catalog, schema, pipeline } = site;
  await s3.send(
    new CreateBucketCommand({
      Bucket: bucket,
      CreateBucketConfiguration: { LocationConstraint: "eu-west-1" },
    }),
  );
  const layout = layOut(pipeline, { catalog, schema });
  const replicationConfigArn = await buildReplication(site, source, dmsUser);
  await buildCatalog(site, layout);
  const folder = await uploadNotebooks(site, layout);
  return { replicationConfigArn, jobId: await buildJob(site, folder) };
}

async function buildReplication(site: Site, source: Connection, dmsUser: DmsUser): Promise<string> {
  const { sandbox, dms, bucket, pipeline } = site;
  const secretArn = await sandbox.putSecret("by-hand/source", dmsSecret(dmsUser, source));
  const secretRole = await makeRole(site, "by-hand-secret", dmsRegionalTrustPolicy("eu-west-1"), () =>
    dmsSecretAccessPolicy(secretArn),
  );
  const s3Role = await makeRole(site, "by-hand-s3", dmsTrustPolicy(), () =>
    dmsS3AccessPolicy(`arn:aws:s3:::${bucket}`),
  );
  const from = await dms.send(
    new CreateEndpointCommand({
      EndpointIdentifier: "by-hand-source",
      EndpointType: "source",
      EngineName: "postgres",
      DatabaseName: source.database,
      SslMode: "none",
      PostgreSQLSettings: {
        SecretsManagerSecretId: secretArn,
        SecretsManagerAccessRoleArn: secretRole,
        MapBooleanAsBoolean: true,
      },
    }),
  );
  const to = await dms.send(
    new CreateEndpointCommand({
      EndpointIdentifier: "by-hand-target",
      EndpointType: "target",
      EngineName: "s3",
      S3Settings: {
        BucketName: bucket,
        BucketFolder: INCOMING,
        ServiceAccessRoleArn: s3Role,
        DataFormat: "parquet",
        IncludeOpForFullLoad: true,
        TimestampColumnName: FILE_COLUMNS.commitTime,
        UseTaskStartTimeForFullLoadTimestamp: true,
        CdcMaxBatchInterval: 60,
      },
    }),
  );
  const { subnetIds, securityGroupIds } = sandbox.foundations;
  await dms.send(
    new CreateReplicationSubnetGroupCommand({
      ReplicationSubnetGroupIdentifier: "by-hand",
      ReplicationSubnetGroupDescription: "one table by hand",
      SubnetIds: [...subnetIds],
    }),
  );
  const made = await dms.send(
    new CreateReplicationConfigCommand({
      ReplicationConfigIdentifier: "by-hand",
      ReplicationType: "full-load-and-cdc",
      SourceEndpointArn: from.Endpoint?.EndpointArn,
      TargetEndpointArn: to.Endpoint?.EndpointArn,
      TableMappings: tableMappings(pipeline),
      ReplicationSettings: replicationSettings(),
      ComputeConfig: {
        ReplicationSubnetGroupId: "by-hand",
        VpcSecurityGroupIds: [...securityGroupIds],
        MinCapacityUnits: 1,
        MaxCapacityUnits: 2,
      },
    }),
  );
  const arn = made.ReplicationConfig?.ReplicationConfigArn;
  if (arn === undefined) throw new Error("DMS made a replication config without an ARN");
  return arn;
}

async function buildCatalog(
  { workspace, bucket, catalog, schema, ...site }: Site,
  layout: readonly TableLayout[],
) {
  const unity = "/api/2.1/unity-catalog";
  const roleArn = "arn:aws:iam::123456789012:role/by-hand-unity-catalog";
  const credential = await workspace.post<{
    aws_iam_role: { unity_catalog_iam_arn: string; external_id: string };
  }>(`${unity}/storage-credentials`, {
    name: "by-hand",
    aws_iam_role: { role_arn: roleArn },
    skip_validation: true,
  });
  const { unity_catalog_iam_arn: unityCatalogIamArn, external_id: externalId } = credential.aws_iam_role;
  await makeRole(
    site,
    "by-hand-unity-catalog",
    unityCatalogTrustPolicy({ unityCatalogIamArn, externalId, roleArn }),
    (arn) => unityCatalogAccessPolicy(`arn:aws:s3:::${bucket}`, arn),
  );
  await workspace.post(`${unity}/external-locations`, {
    name: "by-hand",
    url: s3Url(bucket),
    credential_name: "by-hand",
  });
  await workspace.post(`${unity}/catalogs`, { name: catalog, storage_root: s3Url(bucket, MANAGED) });
  await workspace.post(`${unity}/schemas`, { name: schema, catalog_name: catalog });
  for (const { volumes, folders } of layout) {
    for (const kind of ["incoming", "processed"] as const) {
      await workspace.post(`${unity}/volumes`, {
        ...{ catalog_name: catalog, schema_name: schema, name: volumes[kind] },
        ...{ volume_type: "EXTERNAL", storage_location: s3Url(bucket, folders[kind]) },
      });
    }
  }
}

/** Notebooks as notebooks, their library and pipeline.json as files, as the Databricks provider imports them. */
async function uploadNotebooks(
  { workspace, pipeline, catalog, schema }: Site,
  tables: readonly TableLayout[],
): Promise<string> {
  const folder = "/Shared/headwater/by-hand";
  const config = pipelineConfig({
    ...{ pipeline, environment: "hand", release: "by-hand", target: { catalog, schema }, tables },
  });
  const files = [
    ...readNotebooks("notebooks"),
    { path: "pipeline.json", content: Buffer.from(JSON.stringify(config)) },
  ];
  const folders = new Set(files.map(({ path }) => `${folder}/${path}`.replace(/\/[^/]*$/, "")));
  for (const path of folders) await workspace.post("/api/2.0/workspace/mkdirs", { path });
  for (const { path, content } of files) {
    const notebook = content.toString("utf8").startsWith("# Databricks notebook source");
    await workspace.post("/api/2.0/workspace/import", {
      path: `${folder}/${notebook ? path.replace(/\.py$/, "") : path}`,
      content: content.toString("base64"),
      overwrite: true,
      ...(notebook ? { format: "SOURCE", language: "PYTHON" } : { format: "AUTO" }),
    });
  }
  return folder;
}

async function buildJob({ workspace, bucket }: Site, folder: string): Promise<number> {
  const { job_id: jobId } = await workspace.post<{ job_id: number }>("/api/2.2/jobs/create", {
    name: "by-hand",
    max_concurrent_runs: 1,
    queue: { enabled: true },
    parameters: [{ name: "tables", default: "" }],
    tasks: [
      {
        task_key: "apply",
        notebook_task: { notebook_path: `${folder}/apply`, source: "WORKSPACE" },
        environment_key: "headwater",
      },
    ],
    environments: [{ environment_key: "headwater", spec: { environment_version: "4" } }],
    trigger: {
      pause_status: "UNPAUSED",
      file_arrival: { url: s3Url(bucket, INCOMING), min_time_between_triggers_seconds: 60 },
    },
  });
  return jobId;
}

async function makeRole(
  { sandbox }: Pick<Site, "sandbox">,
  name: string,
  trust: PolicyDocument,
  access: (roleArn: string) => PolicyDocument,
): Promise<string> {
  const iam = new IAMClient({
    region: "eu-west-1",
    endpoint: sandbox.urls.aws,
    credentials: { accessKeyId: "sandbox", secretAccessKey: "sandbox" },
  });
  try {
    const made = await iam.send(
      new CreateRoleCommand({ RoleName: name, AssumeRolePolicyDocument: JSON.stringify(trust) }),
    );
    const arn = made.Role?.Arn;
    if (arn === undefined) throw new Error(`the role ${name} was made without an ARN`);
    const PolicyDocument = JSON.stringify(access(arn));
    await iam.send(new PutRolePolicyCommand({ RoleName: name, PolicyName: "access", PolicyDocument }));
    return arn;
  } finally {
    iam.destroy();
  }
}
