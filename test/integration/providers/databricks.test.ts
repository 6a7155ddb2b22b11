import * as aws from "@pulumi/aws";
import * as databricks from "@pulumi/databricks";
import { expect } from "chai";
import { startMoto, type MotoFixture } from "../../support/moto.js";
import { startControlPlane, type ControlPlane } from "./control-plane.js";
import { changes, testStack, type TestStack } from "./stack.js";

const SECRET = "a-secret-to-look-for";
const api = "/api/2.1/unity-catalog";

interface Settings {
  comment: string;
  volume: string;
  privileges: string[];
  source: string;
  wait: number;
  catalog: string;
  secret: string;
  /** Deletes the secret before its replacement is made. */
  careful: boolean;
}

const first: Settings = {
  comment: "landing zone",
  volume: "customers_incoming",
  privileges: ["USE_SCHEMA", "SELECT"],
  source: "print(1)",
  wait: 60,
  catalog: "sales",
  secret: SECRET,
  careful: true,
};

const base64 = (text: string) => Buffer.from(text).toString("base64");

/** What the lakehouse has in its workspace, in the order that Unity Catalog's self-assuming role demands. */
function program({ comment, volume, privileges, source, wait, catalog: name, secret, careful }: Settings) {
  return async () => {
    const { accountId } = await aws.getCallerIdentity();
    const roleName = "unity-catalog";
    const bucket = new aws.s3.Bucket("lake", { bucket: "the-lake", forceDestroy: true });
    const credential = new databricks.StorageCredential("credential", {
      name: "lake",
      awsIamRole: { roleArn: `arn:aws:iam::${accountId}:role/${roleName}` },
      skipValidation: true,
      comment,
    });
    const trust = databricks.getAwsUnityCatalogAssumeRolePolicyOutput({
      awsAccountId: accountId,
      roleName,
      externalId: credential.awsIamRole.apply((role) => role!.externalId),
    });
    const role = new aws.iam.Role("role", { name: roleName, assumeRolePolicy: trust.json });
    const access = databricks.getAwsUnityCatalogPolicyOutput({
      awsAccountId: accountId,
      bucketName: bucket.bucket,
      roleName: role.name,
    });
    const policy = new aws.iam.RolePolicy("access", { role: role.name, policy: access.json });
    const location = new databricks.ExternalLocation(
      "location",
      { name: "lake", url: "s3://the-lake/", credentialName: credential.name, comment },
      { dependsOn: [policy, bucket] },
    );
    const catalog = new databricks.Catalog(
      "catalog",
      { name, storageRoot: "s3://the-lake/managed", properties: { owner: "data" }, forceDestroy: true },
      { dependsOn: location },
    );
    const schema = new databricks.Schema("schema", {
      catalogName: catalog.name,
      name: "crm",
      forceDestroy: true,
    });
    const incoming = new databricks.Volume("incoming", {
      catalogName: catalog.name,
      schemaName: schema.name,
      name: volume,
      volumeType: "EXTERNAL",
      storageLocation: "s3://the-lake/incoming/shop/customers",
    });
    const readers = new databricks.Group("readers", { displayName: "readers" });
    const runner = new databricks.ServicePrincipal("runner", { displayName: "runner" });
    new databricks.Grants("volume", {
      volume: incoming.id,
      grants: [{ principal: readers.displayName, privileges: ["READ VOLUME"] }],
    });
    new databricks.Grant("schema", { schema: schema.id, principal: readers.displayName, privileges });
    const folder = new databricks.Directory("folder", { path: "/Shared/shop" });
    const notebook = new databricks.Notebook("apply", {
      path: folder.path.apply((path) => `${path}/apply`),
      language: "PYTHON",
      contentBase64: base64(`# Databricks notebook source\n${source}\n`),
    });
    const library = new databricks.WorkspaceFile("library", {
      path: "/Shared/library/history.py",
      contentBase64: base64(`VALUE = ${JSON.stringify(source)}\n`),
    });
    const job = new databricks.Job(
      "job",
      {
        name: "shop",
        tasks: [
          {
            taskKey: "snapshot",
            dependsOns: [{ taskKey: "apply" }],
            notebookTask: { notebookPath: notebook.path },
          },
          {
            taskKey: "apply",
            notebookTask: { notebookPath: notebook.path, baseParameters: { tables: "" } },
            maxRetries: 2,
            minRetryIntervalMillis: 1000,
          },
        ],
        trigger: {
          fileArrival: { url: "s3://the-lake/incoming/", minTimeBetweenTriggersSeconds: wait },
          pauseStatus: "PAUSED",
        },
        parameters: [{ name: "tables", default: "" }],
        maxConcurrentRuns: 1,
        queue: { enabled: true },
        runAs: { servicePrincipalName: runner.applicationId },
        tags: { pipeline: "shop" },
      },
      { dependsOn: location },
    );
    new databricks.Permissions("operators", {
      jobId: job.id,
      accessControls: [{ groupName: readers.displayName, permissionLevel: "CAN_VIEW" }],
    });
    const scope = new databricks.SecretScope("scope", { name: "shop" });
    const password = new databricks.Secret(
      "password",
      {
        scope: scope.name,
        key: "password",
        stringValue: secret,
      },
      { deleteBeforeReplace: careful },
    );
    new databricks.SecretAcl("reads", {
      scope: scope.name,
      principal: runner.applicationId,
      permission: "READ",
    });
    const me = await databricks.getCurrentUser({});
    const found = databricks.getGroupOutput({ displayName: readers.displayName });
    return {
      jobId: job.id,
      volumePath: incoming.volumePath,
      reference: password.configReference,
      me: me.userName,
      group: found.id,
      readers: readers.id,
      library: library.workspacePath,
      runAs: job.runAs.apply((who) => who.servicePrincipalName),
      applicationId: runner.applicationId,
    };
  };
}

