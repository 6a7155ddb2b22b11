import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import { DatabaseMigrationService } from "@aws-sdk/client-database-migration-service";
import * as aws from "@pulumi/aws";
import { expect } from "chai";
import { startDmsService, type DmsService } from "../../../src/sandbox/dms/service.js";
import { startMoto, type MotoFixture } from "../../support/moto.js";
import { changes, defaultSubnets, testStack, type TestStack } from "./stack.js";

const region = "eu-west-1";
const accountId = "123456789012";
const credentials = { accessKeyId: "sandbox", secretAccessKey: "sandbox" };
const PASSWORD = "a-password-to-look-for";

interface Settings {
  schema: string;
  folder: string;
  maxCapacityUnits: number;
  identifier: string;
  start?: boolean;
}

const first: Settings = { schema: "shop", folder: "incoming", maxCapacityUnits: 4, identifier: "shop-test" };

/** The replication of the lakehouse, with the roles it needs. */
function program(
  { schema, folder, maxCapacityUnits, identifier, start = false }: Settings,
  subnetIds: string[],
) {
  return async () => {
    const trust = (service: string) =>
      JSON.stringify({
        Version: "2012-10-17",
        Statement: [{ Effect: "Allow", Action: "sts:AssumeRole", Principal: { Service: service } }],
      });
    const allow = (...actions: string[]) =>
      JSON.stringify({
        Version: "2012-10-17",
        Statement: [{ Effect: "Allow", Action: actions, Resource: "*" }],
      });
    const bucket = new aws.s3.Bucket("landing", { forceDestroy: true });
    const writer = new aws.iam.Role("writer", { assumeRolePolicy: trust("dms.amazonaws.com") });
    const write = new aws.iam.RolePolicy("write", { role: writer, policy: allow("s3:*") });
    const reader = new aws.iam.Role("reader", { assumeRolePolicy: trust(`dms.${region}.amazonaws.com`) });
    const read = new aws.iam.RolePolicy("read", {
      role: reader,
      policy: allow("secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"),
    });
    const login = new aws.secretsmanager.Secret("login", { recoveryWindowInDays: 0 });
    const version = new aws.secretsmanager.SecretVersion("current", {
      secretId: login.id,
      secretString: JSON.stringify({ username: "dms", password: PASSWORD, host: "127.0.0.1", port: 1 }),
    });
    const source = new aws.dms.Endpoint(
      "source",
      {
        endpointId: "shop-source",
        endpointType: "source",
        engineName: "postgres",
        databaseName: "shop",
        secretsManagerArn: login.arn,
        secretsManagerAccessRoleArn: reader.arn,
        postgresSettings: { heartbeatEnable: true, pluginName: "pglogical" },
        tags: { folder },
      },
      { dependsOn: [read, version] },
    );
    const target = new aws.dms.S3Endpoint(
      "target",
      {
        endpointId: "shop-target",
        endpointType: "target",
        bucketName: bucket.bucket,
        bucketFolder: folder,
        serviceAccessRoleArn: writer.arn,
        dataFormat: "parquet",
        parquetVersion: "parquet-2-0",
        includeOpForFullLoad: true,
        timestampColumnName: "tx_commit_time",
        useTaskStartTimeForFullLoadTimestamp: true,
        cdcMaxBatchInterval: 60,
      },
      { dependsOn: [write] },
    );
    const subnets = new aws.dms.ReplicationSubnetGroup("subnets", {
      replicationSubnetGroupId: "shop-subnets",
      replicationSubnetGroupDescription: folder,
      subnetIds,
    });
    const replication = new aws.dms.ReplicationConfig("replication", {
      replicationConfigIdentifier: identifier,
      replicationType: "full-load-and-cdc",
      startReplication: start,
      sourceEndpointArn: source.endpointArn,
      targetEndpointArn: target.endpointArn,
      tableMappings: JSON.stringify({
        rules: [
          {
            "rule-type": "selection",
            "rule-id": "1",
            "rule-name": "1",
            "rule-action": "include",
            "object-locator": { "schema-name": schema, "table-name": "%" },
          },
        ],
      }),
      replicationSettings: JSON.stringify({ Logging: { EnableLogging: true } }),
      computeConfig: { replicationSubnetGroupId: subnets.id, minCapacityUnits: 1, maxCapacityUnits },
    });
    return { arn: replication.arn, secret: version.secretString };
  };
}

