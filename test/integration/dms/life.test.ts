import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import {
  AddTagsToResourceCommand,
  CreateEndpointCommand,
  CreateReplicationConfigCommand,
  CreateReplicationSubnetGroupCommand,
  DeleteEndpointCommand,
  DeleteReplicationConfigCommand,
  DeleteReplicationSubnetGroupCommand,
  DescribeConnectionsCommand,
  DescribeEndpointsCommand,
  DescribeReplicationConfigsCommand,
  DescribeReplicationInstancesCommand,
  DescribeReplicationSubnetGroupsCommand,
  ListTagsForResourceCommand,
  ModifyEndpointCommand,
  ModifyReplicationConfigCommand,
  ModifyReplicationSubnetGroupCommand,
  RemoveTagsFromResourceCommand,
  StartReplicationCommand,
  StopReplicationCommand,
  TestConnectionCommand,
  waitUntilEndpointDeleted,
  waitUntilTestConnectionSucceeds,
  type CreateEndpointCommandInput,
  type DatabaseMigrationServiceClient,
} from "@aws-sdk/client-database-migration-service";
import { expect } from "chai";
import { testPython } from "../../support/moto.js";
import { aws, eventually, include, TestReplication, World } from "./world.js";

const instance = `arn:aws:dms:${aws.region}:${aws.accountId}:rep:SANDBOX`;

