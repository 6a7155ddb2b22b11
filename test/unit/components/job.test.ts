import { expect } from "chai";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { shop } from "../../../pipelines/shop.js";
import { ExportCredentials, parseLogin, readLogin } from "../../../src/components/export-credentials.js";
import { IngestionJob, type IngestionJobArgs } from "../../../src/components/ingestion-job.js";
import { JobPrincipal } from "../../../src/components/job-principal.js";
import { Notebooks, readNotebooks } from "../../../src/components/notebooks.js";
import { HeadwaterError } from "../../../src/model/errors.js";
import { pipelineConfig } from "../../../src/model/pipeline-config.js";
import { record } from "../../../src/testing.js";

interface Task {
  readonly taskKey: string;
  readonly dependsOns?: readonly { taskKey: string }[];
  readonly notebookTask: { readonly notebookPath: string };
  readonly maxRetries: number;
  readonly [key: string]: unknown;
}

describe("IngestionJob", () => {
  const args: IngestionJobArgs = {
    stack: "shop-dev",
    notebooksPath: "/Shared/headwater/shop-dev/abc",
    incomingUrl: "s3://landing/incoming/",
    trigger: { on: "fileArrival", minTimeBetweenTriggersSeconds: 60 },
    compute: { kind: "serverless" },
    exportsTo: "postgresql",
    maxRetries: 2,
    timeoutSeconds: 7200,
    principal: "app-1",
    operators: "oncall",
  };
  const make = (more: Partial<IngestionJobArgs> = {}) =>
    record(() => new IngestionJob("ingestion", { ...args, ...more }).jobId);
  const job = async (more: Partial<IngestionJobArgs> = {}) =>
    (await make(more)).one("databricks:index/job:Job").inputs;

  it("runs one at a time, lets others wait, and runs as the service principal", async () => {
    expect(await job()).to.deep.include({
      maxConcurrentRuns: 1,
      queue: { enabled: true },
      runAs: { servicePrincipalName: "app-1" },
      timeoutSeconds: 7200,
      parameters: [
        { name: "tables", default: "" },
        { name: "fold", default: "auto" },
      ],
    });
  });

  it("applies, then exports; each task is tried again", async () => {
    const tasks = (await job())["tasks"] as Task[];
    expect(
      tasks.map(({ taskKey, dependsOns }) => [taskKey, dependsOns?.map((on) => on.taskKey)]),
    ).to.deep.equal([
      ["apply", undefined],
      ["export", ["apply"]],
    ]);
    expect(tasks.map(({ notebookTask }) => notebookTask.notebookPath)).to.deep.equal([
      "/Shared/headwater/shop-dev/abc/apply",
      "/Shared/headwater/shop-dev/abc/export",
    ]);
    expect(tasks.map(({ maxRetries }) => maxRetries)).to.deep.equal([2, 2]);
  });

  it("does not export where there is nowhere to", async () => {
    const made = await job({ exportsTo: undefined });
    expect((made["tasks"] as Task[]).map(({ taskKey }) => taskKey)).to.deep.equal(["apply"]);
    expect(JSON.stringify(made["environments"])).not.to.contain("dependencies");
  });

  it("watches incoming/ and nothing else, so that moving a file to processed/ starts nothing", async () => {
    const inputs = await job();
    expect(inputs["trigger"]).to.deep.equal({
      pauseStatus: "UNPAUSED",
      fileArrival: { url: "s3://landing/incoming/", minTimeBetweenTriggersSeconds: 60 },
    });
    expect("s3://landing/processed/shop/customers/").not.to.contain(
      (inputs["trigger"] as { fileArrival: { url: string } }).fileArrival.url,
    );
    expect(inputs).not.to.have.property("schedule");
  });

  it("runs by a schedule", async () => {
    const inputs = await job({ trigger: { on: "schedule", cron: "0 0/15 * * * ?", timezone: "UTC" } });
    expect(inputs["schedule"]).to.deep.equal({
      quartzCronExpression: "0 0/15 * * * ?",
      timezoneId: "UTC",
      pauseStatus: "UNPAUSED",
    });
    expect(inputs).not.to.have.property("trigger");
  });

  it("runs by hand only", async () => {
    expect(await job({ trigger: { on: "manual" } })).not.to.have.any.keys("trigger", "schedule");
  });

  for (const [kind, driver] of [
    ["mysql", /^PyMySQL==[\d.]+$/],
    ["mariadb", /^PyMySQL==[\d.]+$/],
    ["sqlserver", /^pymssql==[\d.]+$/],
  ] as const) {
    it(`takes the driver for ${kind} alone`, async () => {
      const [environment] = (await job({ exportsTo: kind }))["environments"] as {
        spec: { dependencies: string[] };
      }[];
      expect(environment?.spec.dependencies).to.have.length(1);
      expect(environment?.spec.dependencies[0]).to.match(driver);
    });
  }

  it("pins the export's driver, on serverless and on a cluster", async () => {
    const serverless = await job();
    expect(JSON.stringify(serverless["environments"])).to.match(/"psycopg\[binary\]==\d+\.\d+\.\d+"/);
    expect((serverless["tasks"] as Task[]).every((task) => task["environmentKey"] === "headwater")).to.be
      .true;
    const cluster = await job({
      compute: { kind: "jobCluster", sparkVersion: "17.3.x-scala2.13", nodeTypeId: "m6gd.large", workers: 2 },
    });
    expect(cluster["jobClusters"]).to.deep.equal([
      {
        jobClusterKey: "headwater",
        newCluster: {
          sparkVersion: "17.3.x-scala2.13",
          nodeTypeId: "m6gd.large",
          numWorkers: 2,
          dataSecurityMode: "SINGLE_USER",
        },
      },
    ]);
    const [apply, exporting] = cluster["tasks"] as Task[];
    expect(apply).not.to.have.any.keys("libraries", "environmentKey");
    expect(JSON.stringify(exporting?.["libraries"])).to.match(/"psycopg\[binary\]==\d+\.\d+\.\d+"/);
  });

  it("lets operators run it, and tells whom to tell", async () => {
    const made = await make({ alertOnFailure: ["oncall@example.com"] });
    expect(made.one("databricks:index/permissions:Permissions").inputs).to.deep.equal({
      jobId: "ingestion-id",
      accessControls: [{ groupName: "oncall", permissionLevel: "CAN_MANAGE_RUN" }],
    });
    expect(made.one("databricks:index/job:Job").inputs["emailNotifications"]).to.deep.equal({
      onFailures: ["oncall@example.com"],
    });
  });
});

