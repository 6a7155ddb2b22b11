import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { expect } from "chai";
import { S3Store } from "../../../src/driver/store/s3-store.js";
import { startMoto, type MotoFixture } from "../../support/moto.js";
import { storeContract } from "../../unit/driver/store-contract.js";
import { errorOf } from "../../unit/operations/errors.js";

describe("the store in an S3 bucket", function () {
  this.timeout(120_000);
  let moto: MotoFixture;
  let client: S3Client;
  before(async () => {
    moto = await startMoto();
    client = new S3Client({
      region: "eu-west-1",
      endpoint: moto.endpoint,
      forcePathStyle: true,
      credentials: { accessKeyId: "a", secretAccessKey: "b" },
    });
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

  it("says what is wrong with a bucket that is not there", async () => {
    const error = await errorOf(new S3Store(client, "nowhere", "").put("x", "y"));
    expect(error.code).to.equal("driver/store");
    expect(error.message).to.contain("s3://nowhere/x").and.to.contain("NoSuchBucket");
  });
});