describe("DMS service: a replication's life, by unmodified clients", function () {
  this.timeout(60_000);
  let world: World;
  let service: Awaited<ReturnType<World["service"]>>;
  let client: DatabaseMigrationServiceClient;

  before(async () => {
    world = await World.create();
    service = await world.service();
    client = service.client;
    await world.source.query(
      "create schema life; create table life.t (id int primary key); insert into life.t values (1)",
    );
  });
  after(async () => {
    await service?.stop();
    await world?.destroy();
  });

  const sourceInput = async (): Promise<CreateEndpointCommandInput> => {
    const { secretArn, roleArn } = await world.secret();
    return {
      ...{ EndpointIdentifier: world.name("Source"), EndpointType: "source", EngineName: "postgres" },
      DatabaseName: "postgres",
      PostgreSQLSettings: { SecretsManagerSecretId: secretArn, SecretsManagerAccessRoleArn: roleArn },
      Tags: [{ Key: "team", Value: "shop" }],
    };
  };
  const targetInput = async (bucket: string): Promise<CreateEndpointCommandInput> => ({
    ...{ EndpointIdentifier: world.name("target"), EndpointType: "target", EngineName: "s3" },
    S3Settings: {
      BucketName: bucket,
      BucketFolder: "incoming",
      ServiceAccessRoleArn: await world.bucketRole(bucket),
      DataFormat: "parquet",
      CdcMaxBatchInterval: 10,
    },
  });
  const fault = async (call: Promise<unknown>): Promise<string> =>
    await call.then(
      () => "no fault",
      (error: Error) => `${error.name}: ${error.message}`,
    );

  it("AWS SDK for JavaScript: create, test, start, stop, modify, resume, reload, delete", async () => {
    const bucket = await world.bucket();
    const { Endpoint: source } = await client.send(new CreateEndpointCommand(await sourceInput()));
    const { Endpoint: target } = await client.send(new CreateEndpointCommand(await targetInput(bucket)));
    expect(source).to.include({
      EndpointType: "SOURCE",
      EngineName: "postgres",
      Status: "active",
      SslMode: "none",
    });
    expect(source?.EndpointIdentifier).to.match(/^source-\d+$/);
    const ReplicationInstanceArn = instance;
    for (const { EndpointArn } of [source ?? {}, target ?? {}]) {
      const { Connection } = await client.send(
        new TestConnectionCommand({ ReplicationInstanceArn, EndpointArn }),
      );
      expect(Connection?.Status).to.equal("testing");
      const Filters = [{ Name: "endpoint-arn", Values: [EndpointArn ?? ""] }];
      await waitUntilTestConnectionSucceeds({ client, maxWaitTime: 20, minDelay: 1 }, { Filters });
    }
    const group = world.name("group");
    const { ReplicationSubnetGroup } = await client.send(
      new CreateReplicationSubnetGroupCommand({
        ReplicationSubnetGroupIdentifier: group,
        ReplicationSubnetGroupDescription: "two zones",
        SubnetIds: world.subnetIds,
      }),
    );
    expect(
      ReplicationSubnetGroup?.Subnets?.map((subnet) => subnet.SubnetAvailabilityZone?.Name).sort(),
    ).to.deep.equal(["eu-west-1a", "eu-west-1b"]);
    await client.send(
      new ModifyReplicationSubnetGroupCommand({
        ReplicationSubnetGroupIdentifier: group,
        ReplicationSubnetGroupDescription: "changed",
        SubnetIds: world.subnetIds,
      }),
    );
    const created = await client.send(
      new CreateReplicationConfigCommand({
        ReplicationConfigIdentifier: "Shop-dev",
        ReplicationType: "full-load-and-cdc",
        SourceEndpointArn: source?.EndpointArn,
        TargetEndpointArn: target?.EndpointArn,
        ComputeConfig: { MaxCapacityUnits: 4, MinCapacityUnits: 2, ReplicationSubnetGroupId: group },
        TableMappings: JSON.stringify({ rules: [include("life", "%")] }),
        ResourceIdentifier: "shop-dev",
        Tags: [{ Key: "stage", Value: "dev" }],
      }),
    );
    const arn = created.ReplicationConfig?.ReplicationConfigArn ?? "";
    expect(arn).to.equal(`arn:aws:dms:${aws.region}:${aws.accountId}:replication-config:shop-dev`);
    expect(created.ReplicationConfig?.ReplicationConfigCreateTime).to.be.instanceOf(Date);
    const replication = new TestReplication(world, client, arn, bucket);
    expect((await replication.describe()).Status).to.equal("created");

    expect(await fault(replication.start("resume-processing"))).to.include(
      "InvalidParameterCombinationException",
    );
    await replication.start();
    expect(await fault(replication.start()))
      .to.include("InvalidResourceStateFault")
      .and.include("state and cannot start");
    const running = await replication.reaches("running");
    expect(running.ProvisionData).to.include({ ProvisionState: "provisioned", ProvisionedCapacityUnits: 2 });
    await replication.loaded("t");
    await world.source.query("insert into life.t values (2)");
    await replication.changes("life", "t", 1);
    const ReplicationConfigArn = arn;
    expect(await fault(client.send(new DeleteReplicationConfigCommand({ ReplicationConfigArn })))).to.equal(
      `InvalidResourceStateFault: Replication for Replication Config: ${arn} is in RUNNING state and cannot delete`,
    );
    expect(
      await fault(
        client.send(new ModifyEndpointCommand({ EndpointArn: source?.EndpointArn, DatabaseName: "x" })),
      ),
    ).to.include("InvalidResourceStateFault");

    await client.send(new StopReplicationCommand({ ReplicationConfigArn }));
    const stopped = await replication.reaches("stopped");
    expect(stopped.StopReason).to.equal("Stop Reason NORMAL");
    // Told the source no more than what is stored: a position in front of the log's end would skip what comes next.
    const slots = await world.source.query<{ behind: boolean }>(
      "select confirmed_flush_lsn <= pg_current_wal_insert_lsn() as behind from pg_replication_slots where not active",
    );
    expect(slots).to.deep.equal([{ behind: true }]);
    await world.source.query("insert into life.t values (3)");
    await client.send(
      new ModifyReplicationConfigCommand({ ReplicationConfigArn, ComputeConfig: { MaxCapacityUnits: 8 } }),
    );
    expect(await fault(replication.start("resume-processing"))).to.equal(
      `InvalidResourceStateFault: Replication for Replication Config: ${arn} is in MODIFYING state and cannot start`,
    );
    await replication.reaches("stopped");
    const Filters = [{ Name: "replication-config-arn", Values: [arn] }];
    const { ReplicationConfigs } = await client.send(new DescribeReplicationConfigsCommand({ Filters }));
    expect(ReplicationConfigs?.[0]?.ComputeConfig).to.include({ MaxCapacityUnits: 8, MinCapacityUnits: 2 });
    expect(await fault(replication.start())).to.include(
      "valid only for replications running for the first time",
    );
    await replication.start("resume-processing");
    const changes = await replication.changes("life", "t", 2);
    expect(changes.map(({ id }) => id)).to.deep.equal([2, 3]);

    await client.send(new StopReplicationCommand({ ReplicationConfigArn }));
    await replication.reaches("stopped");
    await replication.start("reload-target");
    expect((await replication.loaded("t")).FullLoadRows).to.equal(3);
    expect(await replication.loadRows("life", "t")).to.have.length(3);
    await client.send(new StopReplicationCommand({ ReplicationConfigArn }));
    await replication.reaches("stopped");

    expect(
      await fault(client.send(new DeleteEndpointCommand({ EndpointArn: source?.EndpointArn }))),
    ).to.include("is part of one or more Replication Configs");
    expect(
      await fault(
        client.send(new DeleteReplicationSubnetGroupCommand({ ReplicationSubnetGroupIdentifier: group })),
      ),
    ).to.include("is in use by");
    await client.send(new DeleteReplicationConfigCommand({ ReplicationConfigArn }));
    await eventually(async () => {
      const gone = await fault(client.send(new DescribeReplicationConfigsCommand({ Filters })));
      return gone.startsWith("ResourceNotFoundFault") ? gone : undefined;
    }, "the configuration to be gone");
    expect(await world.source.query("select slot_name from pg_replication_slots")).to.deep.equal([]);
    expect(await world.source.query("select pubname from pg_publication")).to.deep.equal([]);
    await client.send(new DeleteReplicationSubnetGroupCommand({ ReplicationSubnetGroupIdentifier: group }));
    for (const { EndpointArn = "" } of [source ?? {}, target ?? {}]) {
      await client.send(new DeleteEndpointCommand({ EndpointArn }));
      await waitUntilEndpointDeleted(
        { client, maxWaitTime: 20 },
        { Filters: [{ Name: "endpoint-arn", Values: [EndpointArn] }] },
      );
    }
    const { Connections } = await client.send(new DescribeConnectionsCommand({}));
    expect(Connections).to.deep.equal([]);
  });

  it("boto3: the same life", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "hw-test-boto3-"));
    try {
      const bucket = await world.bucket();
      const script = path.join(folder, "life.py");
      await writeFile(script, boto3Life);
      const parameters = {
        ...{ url: service.url, source: await sourceInput(), target: await targetInput(bucket), instance },
        ...{ subnets: world.subnetIds, mappings: JSON.stringify({ rules: [include("life", "%")] }) },
      };
      const env = { ...process.env, AWS_ACCESS_KEY_ID: "sandbox", AWS_SECRET_ACCESS_KEY: "sandbox" };
      const { stdout } = await promisify(execFile)(testPython(), [script, JSON.stringify(parameters)], {
        env,
      });
      expect(stdout.trim().split("\n").at(-1)).to.equal("lived");
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it("tags are listed, added and removed", async () => {
    const { Endpoint } = await client.send(new CreateEndpointCommand(await sourceInput()));
    const ResourceArn = Endpoint?.EndpointArn;
    await client.send(new AddTagsToResourceCommand({ ResourceArn, Tags: [{ Key: "a", Value: "1" }] }));
    await client.send(new RemoveTagsFromResourceCommand({ ResourceArn, TagKeys: ["team"] }));
    const { TagList } = await client.send(new ListTagsForResourceCommand({ ResourceArn }));
    expect(TagList).to.deep.equal([{ Key: "a", Value: "1", ResourceArn }]);
    expect(
      await fault(client.send(new ListTagsForResourceCommand({ ResourceArn: `${ResourceArn}X` }))),
    ).to.include("ResourceNotFoundFault");
  });

  it("lists go by pages", async () => {
    const input = await sourceInput();
    for (let count = 0; count < 25; count++) {
      await client.send(new CreateEndpointCommand({ ...input, EndpointIdentifier: world.name("paged") }));
    }
    const first = await client.send(new DescribeEndpointsCommand({ MaxRecords: 20 }));
    expect(first.Endpoints).to.have.length(20);
    const rest = await client.send(new DescribeEndpointsCommand({ MaxRecords: 20, Marker: first.Marker }));
    expect(rest.Endpoints?.length).to.be.at.least(5);
    expect(rest.Marker).to.equal(undefined);
  });

  it("what is wrong is refused with DMS's faults, by name", async () => {
    const source = await sourceInput();
    const bucket = await world.bucket();
    const target = await targetInput(bucket);
    const create = (changed: object) =>
      fault(client.send(new CreateEndpointCommand({ ...source, ...changed })));
    await client.send(new CreateEndpointCommand(source));
    expect(await create({})).to.include("ResourceAlreadyExistsFault");
    expect(await create({ EndpointIdentifier: "a--b" })).to.include(
      "InvalidParameterValueException: The parameter EndpointIdentifier",
    );
    expect(await create({ EndpointIdentifier: "n", EngineName: "oracle" })).to.include(
      "engine oracle is not supported",
    );
    expect(await create({ EndpointIdentifier: "n", Password: "secret-word" })).to.equal(
      "InvalidParameterValueException: The parameter Password is not supported by this sandbox",
    );
    expect(await create({ EndpointIdentifier: "n", PostgreSQLSettings: { ServerName: "x" } })).to.include(
      "SecretsManagerSecretId is required",
    );
    expect(
      await create({
        EndpointIdentifier: "n",
        PostgreSQLSettings: { ...source.PostgreSQLSettings, SlotName: "x" },
      }),
    ).to.include("PostgreSQLSettings.SlotName is not supported");
    expect(await create({ EndpointIdentifier: "n", SslMode: "verify-full" })).to.include(
      'SslMode is "verify-full", but takes none, require',
    );
    expect(await create({ EndpointIdentifier: "n", ExtraConnectionAttributes: "a=b" })).to.include(
      "ExtraConnectionAttributes: a is not supported",
    );
    expect(
      await create({
        ...target,
        EndpointIdentifier: "n",
        S3Settings: { ...target.S3Settings, DataFormat: "csv" },
      }),
    ).to.include('"csv" is not supported here');

    const group = (SubnetIds: string[], ReplicationSubnetGroupIdentifier = "g") =>
      fault(
        client.send(
          new CreateReplicationSubnetGroupCommand({
            ReplicationSubnetGroupIdentifier,
            ReplicationSubnetGroupDescription: "d",
            SubnetIds,
          }),
        ),
      );
    expect(await group([world.subnetIds[0] ?? ""])).to.include("ReplicationSubnetGroupDoesNotCoverEnoughAZs");
    expect(await group(["subnet-00000000"])).to.include("InvalidSubnet");
    expect(await group(world.subnetIds, "default")).to.include("InvalidParameterValueException");

    const ReplicationConfigArn = `arn:aws:dms:${aws.region}:${aws.accountId}:replication-config:NONE`;
    expect(await fault(client.send(new StopReplicationCommand({ ReplicationConfigArn })))).to.include(
      "ResourceNotFoundFault",
    );
    expect(await fault(client.send(new DescribeReplicationInstancesCommand({})))).to.equal(
      "UnknownOperationException: The operation DescribeReplicationInstances is not supported by this sandbox",
    );
    const Filters = [{ Name: "replication-subnet-group-id", Values: ["none"] }];
    expect(await fault(client.send(new DescribeReplicationSubnetGroupsCommand({ Filters })))).to.include(
      "ResourceNotFoundFault",
    );

    const replication = await world.replication(client, { rules: [include("life", "%")] });
    const modify = (changed: object) =>
      fault(
        client.send(
          new ModifyReplicationConfigCommand({ ReplicationConfigArn: replication.arn, ...changed }),
        ),
      );
    expect(await modify({ ComputeConfig: { MaxCapacityUnits: 3 } })).to.include(
      "MaxCapacityUnits is 3, but takes 1, 2, 4",
    );
    expect(await modify({ ComputeConfig: { MinCapacityUnits: 8 } })).to.include(
      "must not be above MaxCapacityUnits",
    );
    expect(await modify({ ComputeConfig: { MultiAZ: true, AvailabilityZone: "eu-west-1a" } })).to.include(
      "InvalidParameterCombinationException",
    );
    expect(await modify({ ComputeConfig: { ReplicationSubnetGroupId: "none" } })).to.include(
      "ResourceNotFoundFault",
    );
    expect(await modify({ ReplicationType: "sync" })).to.include("ReplicationType");
    expect(await modify({ TableMappings: "{}" })).to.include(
      'TableMappings must be a JSON object with an array "rules"',
    );
    expect(
      await modify({ ReplicationSettings: '{"ValidationSettings":{"EnableValidation":true}}' }),
    ).to.include("EnableValidation");
    expect(await modify({ SourceEndpointArn: "arn:none" })).to.include("ResourceNotFoundFault");
    const CdcStartPosition = "now";
    const start = new StartReplicationCommand({
      ReplicationConfigArn: replication.arn,
      StartReplicationType: "start-replication",
      CdcStartPosition,
    });
    expect(await fault(client.send(start))).to.include("does not support setting a custom CDC start point");
  });
});

