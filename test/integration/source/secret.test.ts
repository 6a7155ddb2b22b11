import { CreateSecretCommand } from "@aws-sdk/client-secrets-manager";
import { expect } from "chai";
import { secretsClient, type AwsConnection } from "../../../src/operations/aws.js";
import { readSecretLogin } from "../../../src/operations/secrets.js";
import { startMoto, type MotoFixture } from "../../support/moto.js";
import { errorOf } from "../../unit/operations/errors.js";

describe("a login in Secrets Manager", function () {
  this.timeout(60_000);
  let moto: MotoFixture;
  let aws: AwsConnection;
  before(async () => {
    moto = await startMoto();
    aws = {
      region: "eu-west-1",
      endpoints: { secretsmanager: moto.endpoint },
      credentials: { accessKeyId: "test", secretAccessKey: "test" },
    };
  });
  after(() => moto?.stop());

  const store = async (name: string, text: string): Promise<string> => {
    const client = secretsClient(aws);
    try {
      return (await client.send(new CreateSecretCommand({ Name: name, SecretString: text }))).ARN ?? "";
    } finally {
      client.destroy();
    }
  };

  it("is read as RDS and DMS keep it", async () => {
    const arn = await store(
      "login",
      JSON.stringify({ username: "dms", password: "hidden-1", host: "db", port: 5432 }),
    );
    expect(await readSecretLogin(aws, arn)).to.deep.equal({ username: "dms", password: "hidden-1" });
  });

  it("is refused without showing what the secret holds", async () => {
    for (const text of ["hidden-2 {", "null", JSON.stringify({ username: "hidden-2" })]) {
      const error = await errorOf(readSecretLogin(aws, await store(`broken-${text.length}`, text)));
      expect(error.code).to.equal("operations/secret");
      expect(`${error.message}${String(error.cause)}`).not.to.contain("hidden-2");
    }
    const gone = await errorOf(
      readSecretLogin(aws, "arn:aws:secretsmanager:eu-west-1:123456789012:secret:gone-AAAAAA"),
    );
    expect(gone.message).to.contain("secretsmanager:GetSecretValue");
  });
});
