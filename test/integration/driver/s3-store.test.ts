import { readFile } from "node:fs/promises";
import path from "node:path";
import { CreateKeyCommand, KMSClient } from "@aws-sdk/client-kms";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { expect } from "chai";
import { S3Store } from "../../../src/driver/store/s3-store.js";
import { startMoto, type MotoFixture } from "../../support/moto.js";
import { storeContract } from "../../unit/driver/store-contract.js";
import { errorOf } from "../../unit/operations/errors.js";
import { makeScene, PASSPHRASE } from "./support.js";

const common = { region: "eu-west-1", credentials: { accessKeyId: "a", secretAccessKey: "b" } };

describe("the store in an S3 bucket", function () {
  this.timeout(120_000);
  let moto: MotoFixture;
  let client: S3Client;
  before(async () => {
    moto = await startMoto();
    client = new S3Client({ ...common, endpoint: moto.endpoint, forcePathStyle: true });
    await client.send(
      new CreateBucketCommand({
        Bucket: "state",
        CreateBucketConfiguration: { LocationConstraint: "eu-west-1" },
      }),
    );
  });
  after(async () => {
    client.destroy();
    await moto.stop();
  });

  storeContract(async () => new S3Store(client, "state", "some/.headwater"));

  it("lists more than one page", async () => {
    const pages = [
      { Contents: [{ Key: "p/records/a" }], IsTruncated: true, NextContinuationToken: "more" },
      { Contents: [{ Key: "p/records/b" }], IsTruncated: false },
    ];
    const asked: unknown[] = [];
    const paging = {
      send: async ({ input }: { input: { ContinuationToken?: string } }) => {
        asked.push(input.ContinuationToken);
        return pages[asked.length - 1];
      },
    } as unknown as S3Client;
    expect(await new S3Store(paging, "state", "p").list("records/")).to.deep.equal([
      "records/a",
      "records/b",
    ]);
    expect(asked).to.deep.equal([undefined, "more"]);
  });

  it("lies beside the state when that is in S3: releases, records and proofs are found by another platform", async () => {
    const scene = await makeScene();
    try {
      const url = new URL(moto.endpoint);
      const query = `region=eu-west-1&endpoint=${url.host}&disableSSL=true&s3ForcePathStyle=true`;
      const backend = `s3://state/stacks?${query}`;
      const credentials = { AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b" };
      const open = (workFolder: string) =>
        scene.open(undefined, {
          backend,
          workFolder: path.join(scene.folder, workFolder),
          environment: { PULUMI_CONFIG_PASSPHRASE: PASSPHRASE, ...credentials },
        });
      const one = await open("one");
      const release = await one.release({ program: "things", pipeline: "shop" });
      await one.promote(release, { through: ["dev"] }).result;
      const other = await open("other");
      expect(await other.storedRelease(release.id)).to.deep.equal(release);
      expect((await other.history())[0]).to.deep.include({ outcome: "succeeded" });
      expect(await other.environment("dev").status()).to.deep.include({ exists: true, resources: 1 });
      const store = new S3Store(client, "state", "stacks/.headwater");
      expect(await store.list("proofs/")).to.deep.equal([`proofs/shop-dev/${release.id}`]);
      expect(await store.list("leases/")).to.deep.equal([]);
      await other.destroy("dev", { remove: true });
      expect(await store.list("proofs/")).to.deep.equal([]);
    } finally {
      await scene.remove();
    }
  });

  it("and a key of AWS KMS protects the secrets of the state, without a passphrase", async () => {
    const scene = await makeScene();
    const kms = new KMSClient({ ...common, endpoint: moto.endpoint });
    try {
      const { KeyMetadata: key } = await kms.send(new CreateKeyCommand({}));
      const open = () =>
        scene.open(undefined, {
          secretsProvider: `awskms://${key!.KeyId}?region=eu-west-1&awssdk=v2`,
          environment: {
            AWS_ACCESS_KEY_ID: "a",
            AWS_SECRET_ACCESS_KEY: "b",
            AWS_ENDPOINT_URL_KMS: moto.endpoint,
          },
        });
      const platform = await open();
      const release = await platform.release({ program: "things", pipeline: "shop" });
      await platform.promote(release, { through: ["dev"] }).result;
      const again = await (await open()).promote(release, { through: ["dev"] }).result;
      expect(again.steps[0]?.changes).to.deep.equal({ same: 2 });
      const file = path.join(scene.stateFolder, ".pulumi", "stacks", "headwater", "shop-dev.json");
      const state = await readFile(file, "utf8");
      expect(JSON.parse(state)).to.have.nested.property("checkpoint.latest.secrets_providers.type", "cloud");
      expect(state).not.to.contain("output-that-is-secret");
    } finally {
      kms.destroy();
      await scene.remove();
    }
  });

  it("says what is wrong with a bucket that is not there", async () => {
    const error = await errorOf(new S3Store(client, "nowhere", "").put("x", "y"));
    expect(error.code).to.equal("driver/store");
    expect(error.message).to.contain("s3://nowhere/x").and.to.contain("NoSuchBucket");
  });
});