const boto3Life = `
import json, sys, time
import boto3

given = json.loads(sys.argv[1])
dms = boto3.client("dms", region_name="eu-west-1", endpoint_url=given["url"])
source = dms.create_endpoint(**given["source"])["Endpoint"]
target = dms.create_endpoint(**given["target"])["Endpoint"]
for endpoint in (source, target):
    dms.test_connection(ReplicationInstanceArn=given["instance"], EndpointArn=endpoint["EndpointArn"])
    filters = [{"Name": "endpoint-arn", "Values": [endpoint["EndpointArn"]]}]
    dms.get_waiter("test_connection_succeeds").wait(Filters=filters, WaiterConfig={"Delay": 1, "MaxAttempts": 20})
dms.create_replication_subnet_group(
    ReplicationSubnetGroupIdentifier="boto3", ReplicationSubnetGroupDescription="boto3", SubnetIds=given["subnets"]
)
config = dms.create_replication_config(
    ReplicationConfigIdentifier="boto3", ReplicationType="full-load", TableMappings=given["mappings"],
    SourceEndpointArn=source["EndpointArn"], TargetEndpointArn=target["EndpointArn"],
    ComputeConfig={"MaxCapacityUnits": 1, "ReplicationSubnetGroupId": "boto3"},
)["ReplicationConfig"]
arn = config["ReplicationConfigArn"]
assert config["ReplicationConfigCreateTime"].year > 2000
dms.start_replication(ReplicationConfigArn=arn, StartReplicationType="start-replication")
filters = [{"Name": "replication-config-arn", "Values": [arn]}]
deadline = time.time() + 20
while True:
    replication = dms.describe_replications(Filters=filters)["Replications"][0]
    if replication["Status"] == "stopped":
        break
    assert replication["Status"] != "failed" and time.time() < deadline, replication
    time.sleep(0.1)
assert replication["StopReason"] == "Stop Reason FULL_LOAD_ONLY_FINISHED", replication
(table,) = dms.describe_replication_table_statistics(ReplicationConfigArn=arn)["ReplicationTableStatistics"]
assert table["TableState"] == "Table completed" and table["FullLoadRows"] > 0, table
try:
    dms.stop_replication(ReplicationConfigArn=arn)
    raise AssertionError("stopped twice")
except dms.exceptions.InvalidResourceStateFault as fault:
    assert "STOPPED" in str(fault)
dms.delete_replication_config(ReplicationConfigArn=arn)
while True:
    try:
        dms.describe_replication_configs(Filters=filters)
        time.sleep(0.1)
    except dms.exceptions.ResourceNotFoundFault:
        break
dms.delete_replication_subnet_group(ReplicationSubnetGroupIdentifier="boto3")
for endpoint in (source, target):
    dms.delete_endpoint(EndpointArn=endpoint["EndpointArn"])
print("lived")
`;
