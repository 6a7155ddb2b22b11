import { IAM } from "@aws-sdk/client-iam";
import { KMS } from "@aws-sdk/client-kms";
import { S3 } from "@aws-sdk/client-s3";
import { SecretsManager } from "@aws-sdk/client-secrets-manager";
import * as aws from "@pulumi/aws";
import * as random from "@pulumi/random";
import { expect } from "chai";
import { startMoto, type MotoFixture } from "../../support/moto.js";
import { changes, testStack, type TestStack } from "./stack.js";

const region = "eu-west-1";
const credentials = { accessKeyId: "sandbox", secretAccessKey: "sandbox" };
const PASSWORD = "correct horse 🔋 battery";

interface Settings {
  owner: string;
  path: string;
  days: number;
  secret: string;
}

const first: Settings = { owner: "data", path: "/", days: 3, secret: PASSWORD };

/** Everything of the landing zone and its roles, about as the lakehouse has it. */
function program({ owner, path, days, secret }: Settings) {
  return async () => {
    const { accountId } = await aws.getCallerIdentity();
    const key = new aws.kms.Key("key", { deletionWindowInDays: 7, enableKeyRotation: true, tags: { owner } });
    const alias = new aws.kms.Alias("alias", { name: "alias/landing", targetKeyId: key.keyId });
    const bucket = new aws.s3.Bucket("landing", { forceDestroy: true, tags: { owner } });
    const of = { bucket: bucket.bucket };
    new aws.s3.BucketPublicAccessBlock("private", { ...of, blockPublicAcls: true, blockPublicPolicy: true });
    new aws.s3.BucketOwnershipControls("owner", { ...of, rule: { objectOwnership: "BucketOwnerEnforced" } });
    new aws.s3.BucketVersioning("versions", { ...of, versioningConfiguration: { status: "Enabled" } });
    new aws.s3.BucketServerSideEncryptionConfiguration("encrypted", {
      ...of,
      rules: [
        {
          applyServerSideEncryptionByDefault: { sseAlgorithm: "aws:kms", kmsMasterKeyId: key.arn },
          bucketKeyEnabled: true,
        },
      ],
    });
    new aws.s3.BucketLifecycleConfiguration("cleaned", {
      ...of,
      rules: [
        { id: "uploads", status: "Enabled", abortIncompleteMultipartUpload: { daysAfterInitiation: days } },
      ],
    });
    const tlsOnly = aws.iam.getPolicyDocumentOutput({
      statements: [
        {
          sid: "TlsOnly",
          effect: "Deny",
          actions: ["s3:*"],
          resources: [bucket.arn, bucket.arn.apply((arn) => `${arn}/*`)],
          principals: [{ type: "*", identifiers: ["*"] }],
          conditions: [{ test: "Bool", variable: "aws:SecureTransport", values: ["false"] }],
        },
      ],
    });
    new aws.s3.BucketPolicy("tls", { ...of, policy: tlsOnly.json });
    const role = new aws.iam.Role("dms", {
      path,
      description: `owned by ${owner}`,
      assumeRolePolicy: {
        Version: "2012-10-17",
        Statement: [
          { Effect: "Allow", Action: "sts:AssumeRole", Principal: { Service: "dms.amazonaws.com" } },
        ],
      },
      tags: { owner },
    });
    const write = JSON.stringify({
      Version: "2012-10-17",
      Statement: [
        { Effect: "Allow", Action: ["s3:PutObject", "s3:DeleteObject"], Resource: "*", Sid: owner },
      ],
    });
    new aws.iam.RolePolicy("write", { role, policy: write });
    const policy = new aws.iam.Policy("shared", { policy: write });
    new aws.iam.RolePolicyAttachment("attached", { role: role.name, policyArn: policy.arn });
    const managed = "arn:aws:iam::aws:policy/service-role/AmazonDMSCloudWatchLogsRole";
    new aws.iam.RolePolicyAttachment("logs", { role: role.name, policyArn: managed });
    const login = new aws.secretsmanager.Secret("login", { recoveryWindowInDays: 0, description: owner });
    const version = new aws.secretsmanager.SecretVersion("current", {
      secretId: login.id,
      secretString: secret,
    });
    const endpoint = new aws.dms.Endpoint("source", {
      endpointId: "source",
      endpointType: "source",
      engineName: "postgres",
      serverName: "127.0.0.1",
      port: 5432,
      databaseName: "shop",
      username: "dms",
      password: PASSWORD,
      sslMode: "require",
    });
    const suffix = new random.RandomId("suffix", { byteLength: 4, prefix: "run-" });
    const password = new random.RandomPassword("password", { length: 24, minNumeric: 2 });
    const stored = aws.secretsmanager.getSecretVersionOutput({ secretId: version.secretId });
    return {
      accountId,
      bucket: bucket.bucket,
      bucketArn: bucket.arn,
      role: role.name,
      roleArn: role.arn,
      policyArn: policy.arn,
      keyId: key.keyId,
      aliasTarget: alias.targetKeyArn,
      secretArn: login.arn,
      secretString: version.secretString,
      stored: stored.secretString,
      endpointPassword: endpoint.password,
      suffix: suffix.hex,
      password: password.result,
      hash: password.bcryptHash,
    };
  };
}

