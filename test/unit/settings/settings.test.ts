import { expect } from "chai";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { pipelines } from "../../../pipelines/index.js";
import { programs } from "../../../programs/all.js";
import { cdcLakehouse } from "../../../programs/cdc-lakehouse.js";
import { HeadwaterError } from "../../../src/model/errors.js";
import { pickByName, resolveSettings, resolveStackFile } from "../../../src/settings/program.js";
import { loadStackFile } from "../../../src/settings/stack-file.js";

const shop = pickByName("pipeline", "shop", pipelines, "test");
const good = readFileSync("stacks/Pulumi.shop-dev.yaml", "utf8");

describe("stack files", () => {
  let folder: string;
  before(() => (folder = mkdtempSync(join(tmpdir(), "headwater-settings-"))));
  after(() => rmSync(folder, { recursive: true }));

  /** The settings of a stack file with that text, as a program would be given them. */
  function settingsOf(text: string) {
    const file = join(folder, "Pulumi.shop-dev.yaml");
    writeFileSync(file, text);
    return resolveStackFile(cdcLakehouse, shop, loadStackFile(file));
  }

  function refusal(action: () => unknown): HeadwaterError {
    try {
      action();
    } catch (error) {
      expect(error).to.be.instanceOf(HeadwaterError);
      return error as HeadwaterError;
    }
    throw new Error("nothing was refused");
  }

  /** shop-dev's file with one text replaced by another; the line of the replacement counts from 1. */
  function broken(find: string, replacement: string): { text: string; line: number } {
    expect(good.split(find), `"${find}" in shop-dev`).to.have.length(2);
    return {
      text: good.replace(find, replacement),
      line: good.slice(0, good.indexOf(find)).split("\n").length,
    };
  }

  const stacks = [
    ...readdirSync("stacks").map((name) => join("stacks", name)),
    ...readdirSync("stacks/samples").map((name) => join("stacks/samples", name)),
  ].filter((name) => /Pulumi\.[^/]+\.yaml$/.test(name));
  for (const path of stacks) {
    it(`${path} is right`, () => {
      const file = loadStackFile(path);
      const program = pickByName("program", file.program, programs, path);
      const pipeline = pickByName("pipeline", file.pipeline, pipelines, path);
      const settings = resolveStackFile(program, pipeline, file) as { version: number };
      expect(settings.version).to.equal(1);
      expect(file.config["aws:region"]).to.equal("eu-west-1");
      expect(file.config).not.to.have.property("headwater:settings");
    });
  }

  it("writes every setting out in the sample", () => {
    const sample = resolveStackFile(
      cdcLakehouse,
      shop,
      loadStackFile("stacks/samples/Pulumi.shop-sample.yaml"),
    );
    const written = (
      parse(readFileSync("stacks/samples/Pulumi.shop-sample.yaml", "utf8")) as { config: object }
    ).config;
    expect((written as Record<string, unknown>)["headwater:settings"]).to.deep.equal(sample);
  });

  it("fills in defaults", () => {
    const settings = settingsOf(good);
    expect(settings.landing.batch).to.deep.equal({ maxSeconds: 60, minFileSizeKb: 32_000 });
    expect(settings.job.trigger).to.deep.equal({ on: "fileArrival", minTimeBetweenTriggersSeconds: 60 });
    expect(settings.job.compute).to.deep.equal({ kind: "serverless" });
    expect(settings.source.port).to.equal(5432);
    expect(settings.tables).to.deep.equal({});
  });

  interface Wrong {
    readonly why: string;
    /** What shop-dev says, and what is put in its place. */
    readonly find: string;
    readonly write: string;
    readonly code: string;
    readonly field: string;
    readonly found: string;
    readonly allowed: string;
    readonly remedy: string;
    /** Lines below the replaced text's first one. */
    readonly below?: number;
  }

  const wrong: Wrong[] = [
    {
      why: "an unknown key, close to a known one",
      find: "      forceDestroy: true\n    target",
      write: "      forceDestroi: true\n    target",
      code: "settings/unknown-key",
      field: "headwater:settings.landing.forceDestroi",
      found: "forceDestroi",
      allowed: "bucketName, kmsKeyArn, forceDestroy, processedExpirationDays, batch",
      remedy: "Did you mean forceDestroy?",
    },
    {
      why: "an unknown key like none",
      find: "version: 1",
      write: "version: 1\n    colour: blue",
      below: 1,
      code: "settings/unknown-key",
      field: "headwater:settings.colour",
      found: "colour",
      allowed: "version, source, replication, landing, target, access, job, export, tables",
      remedy: "Remove it.",
    },
    {
      why: "an unknown key in a variant",
      find: "trigger: { on: fileArrival }",
      write: "trigger: { on: fileArrival, cron: x }",
      code: "settings/unknown-key",
      field: "headwater:settings.job.trigger.cron",
      found: "cron",
      allowed: "on, minTimeBetweenTriggersSeconds, waitAfterLastChangeSeconds",
      remedy: "Remove it.",
    },
    {
      why: "a variant there is not",
      find: "trigger: { on: fileArrival }",
      write: "trigger: { on: tableUpdate }",
      code: "settings/value",
      field: "headwater:settings.job.trigger.on",
      found: "tableUpdate",
      allowed: "fileArrival or schedule or manual",
      remedy: "Use an allowed value.",
    },
    {
      why: "a schema in a database that has none",
      find: "kind: postgresql",
      write: "kind: mysql",
      below: 3,
      code: "settings/unknown-key",
      field: "headwater:settings.export.schema",
      found: "schema",
      allowed: "kind, host, port, database, mode, deletes, tls, secretArn, numConnections",
      remedy: "Remove it.",
    },
    {
      why: "a table that is replaced and keeps its rows",
      find: "kind: postgresql",
      write: "kind: postgresql\n      mode: replace\n      deletes: keep",
      below: 2,
      code: "settings/value",
      field: "headwater:settings.export.deletes",
      found: "keep",
      allowed: "delete",
      remedy: "Leave deletes out, or set mode to upsert or changes.",
    },
    {
      why: "a replication mode that is not built",
      find: "mode: serverless",
      write: "mode: standard",
      code: "settings/value",
      field: "headwater:settings.replication.mode",
      found: "standard",
      allowed: "serverless",
      remedy: "Use an allowed value.",
    },
    {
      why: "a number in quotes",
      find: "maxRetries: 1",
      write: 'maxRetries: "1"',
      code: "settings/type",
      field: "headwater:settings.job.maxRetries",
      found: "1",
      allowed: "a whole number, at least 0, at most 10",
      remedy: "Write a number, without quotes.",
    },
    {
      why: "a text without quotes that YAML reads as a number",
      find: "readers: shop-readers",
      write: "readers: 123456789012",
      code: "settings/type",
      field: "headwater:settings.access.readers",
      found: "123456789012",
      allowed: "text",
      remedy: "Put it in quotes.",
    },
    {
      why: "a capacity DMS does not have",
      find: "{ min: 1, max: 2 }",
      write: "{ min: 1, max: 3 }",
      code: "settings/value",
      field: "headwater:settings.replication.capacity.max",
      found: "3",
      allowed: "1, 2, 4, 8, 16, 32, 64, 128, 192, 256, 384",
      remedy: "Use an allowed value.",
    },
    {
      why: "capacity bounds the wrong way round",
      find: "{ min: 1, max: 2 }",
      write: "{ min: 128, max: 2 }",
      code: "settings/value",
      field: "headwater:settings.replication.capacity.max",
      found: "2",
      allowed: "128, 192, 256, 384",
      remedy: "Raise max, or lower min (128).",
    },
    {
      why: "one subnet",
      find: "[subnet-0d000000000000001, subnet-0d000000000000002]",
      write: "[subnet-0d000000000000001]",
      code: "settings/range",
      field: "headwater:settings.replication.network.subnetIds",
      found: '["subnet-0d000000000000001"]',
      allowed: "a list of at least 2 of text",
      remedy: "Use a value in that range.",
    },
    {
      why: "the same subnet twice",
      find: "[subnet-0d000000000000001, subnet-0d000000000000002]",
      write: "[subnet-0d000000000000001, subnet-0d000000000000001]",
      code: "settings/value",
      field: "headwater:settings.replication.network.subnetIds",
      found: '["subnet-0d000000000000001","subnet-0d000000000000001"]',
      allowed: "different subnets",
      remedy: "Use another value.",
    },
    {
      why: "something missing",
      find: "      database: shop\n",
      write: "",
      below: -3,
      code: "settings/missing",
      field: "headwater:settings.source.database",
      found: "nothing",
      allowed: "text that is not empty",
      remedy: "Add it.",
    },
    {
      why: "a bucket's name Unity Catalog refuses",
      find: "      forceDestroy: true\n    target",
      write: "      bucketName: my.bucket\n    target",
      code: "settings/format",
      field: "headwater:settings.landing.bucketName",
      found: "my.bucket",
      allowed: "3 to 63 lower-case letters, digits and hyphens (no dots: Unity Catalog refuses them)",
      remedy: "Write it in that form.",
    },
    {
      why: "a reserved catalog",
      find: "{ provision: create, name: shop_dev }",
      write: "{ provision: create, name: system }",
      code: "settings/value",
      field: "headwater:settings.target.catalog.name",
      found: "system",
      allowed: "any name but Databricks' own: system, hive_metastore, samples, spark_catalog, main",
      remedy: "Use another value.",
    },
    {
      why: "a reserved schema",
      find: "      schema: shop\n      forceDestroy: true\n",
      write: "      schema: information_schema\n",
      code: "settings/value",
      field: "headwater:settings.target.schema",
      found: "information_schema",
      allowed: "any name but information_schema",
      remedy: "Use another value.",
    },
    {
      why: "an override of a table there is not",
      find: "    job:\n",
      write: "    tables: { shop: { custommers: { lob: { maxSizeKb: 1 } } } }\n    job:\n",
      code: "settings/unknown-table",
      field: "headwater:settings.tables.shop.custommers",
      found: "shop.custommers",
      allowed: "shop.customers, shop.order_lines, shop.orders, shop.products",
      remedy: "Did you mean shop.customers? Tables are added in the pipeline, not in settings.",
    },
    {
      why: "a password among the settings",
      find: "      database: shop\n",
      write: "      database: shop\n      password: hunter2\n",
      below: 1,
      code: "settings/plaintext-secret",
      field: "headwater:settings.source.password",
      found: "password",
      allowed: "provision, host, port, database, secretArn, secretKmsKeyArn, tls",
      remedy: "Store the secret in AWS Secrets Manager and write its ARN as secretArn.",
    },
    {
      why: "a password where the ARN of a secret belongs",
      find: "secretArn: arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop-dev/source",
      write: "secretArn: hunter2",
      code: "settings/format",
      field: "headwater:settings.source.secretArn",
      found: "a string (not shown)",
      allowed:
        "the ARN of a secret in Secrets Manager: arn:aws:secretsmanager:<region>:<account>:secret:<name>",
      remedy: "Store the secret in AWS Secrets Manager and write its ARN here.",
    },
    {
      why: "a URL with a password as host",
      find: "host: shop-dev.example.com",
      write: "host: postgres://dms:hunter2@shop-dev.example.com",
      code: "settings/format",
      field: "headwater:settings.source.host",
      found: "postgres://***@shop-dev.example.com",
      allowed: "a host name or address, without scheme, user or port",
      remedy: "Write it in that form.",
    },
    {
      why: "secure: inside an object",
      find: "      database: shop\n",
      write: "      database: { secure: v1:abc }\n",
      code: "settings/nested-secure",
      field: "headwater:settings.source.database.secure",
      found: "an encrypted value (not shown)",
      allowed: "secure: as the whole value of a key of its own; in headwater:settings, the ARN of a secret",
      remedy:
        "Store the secret in AWS Secrets Manager and write its ARN, or give it a config key of its own.",
    },
    {
      why: "a provider's token in plain text",
      find: "  aws:region: eu-west-1\n",
      write: "  aws:region: eu-west-1\n  databricks:token: hunter2\n",
      below: 1,
      code: "settings/plaintext-secret",
      field: "databricks:token",
      found: "plain text (not shown)",
      allowed:
        "an environment variable of the provider (DATABRICKS_TOKEN, AWS_PROFILE), or a value Pulumi encrypted",
      remedy:
        "Take it out of the file and change the secret: whoever could read the file may know it. " +
        "Then set it with: pulumi config set --secret databricks:token",
    },
    {
      why: "an unknown key of the project's",
      find: "headwater:pipeline: shop",
      write: "headwater:pipelines: shop",
      code: "settings/unknown-key",
      field: "headwater:pipelines",
      found: "headwater:pipelines",
      allowed: "headwater:program, headwater:pipeline, headwater:settings",
      remedy: "Did you mean headwater:pipeline?",
    },
  ];

  for (const { why, find, write, below = 0, ...expected } of wrong) {
    it(`refuses ${why}`, () => {
      const { text, line } = broken(find, write);
      const error = refusal(() => settingsOf(text));
      expect(error.code).to.equal(expected.code);
      const file = join(folder, "Pulumi.shop-dev.yaml");
      const [first, ...details] = error.message.split("\n");
      expect(first).to.match(new RegExp(`^${escape(`${file}:${line + below}: ${expected.field}: `)}\\S`));
      expect(details).to.deep.equal([
        `  found: ${expected.found}`,
        `  allowed: ${expected.allowed}`,
        `  remedy: ${expected.remedy}`,
      ]);
      expect(JSON.stringify(error.details) + error.message).not.to.contain("hunter2");
    });
  }

  it("names every problem at once", () => {
    const text = good.replace("maxRetries: 1", 'maxRetries: "1"').replace("version: 1", "version: 2");
    const error = refusal(() => settingsOf(text));
    expect(error.message).to.match(/^2 settings are wrong\n/);
    expect(error.message)
      .to.contain("headwater:settings.version: ")
      .and.to.contain("headwater:settings.job.maxRetries: ");
    expect((error.cause as AggregateError).errors).to.have.length(2);
  });

  it("refuses what is no YAML, with the line", () => {
    const error = refusal(() => settingsOf(good.replace("version: 1", "version: [1")));
    expect(error.code).to.equal("settings/yaml");
    expect(error.details.where).to.match(/Pulumi\.shop-dev\.yaml:\d+$/);
  });

  it("refuses a key written twice", () => {
    const { text, line } = broken("      database: shop\n", "      database: shop\n      database: shop\n");
    expect(refusal(() => settingsOf(text)).details.where).to.match(new RegExp(`:${line + 1}$`));
  });

  it("refuses a file that is not there", () => {
    const error = refusal(() => loadStackFile(join(folder, "Pulumi.shop-nowhere.yaml")));
    expect(error.code).to.equal("settings/unreadable");
    expect(error.message).to.contain("found: ENOENT");
  });

  it("refuses a file without settings, and one that is empty", () => {
    expect(
      refusal(() => settingsOf("config: { headwater:program: cdc-lakehouse, headwater:pipeline: shop }"))
        .message,
    )
      .to //
      .contain("headwater:settings: is missing");
    expect(refusal(() => settingsOf("")).code).to.equal("settings/no-config");
  });

  it("keeps an encrypted value that is a key of its own", () => {
    const file = join(folder, "Pulumi.shop-dev.yaml");
    writeFileSync(file, good.replace("config:\n", "config:\n  databricks:token: { secure: v1:abc }\n"));
    expect(loadStackFile(file).config["databricks:token"]).to.deep.equal({ secure: "v1:abc" });
  });

  it("checks settings that come from Pulumi's own configuration the same way", () => {
    const { config } = parse(good) as { config: Record<string, { job: object }> };
    const settings = { ...config["headwater:settings"], job: { maxRetries: -1 } };
    const error = refusal(() => resolveSettings(cdcLakehouse, shop, settings, { where: "stack shop-dev" }));
    expect(error.message).to.match(
      /^stack shop-dev: headwater:settings\.job\.maxRetries: is too small\n {2}found: -1/,
    );
  });

  it("gives the same settings however keys are ordered", () => {
    const document = parse(good) as { config: Record<string, object> };
    const reversed = (value: unknown): unknown =>
      value !== null && typeof value === "object" && !Array.isArray(value)
        ? Object.fromEntries(
            Object.entries(value)
              .reverse()
              .map(([key, inner]) => [key, reversed(inner)]),
          )
        : value;
    expect(settingsOf(stringify(reversed(document)))).to.deep.equal(settingsOf(good));
  });
});

describe("pickByName", () => {
  it("guesses what was meant", () => {
    expect(() => pickByName("program", "cdc-lakehose", programs, "Pulumi.shop-dev.yaml")).to.throw(
      HeadwaterError,
      "Pulumi.shop-dev.yaml: headwater:program: there is no such program\n  found: cdc-lakehose\n" +
        "  allowed: cdc-lakehouse\n  remedy: Did you mean cdc-lakehouse?",
    );
  });
});

function escape(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
