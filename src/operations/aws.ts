import { DatabaseMigrationServiceClient } from "@aws-sdk/client-database-migration-service";
import { S3Client } from "@aws-sdk/client-s3";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { AssumeRoleCommand, AssumeRoleWithWebIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { readFile } from "node:fs/promises";
import { HeadwaterError } from "../model/errors.js";

/**
 * How to reach one environment's AWS account. Credentials come from the SDK's own chain (environment, profile, role)
 * unless given. `endpoints` replaces the public address of single services: the sandbox's.
 */
export interface AwsConnection {
  readonly region: string;
  readonly endpoints?: {
    readonly dms?: string;
    readonly s3?: string;
    readonly sts?: string;
    readonly secretsmanager?: string;
  };
  readonly profile?: string;
  /** Fixed ones, or a function that fetches some; the SDK keeps those until they expire. */
  readonly credentials?: AwsCredentials | (() => Promise<AwsCredentials>);
}

export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  readonly expiration?: Date;
}

/** A role to take on, as the AWS provider's own settings name it (`aws:assumeRoles`, `aws:assumeRoleWithWebIdentity`). */
export interface RoleToAssume {
  readonly roleArn: string;
  readonly sessionName?: string;
  readonly externalId?: string;
  /** A token of an OIDC provider, or the file that holds it: no other credentials are needed then. */
  readonly webIdentityToken?: string;
  readonly webIdentityTokenFile?: string;
}

/** The connection with the credentials of roles that are taken on one after another, as the AWS provider does it. */
export function assuming(connection: AwsConnection, roles: readonly RoleToAssume[]): AwsConnection {
  return roles.reduce((from, role) => ({ ...connection, credentials: () => assume(from, role) }), connection);
}

async function assume(from: AwsConnection, role: RoleToAssume): Promise<AwsCredentials> {
  const { roleArn: RoleArn, sessionName: RoleSessionName = "headwater", externalId: ExternalId } = role;
  const file = role.webIdentityTokenFile;
  const token = role.webIdentityToken ?? (file === undefined ? undefined : await readFile(file, "utf8"));
  const client = stsClient(from);
  try {
    const { Credentials: made } = await (token === undefined
      ? client.send(new AssumeRoleCommand({ RoleArn, RoleSessionName, ExternalId }))
      : client.send(
          new AssumeRoleWithWebIdentityCommand({ RoleArn, RoleSessionName, WebIdentityToken: token.trim() }),
        ));
    if (made?.AccessKeyId === undefined || made.SecretAccessKey === undefined)
      throw new Error("an answer without credentials");
    return {
      accessKeyId: made.AccessKeyId,
      secretAccessKey: made.SecretAccessKey,
      ...(made.SessionToken === undefined ? {} : { sessionToken: made.SessionToken }),
      ...(made.Expiration === undefined ? {} : { expiration: made.Expiration }),
    };
  } catch (error) {
    throw new HeadwaterError(
      "operations/assume-role",
      "the role could not be taken on",
      {
        where: RoleArn,
        found: (error as Error).message,
        remedy:
          "Its trust policy has to allow the credentials at hand, with the external id if it asks for one.",
      },
      { cause: error },
    );
  } finally {
    client.destroy();
  }
}

export function dmsClient({
  region,
  endpoints,
  profile,
  credentials,
}: AwsConnection): DatabaseMigrationServiceClient {
  return new DatabaseMigrationServiceClient({ region, endpoint: endpoints?.dms, profile, credentials });
}

export function s3Client({ region, endpoints, profile, credentials }: AwsConnection): S3Client {
  // An emulator answers under one host name, so the bucket goes into the path there.
  return new S3Client({
    region,
    endpoint: endpoints?.s3,
    forcePathStyle: endpoints?.s3 !== undefined,
    profile,
    credentials,
  });
}

export function stsClient({ region, endpoints, profile, credentials }: AwsConnection): STSClient {
  return new STSClient({ region, endpoint: endpoints?.sts, profile, credentials });
}

export function secretsClient({
  region,
  endpoints,
  profile,
  credentials,
}: AwsConnection): SecretsManagerClient {
  return new SecretsManagerClient({ region, endpoint: endpoints?.secretsmanager, profile, credentials });
}
