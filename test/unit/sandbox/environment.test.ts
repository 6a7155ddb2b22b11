import { expect } from "chai";
import { childEnvironment, providerConfig, providerEnvironment } from "../../../src/sandbox/environment.js";

describe("sandbox/environment", () => {
  const before = { ...process.env };
  afterEach(() => {
    for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
    Object.assign(process.env, before);
  });

  it("keeps real accounts' credentials away from the sandbox's processes", () => {
    const secret = "a real account's";
    const real = [
      "AWS_PROFILE",
      "AWS_SESSION_TOKEN",
      "AWS_SECRET_ACCESS_KEY",
      "DATABRICKS_TOKEN",
      "PGPASSWORD",
    ];
    for (const name of real) process.env[name] = secret;
    process.env["PYTHONPATH"] = process.env["SPARK_HOME"] = process.env["NODE_OPTIONS"] = "/elsewhere";
    const child = childEnvironment("sb-1");
    expect(Object.values(child)).not.to.include(secret);
    expect(Object.values(child)).not.to.include("/elsewhere");
    expect(child).to.include({
      HEADWATER_SANDBOX_ID: "sb-1",
      AWS_SECRET_ACCESS_KEY: "sandbox",
      AWS_REGION: "eu-west-1",
    });
    expect(child["PATH"]).to.equal(process.env["PATH"]);
  });

  it("empties them for an engine that inherits this process' environment", () => {
    process.env["AWS_PROFILE"] = "production";
    process.env["AWS_ENDPOINT_URL_S3"] = "https://elsewhere";
    process.env["DATABRICKS_CLIENT_SECRET"] = "secret";
    const environment = providerEnvironment("http://127.0.0.1:1", "dapi1");
    expect(environment).to.include({
      ...{ AWS_PROFILE: "", AWS_ENDPOINT_URL_S3: "", DATABRICKS_CLIENT_SECRET: "" },
      ...{ AWS_ACCESS_KEY_ID: "sandbox", AWS_CONFIG_FILE: "/dev/null" },
      ...{ DATABRICKS_HOST: "http://127.0.0.1:1", DATABRICKS_TOKEN: "dapi1", DATABRICKS_AUTH_TYPE: "pat" },
    });
    expect(environment).not.to.have.property("PULUMI_CONFIG_PASSPHRASE");
  });

  it("never sends what is local through a proxy", () => {
    process.env["NO_PROXY"] = "example.com";
    expect(childEnvironment()["NO_PROXY"]).to.equal("example.com,127.0.0.1,localhost");
  });

  it("points the DMS at our service, the rest of AWS at moto, and holds no credentials", () => {
    const config = providerConfig({ aws: "http://a", dms: "http://d", workspace: "http://w" });
    expect(config["databricks:host"]).to.equal("http://w");
    const [endpoints] = config["aws:endpoints"] as [Record<string, string>];
    expect(endpoints).to.include({
      dms: "http://d",
      s3: "http://a",
      iam: "http://a",
      secretsmanager: "http://a",
      sts: "http://a",
    });
    expect(JSON.stringify(config)).not.to.match(/token|secret_|password|accessKey/i);
  });
});