describe("the light databricks plugin on the real engine", function () {
  this.timeout(240_000);
  let moto: MotoFixture;
  let workspace: ControlPlane;
  let test: TestStack;
  let outputs: Record<string, string>;

  const up = async () => {
    const result = await test.stack.up();
    outputs = Object.fromEntries(
      Object.entries(result.outputs).map(([name, { value }]) => [name, value as string]),
    );
    return changes(result.summary.resourceChanges);
  };
  const keys = async () => {
    const { secrets } = await workspace.call("GET", "/api/2.0/secrets/list?scope=shop");
    return ((secrets ?? []) as { key: string }[]).map(({ key }) => key);
  };
  const preview = async () => changes((await test.stack.preview()).changeSummary);

  before(async () => {
    moto = await startMoto();
    workspace = await startControlPlane(moto.endpoint);
    const endpoints = Object.fromEntries(["s3", "iam", "sts"].map((name) => [name, moto.endpoint]));
    test = await testStack({
      config: {
        "aws:region": "eu-west-1",
        "aws:endpoints": JSON.stringify([endpoints]),
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
    await moto?.stop();
  });

  it("makes it all, and sees nothing more to do, refreshed or not", async () => {
    test.run(program(first));
    expect(await preview()).to.deep.equal({ create: 21 });
    expect(await up()).to.deep.equal({ create: 21 });
    expect(await preview()).to.deep.equal({});
    expect(changes((await test.stack.refresh()).summary.resourceChanges)).to.deep.equal({});
    expect(await preview()).to.deep.equal({});
    expect(outputs["volumePath"]).to.equal("/Volumes/sales/crm/customers_incoming");
    expect(outputs["reference"]).to.equal("{{secrets/shop/password}}");
    expect(outputs["group"]).to.equal(outputs["readers"]);
    expect(outputs["runAs"]).to.equal(outputs["applicationId"]);
    expect(outputs["library"]).to.equal("/Workspace/Shared/library/history.py");
    const { schemas } = await workspace.call("GET", `${api}/schemas?catalog_name=sales`);
    expect((schemas as { name: string }[]).map((one) => one.name)).not.to.contain("default");
  });

  it("keeps secrets secret", async () => {
    for (const text of [await test.stateFile(), await test.exportInClear()]) {
      expect(text).not.to.contain(SECRET);
      expect(text).not.to.contain(workspace.token);
    }
  });

  it("updates in place", async () => {
    const changed = { ...first, comment: "other", privileges: ["SELECT"], source: "print(2)", wait: 120 };
    test.run(program(changed));
    // Credential, location, grant, notebook, file and job; what hangs on the credential's external id stays.
    expect(await preview()).to.deep.equal({ update: 6 });
    expect(await up()).to.deep.equal({ update: 6 });
    const job = await workspace.call("GET", `/api/2.2/jobs/get?job_id=${outputs["jobId"]}`);
    expect(job).to.have.nested.property(
      "settings.trigger.file_arrival.min_time_between_triggers_seconds",
      120,
    );
    const { privilege_assignments: assigned } = await workspace.call(
      "GET",
      `${api}/permissions/schema/sales.crm`,
    );
    expect(assigned).to.deep.equal([{ principal: "readers", privileges: ["SELECT"] }]);
    const exported = await workspace.call(
      "GET",
      "/api/2.0/workspace/export?path=/Shared/shop/apply&format=SOURCE",
    );
    expect(Buffer.from(exported["content"] as string, "base64").toString()).to.contain("print(2)");
    expect(await preview()).to.deep.equal({});
  });

  it("renames a volume without making a new one", async () => {
    const path = `${api}/volumes/sales.crm`;
    const before = await workspace.call("GET", `${path}.customers_incoming`);
    test.run(program({ ...first, volume: "customers_in" }));
    await up();
    expect(outputs["volumePath"]).to.equal("/Volumes/sales/crm/customers_in");
    const after = await workspace.call("GET", `${path}.customers_in`);
    expect(after["volume_id"]).to.equal(before["volume_id"]);
    expect(await preview()).to.deep.equal({});
    test.run(program(first));
    await up();
    expect(await preview()).to.deep.equal({});
  });

  it("replaces a secret for another value", async () => {
    test.run(program({ ...first, secret: "another" }));
    expect(await up()).to.deep.equal({ replace: 1 });
    expect(await keys()).to.deep.equal(["password"]);
  });

  it("loses a replaced secret as the real provider does (pulumi/pulumi-databricks#642)", async () => {
    test.run(program({ ...first, careful: false }));
    expect(await up()).to.deep.equal({ replace: 1 });
    expect(await keys()).to.deep.equal([]);
    await test.stack.refresh();
    test.run(program(first));
    expect(await up()).to.deep.equal({ create: 1 });
  });

  it("finds drift by a refresh, and mends it", async () => {
    await workspace.call("PATCH", `${api}/external-locations/lake`, { comment: "by hand" });
    await workspace.call("POST", "/api/2.0/secrets/acls/delete", {
      scope: "shop",
      principal: outputs["applicationId"],
    });
    await workspace.call("POST", "/api/2.2/jobs/update", {
      job_id: Number(outputs["jobId"]),
      new_settings: { max_concurrent_runs: 5 },
    });
    const refreshed = await test.stack.refresh();
    expect(changes(refreshed.summary.resourceChanges)).to.deep.equal({ update: 2, delete: 1 });
    expect(await up()).to.deep.equal({ update: 2, create: 1 });
    const location = await workspace.call("GET", `${api}/external-locations/lake`);
    expect(location["comment"]).to.equal(first.comment);
    expect(await preview()).to.deep.equal({});
  });

  it("says what the workspace says of a bad value, and goes on where it stopped", async () => {
    test.run(program({ ...first, privileges: ["NO_SUCH_PRIVILEGE"] }));
    const error = await test.stack.up().then(
      () => "no error",
      (failure: Error) => failure.message,
    );
    expect(error)
      .to.contain("NO_SUCH_PRIVILEGE")
      .and.not.to.contain(SECRET)
      .and.not.to.contain(workspace.token);
    test.run(program(first));
    await up();
    expect(await preview()).to.deep.equal({});
  });

  it("destroys all of it", async () => {
    await test.stack.destroy();
    expect((await workspace.call("GET", `${api}/storage-credentials`))["storage_credentials"]).to.deep.equal(
      [],
    );
    expect((await workspace.call("GET", `${api}/external-locations`))["external_locations"]).to.deep.equal(
      [],
    );
    expect((await workspace.call("GET", `${api}/catalogs/sales`))["status"]).to.equal(404);
    expect((await workspace.call("GET", "/api/2.2/jobs/list"))["jobs"] ?? []).to.deep.equal([]);
    expect((await workspace.call("GET", "/api/2.0/secrets/scopes/list"))["scopes"] ?? []).to.deep.equal([]);
    const left = await workspace.call("GET", "/api/2.0/workspace/get-status?path=/Shared/shop");
    expect(left["status"]).to.equal(404);
  });
});
