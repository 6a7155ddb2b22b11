import { expect } from "chai";
import fc from "fast-check";
import { shop } from "../../../pipelines/shop.js";
import { isSelected, readTableMappings } from "../../../src/model/dms/mappings.js";
import { readReplicationSettings } from "../../../src/model/dms/replication-settings.js";
import { layOut } from "../../../src/model/layout.js";
import { definePipeline } from "../../../src/model/pipeline.js";
import { pipelineConfig } from "../../../src/model/pipeline-config.js";
import * as policies from "../../../src/model/policies.js";
import { canonicalJson, replicationSettings } from "../../../src/model/replication-settings.js";
import { tableMappings } from "../../../src/model/table-mappings.js";

interface Rule {
  readonly [key: string]: unknown;
}
const rulesOf = (json: string) => (JSON.parse(json) as { rules: Rule[] }).rules;

describe("tableMappings", () => {
  it("selects each table by its exact name and adds what the notebooks need", () => {
    const rules = rulesOf(tableMappings(shop));
    expect(rules.map((rule) => rule["rule-action"])).to.deep.equal([
      ...Array<string>(4).fill("include"),
      "add-column",
      "add-before-image-columns",
    ]);
    expect(rules.map((rule) => rule["rule-id"])).to.deep.equal(["1", "2", "3", "4", "5", "6"]);
    expect(rules[1]?.["object-locator"]).to.deep.equal({
      "schema-name": "shop",
      "table-name": "order[_]lines",
    });
    expect(rules[4]).to.include({ value: "change_seq", expression: "$AR_H_CHANGE_SEQ" });
    expect(rules[4]?.["data-type"]).to.deep.equal({ type: "string", length: 35 });
    expect(rules[5]?.["before-image-def"]).to.deep.equal({
      "column-prefix": "BI_",
      "column-suffix": "",
      "column-filter": "pk-only",
    });
  });

  it("selects those tables and no others, as DMS reads it", () => {
    const name = fc.stringMatching(/^[a-z_][a-z0-9_]{0,8}$/).filter((name) => !name.startsWith("headwater_"));
    fc.assert(
      fc.property(fc.uniqueArray(name, { minLength: 1, maxLength: 4 }), name, (tables, other) => {
        const named = Object.fromEntries(
          tables.map((table, index) => [table, { keys: ["id"], name: `t${index}` }]),
        );
        const pipeline = definePipeline({ name: "p", engine: "postgresql", tables: { s_1: named } });
        const { mappings, problems } = readTableMappings(tableMappings(pipeline));
        expect(problems).to.deep.equal([]);
        for (const table of tables) expect(isSelected(mappings, "s_1", table)).to.be.true;
        expect(isSelected(mappings, "s_1", other)).to.equal(tables.includes(other));
        expect(isSelected(mappings, "sx1", tables[0]!)).to.be.false;
      }),
    );
  });

  it("overrides the size of large objects of one table", () => {
    const rules = rulesOf(tableMappings(shop, { shop: { order_lines: { lob: { maxSizeKb: 512 } } } }));
    expect(rules.at(-1)).to.deep.equal({
      "rule-type": "table-settings",
      "rule-id": "7",
      "rule-name": "7",
      "object-locator": { "schema-name": "shop", "table-name": "order[_]lines" },
      "lob-settings": { mode: "limited", "bulk-max-size": "512" },
    });
  });

  it("is the same text every time", () => {
    expect(tableMappings(shop)).to.equal(tableMappings(shop));
  });
});