describe("the light aws and random plugins on the real engine", function () {
  this.timeout(180_000);
  let moto: MotoFixture;
  let test: TestStack;
  let outputs: Record<string, string>;

  const sdk = () => ({ region, credentials, endpoint: moto.endpoint });
  const up = async () => {
    const result = await test.stack.up();
    outputs = Object.fromEntries(
      Object.entries(result.outputs).map(([name, { value }]) => [name, value as string]),
    );
    return changes(result.summary.resourceChanges);
  };
  const preview = async () => changes((await test.stack.preview()).changeSummary);

  before(async () => {
    moto = await startMoto();
    const endpoints = Object.fromEntries(
      ["s3", "iam", "sts", "kms", "secretsmanager", "dms"].map((name) => [name, moto.endpoint]),
    );
    test = await testStack({
      config: {
        "aws:region": region,
        "aws:endpoints": JSON.stringify([endpoints]),
        "aws:s3UsePathStyle": "true",
        "aws:skipCredentialsValidation": "true",
        "aws:skipRequestingAccountId": "true",
      },
      environment: { AWS_ACCESS_KEY_ID: "sandbox", AWS_SECRET_ACCESS_KEY: "sandbox" },
    });
  });

  after(async () => {
    await test?.remove();
    await moto?.stop();
  });

  it("previews without making anything", async () => {
    test.run(program(first));
    expect(await preview()).to.deep.equal({ create: 20 });
    const { Buckets } = await new S3({ ...sdk(), forcePathStyle: true }).listBuckets();
    expect(Buckets ?? []).to.deep.equal([]);
  });

  it("makes it all", async () => {
    expect(await up()).to.deep.equal({ create: 20 });
    expect(outputs["accountId"]).to.equal("123456789012");
    expect(outputs["bucket"]).to.match(/^landing-[0-9a-f]{7}$/);
    expect(outputs["role"]).to.match(/^dms-[0-9a-f]{7}$/);
    expect(outputs["suffix"]).to.match(/^run-[0-9a-f]{8}$/);
    expect(outputs["aliasTarget"]).to.match(new RegExp(`:key/${outputs["keyId"]}$`));
    const s3 = new S3({ ...sdk(), forcePathStyle: true });
    const { Policy } = await s3.getBucketPolicy({ Bucket: outputs["bucket"]! });
    expect(JSON.parse(Policy!)).to.deep.equal({
      Version: "2012-10-17",
      Statement: [
        {
          Sid: "TlsOnly",
          Effect: "Deny",
          Action: "s3:*",
          Resource: [`arn:aws:s3:::${outputs["bucket"]}/*`, `arn:aws:s3:::${outputs["bucket"]}`],
          Principal: "*",
          Condition: { Bool: { "aws:SecureTransport": "false" } },
        },
      ],
    });
    const { AttachedPolicies } = await new IAM(sdk()).listAttachedRolePolicies({
      RoleName: outputs["role"]!,
    });
    expect(AttachedPolicies).to.have.length(2);
  });

  it("sees nothing to do in a second preview, nor after a refresh", async () => {
    expect(await preview()).to.deep.equal({});
    const refreshed = await test.stack.refresh();
    expect(changes(refreshed.summary.resourceChanges)).to.deep.equal({});
    expect(await preview()).to.deep.equal({});
  });

  it("keeps secrets secret", async () => {
    const result = await test.stack.outputs();
    expect(result["secretString"]).to.deep.equal({ value: PASSWORD, secret: true });
    expect(result["stored"]).to.deep.equal({ value: PASSWORD, secret: true });
    expect(result["endpointPassword"]).to.deep.equal({ value: PASSWORD, secret: true });
    for (const name of ["password", "hash"]) expect(result[name]!.secret, name).to.be.true;
    for (const text of [await test.stateFile(), await test.exportInClear()]) {
      for (const clear of [
        PASSWORD,
        JSON.stringify(PASSWORD).slice(1, -1),
        outputs["password"]!,
        outputs["hash"]!,
      ]) {
        expect(text).not.to.contain(clear);
        expect(text).not.to.contain(JSON.stringify(clear).slice(1, -1));
      }
    }
  });

  it("updates in place", async () => {
    test.run(program({ ...first, owner: "platform", days: 5 }));
    // Tags of key, bucket and role, both policies, the secret's description and the lifecycle rule.
    expect(await up()).to.deep.equal({ update: 7 });
    const s3 = new S3({ ...sdk(), forcePathStyle: true });
    const { TagSet } = await s3.getBucketTagging({ Bucket: outputs["bucket"]! });
    expect(TagSet).to.deep.equal([{ Key: "owner", Value: "platform" }]);
    const { Role } = await new IAM(sdk()).getRole({ RoleName: outputs["role"]! });
    expect(Role!.Description).to.equal("owned by platform");
    expect(await preview()).to.deep.equal({});
  });

  it("replaces where a change cannot be made in place, and what hangs on it", async () => {
    const role = outputs["role"]!;
    test.run(program({ ...first, owner: "platform", days: 5, path: "/sandbox/", secret: "another" }));
    // The role with its policy and two attachments, and the secret's version.
    expect(await up()).to.deep.equal({ replace: 5 });
    expect(outputs["roleArn"]).to.match(/:role\/sandbox\/dms-[0-9a-f]{7}$/);
    expect(outputs["stored"]).to.equal("another");
    const gone = await new IAM(sdk()).getRole({ RoleName: role }).catch((error: Error) => error.name);
    expect(gone).to.equal(role === outputs["role"] ? undefined : "NoSuchEntityException");
    expect(await preview()).to.deep.equal({});
  });

  it("finds drift by a refresh, and mends it", async () => {
    const s3 = new S3({ ...sdk(), forcePathStyle: true });
    const Bucket = outputs["bucket"]!;
    await s3.putPublicAccessBlock({ Bucket, PublicAccessBlockConfiguration: { BlockPublicAcls: false } });
    await s3.putBucketTagging({ Bucket, Tagging: { TagSet: [{ Key: "owner", Value: "nobody" }] } });
    await s3.deleteBucketPolicy({ Bucket });
    const refreshed = await test.stack.refresh();
    expect(changes(refreshed.summary.resourceChanges)).to.deep.equal({ update: 2, delete: 1 });
    expect(await up()).to.deep.equal({ update: 2, create: 1 });
    const { PublicAccessBlockConfiguration } = await s3.getPublicAccessBlock({ Bucket });
    expect(PublicAccessBlockConfiguration!.BlockPublicAcls).to.be.true;
    expect(await preview()).to.deep.equal({});
  });

  it("refuses what it does not know, by name", async () => {
    const message = async (run: () => void) => {
      test.run(async () => run());
      return test.stack.preview().then(
        () => "no error",
        (error: Error) => error.message,
      );
    };
    const property = await message(() => new aws.s3.Bucket("landing", { acl: "private" }));
    expect(property).to.contain('aws:s3/bucket:Bucket does not take "acl" (the real provider has it');
    const type = await message(() => new aws.sqs.Queue("queue"));
    expect(type).to.contain("the sandbox's light aws provider has no such resource type");
    expect(type).to.contain("aws:sqs/queue:Queue").and.to.contain("aws:s3/bucket:Bucket");
    const asked = await message(() => void aws.ec2.getVpcOutput({ default: true }));
    expect(asked).to.contain("the sandbox's light aws provider has no such function");
  });

  it("destroys all of it, objects and versions included", async () => {
    test.run(program(first));
    const s3 = new S3({ ...sdk(), forcePathStyle: true });
    const Bucket = outputs["bucket"]!;
    // moto takes a policy's conditions for unmet, so that the one that demands TLS denies everything.
    await s3.deleteBucketPolicy({ Bucket });
    await s3.putObject({ Bucket, Key: "incoming/a.parquet", Body: "one" });
    await s3.putObject({ Bucket, Key: "incoming/a.parquet", Body: "two" });
    await test.stack.destroy();
    expect((await s3.listBuckets()).Buckets ?? []).to.deep.equal([]);
    expect((await new IAM(sdk()).listRoles({})).Roles ?? []).to.deep.equal([]);
    expect((await new IAM(sdk()).listPolicies({ Scope: "Local" })).Policies ?? []).to.deep.equal([]);
    expect((await new SecretsManager(sdk()).listSecrets({})).SecretList ?? []).to.deep.equal([]);
    const { KeyMetadata } = await new KMS(sdk()).describeKey({ KeyId: outputs["keyId"]! });
    expect(KeyMetadata!.KeyState).to.equal("PendingDeletion");
    expect(JSON.parse(await test.exportInClear())).to.not.have.nested.property("deployment.resources");
  });
});