describe("JobPrincipal", () => {
  it("makes a service principal, or takes one that exists", async () => {
    const created = await record(
      () => new JobPrincipal("p", { runAs: { provision: "create", name: "hw" } }).applicationId,
    );
    expect(created.one("databricks:index/servicePrincipal:ServicePrincipal").inputs).to.deep.equal({
      displayName: "hw",
    });
    const existing = await record(
      () => new JobPrincipal("p", { runAs: { provision: "existing", applicationId: "app-1" } }).applicationId,
    );
    expect(existing.result).to.equal("app-1");
    expect(existing.resources.map(({ type }) => type)).to.deep.equal(["headwater:components:JobPrincipal"]);
  });
});

describe("Notebooks", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "headwater-notebooks-"));
    mkdirSync(join(folder, "library", "__pycache__"), { recursive: true });
    writeFileSync(join(folder, "apply.py"), "# Databricks notebook source\nprint(1)\n");
    writeFileSync(join(folder, "library", "rows.py"), "def rows(): ...\n");
    writeFileSync(join(folder, "library", "__pycache__", "rows.pyc"), "");
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const config = (release: string) =>
    pipelineConfig({
      pipeline: shop,
      environment: "dev",
      release,
      target: { catalog: "c", schema: "s" },
      tables: [],
    });
  const make = (release = "r1") =>
    record(
      () =>
        new Notebooks("notebooks", {
          ...{ stack: "shop-dev", root: "/Shared/headwater" },
          ...{ files: readNotebooks(folder), config: config(release) },
        }).path,
    );
  const NOTEBOOK = "databricks:index/notebook:Notebook";
  const FILE = "databricks:index/workspaceFile:WorkspaceFile";
  const decode = (content: unknown) => Buffer.from(content as string, "base64").toString();

  it("uploads notebooks, modules and pipeline.json side by side", async () => {
    const made = await make();
    const path = made.result;
    expect(path).to.match(/^\/Shared\/headwater\/shop-dev\/[0-9a-f]{16}$/);
    const notebook = made.one(NOTEBOOK).inputs;
    expect(notebook).to.deep.include({ path: `${path}/apply`, language: "PYTHON" });
    expect(decode(notebook["contentBase64"])).to.equal("# Databricks notebook source\nprint(1)\n");
    const files = Object.fromEntries(
      made.of(FILE).map(({ inputs }) => [inputs["path"] as string, decode(inputs["contentBase64"])]),
    );
    expect(Object.keys(files).sort()).to.deep.equal([`${path}/library/rows.py`, `${path}/pipeline.json`]);
    expect(JSON.parse(files[`${path}/pipeline.json`]!)).to.deep.equal(config("r1"));
  });

  it("changes its folder with any content, and only then", async () => {
    const first = (await make()).result;
    expect((await make()).result).to.equal(first);
    expect((await make("r2")).result).not.to.equal(first);
    writeFileSync(join(folder, "library", "rows.py"), "def rows(): pass\n");
    expect((await make()).result).not.to.equal(first);
  });

  it("makes the folders first, and deletes them with all that was left in them", async () => {
    const made = await make();
    const folders = made.of("databricks:index/directory:Directory");
    expect(folders.map(({ inputs }) => inputs)).to.have.deep.members([
      { path: "/Shared/headwater/shop-dev", deleteRecursive: true },
      { path: made.result, deleteRecursive: true },
      { path: `${made.result}/library`, deleteRecursive: true },
    ]);
    for (const file of [...made.of(NOTEBOOK), ...made.of(FILE)]) {
      const inner = (file.inputs["path"] as string).includes("/library/")
        ? "notebooks-release-library"
        : "notebooks-release";
      expect(file.dependsOn).to.deep.equal([inner]);
    }
  });

  it("refuses a folder without notebooks", () => {
    expect(() => readNotebooks(join(folder, "nowhere"))).to.throw(
      HeadwaterError,
      /nowhere: there are no notebooks\n {2}found: no such folder\n/,
    );
  });
});

