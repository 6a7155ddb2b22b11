import { GetSecretValueCommand } from "@aws-sdk/client-secrets-manager";
import pg from "pg";
import type { AwsClients, AwsSurroundings } from "../aws.js";
import { text, type Input } from "../parameters.js";
import type { EndpointRecord } from "../resources.js";
import { problemOfRole } from "../roles.js";

/** A failure a person is told about: DMS shows its message as a failure message. Never holds a secret. */
export class SourceFailure extends Error {
  override readonly name = "SourceFailure";
}

/** Text forms the type parsers rely on, whatever the server's or the role's defaults are. */
const sessionSettings = [
  ["datestyle", "ISO"],
  ["intervalstyle", "postgres"],
  ["timezone", "UTC"],
  ["bytea_output", "hex"],
  ["extra_float_digits", "1"],
  ["client_encoding", "UTF8"],
]
  .map(([name, value]) => `-c ${name}=${value}`)
  .join(" ");

/**
 * How to connect to a source endpoint, with the credentials of this moment (they may have been rotated).
 * The secret is JSON with host, port, username and password, as documented for DMS; the endpoint's own server name and
 * port win over the secret's. The access role must exist and trust DMS, regional or not.
 */
export async function sourceConnection(
  endpoint: EndpointRecord,
  clients: AwsClients,
  aws: AwsSurroundings,
): Promise<pg.ClientConfig> {
  const settings = endpoint.postgres ?? {};
  const secretId = text(settings, "SecretsManagerSecretId") ?? "";
  const roleArn = text(settings, "SecretsManagerAccessRoleArn") ?? "";
  const trusted = [`dms.${aws.region}.amazonaws.com`, "dms.amazonaws.com"];
  const problem = await problemOfRole(clients.iam, roleArn, trusted, []);
  if (problem !== undefined) throw new SourceFailure(problem);
  const secret = await readSecret(clients, secretId);
  const denied = await problemOfRole(clients.iam, roleArn, trusted, [
    { action: "secretsmanager:GetSecretValue", resource: secret.arn },
  ]);
  if (denied !== undefined) throw new SourceFailure(denied);
  const field = (name: string): string => {
    const value = secret.fields[name];
    if (typeof value === "string" && value !== "") return value;
    if (typeof value === "number") return String(value);
    throw new SourceFailure(
      `The secret ${secretId} has no ${name}; DMS needs host, port, username and password`,
    );
  };
  return {
    host: text(settings, "ServerName") ?? endpoint.serverName ?? field("host"),
    port: (settings["Port"] as number | undefined) ?? endpoint.port ?? Number(field("port")),
    user: field("username"),
    password: field("password"),
    database: text(settings, "DatabaseName") ?? endpoint.databaseName ?? "postgres",
    ssl: endpoint.sslMode === "require" ? { rejectUnauthorized: false } : false,
    connectionTimeoutMillis: 10_000,
    application_name: "aws-dms",
    options: sessionSettings,
  };
}

async function readSecret(clients: AwsClients, secretId: string): Promise<{ arn: string; fields: Input }> {
  let value: string | undefined;
  let arn: string | undefined;
  try {
    ({ SecretString: value, ARN: arn } = await clients.secrets.send(
      new GetSecretValueCommand({ SecretId: secretId }),
    ));
  } catch (cause) {
    throw new SourceFailure(`The secret ${secretId} cannot be read: ${(cause as Error).name}`, { cause });
  }
  try {
    const fields: unknown = JSON.parse(value ?? "");
    if (typeof fields === "object" && fields !== null)
      return { arn: arn ?? secretId, fields: fields as Input };
  } catch {
    // Not the parser's message: it quotes the secret.
  }
  throw new SourceFailure(`The secret ${secretId} is not a JSON object`);
}

/**
 * Runs `use` on a connection of its own; a refusal becomes a SourceFailure that says where and why. Aborting `signal`
 * breaks the connection off, also in the middle of a query that waits.
 */
export async function withDatabase<Result>(
  config: pg.ClientConfig,
  use: (client: pg.Client) => Promise<Result>,
  signal?: AbortSignal,
): Promise<Result> {
  const client = new pg.Client(config);
  // A connection that breaks between two queries; the next query rejects.
  client.on("error", () => undefined);
  try {
    await client.connect();
  } catch (cause) {
    await client.end().catch(() => undefined);
    throw new SourceFailure(describeRefusal(config, cause), { cause });
  }
  const breakOff = (): void => void client.end();
  signal?.addEventListener("abort", breakOff);
  try {
    signal?.throwIfAborted();
    return await use(client);
  } finally {
    signal?.removeEventListener("abort", breakOff);
    await client.end();
  }
}

/** In DMS's form, from what the driver says; PostgreSQL's messages hold no password. */
export function describeRefusal(config: pg.ClientConfig, cause: unknown): string {
  const inner = cause instanceof AggregateError ? (cause.errors[0] as Error) : (cause as Error);
  const at = `${config.host}:${config.port}/${config.database}`;
  return `Cannot connect to the PostgreSQL endpoint ${at} as ${config.user}: ${inner.message}`;
}
