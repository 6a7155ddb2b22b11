import {
  DescribeEndpointsCommand,
  DescribeReplicationConfigsCommand,
  DescribeReplicationsCommand,
  DescribeReplicationSubnetGroupsCommand,
} from "@aws-sdk/client-database-migration-service";
import { IAMClient, ListRolesCommand, paginateListPolicies } from "@aws-sdk/client-iam";
import { HeadObjectCommand, ListBucketsCommand, PutObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import { ListSecretsCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { fork } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { expect } from "chai";
import { prepareDatabases, stackOverlay } from "../../demo/bootstrap.js";
import { withConnection, type Connection } from "../../demo/source/connection.js";
import { shop as tables } from "../../demo/tables.js";
import { pipelines } from "../../pipelines/index.js";
import { programs } from "../../programs/all.js";
import { lakehouseOutputs } from "../../src/driver/checks/outputs.js";
import { Platform } from "../../src/driver/platform.js";
import { packageRoot } from "../../src/engine/paths.js";
import { dmsClient, s3Client } from "../../src/operations/aws.js";
import { Replications } from "../../src/operations/dms.js";
import { parseS3Url } from "../../src/operations/landing.js";
import { WorkspaceClient } from "../../src/operations/workspace-client.js";
import type { KilledRequest } from "./ephemeral-killed.js";
import { startSandbox, type Sandbox } from "../../src/sandbox/sandbox.js";

/** What lists of the workspace tell of each thing, where they do. */
interface Found {
  readonly name: string;
  readonly full_name: string;
  readonly displayName: string;
  readonly url: string;
  readonly path: string;
  readonly object_type: string;
  readonly settings: { readonly name: string };
}

/** Everything there is, by its kind: names, as the clouds themselves list them. */
type Listing = Record<string, string[]>;

const wait = { timeoutMs: 240_000, intervalMs: 200 };

/** What is being made when a driver is killed: in AWS, in DMS, in the workspace. */
const IN_HAND = [
  "aws:s3/bucket:Bucket",
  "aws:dms/replicationConfig:ReplicationConfig",
  "databricks:index/job:Job",
];

describe("ephemeral environments of cdc-lakehouse in the sandbox", function () {
  this.timeout(900_000);
  let sandbox: Sandbox;
  let platform: Platform;
  let clouds: Clouds;
  let source: Connection;
  let s3: S3Client;
  let replications: Replications;
  let empty: Listing;
  let options: KilledRequest["options"];
  let config: KilledRequest["config"];

  before(async () => {
    sandbox = await startSandbox({ progress: () => undefined });
    const databases = await prepareDatabases(sandbox, "dev", "ephemeral");
    source = databases.source;
    const overlay = stackOverlay(sandbox, databases) as Record<string, object>;
    // Nothing here is to start Spark.
    const job = { trigger: { on: "manual" } };
    config = { ...overlay, "headwater:settings": { ...overlay["headwater:settings"], job } };
    options = {
      project: "headwater",
      settingsDir: path.join(packageRoot(), "stacks"),
      backend: pathToFileURL(path.join(sandbox.folder, "state")).href,
      environment: { ...sandbox.environment(), PULUMI_CONFIG_PASSPHRASE: "sandbox" },
      plugins: sandbox.plugins,
      workFolder: path.join(sandbox.folder, "work"),
      projectFolder: packageRoot(),
    };
    platform = await Platform.open({ ...options, programs, pipelines, overlay: () => config });
    clouds = new Clouds(sandbox);
    s3 = clouds.s3;
    replications = new Replications(clouds.dms);
    // The folder all stacks share stays with the first of them; it is nobody's own.
    await clouds.workspace.post("/api/2.0/workspace/mkdirs", { path: "/Shared/headwater" });
    empty = await clouds.list(source);
  });

  after(async () => {
    await platform?.close();
    clouds?.close();
    await sandbox?.stop();
  });

  it("raises one with an object in its bucket and a replication that runs, and leaves nothing in any cloud", async () => {
    const during = await platform.withEphemeral({ name: "pr-1", ttl: "15m" }, async ({ outputs }) => {
      const { incomingUrl, replicationConfigArn } = lakehouseOutputs("shop-pr-1", outputs);
      await putObject(s3, incomingUrl);
      await replications.start(replicationConfigArn, wait);
      const names = tables.map(({ name }) => ({ schema: "shop", table: name }));
      await replications.awaitFullLoad(replicationConfigArn, names, wait);
      return clouds.list(source);
    });
    // What is not there in between cannot be shown to be gone.
    const made = Object.entries(during).filter(([kind, names]) => names.length > empty[kind]!.length);
    expect(made.map(([kind]) => kind)).to.have.members(KINDS_MADE);
    expect(await clouds.list(source)).to.deep.equal(empty);
    expect(await platform.ephemerals()).to.deep.equal([]);
  });

  it("has names and locations of its own beside dev, which stays as it is", async () => {
    const release = await platform.release({ program: "cdc-lakehouse", pipeline: "shop" });
    const { steps } = await platform.promote(release, { through: ["dev"] }).result;
    const dev = steps[0]!.outputs as unknown as Record<string, string>;
    const marker = await putObject(s3, dev["incomingUrl"]!);
    const before = await clouds.list(source);
    await platform.withEphemeral({ name: "pr-2", ttl: "15m", release }, async ({ outputs, environment }) => {
      for (const key of Object.keys(dev).filter((key) => key !== "tables"))
        expect(outputs[key], key).not.to.equal(dev[key]);
      const { tables: own } = lakehouseOutputs("shop-pr-2", outputs);
      const { tables: others } = lakehouseOutputs("shop-dev", dev);
      expect(
        own.map(({ history }) => history).filter((name) => others.some(({ history }) => history === name)),
      ).to.deep.equal([]);
      const during = await clouds.list(source);
      const overlapping = urls(during).filter((url, _, all) =>
        all.some((other) => other !== url && other.startsWith(url)),
      );
      expect(overlapping, "external locations").to.deep.equal([]);
      expect(urls(during)).to.have.length(urls(before).length + 1);
      expect((await environment.status()).resourcesByType).to.not.have.property(
        "databricks:index/secret:Secret",
      );
    });
    expect(await clouds.list(source)).to.deep.equal(before);
    await s3.send(new HeadObjectCommand(marker)); // what was put into dev is there
    expect(await platform.environment("dev").drift()).to.deep.equal([]);
    await platform.destroy("dev", { remove: true });
    expect(await clouds.list(source)).to.deep.equal(empty);
  });

  for (const [index, type] of IN_HAND.entries())
    it(`leaves nothing in any cloud after kill -9 while ${type} is being made`, async () => {
      const name = `pr-${index + 3}`;
      const here = fileURLToPath(import.meta.url);
      const program = path.join(path.dirname(here), `ephemeral-killed${path.extname(here)}`);
      const child = fork(program, { execArgv: process.execArgv });
      child.send({ options, config, name, type } satisfies KilledRequest);
      expect(await once(child, "close")).to.deep.equal([null, "SIGKILL"]);
      expect(await clouds.list(source), "something was made").not.to.deep.equal(empty);
      await platform.extendEphemeral(name, 1);
      // The engine that was left alone is waited for, and has recorded all it made.
      expect(await platform.reap()).to.deep.equal({
        destroyed: [name],
        held: [],
        failed: [],
        leftHalfWay: [],
      });
      expect(await clouds.list(source)).to.deep.equal(empty);
    });
});

/** Kinds of which an ephemeral environment makes something that a listing shows. */
const KINDS_MADE = [
  ...[
    "buckets",
    "roles",
    "endpoints",
    "replication configs",
    "replications",
    "subnet groups",
    "slots",
    "publications",
  ],
  ...["catalogs", "schemas", "volumes", "external locations", "storage credentials", "jobs"],
  ...["workspace objects", "service principals"],
];

function urls(listing: Listing): string[] {
  return listing["external locations"]!.map((each) => each.split(" ")[1]!);
}

async function putObject(s3: S3Client, incomingUrl: string): Promise<{ Bucket: string; Key: string }> {
  const { bucket, prefix } = parseS3Url(incomingUrl);
  const object = { Bucket: bucket, Key: `${prefix}shop/customers/LOAD99999999.parquet` };
  await s3.send(new PutObjectCommand({ ...object, Body: "no parquet, nobody reads it" }));
  return object;
}

/** Asks moto, the DMS service, the workspace and the source themselves. */
class Clouds {
  readonly s3: S3Client;
  readonly dms: ReturnType<typeof dmsClient>;
  private readonly iam: IAMClient;
  private readonly secrets: SecretsManagerClient;
  readonly workspace: WorkspaceClient;

  constructor({ urls, workspaceToken }: Sandbox) {
    const credentials = { accessKeyId: "sandbox", secretAccessKey: "sandbox" };
    const aws = { region: "eu-west-1", endpoints: { dms: urls.dms, s3: urls.aws }, credentials };
    this.s3 = s3Client(aws);
    this.dms = dmsClient(aws);
    this.iam = new IAMClient({ region: "eu-west-1", endpoint: urls.aws, credentials });
    this.secrets = new SecretsManagerClient({ region: "eu-west-1", endpoint: urls.aws, credentials });
    this.workspace = new WorkspaceClient({ host: urls.workspace, token: workspaceToken });
  }

  close(): void {
    for (const client of [this.s3, this.dms, this.iam, this.secrets]) client.destroy();
  }

  async list(source: Connection): Promise<Listing> {
    const { s3, dms, iam, secrets } = this;
    const policies: (string | undefined)[] = [];
    for await (const { Policies = [] } of paginateListPolicies({ client: iam }, { Scope: "Local" }))
      policies.push(...Policies.map(({ PolicyName }) => PolicyName));
    const { Replications: running = [] } = await dms.send(new DescribeReplicationsCommand({}));
    const catalogs = await this.all("/api/2.1/unity-catalog/catalogs", "catalogs");
    const schemas: string[] = [];
    const volumes: string[] = [];
    for (const { name: catalog } of catalogs) {
      const inside = await this.all(`/api/2.1/unity-catalog/schemas?catalog_name=${catalog}`, "schemas");
      for (const { full_name: schema, name } of inside) {
        schemas.push(schema);
        const where = `catalog_name=${catalog}&schema_name=${name}`;
        const found = await this.all(`/api/2.1/unity-catalog/volumes?${where}`, "volumes");
        volumes.push(...found.map(({ full_name }) => full_name));
      }
    }
    const [slots, publications] = await withConnection(source, async (client) => [
      (await client.query<{ name: string }>("SELECT slot_name AS name FROM pg_replication_slots")).rows,
      (await client.query<{ name: string }>("SELECT pubname AS name FROM pg_publication")).rows,
    ]);
    const listing: Record<string, (string | undefined)[]> = {
      buckets: ((await s3.send(new ListBucketsCommand({}))).Buckets ?? []).map(({ Name }) => Name),
      roles: ((await iam.send(new ListRolesCommand({}))).Roles ?? []).map(({ RoleName }) => RoleName),
      policies,
      secrets: ((await secrets.send(new ListSecretsCommand({}))).SecretList ?? []).map(({ Name }) => Name),
      endpoints: ((await dms.send(new DescribeEndpointsCommand({}))).Endpoints ?? []).map(
        ({ EndpointIdentifier }) => EndpointIdentifier,
      ),
      "replication configs": (
        (await dms.send(new DescribeReplicationConfigsCommand({}))).ReplicationConfigs ?? []
      ).map(({ ReplicationConfigIdentifier }) => ReplicationConfigIdentifier),
      replications: running.map(({ ReplicationConfigIdentifier }) => ReplicationConfigIdentifier),
      "subnet groups": (
        (await dms.send(new DescribeReplicationSubnetGroupsCommand({}))).ReplicationSubnetGroups ?? []
      ).map(({ ReplicationSubnetGroupIdentifier }) => ReplicationSubnetGroupIdentifier),
      slots: slots.map(({ name }) => name),
      publications: publications.map(({ name }) => name),
      catalogs: catalogs.map(({ name }) => name),
      ...{ schemas, volumes },
      "external locations": (
        await this.all("/api/2.1/unity-catalog/external-locations", "external_locations")
      ).map(({ name, url }) => `${name} ${url}`),
      "storage credentials": (
        await this.all("/api/2.1/unity-catalog/storage-credentials", "storage_credentials")
      ).map(({ name }) => name),
      jobs: (await this.all("/api/2.1/jobs/list", "jobs")).map(({ settings }) => settings.name),
      "workspace objects": await this.below("/"),
      "service principals": (await this.all("/api/2.0/preview/scim/v2/ServicePrincipals", "Resources")).map(
        ({ displayName }) => displayName,
      ),
      "secret scopes": (await this.all("/api/2.0/secrets/scopes/list", "scopes")).map(({ name }) => name),
    };
    return Object.fromEntries(
      Object.entries(listing).map(([kind, names]) => [kind, names.map((name) => name ?? "?").sort()]),
    );
  }

  private async all(where: string, key: string): Promise<Found[]> {
    const answer = await this.workspace.get<Record<string, unknown>>(where);
    return (answer[key] ?? []) as Found[];
  }

  /** Folders, notebooks and files, all the way down. */
  private async below(folder: string): Promise<string[]> {
    const objects = await this.all(`/api/2.0/workspace/list?path=${encodeURIComponent(folder)}`, "objects");
    const inner = objects
      .filter(({ object_type }) => object_type === "DIRECTORY")
      .map(({ path: inside }) => this.below(inside));
    return [...objects.map(({ path: at }) => at), ...(await Promise.all(inner)).flat()];
  }
}
