import { DatabaseMigrationServiceClient } from "@aws-sdk/client-database-migration-service";
import { S3Client } from "@aws-sdk/client-s3";
import { STSClient } from "@aws-sdk/client-sts";

/**
 * How to reach one environment's AWS account. Credentials come from the SDK's own chain (environment, profile, role)
 * unless given. `endpoints` replaces the public address of single services: the sandbox's.
 */
export interface AwsConnection {
  readonly region: string;
  readonly endpoints?: { readonly dms?: string; readonly s3?: string; readonly sts?: string };
  readonly profile?: string;
  readonly credentials?: {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken?: string;
  };
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
