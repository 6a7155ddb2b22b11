import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { DatabaseMigrationService } from "@aws-sdk/client-database-migration-service";
import { S3 } from "@aws-sdk/client-s3";
import { SecretsManager } from "@aws-sdk/client-secrets-manager";
import { expect } from "chai";
import { shop } from "../../../pipelines/shop.js";
import { cdcLakehouse } from "../../../programs/cdc-lakehouse.js";
import { startDmsService, type DmsService } from "../../../src/sandbox/dms/service.js";
import { resolveSettings } from "../../../src/settings/program.js";
import { startMoto, type MotoFixture } from "../../support/moto.js";
import { startControlPlane, type ControlPlane } from "./control-plane.js";
import { changes, defaultSubnets, testStack, type TestStack } from "./stack.js";

const region = "eu-west-1";
const credentials = { accessKeyId: "sandbox", secretAccessKey: "sandbox" };
const PASSWORD = "a-password-to-look-for";

/** The whole program as it is deployed, on the light plugins: whatever it uses, they have to know. */
describe("the light plugins under the program cdc-lakehouse", function () {
  this.timeout(240_000);
  let moto: MotoFixture;
  let service: DmsService;
  let workspace: ControlPlane;
  let folder: string;
  let test: TestStack;
  let settings: object;

  const preview = async () => changes((await test.stack.preview()).changeSummary);
  const configure = (change: (settings: object) => object) => {
    const resolved = resolveSettings(cdcLakehouse, shop, change(settings), { where: "the test" });
    const inputs = { pipeline: shop, settings: resolved, environment: "dev", release: "one" };
    test.run(async () => ({ ...(await cdcLakehouse.run(inputs)) }));
  };

  before(async () => {
    moto = await startMoto();
    workspace = await startControlPlane(moto.endpoint);
    folder = await mkdtemp(path.join(os.tmpdir(), "headwater-dms-"));
    const surroundings = { endpoint: moto.endpoint, region, accountId: "123456789012" };
    service = await startDmsService({ stateDir: folder, aws: surroundings, requireVpcRole: false });
    for (const displayName of ["shop-readers", "shop-operators"]) {
      await workspace.call("POST", "/api/2.0/preview/scim/v2/Groups", { displayName });
    }
    const secrets = new SecretsManager({ region, credentials, endpoint: moto.endpoint });
    const login = JSON.stringify({ username: "dms", password: PASSWORD, host: "127.0.0.1", port: 5432 });
    const made = await Promise.all(
      ["source", "export"].map((name) =>
        secrets.createSecret({ Name: `shop-dev/${name}`, SecretString: login }),
      ),
    );
    settings = {
      version: 1,
      source: {
        ...{ provision: "existing", host: "127.0.0.1", database: "shop", secretArn: made[0]!.ARN },
        tls: { mode: "none" },
      },
      replication: {
        mode: "serverless",
        capacity: { min: 1, max: 2 },
        network: {
          subnetIds: await defaultSubnets(moto.endpoint),
          securityGroupIds: ["sg-0d000000000000001"],
        },
      },
      landing: { forceDestroy: true },
      target: { catalog: { provision: "create", name: "shop_dev" }, schema: "shop", forceDestroy: true },
      access: {
        readers: "shop-readers",
        operators: "shop-operators",
        runAs: { provision: "create", name: "headwater-shop-dev" },
      },
      job: { trigger: { on: "fileArrival" }, maxRetries: 1 },
      export: {
        ...{ kind: "postgresql", host: "127.0.0.1", database: "reporting", schema: "shop" },
        secretArn: made[1]!.ARN,
      },
    };
    const endpoints = Object.fromEntries(
      ["s3", "iam", "sts", "secretsmanager"].map((name) => [name, moto.endpoint]),
    );
    test = await testStack({
      config: {
        "aws:region": region,
        "aws:endpoints": JSON.stringify([{ ...endpoints, dms: `http://127.0.0.1:${service.port}` }]),
        "aws:s3UsePathStyle": "true",
        "databricks:host": workspace.host,
      },
      environment: {
        AWS_ACCESS_KEY_ID: "sandbox",
        AWS_SECRET_ACCESS_KEY: "sandbox",
        DATABRICKS_TOKEN: workspace.token,
      },
    });
  });

  after(async () => {
    await test?.remove();
    await workspace?.stop();
    await service?.stop();
    await moto?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it("makes it all, and sees nothing more to do, refreshed or not", async () => {
    configure((same) => same);
    const planned = await preview();
    expect(Object.keys(planned)).to.deep.equal(["create"]);
    const result = await test.stack.up();
    expect(changes(result.summary.resourceChanges)).to.deep.equal(planned);
    expect(result.outputs["tables"]!.value).to.have.length(shop.tables.length);
    expect(await preview()).to.deep.equal({});
    expect(changes((await test.stack.refresh()).summary.resourceChanges)).to.deep.equal({});
    expect(await preview()).to.deep.equal({});
  });

  it("keeps both logins out of the state", async () => {
    expect(await test.stateFile()).not.to.contain(PASSWORD);
    expect(await test.exportInClear()).not.to.contain(PASSWORD);
  });

  it("changes capacity and trigger in place", async () => {
    configure((given) => ({
      ...given,
      replication: { ...(given as { replication: object }).replication, capacity: { min: 1, max: 8 } },
      job: { trigger: { on: "manual" }, maxRetries: 1 },
    }));
    expect(changes((await test.stack.up()).summary.resourceChanges)).to.deep.equal({ update: 2 });
    expect(await preview()).to.deep.equal({});
  });

  it("destroys all of it", async () => {
    await test.stack.destroy();
    const dms = new DatabaseMigrationService({
      region,
      credentials,
      endpoint: `http://127.0.0.1:${service.port}`,
    });
    expect((await dms.describeReplicationConfigs({})).ReplicationConfigs).to.deep.equal([]);
    expect((await dms.describeEndpoints({})).Endpoints).to.deep.equal([]);
    const s3 = new S3({ region, credentials, endpoint: moto.endpoint, forcePathStyle: true });
    expect((await s3.listBuckets()).Buckets ?? []).to.deep.equal([]);
    expect((await workspace.call("GET", "/api/2.1/unity-catalog/catalogs/shop_dev"))["status"]).to.equal(404);
    expect((await workspace.call("GET", "/api/2.2/jobs/list"))["jobs"] ?? []).to.deep.equal([]);
  });
});