describe("ExportCredentials", () => {
  const secretArn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop-dev/export";

  it("carries the login as secrets, for the job's principal alone", async () => {
    const made = await record(async () => {
      const login = await readLogin(secretArn);
      return new ExportCredentials("export", { stack: "shop-dev", login, principal: "app-1" }).scope;
    });
    expect(made.result).to.equal("headwater-shop-dev");
    expect(made.calls.map(({ inputs }) => inputs as object)).to.deep.equal([{ secretId: secretArn }]);
    const secrets = made.of("databricks:index/secret:Secret");
    expect(
      secrets.map(({ inputs, secrets }) => [inputs["key"], inputs["stringValue"], secrets]),
    ).to.have.deep.members([
      ["user", "writer", ["stringValue"]],
      ["password", "not-a-real-password", ["stringValue"]],
    ]);
    expect(made.one("databricks:index/secretAcl:SecretAcl").inputs).to.deep.equal({
      scope: "headwater-shop-dev",
      principal: "app-1",
      permission: "READ",
    });
  });

  for (const [what, text, found] of [
    ["no JSON", "hunter2", "no JSON object"],
    ["other keys", '{"user":"x","password":"hunter2"}', "an object with user, password"],
    ["null", "null", "no JSON object"],
  ] as const) {
    it(`refuses a secret with ${what}, without showing it`, () => {
      expect(() => parseLogin(secretArn, text))
        .to.throw(HeadwaterError, `${secretArn}: the secret holds no login\n  found: ${found}\n`)
        .with.property("message")
        .that.does.not.contain("hunter2");
    });
  }

  it("says which secret cannot be read", async () => {
    let refused: unknown;
    await record(
      async () => {
        await readLogin(secretArn).catch((error: unknown) => (refused = error));
        return "refused";
      },
      { answers: { "aws:secretsmanager/getSecretVersion:getSecretVersion": undefined } },
    );
    expect(refused).to.be.instanceOf(HeadwaterError).with.property("code", "export/secret-unreadable");
    expect(String(refused)).to.contain(`${secretArn}: the secret with the export's login cannot be read`);
  });
});
