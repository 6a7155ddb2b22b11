import { expect } from "chai";
import { EnvironmentClients } from "../../../src/driver/clients.js";
import { checkIdentity } from "../../../src/driver/identity.js";
import { remedyFor } from "../../../src/driver/remedies.js";
import { errorOf } from "../operations/errors.js";
import { FakeServer } from "../operations/fake-server.js";

const ACCOUNT = "123456789012";
const IDENTITY = `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>arn:aws:iam::${ACCOUNT}:user/ann</Arn><UserId>A</UserId><Account>${ACCOUNT}</Account>
</GetCallerIdentityResult></GetCallerIdentityResponse>`;

describe("whose credentials are at hand", () => {
  let server: FakeServer;
  let clients: EnvironmentClients;
  let expired = false;
  before(async () => {
    server = await FakeServer.start(({ url }) => {
      if (url.includes("/scim/v2/Me")) return { json: {}, headers: { "x-databricks-org-id": "77" } };
      if (expired)
        return {
          status: 403,
          text: "<ErrorResponse><Error><Code>ExpiredToken</Code><Message>The security token is expired</Message></Error></ErrorResponse>",
        };
      return { text: IDENTITY };
    });
    const config = {
      "aws:region": "eu-west-1",
      "aws:endpoints": [{ sts: server.url }],
      "databricks:host": server.url,
    };
    const environment = { AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b", DATABRICKS_TOKEN: "t" };
    clients = new EnvironmentClients("shop-prod", config, environment);
  });
  after(() => server.stop());

  it("is told when they are the environment's", async () => {
    const found = await checkIdentity("shop-prod", { awsAccount: ACCOUNT, workspaceId: "77" }, clients);
    expect(found).to.equal(`AWS account ${ACCOUNT}, workspace 77`);
  });

  it("stops everything when they are another account's or workspace's, and says whose", async () => {
    const account = await errorOf(checkIdentity("shop-prod", { awsAccount: "000000000001" }, clients));
    expect(account.code).to.equal("driver/other-account");
    expect(account.message).to.contain(`arn:aws:iam::${ACCOUNT}:user/ann`).and.to.contain("000000000001");
    const workspace = await errorOf(checkIdentity("shop-prod", { workspaceId: "78" }, clients));
    expect(workspace.code).to.equal("driver/other-workspace");
    expect(workspace.details).to.include({ found: "77", allowed: "78" });
  });

  it("says that nobody can tell when they have expired", async () => {
    expired = true;
    const error = await errorOf(checkIdentity("shop-prod", { awsAccount: ACCOUNT }, clients));
    expect(error.code).to.equal("driver/no-identity");
    expect(error.details.found).to.contain("expired");
  });
});

describe("remedies for what providers say", () => {
  const said: [string, RegExp | undefined][] = [
    [
      "creating S3 Bucket (x): BucketAlreadyExists: The requested bucket name is not available",
      /name another/,
    ],
    ["deleting S3 Bucket (x): BucketNotEmpty: The bucket you tried to delete is not empty", /forceDestroy/],
    ["ExpiredToken: The security token included in the request is expired", /Log in again/],
    ["User: arn:aws:iam::1:user/a is not authorized to perform: iam:CreateRole", /permission/],
    ["default auth: cannot configure default credentials, please check", /DATABRICKS_CLIENT_ID/],
    ["something nobody has seen before", undefined],
  ];
  for (const [message, remedy] of said) {
    it(`${remedy === undefined ? "are not made up" : "are known"}: ${message.slice(0, 50)}`, () => {
      if (remedy === undefined) expect(remedyFor(message)).to.equal(undefined);
      else expect(remedyFor(message)).to.match(remedy);
    });
  }
});
