import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import {
  CreateEndpointCommand,
  CreateReplicationConfigCommand,
  CreateReplicationSubnetGroupCommand,
  DatabaseMigrationServiceClient,
  DescribeReplicationsCommand,
  DescribeReplicationTableStatisticsCommand,
  StartReplicationCommand,
  type Replication,
  type TableStatistics,
} from "@aws-sdk/client-database-migration-service";
import {
  AttachRolePolicyCommand,
  CreateRoleCommand,
  IAMClient,
  PutRolePolicyCommand,
} from "@aws-sdk/client-iam";
import { CreateBucketCommand, GetObjectCommand, ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3";
import { CreateSecretCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { parquetMetadata, parquetReadObjects, type FileMetaData } from "hyparquet";
import {
  startDmsService,
  type DmsService,
  type DmsServiceOptions,
} from "../../../src/sandbox/dms/service.js";
import { startMoto, type MotoFixture } from "../../support/moto.js";
import { startPostgres, type PostgresFixture } from "../../support/postgres.js";

export const aws = { region: "eu-west-1", accountId: "123456789012" };
const credentials = { accessKeyId: "sandbox", secretAccessKey: "sandbox" };

/** moto with what a replication needs (roles, subnets, buckets), and a source PostgreSQL. */
export class World {
  readonly s3: S3Client;
  readonly iam: IAMClient;
  readonly secrets: SecretsManagerClient;
  subnetIds: string[] = [];
  private names = 0;

  private constructor(
    readonly moto: MotoFixture,
    readonly source: PostgresFixture,
    readonly folder: string,
  ) {
    const common = { endpoint: moto.endpoint, region: aws.region, credentials };
    this.s3 = new S3Client({ ...common, forcePathStyle: true });
    this.iam = new IAMClient(common);
    this.secrets = new SecretsManagerClient(common);
  }

  static async create(): Promise<World> {
    const source = await startPostgres();
    const moto = await startMoto().catch(async (error: unknown) => {
      await source.stop();
      throw error;
    });
    const world = new World(moto, source, await mkdtemp(path.join(tmpdir(), "hw-test-dms-")));
    await world.furnish();
    return world;
  }

  async destroy(): Promise<void> {
    await Promise.all([this.moto.stop(), this.source.stop()]);
    await rm(this.folder, { recursive: true, force: true });
  }

  /** A name no one else in this world has. */
  name(prefix: string): string {
    return `${prefix}-${++this.names}`;
  }

  serviceOptions(options: Partial<DmsServiceOptions> = {}): DmsServiceOptions {
    const stateDir = path.join(this.folder, this.name("state"));
    return { stateDir, aws: { ...aws, endpoint: this.moto.endpoint }, clockScale: 100, ...options };
  }

  async service(
    options: Partial<DmsServiceOptions> = {},
  ): Promise<DmsService & { client: DatabaseMigrationServiceClient }> {
    const service = await startDmsService(this.serviceOptions(options));
    return Object.assign(service, { client: this.client(service.url) });
  }

  client(endpoint: string): DatabaseMigrationServiceClient {
    return new DatabaseMigrationServiceClient({ endpoint, region: aws.region, credentials, maxAttempts: 1 });
  }

  async role(name: string, statements: object[], trusted = "dms.amazonaws.com"): Promise<string> {
    const trust = {
      Statement: [{ Effect: "Allow", Action: "sts:AssumeRole", Principal: { Service: trusted } }],
    };
    const AssumeRolePolicyDocument = JSON.stringify({ Version: "2012-10-17", ...trust });
    await this.iam.send(new CreateRoleCommand({ RoleName: name, AssumeRolePolicyDocument }));
    if (statements.length > 0) {
      const PolicyDocument = JSON.stringify({ Version: "2012-10-17", Statement: statements });
      await this.iam.send(new PutRolePolicyCommand({ RoleName: name, PolicyName: "access", PolicyDocument }));
    }
    return `arn:aws:iam::${aws.accountId}:role/${name}`;
  }

  async bucket(): Promise<string> {
    const Bucket = this.name("bucket");
    const CreateBucketConfiguration = { LocationConstraint: aws.region as "eu-west-1" };
    await this.s3.send(new CreateBucketCommand({ Bucket, CreateBucketConfiguration }));
    return Bucket;
  }

  async bucketRole(bucket: string): Promise<string> {
    const arn = `arn:aws:s3:::${bucket}`;
    return await this.role(this.name("dms-s3"), [
      {
        Effect: "Allow",
        Action: ["s3:PutObject", "s3:DeleteObject", "s3:PutObjectTagging"],
        Resource: `${arn}/*`,
      },
      { Effect: "Allow", Action: "s3:ListBucket", Resource: arn },
    ]);
  }

  /** ARNs of a secret with the source's credentials and of the role that may read it. */
  async secret(changed: object = {}): Promise<{ secretArn: string; roleArn: string }> {
    const { host, port, user, password } = this.source;
    const SecretString = JSON.stringify({ host, port, username: user, password, ...changed });
    const { ARN: secretArn = "" } = await this.secrets.send(
      new CreateSecretCommand({ Name: this.name("source"), SecretString }),
    );
    const statement = { Effect: "Allow", Action: "secretsmanager:GetSecretValue", Resource: secretArn };
    const trusted = `dms.${aws.region}.amazonaws.com`;
    return { secretArn, roleArn: await this.role(this.name("dms-secret"), [statement], trusted) };
  }

  /** Endpoints, subnet group and configuration, with a bucket of its own; not started. */
  async replication(
    client: DatabaseMigrationServiceClient,
    options: ReplicationOptions,
  ): Promise<TestReplication> {
    const bucket = await this.bucket();
    const { secretArn, roleArn } = await this.secret();
    const source = await client.send(
      new CreateEndpointCommand({
        EndpointIdentifier: this.name("source"),
        EndpointType: "source",
        EngineName: "postgres",
        DatabaseName: this.source.database,
        PostgreSQLSettings: {
          SecretsManagerSecretId: secretArn,
          SecretsManagerAccessRoleArn: roleArn,
          MapBooleanAsBoolean: true,
        },
      }),
    );
    const target = await client.send(
      new CreateEndpointCommand({
        EndpointIdentifier: this.name("target"),
        EndpointType: "target",
        EngineName: "s3",
        S3Settings: {
          BucketName: bucket,
          BucketFolder: "incoming",
          ServiceAccessRoleArn: await this.bucketRole(bucket),
          DataFormat: "parquet",
          IncludeOpForFullLoad: true,
          TimestampColumnName: "tx_commit_time",
          UseTaskStartTimeForFullLoadTimestamp: true,
          CdcMaxBatchInterval: 10,
          ...options.s3,
        },
      }),
    );
    const group = this.name("group");
    await client.send(
      new CreateReplicationSubnetGroupCommand({
        ReplicationSubnetGroupIdentifier: group,
        ReplicationSubnetGroupDescription: "for tests",
        SubnetIds: this.subnetIds,
      }),
    );
    const created = await client.send(
      new CreateReplicationConfigCommand({
        ReplicationConfigIdentifier: this.name("replication"),
        ReplicationType: options.type ?? "full-load-and-cdc",
        SourceEndpointArn: source.Endpoint?.EndpointArn,
        TargetEndpointArn: target.Endpoint?.EndpointArn,
        ComputeConfig: { MaxCapacityUnits: 4, MinCapacityUnits: 1, ReplicationSubnetGroupId: group },
        TableMappings: JSON.stringify({ rules: options.rules }),
        ReplicationSettings: JSON.stringify(
          options.settings ?? { ChangeProcessingDdlHandlingPolicy: { HandleSourceTableTruncated: false } },
        ),
      }),
    );
    return new TestReplication(this, client, created.ReplicationConfig?.ReplicationConfigArn ?? "", bucket);
  }

  /** The files below a prefix, in the order of their names, which is the order DMS wrote them in. */
  async files(bucket: string, prefix: string): Promise<StoredFile[]> {
    const { Contents = [] } = await this.s3.send(
      new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix }),
    );
    const files = Contents.map(async ({ Key = "" }): Promise<StoredFile[]> => {
      if (!Key.endsWith(".parquet")) return [];
      const bytes = await this.read(bucket, Key);
      if (bytes === undefined) return [];
      const file = bytes.slice().buffer;
      const rows = (await parquetReadObjects({ file, utf8: false, parsers: exact, compressors })) as Row[];
      return [{ key: Key, name: Key.slice(prefix.length), rows, metadata: parquetMetadata(file) }];
    });
    const read = (await Promise.all(files)).flat();
    const load = ({ name }: StoredFile): number => (name.startsWith("LOAD") ? 0 : 1);
    return read.sort((a, b) => load(a) - load(b) || (a.name < b.name ? -1 : 1));
  }

  /** undefined if it was deleted since it was listed. */
  private async read(Bucket: string, Key: string): Promise<Uint8Array | undefined> {
    try {
      const { Body } = await this.s3.send(new GetObjectCommand({ Bucket, Key }));
      return await Body?.transformToByteArray();
    } catch (error) {
      if ((error as Error).name === "NoSuchKey") return undefined;
      throw error;
    }
  }

  private async furnish(): Promise<void> {
    await this.role("dms-vpc-role", []);
    const PolicyArn = "arn:aws:iam::aws:policy/service-role/AmazonDMSVPCManagementRole";
    await this.iam.send(new AttachRolePolicyCommand({ RoleName: "dms-vpc-role", PolicyArn }));
    this.subnetIds = [await this.subnet("a", 1), await this.subnet("b", 2)];
  }

  /** A subnet of moto's default VPC; one exists in each zone. */
  private async subnet(zone: string, _index: number): Promise<string> {
    const answer = await fetch(this.moto.endpoint, {
      method: "POST",
      headers: {
        authorization: `AWS4-HMAC-SHA256 Credential=x/20260101/${aws.region}/ec2/aws4_request, SignedHeaders=host, Signature=x`,
      },
      body: new URLSearchParams({
        Action: "DescribeSubnets",
        Version: "2016-11-15",
        "Filter.1.Name": "availability-zone",
        "Filter.1.Value.1": `${aws.region}${zone}`,
      }),
    });
    return /<subnetId>([^<]+)</.exec(await answer.text())?.[1] ?? "";
  }
}

