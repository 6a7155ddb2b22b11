import { ListObjectsV2Command } from "@aws-sdk/client-s3";
import { expect } from "chai";
import { EnvironmentClients } from "../../../src/driver/clients.js";
import { assuming, s3Client } from "../../../src/operations/aws.js";
import { oauthToken } from "../../../src/operations/oauth-token.js";
import { errorOf } from "./errors.js";
import { FakeServer } from "./fake-server.js";

const keys = (id: string): string =>
  `<Credentials><AccessKeyId>${id}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>` +
  `<Expiration>${new Date(Date.now() + 3_600_000).toISOString()}</Expiration></Credentials>`;

describe("credentials of roles", () => {
  let server: FakeServer;
  const bodies = (): string[] =>
    server.requests.flatMap(({ body }) => (typeof body === "string" ? [body] : []));
  before(async () => {
    server = await FakeServer.start(({ body, url }) => {
      if (url.includes("list-type")) return { text: "<ListBucketResult></ListBucketResult>" };
      const asked = String(body);
      if (asked.includes("refused"))
        return {
          status: 403,
          text: "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no trust</Message></Error></ErrorResponse>",
        };
      const action = asked.includes("WebIdentity") ? "AssumeRoleWithWebIdentity" : "AssumeRole";
      const id = asked.includes("second") ? "SECOND" : "FIRST";
      return {
        text: `<${action}Response><${action}Result>${keys(id)}</${action}Result></${action}Response>`,
      };
    });
  });
  beforeEach(() => void (server.requests.length = 0));
  after(() => server.stop());

  const connection = () => ({
    region: "eu-west-1",
    endpoints: { sts: server.url, s3: server.url },
    credentials: { accessKeyId: "OWN", secretAccessKey: "s" },
  });
  const signer = (index: number): string =>
    /Credential=(\w+)/.exec(String(server.requests[index]?.headers["authorization"]))?.[1] ?? "";

  it("are taken on one after another, the second with those of the first, and kept", async () => {
    const roles = [
      { roleArn: "arn:aws:iam::1:role/first" },
      { roleArn: "arn:aws:iam::2:role/second", externalId: "x1" },
    ];
    const client = s3Client(assuming(connection(), roles));
    for (let time = 0; time < 2; time++) await client.send(new ListObjectsV2Command({ Bucket: "b" }));
    client.destroy();
    expect([0, 1, 2, 3].map(signer)).to.deep.equal(["OWN", "FIRST", "SECOND", "SECOND"]);
    expect(bodies()[1]).to.contain("ExternalId=x1").and.to.contain("RoleSessionName=headwater");
  });

  it("come by a token of an OIDC provider without any of one's own", async () => {
    const config = {
      "aws:region": "eu-west-1",
      "aws:endpoints": [{ sts: server.url, s3: server.url }],
      "aws:assumeRoleWithWebIdentity": { roleArn: "arn:aws:iam::1:role/ci", webIdentityToken: "oidc-token" },
    };
    const { s3 } = new EnvironmentClients("shop-dev", config, {});
    await s3.send(new ListObjectsV2Command({ Bucket: "b" }));
    expect(bodies()[0]).to.contain("WebIdentityToken=oidc-token");
    expect(signer(1)).to.equal("FIRST");
  });

  it("that are refused name the role and the remedy", async () => {
    const client = s3Client(assuming(connection(), [{ roleArn: "arn:aws:iam::1:role/refused" }]));
    const error = await errorOf(client.send(new ListObjectsV2Command({ Bucket: "b" })));
    expect(error.code).to.equal("operations/assume-role");
    expect(error.details.where).to.equal("arn:aws:iam::1:role/refused");
    expect(error.message).to.contain("no trust");
    client.destroy();
  });
});

describe("tokens of a service principal", () => {
  let server: FakeServer;
  let seconds = 3600;
  before(async () => {
    server = await FakeServer.start(({ url, headers }, index) => {
      if (url !== "/oidc/v1/token") return { json: {}, headers: { "x-databricks-org-id": "7" } };
      if (headers["authorization"] !== `Basic ${Buffer.from("id:secret").toString("base64")}`)
        return { status: 401, json: { error: "invalid_client" } };
      return { json: { access_token: `token-${index}`, expires_in: seconds } };
    });
  });
  beforeEach(() => void (server.requests.length = 0));
  after(() => server.stop());

  it("are fetched once for many requests, and again before they expire", async () => {
    const token = oauthToken({ host: server.url, clientId: "id", clientSecret: "secret" });
    expect(await Promise.all([token(), token(), token()])).to.deep.equal(Array(3).fill("token-0"));
    expect(await token()).to.equal("token-0");
    seconds = 59; // within the margin: not kept
    const short = oauthToken({ host: server.url, clientId: "id", clientSecret: "secret" });
    expect(await short()).to.equal("token-1");
    expect(await short()).to.equal("token-2");
  });

  it("are what an environment's clients use where there is no fixed token", async () => {
    const environment = { DATABRICKS_CLIENT_ID: "id", DATABRICKS_CLIENT_SECRET: "secret" };
    const clients = new EnvironmentClients("shop-dev", { "databricks:host": server.url }, environment);
    expect(await clients.workspace.workspaceId()).to.equal("7");
    expect(server.requests[1]?.headers["authorization"]).to.equal("Bearer token-0");
  });

  it("that are refused say where, never with the secret", async () => {
    const error = await errorOf(
      oauthToken({ host: server.url, clientId: "id", clientSecret: "other-secret" })(),
    );
    expect(error.code).to.equal("operations/oauth");
    expect(error.message)
      .to.contain("/oidc/v1/token")
      .and.to.contain("invalid_client")
      .and.not.to.contain("other-secret");
  });
});
