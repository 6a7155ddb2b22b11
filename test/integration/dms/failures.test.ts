import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import {
  CreateEndpointCommand,
  CreateReplicationSubnetGroupCommand,
  DeleteReplicationConfigCommand,
  DescribeConnectionsCommand,
  ModifyEndpointCommand,
  ModifyReplicationConfigCommand,
  StopReplicationCommand,
  TestConnectionCommand,
} from "@aws-sdk/client-database-migration-service";
import {
  DeleteRoleCommand,
  DeleteRolePolicyCommand,
  DetachRolePolicyCommand,
  ListRolesCommand,
  PutRolePolicyCommand,
} from "@aws-sdk/client-iam";
import { DeleteBucketCommand } from "@aws-sdk/client-s3";
import { PutSecretValueCommand } from "@aws-sdk/client-secrets-manager";
import { expect } from "chai";
import { freePort } from "../../../src/sandbox/ports.js";
import { startPostgres } from "../../support/postgres.js";
import { aws, eventually, headwaterRules, include, World, type TestReplication } from "./world.js";

const ReplicationInstanceArn = `arn:aws:dms:${aws.region}:${aws.accountId}:rep:SANDBOX`;

describe("DMS service: failures", function () {
  this.timeout(90_000);
  let world: World;
  let service: Awaited<ReturnType<World["service"]>>;
  const lines: string[] = [];
  let stateDir: string;

  before(async () => {
    world = await World.create();
    const options = world.serviceOptions({ log: (line) => lines.push(line) });
    stateDir = options.stateDir;
    service = await world.service(options);
    await world.source.query(
      "create schema fail; create table fail.t (id int primary key); insert into fail.t values (1)",
    );
  });
  after(async () => {
    await service?.stop();
    await world?.destroy();
  });

  /** A source endpoint whose secret says something else than the truth. */
  const badSource = async (
    changed: object,
    roleArn?: string,
    made = world.secret(changed),
  ): Promise<string> => {
    const secret = await made;
    const { Endpoint } = await service.client.send(
      new CreateEndpointCommand({
        ...{ EndpointIdentifier: world.name("bad"), EndpointType: "source", EngineName: "postgres" },
        PostgreSQLSettings: {
          SecretsManagerSecretId: secret.secretArn,
          SecretsManagerAccessRoleArn: roleArn ?? secret.roleArn,
        },
      }),
    );
    return Endpoint?.EndpointArn ?? "";
  };
  const testMessage = async (EndpointArn: string): Promise<string> => {
    await service.client.send(new TestConnectionCommand({ ReplicationInstanceArn, EndpointArn }));
    return await eventually(async () => {
      const Filters = [{ Name: "endpoint-arn", Values: [EndpointArn] }];
      const { Connections = [] } = await service.client.send(new DescribeConnectionsCommand({ Filters }));
      return Connections[0]?.Status === "testing"
        ? undefined
        : `${Connections[0]?.Status}: ${Connections[0]?.LastFailureMessage}`;
    }, "the connection to be tested");
  };
  const failure = async (replication: TestReplication): Promise<string> =>
    ((await replication.reaches("failed")).FailureMessages ?? []).join();

  it("a connection test says what is wrong, and never the password", async () => {
    const port = await freePort();
    expect(await testMessage(await badSource({ port })))
      .to.include(`127.0.0.1:${port}/postgres as postgres`)
      .and.include("ECONNREFUSED");
    const wrong = await testMessage(await badSource({ password: "wrong-word" }));
    expect(wrong)
      .to.include('password authentication failed for user "postgres"')
      .and.not.include("wrong-word");
    expect(await testMessage(await badSource({ username: undefined }))).to.include("has no username");
    const noRole = `arn:aws:iam::${aws.accountId}:role/none`;
    expect(await testMessage(await badSource({}, noRole))).to.equal(
      `failed: Test Endpoint failed: The IAM role ${noRole} does not exist`,
    );
    const untrusting = await world.role(world.name("role"), [], "lambda.amazonaws.com");
    expect(await testMessage(await badSource({}, untrusting))).to.include(
      "does not trust dms.eu-west-1.amazonaws.com",
    );
    const powerless = await world.role(world.name("role"), []);
    expect(await testMessage(await badSource({}, powerless))).to.include(
      "does not allow secretsmanager:GetSecretValue",
    );
  });

  it("a replication with such a source fails with the message; start again works once it is mended", async () => {
    const replication = await world.replication(service.client, { rules: [include("fail", "%")] });
    const SourceEndpointArn = await badSource({ password: "wrong-word" });
    await service.client.send(
      new ModifyReplicationConfigCommand({ ReplicationConfigArn: replication.arn, SourceEndpointArn }),
    );
    await replication.reaches("created");
    await replication.start();
    const message = await failure(replication);
    expect(message).to.match(
      /^Test connection failed for endpoint 'bad-\d+' and replication config 'replication-\d+'\. Failure Message: '/,
    );
    expect(message).to.include("password authentication failed").and.not.include("wrong-word");
    const { secretArn, roleArn } = await world.secret();
    await service.client.send(
      new ModifyEndpointCommand({
        EndpointArn: SourceEndpointArn,
        PostgreSQLSettings: { SecretsManagerSecretId: secretArn, SecretsManagerAccessRoleArn: roleArn },
      }),
    );
    await replication.start();
    await replication.loaded("t");
  });

  it("a target role that is missing or may not write fails the replication, as does a missing bucket", async () => {
    const options = { rules: [include("fail", "%")] };
    const missing = await world.replication(service.client, options);
    const { iam } = world;
    const roles = await iam.send(new ListRolesCommand({}));
    const names = (roles.Roles ?? []).map(({ RoleName }) => RoleName ?? "");
    const newest =
      names
        .filter((name) => name.startsWith("dms-s3"))
        .sort((a, b) => a.localeCompare(b, "en", { numeric: true }))
        .at(-1) ?? "";
    const denied = {
      Version: "2012-10-17",
      Statement: [
        { Effect: "Allow", Action: "s3:*", Resource: "*" },
        { Effect: "Deny", Action: "s3:PutObject", Resource: `arn:aws:s3:::${missing.bucket}/*` },
      ],
    };
    await iam.send(
      new PutRolePolicyCommand({
        RoleName: newest,
        PolicyName: "access",
        PolicyDocument: JSON.stringify(denied),
      }),
    );
    await missing.start();
    expect(await failure(missing)).to.include("does not allow s3:PutObject on");
    await iam.send(new DeleteRolePolicyCommand({ RoleName: newest, PolicyName: "access" }));
    await iam.send(new DeleteRoleCommand({ RoleName: newest }));
    await missing.start();
    expect(await failure(missing)).to.include(`role/${newest} does not exist`);

    const homeless = await world.replication(service.client, options);
    await world.s3.send(new DeleteBucketCommand({ Bucket: homeless.bucket }));
    await homeless.start();
    expect(await failure(homeless)).to.include(`The S3 bucket ${homeless.bucket} does not exist`);
  });

  it("mappings that hit no table fail in DMS's words", async () => {
    const replication = await world.replication(service.client, { rules: [include("fail", "none%")] });
    await replication.start();
    expect(await failure(replication)).to.include("No tables were found at task initialization.");
  });

  it("a source that does not log logically cannot be captured, but loaded", async () => {
    const plain = await startPostgres({ flags: ["-c", "wal_level=replica"] });
    try {
      await plain.query("create table t (id int primary key); insert into t values (1)");
      const replication = await world.replication(service.client, { rules: [include("public", "t")] });
      const change = async (changed: object) => {
        await service.client.send(
          new ModifyReplicationConfigCommand({ ReplicationConfigArn: replication.arn, ...changed }),
        );
        await eventually(
          async () => ((await replication.describe()).Status === "modifying" ? undefined : true),
          "the change",
        );
      };
      await change({ SourceEndpointArn: await badSource({ port: plain.port, password: plain.password }) });
      await replication.start();
      expect(await failure(replication)).to.include(
        "wal_level of the source is replica, but must be logical",
      );
      await change({ ReplicationType: "full-load" });
      await replication.start();
      const stopped = await replication.reaches("stopped");
      expect(stopped.StopReason).to.equal("Stop Reason FULL_LOAD_ONLY_FINISHED");
      expect(await replication.loadRows("public", "t")).to.have.length(1);
    } finally {
      await plain.stop();
    }
  });

  it("a start that waits for a transaction of the source can be stopped, and leaves no slot behind", async () => {
    const replication = await world.replication(service.client, { rules: [include("fail", "%")] });
    const busy = await world.source.connect();
    try {
      await busy.query("begin; insert into fail.t values (50)");
      await replication.start();
      await eventually(async () => {
        const [waiting] = await world.source.query(
          "select 1 from pg_stat_activity where query like '%pg_create_logical_replication_slot%' and pid <> pg_backend_pid()",
        );
        return waiting;
      }, "the slot to be waited for");
      const ReplicationConfigArn = replication.arn;
      await service.client.send(new StopReplicationCommand({ ReplicationConfigArn }));
      await replication.reaches("stopped");
      await service.client.send(new DeleteReplicationConfigCommand({ ReplicationConfigArn }));
      await busy.query("rollback");
      const name = "dms_replication%";
      await eventually(async () => {
        const left = await world.source.query(
          "select 1 from pg_replication_slots where slot_name like $1 and confirmed_flush_lsn is null",
          [name],
        );
        return left.length === 0 ? true : undefined;
      }, "the slot to be gone");
    } finally {
      await busy.end();
    }
  });

  it("a lost slot fails the replication by name instead of going on with a gap", async () => {
    const replication = await world.replication(service.client, { rules: [include("fail", "%")] });
    await replication.start();
    await replication.loaded("t");
    await eventually(async () => {
      const slots = await world.source.query(
        "select 1 from pg_replication_slots where active and slot_name like $1",
        [`%`],
      );
      return slots.length > 0 ? true : undefined;
    }, "the capture to begin");
    await world.source.query(
      "select pg_terminate_backend(active_pid), pg_sleep(0.05) from pg_replication_slots where active",
    );
    await replication.changes("fail", "t", 0);
    await world.source.query(`do $$ declare s record; begin
      for s in select slot_name, active_pid from pg_replication_slots loop
        for i in 1..100 loop
          begin
            perform pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = s.slot_name and active;
            perform pg_drop_replication_slot(s.slot_name); exit;
          exception when object_in_use then perform pg_sleep(0.01);
          end;
        end loop;
      end loop; end $$`);
    expect(await failure(replication)).to.include("is gone from the source; reload the target");
    await replication.start("reload-target");
    await replication.loaded("t");
  });

  it("a lost connection is taken up again without a loss", async () => {
    const replication = await world.replication(service.client, {
      rules: [include("fail", "%"), ...headwaterRules],
    });
    await replication.start();
    await replication.loaded("t");
    for (let id = 100; id < 110; id++) {
      await world.source.query(
        "select pg_terminate_backend(active_pid) from pg_replication_slots where active",
      );
      await world.source.query("insert into fail.t values ($1)", [id]);
    }
    const changes = await replication.changes("fail", "t", 10);
    expect([...new Set(changes.map(({ id }) => id))]).to.deep.equal([
      100, 101, 102, 103, 104, 105, 106, 107, 108, 109,
    ]);
    expect((await replication.describe()).Status).to.equal("running");
  });

  it("rotated credentials are read anew at the next connection", async () => {
    const replication = await world.replication(service.client, { rules: [include("fail", "%")] });
    await world.source.query("create role rotating login superuser password 'first-word'");
    const secret = world.secret({ username: "rotating", password: "first-word" });
    const SourceEndpointArn = await badSource({}, undefined, secret);
    await service.client.send(
      new ModifyReplicationConfigCommand({ ReplicationConfigArn: replication.arn, SourceEndpointArn }),
    );
    await replication.reaches("created");
    await replication.start();
    await replication.loaded("t");
    await world.source.query("insert into fail.t values (199)");
    await replication.changes("fail", "t", 1);
    await world.source.query("alter role rotating password 'second-word'");
    const { host, port } = world.source;
    const SecretString = JSON.stringify({ host, port, username: "rotating", password: "second-word" });
    await world.secrets.send(new PutSecretValueCommand({ SecretId: (await secret).secretArn, SecretString }));
    await world.source.query(
      "select pg_terminate_backend(active_pid) from pg_replication_slots where active",
    );
    await world.source.query("insert into fail.t values (200)");
    const changes = await replication.changes("fail", "t", 2);
    expect(changes.map(({ id }) => id)).to.deep.equal([199, 200]);
  });

  it("a subnet group needs the account's dms-vpc-role", async () => {
    const PolicyArn = "arn:aws:iam::aws:policy/service-role/AmazonDMSVPCManagementRole";
    await world.iam.send(new DetachRolePolicyCommand({ RoleName: "dms-vpc-role", PolicyArn }));
    const made = await service.client
      .send(
        new CreateReplicationSubnetGroupCommand({
          ReplicationSubnetGroupIdentifier: "g",
          ReplicationSubnetGroupDescription: "d",
          SubnetIds: world.subnetIds,
        }),
      )
      .then(String, (error: Error) => `${error.name}: ${error.message}`);
    expect(made).to.equal(
      `AccessDeniedFault: The IAM Role arn:aws:iam::${aws.accountId}:role/dms-vpc-role is not configured properly.`,
    );
  });

  it("no password is in the log or in the state", () => {
    const read = (folder: string): string =>
      readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => readFileSync(path.join(entry.parentPath, entry.name), "utf8"))
        .join("\n");
    const all = `${lines.join("\n")}\n${read(stateDir)}`;
    expect(lines.length).to.be.above(10);
    for (const word of [world.source.password, "wrong-word", "first-word", "second-word"])
      expect(all).not.to.include(word);
  });
});