const compressors = { GZIP: (bytes: Uint8Array) => new Uint8Array(gunzipSync(bytes)) };

/** Values as they are stored: microseconds as bigints, days as numbers, text as text. */
const exact = {
  timestampFromMicroseconds: (micros: bigint) => micros,
  timestampFromMilliseconds: (millis: bigint) => millis,
  dateFromDays: (days: number) => days,
};

export interface ReplicationOptions {
  readonly rules: object[];
  readonly type?: "full-load" | "cdc" | "full-load-and-cdc";
  readonly s3?: object;
  readonly settings?: object;
}

type Row = Record<string, unknown>;

export interface StoredFile {
  readonly key: string;
  readonly name: string;
  readonly rows: Record<string, unknown>[];
  readonly metadata: FileMetaData;
}

export class TestReplication {
  constructor(
    private readonly world: World,
    private readonly client: DatabaseMigrationServiceClient,
    readonly arn: string,
    readonly bucket: string,
  ) {}

  /** The same replication, asked through another service. */
  through(client: DatabaseMigrationServiceClient): TestReplication {
    return new TestReplication(this.world, client, this.arn, this.bucket);
  }

  async start(type = "start-replication"): Promise<void> {
    await this.client.send(
      new StartReplicationCommand({ ReplicationConfigArn: this.arn, StartReplicationType: type }),
    );
  }

