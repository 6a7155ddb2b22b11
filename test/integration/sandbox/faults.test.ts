import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { DatabaseMigrationService } from "@aws-sdk/client-database-migration-service";
import { IAM } from "@aws-sdk/client-iam";
import { KMS } from "@aws-sdk/client-kms";
import { S3 } from "@aws-sdk/client-s3";
import { SecretsManager } from "@aws-sdk/client-secrets-manager";
import * as aws from "@pulumi/aws";
import { expect } from "chai";
import { CatalogAccess } from "../../../src/components/catalog-access.js";
import { transientErrorOf } from "../../../src/model/transient-errors.js";
import { SandboxFaults } from "../../../src/sandbox/faults/client.js";
import { startFront, type Front } from "../../../src/sandbox/faults/front.js";
import { startDmsService, type DmsService } from "../../../src/sandbox/dms/service.js";
import { freePort } from "../../../src/sandbox/ports.js";
import { withSandbox } from "../../../src/sandbox/with-sandbox.js";
import { startMoto, type MotoFixture } from "../../support/moto.js";
import { startControlPlane, type ControlPlane } from "../providers/control-plane.js";
import { defaultSubnets, testStack, type TestStack } from "../providers/stack.js";
import { standIns } from "./stand-ins.js";
import { testPython, TestRegistry } from "./setup.js";

const region = "eu-west-1";
const credentials = { accessKeyId: "sandbox", secretAccessKey: "sandbox" };
const LOCATIONS = "/api/2.1/unity-catalog/external-locations";
const CREDENTIALS = "/api/2.1/unity-catalog/storage-credentials";
const CATALOGS = "/api/2.1/unity-catalog/catalogs";
const trust = (service: string) =>
  JSON.stringify({
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Principal: { Service: service }, Action: "sts:AssumeRole" }],
  });

interface Failure {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  readonly $metadata?: { readonly httpStatusCode?: number; readonly attempts?: number };
}

/** What a call to an SDK fails with, as its user sees it. */
async function failure(promise: Promise<unknown>): Promise<Failure> {
  return promise.then(
    () => expect.fail("the call succeeded"),
    (error: unknown) => error as Failure,
  );
}

