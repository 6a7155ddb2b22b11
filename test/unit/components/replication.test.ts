import { expect } from "chai";
import { shop } from "../../../pipelines/shop.js";
import { ReplicationRoles } from "../../../src/components/replication-roles.js";
import {
  checkServerlessReplication,
  ServerlessReplication,
  type ServerlessReplicationArgs,
} from "../../../src/components/serverless-replication.js";
import { SourceEndpoint, type SourceEndpointArgs } from "../../../src/components/source-endpoint.js";
import { TargetEndpoint } from "../../../src/components/target-endpoint.js";
import { isSelected, readTableMappings } from "../../../src/model/dms/mappings.js";
import { problemsOfS3Settings } from "../../../src/model/dms/s3-settings.js";
import { HeadwaterError } from "../../../src/model/errors.js";
import type { PolicyDocument } from "../../../src/model/policies.js";
import { record } from "../../../src/testing.js";

const stack = "shop-dev";
const secretArn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:shop-dev/source";
const bucketArn = "arn:aws:s3:::landing";
const policyOf = (text: unknown) => JSON.parse(text as string) as PolicyDocument;

describe("ReplicationRoles", () => {
  const make = () =>
    record(() => {
      const roles = new ReplicationRoles("roles", { stack, bucketArn, sourceSecretArn: secretArn });
      return { s3: roles.s3RoleArn, secrets: roles.secretsRoleArn };
    });

  it("gives DMS two roles, each with its own trust", async () => {
    const made = await make();
    expect(made.result).to.deep.equal({
      s3: "arn:aws:iam::123456789012:role/headwater-shop-dev-dms-s3",
      secrets: "arn:aws:iam::123456789012:role/headwater-shop-dev-dms-secrets",
    });
    const trust = (name: string) => policyOf(made.one("aws:iam/role:Role", name).inputs["assumeRolePolicy"]);
    expect(trust("roles-s3").Statement[0]?.Principal).to.deep.equal({ Service: "dms.amazonaws.com" });
    // Secrets are read by DMS's principal of the secret's region.
    expect(trust("roles-secrets").Statement[0]?.Principal).to.deep.equal({
      Service: "dms.eu-central-1.amazonaws.com",
    });
  });

  it("lets one write below incoming/ and the other read one secret", async () => {
    const made = await make();
    const access = (name: string) => {
      const policy = made.one("aws:iam/rolePolicy:RolePolicy", name);
      expect(policy.inputs["role"]).to.equal(made.one("aws:iam/role:Role", name).inputs["name"]);
      return policyOf(policy.inputs["policy"]).Statement.map(({ Action, Resource }) => [Action, Resource]);
    };
    expect(access("roles-s3")).to.deep.equal([
      [["s3:PutObject", "s3:DeleteObject", "s3:GetObject", "s3:PutObjectTagging"], `${bucketArn}/incoming/*`],
      ["s3:ListBucket", bucketArn],
    ]);
    expect(access("roles-secrets")).to.deep.equal([["secretsmanager:GetSecretValue", secretArn]]);
  });

  it("hands a role out only once its policy is attached", async () => {
    const made = await record(() => {
      const roles = new ReplicationRoles("roles", { stack, bucketArn, sourceSecretArn: secretArn });
      return new TargetEndpoint("target", { stack, bucket: "landing", s3RoleArn: roles.s3RoleArn });
    });
    // Role and policy have the same name: both are waited for.
    expect(made.one("aws:dms/s3Endpoint:S3Endpoint").dependsOn).to.deep.equal(["roles-s3", "roles-s3"]);
  });
});

describe("SourceEndpoint", () => {
  const args: SourceEndpointArgs = {
    ...{ stack, engine: "postgresql", database: "shop", secretArn },
    secretsRoleArn: "arn:aws:iam::123456789012:role/reader",
    tls: { mode: "require" },
  };
  const make = (more: Partial<SourceEndpointArgs> = {}) =>
    record(() => new SourceEndpoint("source", { ...args, ...more }).endpointArn);

  it("knows the login by its secret only", async () => {
    const { inputs } = (await make()).one("aws:dms/endpoint:Endpoint");
    expect(inputs).to.deep.equal({
      endpointId: "headwater-shop-dev-source",
      endpointType: "source",
      engineName: "postgres",
      databaseName: "shop",
      postgresSettings: { mapBooleanAsBoolean: true, heartbeatEnable: true },
      secretsManagerArn: secretArn,
      secretsManagerAccessRoleArn: "arn:aws:iam::123456789012:role/reader",
      sslMode: "require",
    });
  });

  it("verifies the database with the certificate given", async () => {
    const certificateArn = "arn:aws:dms:eu-west-1:123456789012:cert:RDS";
    const { inputs } = (await make({ tls: { mode: "verify-full", certificateArn } })).one(
      "aws:dms/endpoint:Endpoint",
    );
    expect(inputs).to.include({ sslMode: "verify-full", certificateArn });
  });

  for (const engine of ["mysql", "mariadb", "sqlserver", "oracle"] as const) {
    it(`refuses ${engine}, before anything is made`, () => {
      expect(() => new SourceEndpoint("source", { ...args, engine })).to.throw(
        HeadwaterError,
        `engine: this engine cannot be a source yet\n  found: ${engine}\n  allowed: postgresql\n` +
          "  remedy: Use a PostgreSQL source, or build the source endpoint yourself and pass its ARN to ServerlessReplication.",
      );
    });
  }
});