describe("the light aws plugin against the DMS service", function () {
  this.timeout(180_000);
  let moto: MotoFixture;
  let service: DmsService;
  let folder: string;
  let test: TestStack;
  let subnetIds: string[];
  let dms: DatabaseMigrationService;

  // A changed replication is "modifying" for a while, in which DMS lets nobody change it or its endpoints.
  const settled = async () => {
    const modifying = async () =>
      (await dms.describeReplications({})).Replications?.some(({ Status }) => Status === "modifying");
    for (let tries = 0; (await modifying()) && tries < 300; tries++) await setTimeout(100);
  };
  const up = async () => {
    await settled();
    const made = changes((await test.stack.up()).summary.resourceChanges);
    await settled();
    return made;
  };
  const preview = async () => changes((await test.stack.preview()).changeSummary);
  const configs = async () => (await dms.describeReplicationConfigs({})).ReplicationConfigs ?? [];

  before(async () => {
    moto = await startMoto();
    folder = await mkdtemp(path.join(os.tmpdir(), "headwater-dms-"));
    service = await startDmsService({
      stateDir: folder,
      aws: { endpoint: moto.endpoint, region, accountId },
      requireVpcRole: false,
    });
    const url = `http://127.0.0.1:${service.port}`;
    dms = new DatabaseMigrationService({ region, credentials, endpoint: url });
    subnetIds = await defaultSubnets(moto.endpoint);
    const others = ["s3", "iam", "sts", "secretsmanager"].map((name) => [name, moto.endpoint] as const);
    test = await testStack({
      config: {
        "aws:region": region,
        "aws:endpoints": JSON.stringify([{ ...Object.fromEntries(others), dms: url }]),
        "aws:s3UsePathStyle": "true",
      },
      environment: { AWS_ACCESS_KEY_ID: "sandbox", AWS_SECRET_ACCESS_KEY: "sandbox" },
    });
  });

  after(async () => {
    await test?.remove();
    await service?.stop();
    await moto?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it("makes endpoints, subnet group and replication, and sees nothing more to do", async () => {
    test.run(program(first, subnetIds));
    expect(await up()).to.deep.equal({ create: 12 });
    expect(await preview()).to.deep.equal({});
    expect(changes((await test.stack.refresh()).summary.resourceChanges)).to.deep.equal({});
    expect(await preview()).to.deep.equal({});
    const { Endpoints } = await dms.describeEndpoints({});
    const source = Endpoints!.find(({ EndpointIdentifier }) => EndpointIdentifier === "shop-source")!;
    expect(source.PostgreSQLSettings).to.include({ DatabaseName: "shop", PluginName: "pglogical" });
    expect(source.PostgreSQLSettings!.SecretsManagerSecretId).to.contain(":secret:login-");
    const target = Endpoints!.find(({ EndpointIdentifier }) => EndpointIdentifier === "shop-target")!;
    expect(target.S3Settings).to.include({
      BucketFolder: "incoming",
      DataFormat: "parquet",
      IncludeOpForFullLoad: true,
    });
    const [replication] = await configs();
    expect(replication!.ComputeConfig).to.include({ MinCapacityUnits: 1, MaxCapacityUnits: 4 });
  });

  it("keeps the password out of the state", async () => {
    expect(await test.stateFile()).not.to.contain(PASSWORD);
    expect(await test.exportInClear()).not.to.contain(PASSWORD);
    const { secret } = await test.stack.outputs();
    expect(secret).to.deep.include({ secret: true }).and.to.have.property("value").that.contains(PASSWORD);
  });

  it("changes folder, mappings, capacity and tags in place", async () => {
    const before = await configs();
    test.run(program({ ...first, schema: "other", folder: "arriving", maxCapacityUnits: 8 }, subnetIds));
    // Source (tags), target, subnet group and replication.
    expect(await up()).to.deep.equal({ update: 4 });
    const [replication] = await configs();
    expect(replication!.ReplicationConfigArn).to.equal(before[0]!.ReplicationConfigArn);
    expect(replication!.ComputeConfig!.MaxCapacityUnits).to.equal(8);
    expect(JSON.parse(replication!.TableMappings!)).to.have.nested.property(
      "rules[0].object-locator.schema-name",
      "other",
    );
    expect(await preview()).to.deep.equal({});
  });

  it("replaces the replication for another identifier", async () => {
    test.run(program({ ...first, identifier: "shop-renamed" }, subnetIds));
    expect(await up()).to.deep.equal({ update: 3, replace: 1 });
    expect((await configs()).map((one) => one.ReplicationConfigIdentifier)).to.deep.equal(["shop-renamed"]);
  });

  it("finds drift and mends it", async () => {
    const [replication] = await configs();
    const ReplicationConfigArn = replication!.ReplicationConfigArn!;
    await dms.modifyReplicationConfig({ ReplicationConfigArn, ComputeConfig: { MaxCapacityUnits: 16 } });
    expect(changes((await test.stack.refresh()).summary.resourceChanges)).to.deep.equal({ update: 1 });
    expect(await preview()).to.deep.equal({ update: 1 });
    expect(await up()).to.deep.equal({ update: 1 });
    expect((await configs())[0]!.ComputeConfig!.MaxCapacityUnits).to.equal(4);
  });

  it("says what DMS says of a bad value, and records what was made before", async () => {
    test.run(program({ ...first, identifier: "shop-renamed", maxCapacityUnits: 7 }, subnetIds));
    const error = await test.stack.up().then(
      () => "no error",
      (failure: Error) => failure.message,
    );
    expect(error).to.match(/MaxCapacityUnits|capacity/i);
    expect(error).not.to.contain(PASSWORD);
    test.run(program({ ...first, identifier: "shop-renamed" }, subnetIds));
    expect(await preview()).to.deep.equal({});
  });

  it("records a replication that was made but does not start, and says why", async () => {
    test.run(program({ ...first, identifier: "shop-started", start: true }, subnetIds));
    const error = await test.stack.up().then(
      () => "no error",
      (failure: Error) => failure.message,
    );
    // Nobody listens where the secret says that the source is.
    expect(error).to.match(/replication-config:\S+ failed to start: \S+/);
    expect(error).not.to.contain(PASSWORD);
    test.run(program({ ...first, identifier: "shop-started" }, subnetIds));
    expect(await up()).to.include({ update: 1 });
    expect((await configs()).map((one) => one.ReplicationConfigIdentifier)).to.deep.equal(["shop-started"]);
    expect(await preview()).to.deep.equal({});
  });

  it("destroys all of it", async () => {
    await test.stack.destroy();
    expect(await configs()).to.deep.equal([]);
    expect((await dms.describeEndpoints({})).Endpoints).to.deep.equal([]);
    expect((await dms.describeReplicationSubnetGroups({})).ReplicationSubnetGroups).to.deep.equal([]);
  });
});
