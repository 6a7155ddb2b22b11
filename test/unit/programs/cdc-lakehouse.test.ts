import { expect } from "chai";
import { shop } from "../../../pipelines/shop.js";
import { cdcLakehouse } from "../../../programs/cdc-lakehouse.js";
import { HeadwaterError } from "../../../src/model/errors.js";
import { definePipeline } from "../../../src/model/pipeline.js";
import { resolveStackFile } from "../../../src/settings/program.js";
import { loadStackFile } from "../../../src/settings/stack-file.js";
import { record, type RecordOptions } from "../../../src/testing.js";

function settingsOf(file: string) {
  return resolveStackFile(cdcLakehouse, shop, loadStackFile(file));
}

const run = (file: string, environment: string, options: RecordOptions = {}) =>
  record(() => cdcLakehouse.run({ pipeline: shop, settings: settingsOf(file), environment, release: "r1" }), {
    stack: `shop-${environment}`,
    ...options,
  });
const dev = (options?: RecordOptions) => run("stacks/Pulumi.shop-dev.yaml", "dev", options);

describe("program cdc-lakehouse", function () {
  // Seventy resources through Pulumi's runtime, several times: seconds on a busy machine.
  this.timeout(30_000);

  it("outputs what the driver works with", async () => {
    const { result } = await dev();
    const { notebooksPath, tables, servicePrincipal, ...rest } = result;
    expect(rest).to.deep.equal({
      bucket: "headwater-shop-dev-aaaaaa",
      incomingUrl: "s3://headwater-shop-dev-aaaaaa/incoming/",
      processedUrl: "s3://headwater-shop-dev-aaaaaa/processed/",
      replicationConfigArn: "arn:aws:dms:eu-west-1:123456789012:replication-config:headwater-shop-dev",
      sourceEndpointArn: "arn:aws:dms:eu-west-1:123456789012:endpoint:headwater-shop-dev-source",
      targetEndpointArn: "arn:aws:dms:eu-west-1:123456789012:endpoint:headwater-shop-dev-target",
      jobId: "ingestion-id",
      jobName: "headwater-shop-dev",
      catalog: "shop_dev",
      schema: "shop",
    });
    expect(notebooksPath).to.match(/^\/Shared\/headwater\/shop-dev\/[0-9a-f]{16}$/);
    expect(servicePrincipal).to.match(/^[0-9a-f-]{36}$/);
    expect(tables[1]).to.deep.equal({
      source: { schema: "shop", table: "order_lines" },
      name: "order_lines",
      incoming: "/Volumes/shop_dev/shop/order_lines_incoming",
      processed: "/Volumes/shop_dev/shop/order_lines_processed",
      history: "shop_dev.shop.order_lines",
    });
  });

  it("joins the parts: what DMS writes is what is watched, shown and run upon", async () => {
    const made = await dev();
    const target = made.one("aws:dms/s3Endpoint:S3Endpoint").inputs;
    const watched = made.one("databricks:index/job:Job").inputs["trigger"] as {
      fileArrival: { url: string };
    };
    const root = `s3://${String(target["bucketName"])}/${String(target["bucketFolder"])}/`;
    expect(watched.fileArrival.url).to.equal(root);
    const shown = made
      .of("databricks:index/volume:Volume")
      .map(({ inputs }) => inputs["storageLocation"] as string);
    for (const { source } of shop.tables)
      expect(shown).to.include(`${root}${source.schema}/${source.table}/`);
    expect(
      shown.filter((url) => url.includes("/processed/")).filter((url) => url.startsWith(root)),
    ).to.deep.equal([]);
    const tasks = made.one("databricks:index/job:Job").inputs["tasks"] as {
      notebookTask: { notebookPath: string };
    }[];
    expect(tasks[0]?.notebookTask.notebookPath).to.equal(`${made.result.notebooksPath}/apply`);
  });

  it("gives every child of a component the component as parent", async () => {
    const made = await dev();
    const components = new Set(
      made.resources.filter(({ type }) => type.startsWith("headwater:")).map(({ name }) => name),
    );
    const orphans = made.resources.filter(
      ({ type, parent }) => !type.startsWith("headwater:") && !components.has(parent),
    );
    expect(orphans).to.deep.equal([]);
    expect(components.size).to.equal(11);
  });

  it("never shows a secret outside a secret", async () => {
    const made = await dev();
    const leaks = made.resources.filter(({ inputs, secrets }) =>
      Object.entries(inputs).some(
        ([key, value]) => !secrets.includes(key) && JSON.stringify(value).includes("not-a-real-password"),
      ),
    );
    expect(leaks).to.deep.equal([]);
    expect(JSON.stringify(made.result)).not.to.contain("not-a-real-password");
  });

  it("asks for the very same a second time", async () => {
    const inputs = async () =>
      (await dev()).resources.map(({ urn, inputs }) => [urn, JSON.stringify(inputs)]).sort();
    expect(await inputs()).to.deep.equal(await inputs());
  });

  it("previews before anything exists", async () => {
    const made = await dev({ preview: true });
    expect(made.one("databricks:index/job:Job").inputs["maxConcurrentRuns"]).to.equal(1);
  });

  it("builds every environment and the sample, each with names of its own", async () => {
    const names: unknown[] = [];
    for (const environment of ["dev", "staging", "prod"]) {
      const made = await run(`stacks/Pulumi.shop-${environment}.yaml`, environment);
      names.push(...made.of("aws:iam/role:Role").map(({ inputs }) => inputs["name"]), made.result.catalog);
    }
    expect(names).to.have.length(12);
    expect(new Set(names).size).to.equal(names.length);
    const sample = await run("stacks/samples/Pulumi.shop-sample.yaml", "sample");
    expect(sample.of("databricks:index/catalog:Catalog")).to.deep.equal([]);
    expect(sample.of("databricks:index/servicePrincipal:ServicePrincipal")).to.deep.equal([]);
    expect(sample.one("aws:dms/replicationConfig:ReplicationConfig").inputs["tableMappings"]).to.contain(
      "1024",
    );
  });

  it("refuses an engine it cannot read before any resource is made", async () => {
    const pipeline = definePipeline({
      name: "shop",
      engine: "oracle",
      tables: { s: { t: { keys: ["id"] } } },
    });
    const settings = settingsOf("stacks/Pulumi.shop-dev.yaml");
    let refused: unknown;
    const made = await record(async () => {
      await cdcLakehouse
        .run({ pipeline, settings, environment: "dev", release: "r1" })
        .catch((error: unknown) => (refused = error));
      return "refused";
    });
    expect(refused).to.be.instanceOf(HeadwaterError).with.property("code", "source/engine");
    expect(made.resources).to.deep.equal([]);
  });
});