describe("replicationSettings", () => {
  const settings = JSON.parse(replicationSettings()) as Record<string, Record<string, unknown>>;

  it("never lets DMS delete a landed file", () => {
    expect(settings["ChangeProcessingDdlHandlingPolicy"]).to.deep.equal({
      HandleSourceTableAltered: true,
      HandleSourceTableDropped: false,
      HandleSourceTableTruncated: false,
    });
    expect(settings["FullLoadSettings"]).to.include({ TargetTablePrepMode: "DO_NOTHING" });
  });

  it("asks an S3 target for nothing it cannot do", () => {
    expect(settings["TargetMetadata"]).to.include({
      FullLobMode: false,
      InlineLobMaxSize: 0,
      BatchApplyEnabled: false,
    });
    expect(readReplicationSettings(replicationSettings()).problems).to.deep.equal([]);
  });

  it("holds no null and no CloudWatch name, which DMS refuses on create", () => {
    expect(replicationSettings()).not.to.match(/null|CloudWatch/);
  });

  it("takes what a stack may vary", () => {
    const varied = JSON.parse(replicationSettings({ lobMaxSizeKb: 1, parallelTables: 2 })) as typeof settings;
    expect(varied["TargetMetadata"]).to.include({ LobMaxSize: 1 });
    expect(varied["FullLoadSettings"]).to.include({ MaxFullLoadSubTasks: 2 });
  });

  it("is the same text every time, keys in order", () => {
    expect(replicationSettings()).to.equal(replicationSettings());
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const shuffled = Object.fromEntries(Object.entries(value).reverse());
        expect(canonicalJson(shuffled)).to.equal(canonicalJson(value));
        expect(JSON.parse(canonicalJson(value))).to.deep.equal(JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});

describe("pipelineConfig", () => {
  const target = { catalog: "shop_dev", schema: "shop" };
  const config = pipelineConfig({
    pipeline: shop,
    environment: "dev",
    release: "abc",
    target,
    tables: layOut(shop, target),
  });

  it("is the file the notebooks read", () => {
    const { tables, ...rest } = config;
    expect(rest).to.deep.equal({
      version: 1,
      pipeline: "shop",
      environment: "dev",
      release: "abc",
      target,
      columns: { op: "Op", commitTime: "tx_commit_time", changeSeq: "change_seq", beforeImagePrefix: "BI_" },
      historyColumns: "paper",
      latenessSeconds: 604_800,
      export: null,
    });
    expect(tables[1]).to.deep.equal({
      source: { schema: "shop", table: "order_lines" },
      name: "order_lines",
      keys: ["order_id", "line_no"],
      incoming: "/Volumes/shop_dev/shop/order_lines_incoming",
      processed: "/Volumes/shop_dev/shop/order_lines_processed",
      scdType: 2,
      trackHistoryOn: null,
      deletePolicy: "close",
    });
  });

  it("carries no password", () => {
    const exported = pipelineConfig({
      ...{ pipeline: shop, environment: "dev", release: "abc", target, tables: [] },
      export: {
        ...{
          kind: "postgresql",
          mode: "upsert",
          deletes: "delete",
          host: "db",
          port: 5432,
          database: "d",
          schema: "s",
          tls: "require",
        },
        ...{ secretScope: "scope", userKey: "user", passwordKey: "password", numConnections: 2 },
      },
    });
    expect(Object.keys(exported.export ?? {})).to.deep.equal([
      ...[
        "kind",
        "mode",
        "deletes",
        "host",
        "port",
        "database",
        "schema",
        "tls",
        "secretScope",
        "userKey",
        "passwordKey",
      ],
      "numConnections",
    ]);
  });
});

describe("policies", () => {
  const bucket = "arn:aws:s3:::landing";
  const role = "arn:aws-us-gov:iam::123456789012:role/headwater-shop-dev-unity-catalog";
  const key = "arn:aws:kms:eu-west-1:123456789012:key/1";

  const allows: Record<string, policies.PolicyDocument> = {
    dmsS3Access: policies.dmsS3AccessPolicy(bucket, key),
    dmsSecretAccess: policies.dmsSecretAccessPolicy(
      "arn:aws:secretsmanager:eu-west-1:123456789012:secret:s",
      key,
    ),
    unityCatalogAccess: policies.unityCatalogAccessPolicy(bucket, role, key),
  };
  for (const [name, { Statement }] of Object.entries(allows)) {
    it(`${name} names its resources and its actions`, () => {
      for (const { Effect, Action, Resource } of Statement) {
        expect(Effect).to.equal("Allow");
        expect([Action].flat().filter((action) => action.includes("*"))).to.deep.equal([]);
        expect(
          [Resource].flat().filter((resource) => resource === undefined || resource === "*"),
        ).to.deep.equal([]);
      }
    });
  }

  it("lets DMS do what the paper lists, below incoming/ only", () => {
    const [write, list, useKey] = policies.dmsS3AccessPolicy(bucket, key).Statement;
    expect(write).to.deep.include({
      Action: ["s3:PutObject", "s3:DeleteObject", "s3:GetObject", "s3:PutObjectTagging"],
      Resource: "arn:aws:s3:::landing/incoming/*",
    });
    expect(list).to.deep.include({ Action: "s3:ListBucket", Resource: bucket });
    expect(list?.Condition).to.deep.equal({ StringLike: { "s3:prefix": ["incoming", "incoming/*"] } });
    expect(useKey?.Resource).to.equal(key);
    expect(policies.dmsS3AccessPolicy(bucket).Statement).to.have.length(2);
  });

  it("trusts DMS's regional principal with secrets, and no other region's", () => {
    expect(policies.dmsRegionalTrustPolicy("eu-west-1").Statement[0]?.Principal).to.deep.equal({
      Service: "dms.eu-west-1.amazonaws.com",
    });
    expect(policies.dmsTrustPolicy().Statement[0]?.Principal).to.deep.equal({ Service: "dms.amazonaws.com" });
  });

  it("lets Unity Catalog's role assume itself, always with the external id", () => {
    const { Statement } = policies.unityCatalogTrustPolicy({
      unityCatalogIamArn: policies.UNITY_CATALOG_MASTER_ROLE,
      externalId: "id-1",
      roleArn: role,
    });
    expect(Statement.map(({ Condition }) => Condition?.["StringEquals"])).to.deep.equal([
      { "sts:ExternalId": "id-1" },
      { "sts:ExternalId": "id-1" },
    ]);
    expect(Statement[1]?.Principal).to.deep.equal({ AWS: "arn:aws-us-gov:iam::123456789012:root" });
    expect(Statement[1]?.Condition?.["ArnLike"]).to.deep.equal({ "aws:PrincipalArn": role });
    const itself = policies
      .unityCatalogAccessPolicy(bucket, role)
      .Statement.find(({ Sid }) => Sid === "Itself");
    expect(itself).to.deep.include({ Action: "sts:AssumeRole", Resource: role });
  });

  it("denies everything that does not come over TLS, on the bucket and its objects", () => {
    const [statement, ...others] = policies.tlsOnlyBucketPolicy(bucket).Statement;
    expect(others).to.deep.equal([]);
    expect(statement).to.deep.include({
      Effect: "Deny",
      Principal: "*",
      Action: "s3:*",
      Resource: [bucket, `${bucket}/*`],
      Condition: { Bool: { "aws:SecureTransport": "false" } },
    });
  });
});