// The services as they are in the sandbox, but the workspace without Spark.
describe("sandbox: faults", function () {
  this.timeout(120_000);
  let moto: MotoFixture;
  let front: Front;
  let dmsService: DmsService;
  let workspace: ControlPlane;
  let folder: string;
  let faults: SandboxFaults;
  let iam: IAM;
  let s3: S3;
  let dms: DatabaseMigrationService;
  let made = 0;
  const fresh = (kind: string) => `${kind}-${++made}`;
  const struck = async () => (await faults.list()).map((report) => report.struck);

  /** Calls the workspace by the front. */
  async function call(method: string, target: string, body?: object): Promise<Record<string, unknown>> {
    const response = await fetch(`${front.urls.workspace}${target}`, {
      method,
      headers: { authorization: `Bearer ${workspace.token}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, ...((await response.json()) as object) };
  }

  before(async () => {
    moto = await startMoto();
    front = await startFront({ backends: { aws: moto.endpoint } });
    workspace = await startControlPlane(front.urls.aws);
    front.stand("workspace", workspace.host);
    folder = await mkdtemp(path.join(os.tmpdir(), "headwater-dms-"));
    const surroundings = { endpoint: front.urls.aws, region, accountId: "123456789012" };
    dmsService = await startDmsService({ stateDir: folder, aws: surroundings });
    front.stand("dms", dmsService.url);
    faults = new SandboxFaults(front.urls.aws);
    const settings = { endpoint: front.urls.aws, region, credentials };
    iam = new IAM(settings);
    s3 = new S3({ ...settings, forcePathStyle: true });
    dms = new DatabaseMigrationService({ ...settings, endpoint: front.urls.dms });
  });
  afterEach(async () => faults.clear());
  after(async () => {
    for (const client of [iam, s3, dms]) client?.destroy();
    await front?.stop();
    await dmsService?.stop();
    await workspace?.stop();
    await moto?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const role = (RoleName: string, service = "dms.amazonaws.com") => ({
    ...{ RoleName, AssumeRolePolicyDocument: trust(service) },
  });
  const bucket = async () => {
    const Bucket = fresh("bucket");
    await s3.createBucket({ Bucket, CreateBucketConfiguration: { LocationConstraint: region } });
    return Bucket;
  };
  const endpoint = (EndpointIdentifier: string) => ({
    ...{ EndpointIdentifier, EndpointType: "target" as const, EngineName: "s3" },
    S3Settings: {
      DataFormat: "parquet" as const,
      BucketName: "landing",
      ServiceAccessRoleArn: "arn:aws:iam::123456789012:role/r",
    },
  });

  describe("in AWS", () => {
    it("refuse a call as often as asked, in the service's own words", async () => {
      const RoleName = fresh("role");
      const words = { code: "MalformedPolicyDocument", message: "Invalid principal in policy: <AWS> & co" };
      await faults.add({ operation: "iam:CreateRole", kind: "error", ...words, times: 2, match: RoleName });
      await iam.createRole(role(fresh("other")));
      for (let time = 1; time <= 2; time++) {
        const { name, message, $metadata } = await failure(iam.createRole(role(RoleName)));
        expect(name).to.match(/^MalformedPolicyDocument/);
        expect({ message, status: $metadata?.httpStatusCode }).to.deep.equal({
          message: words.message,
          status: 400,
        });
      }
      // Nothing had been done, and the third time it is.
      expect((await failure(iam.getRole({ RoleName }))).name).to.match(/^NoSuchEntity/);
      await iam.createRole(role(RoleName));
      expect(await struck()).to.deep.equal([2]);
    });

    it("refuse calls of each of AWS' protocols", async () => {
      const Bucket = await bucket();
      const conflict = {
        code: "OperationAborted",
        message: "A conflicting conditional operation",
        status: 409,
      };
      await faults.add({ operation: "s3:PutBucketPolicy", kind: "error", ...conflict });
      const policy = { Bucket, Policy: JSON.stringify({ Version: "2012-10-17", Statement: [] }) };
      expect((await failure(s3.putBucketPolicy(policy))).name).to.equal("OperationAborted");
      await s3.putBucketPolicy(policy);

      await faults.add({
        operation: "s3:PutObject",
        kind: "error",
        code: "AccessDenied",
        message: "no",
        status: 403,
        match: "a b",
      });
      expect((await failure(s3.putObject({ Bucket, Key: "a b/c", Body: "text" }))).name).to.equal(
        "AccessDenied",
      );
      await s3.putObject({ Bucket, Key: "a b/c", Body: "text" });
      const { Body } = await s3.getObject({ Bucket, Key: "a b/c" });
      expect(await Body!.transformToString()).to.equal("text");

      await faults.add({
        operation: "s3:HeadBucket",
        kind: "error",
        code: "NotFound",
        message: "",
        status: 404,
      });
      expect((await failure(s3.headBucket({ Bucket }))).$metadata?.httpStatusCode).to.equal(404);

      const kms = new KMS({ endpoint: front.urls.aws, region, credentials });
      const principals = { code: "MalformedPolicyDocumentException", message: "invalid principals" };
      await faults.add({ operation: "kms:*", kind: "error", ...principals });
      expect(await failure(kms.createKey({}))).to.deep.include({
        name: principals.code,
        message: principals.message,
      });
      kms.destroy();
    });

    it("show a new thing late, and others truly meanwhile", async () => {
      const [RoleName, old] = [fresh("role"), fresh("role")];
      await iam.createRole(role(old));
      await faults.add({ operation: "iam:CreateRole", kind: "stale-read", times: 2 });
      await iam.createRole(role(RoleName));
      expect((await iam.getRole({ RoleName: old })).Role?.RoleName).to.equal(old);
      for (let time = 1; time <= 2; time++) {
        const { name, $metadata } = await failure(iam.getRole({ RoleName }));
        expect(name).to.match(/^NoSuchEntity/);
        expect($metadata?.httpStatusCode).to.equal(404);
      }
      expect((await iam.getRole({ RoleName })).Role?.RoleName).to.equal(RoleName);
      expect(await struck()).to.deep.equal([2]);
    });

    it("show a secret late whether it is asked for by name or by ARN", async () => {
      const secrets = new SecretsManager({ endpoint: front.urls.aws, region, credentials });
      await faults.add({ operation: "secretsmanager:CreateSecret", kind: "stale-read", times: 2 });
      const Name = fresh("secret");
      const { ARN } = await secrets.createSecret({ Name, SecretString: "s" });
      for (const SecretId of [Name, ARN]) {
        expect((await failure(secrets.getSecretValue({ SecretId }))).name).to.equal(
          "ResourceNotFoundException",
        );
      }
      expect((await secrets.getSecretValue({ SecretId: ARN })).SecretString).to.equal("s");
      secrets.destroy();
    });

    it("show what was there before a change or a deletion", async () => {
      const Bucket = await bucket();
      const policy = (Sid: string) =>
        JSON.stringify({
          Version: "2012-10-17",
          Statement: [{ Sid, Effect: "Deny", Principal: "*", Action: "s3:Nothing", Resource: "*" }],
        });
      const sid = async () => /"Sid":\s*"(\w+)"/.exec((await s3.getBucketPolicy({ Bucket })).Policy!)?.[1];
      await faults.add({ operation: "s3:*BucketPolicy", kind: "stale-read" });
      await s3.putBucketPolicy({ Bucket, Policy: policy("one") });
      expect((await failure(s3.getBucketPolicy({ Bucket }))).name).to.equal("NoSuchBucketPolicy");
      expect(await sid()).to.equal("one");
      await s3.putBucketPolicy({ Bucket, Policy: policy("two") });
      expect([await sid(), await sid()]).to.deep.equal(["one", "two"]);
      await s3.deleteBucketPolicy({ Bucket });
      expect(await sid()).to.equal("two");
      expect((await failure(s3.getBucketPolicy({ Bucket }))).name).to.equal("NoSuchBucketPolicy");
    });

    it("lose the answer of a write that was done; an SDK that tries again finds it done", async () => {
      const [one, two, three] = [fresh("role"), fresh("role"), fresh("role")] as const;
      await faults.add({ operation: "iam:CreateRole", kind: "crash-after-write", times: 2 });
      const once = new IAM({ endpoint: front.urls.aws, region, credentials, maxAttempts: 1 });
      expect((await failure(once.createRole(role(one)))).code).to.equal("ECONNRESET");
      once.destroy();
      expect((await iam.getRole({ RoleName: one })).Role?.RoleName).to.equal(one);
      expect((await failure(iam.createRole(role(two)))).name).to.match(/^EntityAlreadyExists/);
      await iam.createRole(role(three));
      expect(await struck()).to.deep.equal([2]);
    });

    it("lose no answer that is an error", async () => {
      const RoleName = fresh("role");
      await iam.createRole(role(RoleName));
      await faults.add({ operation: "iam:CreateRole", kind: "crash-after-write" });
      expect((await failure(iam.createRole(role(RoleName)))).name).to.match(/^EntityAlreadyExists/);
      expect(await struck()).to.deep.equal([0]);
    });

    it("leave large objects whole, with rules and without", async () => {
      const Bucket = await bucket();
      const Body = Buffer.alloc(9_000_000, "0123456789");
      await s3.putObject({ Bucket, Key: "before", Body });
      await faults.add({ operation: "s3:DeleteObject", kind: "error", code: "AccessDenied", message: "no" });
      await s3.putObject({ Bucket, Key: "after", Body });
      for (const Key of ["before", "after"]) {
        const got = await (await s3.getObject({ Bucket, Key })).Body!.transformToByteArray();
        expect(Buffer.compare(Buffer.from(got), Body), Key).to.equal(0);
      }
    });
  });

  describe("in DMS", () => {
    it("refuse a call as often as asked", async () => {
      const id = fresh("endpoint");
      const message = "The IAM Role arn:aws:iam::123456789012:role/r is not configured properly.";
      await faults.add({
        operation: "dms:CreateEndpoint",
        kind: "error",
        code: "AccessDeniedFault",
        message,
        match: id,
      });
      expect(await failure(dms.createEndpoint(endpoint(id)))).to.deep.include({
        name: "AccessDeniedFault",
        message,
      });
      expect((await dms.createEndpoint(endpoint(id))).Endpoint?.EndpointIdentifier).to.equal(id);
    });

    it("show a new endpoint late, asked for by identifier or ARN", async () => {
      await faults.add({ operation: "dms:CreateEndpoint", kind: "stale-read", times: 2 });
      const id = fresh("endpoint");
      const { Endpoint } = await dms.createEndpoint(endpoint(id));
      const asked = [
        { Filters: [{ Name: "endpoint-id", Values: [id] }] },
        { Filters: [{ Name: "endpoint-arn", Values: [Endpoint!.EndpointArn!] }] },
      ];
      for (const filter of asked) {
        expect((await failure(dms.describeEndpoints(filter))).name).to.equal("ResourceNotFoundFault");
      }
      expect((await dms.describeEndpoints(asked[1]!)).Endpoints).to.have.length(1);
    });

    it("lose the answer of a write that was done", async () => {
      const id = fresh("endpoint");
      await faults.add({ operation: "dms:CreateEndpoint", kind: "crash-after-write", status: 400 });
      expect((await failure(dms.createEndpoint(endpoint(id)))).name).to.equal("InternalFailure");
      expect((await failure(dms.createEndpoint(endpoint(id)))).name).to.equal("ResourceAlreadyExistsFault");
    });

    it("let it meet a role that IAM shows late, as AWS would", async () => {
      const ReplicationSubnetGroupIdentifier = fresh("group");
      const group = {
        ...{ ReplicationSubnetGroupIdentifier, ReplicationSubnetGroupDescription: "of a test" },
        SubnetIds: await defaultSubnets(moto.endpoint),
      };
      await faults.add({ operation: "iam:CreateRole", kind: "stale-read", match: "dms-vpc-role" });
      await iam.createRole(role("dms-vpc-role"));
      await iam.attachRolePolicy({
        RoleName: "dms-vpc-role",
        PolicyArn: "arn:aws:iam::aws:policy/service-role/AmazonDMSVPCManagementRole",
      });
      const { name, message } = await failure(dms.createReplicationSubnetGroup(group));
      expect(name).to.equal("AccessDeniedFault");
      expect(transientErrorOf(`${name}: ${message}`)?.name).to.equal("dms-role-not-ready");
      await dms.createReplicationSubnetGroup(group);
    });
  });

  describe("in the workspace", () => {
    const credential = (name: string) => ({
      ...{ name, skip_validation: true },
      aws_iam_role: { role_arn: `arn:aws:iam::123456789012:role/${name}` },
    });

    it("refuse a call as often as asked", async () => {
      const name = fresh("credential");
      const message = "User does not have CREATE STORAGE CREDENTIAL on Metastore 'm'.";
      await faults.add({
        operation: `POST ${CREDENTIALS}`,
        kind: "error",
        code: "PERMISSION_DENIED",
        message,
        status: 403,
        match: name,
      });
      expect(await call("POST", CREDENTIALS, credential(name))).to.deep.equal(
        { status: 403, error_code: "PERMISSION_DENIED", message }, // prettier-ignore
      );
      expect(await call("POST", CREDENTIALS, credential(name))).to.deep.include({ status: 200, name });
    });

    it("show a new thing late, lists not", async () => {
      const name = fresh("credential");
      await faults.add({ operation: `POST ${CREDENTIALS}`, kind: "stale-read" });
      await call("POST", CREDENTIALS, credential(name));
      expect(JSON.stringify(await call("GET", CREDENTIALS))).to.contain(`"${name}"`);
      expect(await call("GET", `${CREDENTIALS}/${name}`)).to.deep.equal(
        { status: 404, error_code: "RESOURCE_DOES_NOT_EXIST", message: `'${name}' does not exist.` }, // prettier-ignore
      );
      expect(await call("GET", `${CREDENTIALS}/${name}`)).to.deep.include({ status: 200, name });
    });

    it("show what was there before a change", async () => {
      const name = fresh("catalog").replace("-", "_");
      await faults.add({ operation: `PATCH ${CATALOGS}/*`, kind: "stale-read", times: 2 });
      await call("POST", CATALOGS, { name, comment: "one" });
      const comment = async () => (await call("GET", `${CATALOGS}/${name}`))["comment"];
      expect(await comment()).to.equal("one");
      await call("PATCH", `${CATALOGS}/${name}`, { comment: "two" });
      expect([await comment(), await comment(), await comment()]).to.deep.equal(["one", "one", "two"]);
    });

    it("lose the answer of a write that was done", async () => {
      const [one, two] = [fresh("credential"), fresh("credential")] as const;
      await faults.add({ operation: `POST ${CREDENTIALS}`, kind: "crash-after-write", match: one });
      await faults.add({
        operation: `POST ${CREDENTIALS}`,
        kind: "crash-after-write",
        match: two,
        status: 500,
      });
      expect((await failure(call("POST", CREDENTIALS, credential(one)))).message).to.equal("fetch failed");
      expect(await call("POST", CREDENTIALS, credential(two))).to.deep.include({ status: 500 });
      for (const name of [one, two]) {
        expect(await call("GET", `${CREDENTIALS}/${name}`), name).to.deep.include({ status: 200, name });
      }
    });
  });

  describe("under the real engine", () => {
    let test: TestStack;
    let stacks = 0;

    before(async () => {
      const endpoints = Object.fromEntries(["s3", "iam", "sts"].map((name) => [name, front.urls.aws]));
      test = await testStack({
        config: {
          "aws:region": region,
          "aws:endpoints": JSON.stringify([{ ...endpoints, dms: front.urls.dms }]),
          "aws:s3UsePathStyle": "true",
          "databricks:host": front.urls.workspace,
        },
        environment: {
          AWS_ACCESS_KEY_ID: "sandbox",
          AWS_SECRET_ACCESS_KEY: "sandbox",
          DATABRICKS_TOKEN: workspace.token,
        },
      });
    });
    afterEach(async () => {
      await faults.clear();
      await test.stack.destroy();
    });
    after(async () => test?.remove());

    /** A bucket with Unity Catalog's way into it: credential, role, policy, location. */
    const access = (tries: number) => {
      const stack = `shop-faults${++stacks}`;
      test.run(async () => {
        const { bucket: name, arn } = new aws.s3.Bucket("landing", {
          bucket: `${stack}-landing`,
          forceDestroy: true,
        });
        const url = name.apply((bucket) => `s3://${bucket}/`);
        const propagation = { tries, delaySeconds: 0.1 };
        new CatalogAccess("access", { stack, bucketArn: arn, url, propagation, forceDestroy: true });
      });
    };
    const notYet =
      "AWS IAM role does not have READ permissions on url s3://shop/. Please contact your account admin";
    const location = {
      operation: `POST ${LOCATIONS}`,
      kind: "error",
      code: "PERMISSION_DENIED",
      status: 403,
    } as const;

    it("are waited for, where the role needs time to be known", async () => {
      await faults.add({ ...location, message: notYet, times: 3 });
      access(5);
      expect((await test.stack.up()).summary.result).to.equal("succeeded");
      expect(await struck()).to.deep.equal([3]);
    });

    it("are waited for within bounds, and the last error is told", async () => {
      await faults.add({ ...location, message: `${notYet} (first)`, times: 1 });
      await faults.add({ ...location, message: `${notYet} (then)`, times: 99 });
      access(3);
      const { message } = await failure(test.stack.up());
      expect(message).to.contain("(then)");
      expect(await struck()).to.deep.equal([1, 2]);
    });

    it("end it at once, where waiting mends nothing", async () => {
      await faults.add({
        ...location,
        message: "User does not have CREATE EXTERNAL LOCATION on Metastore 'm'.",
        times: 99,
      });
      access(5);
      expect((await failure(test.stack.up())).message).to.contain("CREATE EXTERNAL LOCATION");
      expect(await struck()).to.deep.equal([1]);
    });

    it("are waited for by the plugins, where a new thing is shown late", async () => {
      await faults.add({ operation: "iam:CreateRole", kind: "stale-read", times: 2 });
      await faults.add({ operation: "s3:CreateBucket", kind: "stale-read", reads: ["s3:Head*"] });
      await faults.add({ operation: `POST ${CREDENTIALS}`, kind: "stale-read", times: 2 });
      access(5);
      expect((await test.stack.up()).summary.result).to.equal("succeeded");
      expect(await struck()).to.deep.equal([2, 1, 2]);
    });
  });

  it("are refused where they make no sense, with field and remedy", async () => {
    const { message } = await failure(faults.add({ operation: "iam:GetRole", kind: "stale-read" }));
    expect(message).to.contain("faults.add: operation").and.to.contain("a call that writes");
    const times = { operation: "iam:CreateRole", kind: "error", code: "X", message: "x", times: 0 } as const;
    expect((await failure(faults.add(times))).message)
      .to.contain("times")
      .and.to.contain("1 or more");
    expect(
      (await failure(faults.add({ operation: "CreateRole", kind: "crash-after-write" }))).message,
    ).to.contain("iam:CreateRole");
    expect(await faults.list()).to.deep.equal([]);
  });

  it("are told where no sandbox is", async () => {
    const error = await failure(new SandboxFaults(moto.endpoint).list());
    expect(error.code).to.equal("sandbox/faults-unreachable");
    expect(
      (await failure(new SandboxFaults(`http://127.0.0.1:${await freePort()}`).list())).message,
    ).to.contain("ECONNREFUSED");
  });

  it("are part of every sandbox, on each of its addresses", async () => {
    const runs = await TestRegistry.make();
    try {
      const options = {
        progress: () => undefined,
        registry: runs.registry,
        services: standIns,
        python: await testPython(),
      };
      await withSandbox(options, async (sandbox) => {
        const { urls } = sandbox;
        await sandbox.faults.add({
          operation: "dms:*",
          kind: "error",
          code: "Throttling",
          message: "slow down",
        });
        const client = new IAM({ endpoint: urls.aws, region, credentials });
        expect((await client.getRole({ RoleName: "dms-vpc-role" })).Role?.RoleName).to.equal("dms-vpc-role");
        client.destroy();
        const asked = {
          method: "POST",
          headers: { "x-amz-target": "AmazonDMSv20160101.DescribeEndpoints" },
          body: "{}",
        };
        const answers = [
          await fetch(urls.dms, asked),
          await fetch(urls.dms, asked),
          await fetch(urls.workspace),
        ];
        expect(answers.map(({ status }) => status)).to.deep.equal([400, 201, 201]);
        // As another process would.
        const [report] = await new SandboxFaults(urls.workspace).list();
        expect(report).to.deep.include({ operation: "dms:*", struck: 1 });
      });
    } finally {
      await runs.remove();
    }
  });
});
