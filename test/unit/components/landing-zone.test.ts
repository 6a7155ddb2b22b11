import { expect } from "chai";
import { LandingZone, type LandingZoneArgs } from "../../../src/components/landing-zone.js";
import type { PolicyDocument } from "../../../src/model/policies.js";
import { record } from "../../../src/testing.js";

async function make(args: Partial<LandingZoneArgs> = {}) {
  return record(() => {
    const { bucket, url, incomingUrl, processedUrl } = new LandingZone("landing", {
      stack: "shop-dev",
      ...args,
    });
    return { bucket, url, incomingUrl, processedUrl };
  });
}

describe("LandingZone", () => {
  it("names the bucket after the stack, with a random end that is kept", async () => {
    const made = await make();
    expect(made.one("random:index/randomString:RandomString").inputs).to.deep.equal({
      length: 6,
      special: false,
      upper: false,
    });
    expect(made.result).to.deep.equal({
      bucket: "headwater-shop-dev-aaaaaa",
      url: "s3://headwater-shop-dev-aaaaaa/",
      incomingUrl: "s3://headwater-shop-dev-aaaaaa/incoming/",
      processedUrl: "s3://headwater-shop-dev-aaaaaa/processed/",
    });
  });

  it("takes a name that was chosen as it is", async () => {
    const made = await make({ bucketName: "example-shop-landing" });
    expect(made.one("aws:s3/bucket:Bucket").inputs["bucket"]).to.equal("example-shop-landing");
    expect(made.of("random:index/randomString:RandomString")).to.deep.equal([]);
  });

  it("keeps the public out in every way there is", async () => {
    const made = await make();
    expect(made.one("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock").inputs).to.deep.equal({
      bucket: "headwater-shop-dev-aaaaaa",
      blockPublicAcls: true,
      blockPublicPolicy: true,
      ignorePublicAcls: true,
      restrictPublicBuckets: true,
    });
    const ownership = made.one("aws:s3/bucketOwnershipControls:BucketOwnershipControls").inputs;
    expect(ownership["rule"]).to.deep.equal({ objectOwnership: "BucketOwnerEnforced" });
  });

  it("refuses requests that do not come over TLS", async () => {
    const policy = (await make()).one("aws:s3/bucketPolicy:BucketPolicy");
    const { Statement } = JSON.parse(policy.inputs["policy"] as string) as PolicyDocument;
    expect(Statement).to.deep.equal([
      {
        Sid: "TlsOnly",
        Effect: "Deny",
        Principal: "*",
        Action: "s3:*",
        Resource: ["arn:aws:s3:::headwater-shop-dev-aaaaaa", "arn:aws:s3:::headwater-shop-dev-aaaaaa/*"],
        Condition: { Bool: { "aws:SecureTransport": "false" } },
      },
    ]);
    // S3 answers 409 to both at once.
    expect(policy.dependsOn).to.include("landing");
  });

  it("encrypts with S3's key, or with the one given", async () => {
    const type = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration";
    expect((await make()).one(type).inputs["rules"]).to.deep.equal([
      { applyServerSideEncryptionByDefault: { sseAlgorithm: "AES256" }, bucketKeyEnabled: false },
    ]);
    const kmsKeyArn = "arn:aws:kms:eu-west-1:123456789012:key/1";
    expect((await make({ kmsKeyArn })).one(type).inputs["rules"]).to.deep.equal([
      {
        applyServerSideEncryptionByDefault: { sseAlgorithm: "aws:kms", kmsMasterKeyId: kmsKeyArn },
        bucketKeyEnabled: true,
      },
    ]);
  });

  it("never deletes files with the bucket unless told to", async () => {
    expect((await make()).one("aws:s3/bucket:Bucket").inputs["forceDestroy"]).to.equal(false);
    const told = await make({ forceDestroy: true });
    expect(told.one("aws:s3/bucket:Bucket").inputs["forceDestroy"]).to.equal(true);
  });

  it("expires finished files only, and only if told to", async () => {
    const type = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration";
    expect((await make()).of(type)).to.deep.equal([]);
    expect((await make({ processedExpirationDays: 90 })).one(type).inputs["rules"]).to.deep.equal([
      { id: "processed", status: "Enabled", filter: { prefix: "processed/" }, expiration: { days: 90 } },
    ]);
  });
});