describe("TargetEndpoint", () => {
  it("writes parquet with the columns the notebooks count on, and drops no change", async () => {
    const made = await record(
      () =>
        new TargetEndpoint("target", { stack, bucket: "landing", s3RoleArn: "arn:aws:iam::1:role/writer" }),
    );
    expect(made.one("aws:dms/s3Endpoint:S3Endpoint").inputs).to.deep.equal({
      endpointId: "headwater-shop-dev-target",
      endpointType: "target",
      bucketName: "landing",
      bucketFolder: "incoming",
      serviceAccessRoleArn: "arn:aws:iam::1:role/writer",
      dataFormat: "parquet",
      parquetVersion: "parquet-2-0",
      compressionType: "NONE",
      cdcInsertsOnly: false,
      cdcInsertsAndUpdates: false,
      includeOpForFullLoad: true,
      timestampColumnName: "tx_commit_time",
      useTaskStartTimeForFullLoadTimestamp: true,
      parquetTimestampInMillisecond: false,
      cdcMaxBatchInterval: 60,
      cdcMinFileSize: 32_000,
      encryptionMode: "SSE_S3",
    });
  });

  it("asks DMS for nothing DMS refuses", async () => {
    const made = await record(
      () =>
        new TargetEndpoint("target", {
          ...{ stack, bucket: "landing", s3RoleArn: "arn:aws:iam::1:role/writer" },
          kmsKeyArn: "arn:aws:kms:eu-west-1:123456789012:key/1",
        }),
    );
    const { inputs } = made.one("aws:dms/s3Endpoint:S3Endpoint");
    expect(inputs).to.include({ encryptionMode: "SSE_KMS" });
    // The provider's names of settings are DMS's own, but for the first letter.
    const named = Object.fromEntries(
      Object.entries(inputs)
        .filter(([key]) => !key.startsWith("endpoint"))
        .map(([key, value]) => [key.charAt(0).toUpperCase() + key.slice(1), value]),
    );
    expect(problemsOfS3Settings(named)).to.deep.equal([]);
  });
});

describe("ServerlessReplication", () => {
  const args: ServerlessReplicationArgs = {
    stack,
    pipeline: shop,
    sourceEndpointArn: "arn:source",
    targetEndpointArn: "arn:target",
    capacity: { min: 1, max: 4 },
    network: { subnetIds: ["subnet-1", "subnet-2"], securityGroupIds: ["sg-1"] },
  };
  const make = (more: Partial<ServerlessReplicationArgs> = {}) =>
    record(() => new ServerlessReplication("replication", { ...args, ...more }).replicationConfigArn);

  it("is made but not started", async () => {
    const { inputs } = (await make()).one("aws:dms/replicationConfig:ReplicationConfig");
    expect(inputs).to.deep.include({
      replicationConfigIdentifier: "headwater-shop-dev",
      replicationType: "full-load-and-cdc",
      startReplication: false,
      computeConfig: {
        replicationSubnetGroupId: "headwater-shop-dev",
        vpcSecurityGroupIds: ["sg-1"],
        minCapacityUnits: 1,
        maxCapacityUnits: 4,
        multiAz: false,
      },
    });
    const { mappings } = readTableMappings(inputs["tableMappings"] as string);
    expect(shop.tables.every(({ source }) => isSelected(mappings, source.schema, source.table))).to.be.true;
  });

  it("runs in the subnets given", async () => {
    const { inputs } = (await make()).one("aws:dms/replicationSubnetGroup:ReplicationSubnetGroup");
    expect(inputs).to.deep.include({
      replicationSubnetGroupId: "headwater-shop-dev",
      subnetIds: ["subnet-1", "subnet-2"],
    });
  });

  it("gives the same documents every time, so that a second preview shows no change", async () => {
    const documents = async () => {
      const { inputs } = (await make()).one("aws:dms/replicationConfig:ReplicationConfig");
      return [inputs["tableMappings"], inputs["replicationSettings"]];
    };
    expect(await documents()).to.deep.equal(await documents());
  });

  const refusals: [string, Partial<ServerlessReplicationArgs>, string][] = [
    [
      "a capacity DMS does not have",
      { capacity: { min: 1, max: 3 } },
      "capacity.max: not a number of DMS capacity units\n  found: 3\n",
    ],
    [
      "bounds the wrong way round",
      { capacity: { min: 8, max: 4 } },
      "capacity.max: capacity.max is below capacity.min\n  found: 4\n",
    ],
    [
      "one subnet, even if named twice",
      { network: { subnetIds: ["subnet-1", "subnet-1"], securityGroupIds: ["sg-1"] } },
      'network.subnetIds: DMS wants subnets in at least two zones\n  found: ["subnet-1","subnet-1"]\n',
    ],
  ];
  for (const [what, wrong, message] of refusals) {
    it(`refuses ${what}`, () => {
      expect(() => checkServerlessReplication({ ...args, ...wrong })).to.throw(HeadwaterError, message);
      expect(() => new ServerlessReplication("replication", { ...args, ...wrong })).to.throw(
        HeadwaterError,
        message,
      );
    });
  }
});
