import { readS3Settings } from "../../model/dms/s3-settings.js";

import type { EndpointRecord } from "./resources.js";
import { problemOfRole } from "./roles.js";
import { sourceConnection, SourceFailure, withDatabase } from "./source/database.js";
import type { Surroundings } from "./surroundings.js";
import { TargetFiles } from "./target/files.js";

/**
 * Whether DMS could work with an endpoint now: undefined, or why not. `capture`: the source must be able to decode
 * its log. Used by TestConnection and by the state testing_connection of a replication.
 */
export async function problemOfEndpoint(
  endpoint: EndpointRecord,
  { clients, options }: Pick<Surroundings, "clients" | "options">,
  { capture }: { capture: boolean },
): Promise<string | undefined> {
  try {
    return endpoint.type === "source"
      ? await problemOfSource(endpoint, { clients, options }, capture)
      : await problemOfTarget(endpoint, clients);
  } catch (error) {
    if (error instanceof SourceFailure) return error.message;
    const { name, message } = error as Error;
    return `${name}: ${message}`;
  }
}

async function problemOfSource(
  endpoint: EndpointRecord,
  { clients, options }: Pick<Surroundings, "clients" | "options">,
  capture: boolean,
): Promise<string | undefined> {
  const connection = await sourceConnection(endpoint, clients, options.aws);
  return await withDatabase(connection, async (client) => {
    const { rows } = await client.query<{ wal_level: string; replicates: boolean }>(
      `select current_setting('wal_level') as wal_level, rolreplication or rolsuper as replicates
         from pg_roles where rolname = current_user`,
    );
    if (!capture || rows[0] === undefined) return undefined;
    if (rows[0].wal_level !== "logical") {
      return `wal_level of the source is ${rows[0].wal_level}, but must be logical to capture changes`;
    }
    if (!rows[0].replicates)
      return `The user ${connection.user} may not replicate (ALTER ROLE ... REPLICATION)`;
    return undefined;
  });
}

/** The role's rights are those the user guide asks for an S3 target. */
async function problemOfTarget(
  endpoint: EndpointRecord,
  clients: Surroundings["clients"],
): Promise<string | undefined> {
  const settings = readS3Settings(endpoint.s3 ?? {});
  const bucket = `arn:aws:s3:::${settings.bucketName}`;
  const objects = `${bucket}/${settings.bucketFolder === "" ? "" : `${settings.bucketFolder}/`}schema/table/file`;
  const problem = await problemOfRole(
    clients.iam,
    settings.serviceAccessRoleArn,
    ["dms.amazonaws.com"],
    [
      { action: "s3:ListBucket", resource: bucket },
      { action: "s3:PutObject", resource: objects },
      { action: "s3:DeleteObject", resource: objects },
      { action: "s3:PutObjectTagging", resource: objects },
    ],
  );
  if (problem !== undefined) return problem;
  try {
    await new TargetFiles(clients.s3, settings).probe();
    return undefined;
  } catch (error) {
    const status = (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
    if (status === 404) return `The S3 bucket ${settings.bucketName} does not exist`;
    throw error;
  }
}