  async describe(): Promise<Replication> {
    const Filters = [{ Name: "replication-config-arn", Values: [this.arn] }];
    const { Replications = [] } = await this.client.send(new DescribeReplicationsCommand({ Filters }));
    return Replications[0] ?? {};
  }

  async statistics(table: string): Promise<TableStatistics> {
    const { ReplicationTableStatistics = [] } = await this.client.send(
      new DescribeReplicationTableStatisticsCommand({ ReplicationConfigArn: this.arn }),
    );
    return ReplicationTableStatistics.find(({ TableName }) => TableName === table) ?? {};
  }

  async reaches(status: string): Promise<Replication> {
    return await eventually(async () => {
      const replication = await this.describe();
      if (replication.Status === "failed" && status !== "failed") {
        throw new Final(`the replication failed: ${replication.FailureMessages?.join("; ")}`);
      }
      return replication.Status === status ? replication : undefined;
    }, `the replication to be ${status}`);
  }

  async loaded(table: string): Promise<TableStatistics> {
    return await eventually(async () => {
      const statistics = await this.statistics(table);
      return statistics.TableState === "Table completed" ? statistics : undefined;
    }, `${table} to be loaded`);
  }

  async files(schema: string, table: string): Promise<StoredFile[]> {
    return await this.world.files(this.bucket, `incoming/${schema}/${table}/`);
  }

  /** All rows of changes of a table, once there are as many as expected. */
  async changes(schema: string, table: string, count: number): Promise<Record<string, unknown>[]> {
    let seen: Record<string, unknown>[] = [];
    return await eventually(
      async () => {
        const files = await this.files(schema, table);
        seen = files.filter(({ name }) => !name.startsWith("LOAD")).flatMap(({ rows }) => rows);
        return seen.length >= count ? seen : undefined;
      },
      () => `${count} changes of ${table}; there are ${seen.length}`,
    );
  }

  async loadRows(schema: string, table: string): Promise<Record<string, unknown>[]> {
    const files = await this.files(schema, table);
    return files.filter(({ name }) => name.startsWith("LOAD")).flatMap(({ rows }) => rows);
  }
}

class Final extends Error {}

export async function eventually<Result>(
  probe: () => Promise<Result | undefined>,
  what: string | (() => string),
  seconds = 60,
): Promise<Result> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const result = await probe();
    if (result !== undefined) return result;
    if (Date.now() > deadline)
      throw new Final(`waited ${seconds} s for ${typeof what === "string" ? what : what()}`);
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
}

export function include(schema: string, table: string): object {
  return {
    "rule-type": "selection",
    "rule-id": "1",
    "rule-name": "include",
    "object-locator": { "schema-name": schema, "table-name": table },
    "rule-action": "include",
  };
}

/** The rules of Headwater's pipelines: the change sequence, and the key before the change. */
export const headwaterRules: object[] = [
  {
    "rule-type": "transformation",
    "rule-id": "2",
    "rule-name": "sequence",
    "rule-target": "column",
    "object-locator": { "schema-name": "%", "table-name": "%" },
    "rule-action": "add-column",
    value: "change_seq",
    expression: "$AR_H_CHANGE_SEQ",
    "data-type": { type: "string", length: 35 },
  },
  {
    "rule-type": "transformation",
    "rule-id": "3",
    "rule-name": "before",
    "rule-target": "column",
    "object-locator": { "schema-name": "%", "table-name": "%" },
    "rule-action": "add-before-image-columns",
    "before-image-def": { "column-prefix": "BI_", "column-suffix": "", "column-filter": "pk-only" },
  },
];
