import { expect } from "chai";
import { s3Client } from "../../../src/operations/aws.js";
import { awaitFiles, listFiles, parseS3Url, tableFolder } from "../../../src/operations/landing.js";
import { errorOf } from "./errors.js";
import { FakeClock, FakeServer, type Answer } from "./fake-server.js";

function listing(keys: readonly string[], next?: string): Answer {
  const contents = keys.map(
    (key) =>
      `<Contents><Key>${key}</Key><Size>5</Size><LastModified>2026-11-22T00:00:00.000Z</LastModified></Contents>`,
  );
  const more =
    next === undefined
      ? "<IsTruncated>false</IsTruncated>"
      : `<IsTruncated>true</IsTruncated><NextContinuationToken>${next}</NextContinuationToken>`;
  return { text: `<?xml version="1.0"?><ListBucketResult>${more}${contents.join("")}</ListBucketResult>` };
}

describe("the landing zone", () => {
  let server: FakeServer | undefined;
  afterEach(() => server?.stop());

  async function s3(answer: (url: URL, index: number) => Answer) {
    server = await FakeServer.start(({ url }, index) => answer(new URL(url, "http://s3"), index));
    return s3Client({
      region: "eu-west-1",
      endpoints: { s3: server.url },
      credentials: { accessKeyId: "a", secretAccessKey: "b" },
    });
  }

  it("takes addresses apart and lays tables out as DMS does", () => {
    expect(parseS3Url("s3://b/incoming")).to.deep.equal({ bucket: "b", prefix: "incoming/" });
    expect(parseS3Url("s3://b")).to.deep.equal({ bucket: "b", prefix: "" });
    expect(() => parseS3Url("https://b/x")).to.throw(/not an S3 address/);
    const folder = tableFolder(parseS3Url("s3://b/incoming/"), { schema: "shop", table: "orders" });
    expect(folder).to.deep.equal({ bucket: "b", prefix: "incoming/shop/orders/" });
  });

  it("lists every page, tells load from change, and leaves out what holds no rows", async () => {
    const client = await s3((url) =>
      url.searchParams.get("continuation-token") === "next"
        ? listing(["p/20261122-184510123.parquet"])
        : listing(["p/", "p/_headwater_reload.json", "p/LOAD0000000A.parquet"], "next"),
    );
    const files = await listFiles(client, { bucket: "b", prefix: "p/" });
    expect(files.map(({ key, kind, bytes }) => [key, kind, bytes])).to.deep.equal([
      ["p/LOAD0000000A.parquet", "load", 5],
      ["p/20261122-184510123.parquet", "change", 5],
    ]);
  });

  it("finds a table's files in either root, and names the tables that have none", async () => {
    const tables = ["a", "b"].map((table) => ({ schema: "s", table }));
    const roots = [parseS3Url("s3://b/incoming/"), parseS3Url("s3://b/processed/")];
    const client = await s3((url, index) => {
      const prefix = url.searchParams.get("prefix");
      if (prefix === "processed/s/a/") return listing([`${prefix}LOAD00000001.parquet`]);
      return prefix === "incoming/s/b/" && index >= 4
        ? listing([`${prefix}LOAD00000001.parquet`])
        : listing([]);
    });
    const told: string[] = [];
    const found = await awaitFiles(client, roots, tables, ({ kind }) => kind === "load", {
      timeoutMs: 1000,
      clock: new FakeClock(),
      progress: (text) => told.push(text),
    });
    expect(told).to.deep.equal(["no files yet of s.b"]);
    expect(found.map((files) => files.map(({ key }) => key))).to.deep.equal([
      ["processed/s/a/LOAD00000001.parquet"],
      ["incoming/s/b/LOAD00000001.parquet"],
    ]);
  });

  it("tells S3's own error", async () => {
    const client = await s3(() => ({
      status: 403,
      text: "<Error><Code>AccessDenied</Code><Message>no</Message></Error>",
    }));
    const error = await errorOf(listFiles(client, { bucket: "b", prefix: "p/" }));
    expect(error.code).to.equal("operations/s3");
    expect(error.message).to.contain("AccessDenied");
  });
});
