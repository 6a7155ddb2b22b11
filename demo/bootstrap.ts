import { randomBytes } from "node:crypto";
import type { Sandbox } from "../src/sandbox/sandbox.js";
import { identifier, literal, withConnection, type Connection } from "./source/connection.js";
import { createSource, dmsSecret } from "./source/source.js";
import { initialRows } from "./source/workload.js";
import { shop } from "./tables.js";

/** The databases of one environment and the secrets that lead to them. */
export interface DemoDatabases {
  readonly source: Connection;
  readonly target: Connection;
  /** The schema of the target database that snapshots are pushed into. */
  readonly targetSchema: string;
  readonly sourceSecretArn: string;
  readonly exportSecretArn: string;
}

/** The seed of one environment's data: sources differ from environment to environment. */
export function environmentSeed(seed: string, environment: string): string {
  return `${seed}/${environment}`;
}

/** Makes an environment's source database (loaded) and target database (empty) with their users and secrets. */
export async function prepareDatabases(
  sandbox: Sandbox,
  environment: string,
  seed: string,
): Promise<DemoDatabases> {
  const rows = initialRows(environmentSeed(seed, environment), shop);
  const dms = { user: `dms_${environment}`, password: password() };
  const source = await createSource(connectionOf(sandbox.source), `shop_${environment}`, shop, rows, dms);
  const writer = { user: `export_${environment}`, password: password() };
  const target = await createTarget(connectionOf(sandbox.target), `reporting_${environment}`, "shop", writer);
  const [sourceSecretArn, exportSecretArn] = await Promise.all([
    sandbox.putSecret(`shop-${environment}/source`, dmsSecret(dms, source)),
    sandbox.putSecret(`shop-${environment}/export`, { username: writer.user, password: writer.password }),
  ]);
  return { source, target, targetSchema: "shop", sourceSecretArn, exportSecretArn };
}

/** A database with an empty schema that belongs to the user the export writes with. */
async function createTarget(
  admin: Connection,
  database: string,
  schema: string,
  writer: { readonly user: string; readonly password: string },
): Promise<Connection> {
  const user = identifier(writer.user);
  await withConnection(admin, async (client) => {
    await client.query(`CREATE ROLE ${user} LOGIN PASSWORD ${literal(writer.password)}`);
    await client.query(`CREATE DATABASE ${identifier(database)} ENCODING 'UTF8' TEMPLATE template0`);
  });
  const connection = { ...admin, database };
  await withConnection(connection, async (client) => {
    await client.query(`CREATE SCHEMA ${identifier(schema)} AUTHORIZATION ${user}`);
  });
  return connection;
}

/** What a sandbox's stack has that the file in `stacks/` cannot know: see `Overlay` in src/driver. */
export function stackOverlay(sandbox: Sandbox, databases: DemoDatabases): Readonly<Record<string, unknown>> {
  const { source, target, targetSchema, sourceSecretArn, exportSecretArn } = databases;
  const { subnetIds, securityGroupIds, groups } = sandbox.foundations;
  return {
    ...sandbox.config(),
    "headwater:settings": {
      source: {
        host: source.host,
        port: source.port,
        database: source.database,
        secretArn: sourceSecretArn,
        tls: { mode: "none" },
      },
      replication: { network: { subnetIds, securityGroupIds } },
      access: groups,
      export: {
        kind: "postgresql",
        host: target.host,
        port: target.port,
        database: target.database,
        schema: targetSchema,
        tls: "disable",
        secretArn: exportSecretArn,
      },
    },
  };
}

function connectionOf({ host, port, user, password, database }: Connection): Connection {
  return { host, port, user, password, database };
}

/** DMS refuses `;`, `.`, `:` and `+` in passwords; base64url has none of them. */
function password(): string {
  return randomBytes(18).toString("base64url");
}
