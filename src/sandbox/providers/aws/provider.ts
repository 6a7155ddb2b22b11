import type { LightProvider } from "../resource.js";
import { versionOf } from "../version.js";
import { AwsClients, awsConfig } from "./clients.js";
import { endpoint } from "./dms-endpoint.js";
import { replicationConfig, replicationSubnetGroup } from "./dms-replication.js";
import { s3Endpoint } from "./dms-s3-endpoint.js";
import { awsFunctions } from "./functions.js";
import { managedPolicy, role, rolePolicy, rolePolicyAttachment } from "./iam.js";
import { alias, key } from "./kms.js";
import { bucketSettings } from "./s3-settings.js";
import { bucket } from "./s3.js";
import { secret, secretVersion } from "./secrets.js";

/** The services' ways of saying that there is no such thing. */
const missing = new Set([
  "NotFound",
  "NoSuchBucket",
  "NoSuchBucketPolicy",
  "NoSuchEntity",
  "NoSuchEntityException",
  "NoSuchLifecycleConfiguration",
  "NoSuchPublicAccessBlockConfiguration",
  "NoSuchTagSet",
  "NotFoundException",
  "OwnershipControlsNotFoundError",
  "ResourceNotFoundException",
  "ResourceNotFoundFault",
  "ServerSideEncryptionConfigurationNotFoundError",
]);

export const awsProvider: LightProvider<AwsClients> = {
  name: "aws",
  version: versionOf("@pulumi/aws"),
  config: awsConfig,
  types: [
    ...[bucket, ...bucketSettings],
    ...[role, rolePolicy, rolePolicyAttachment, managedPolicy],
    ...[endpoint, s3Endpoint, replicationConfig, replicationSubnetGroup],
    ...[secret, secretVersion, key, alias],
  ],
  functions: awsFunctions,
  connect: (config) => new AwsClients(config),
  isMissing: (error) =>
    error instanceof Error &&
    (missing.has(error.name) || /marked for deletion|because it was deleted/.test(error.message)),
  explain: (error) => {
    if (!(error instanceof Error)) return String(error);
    // The SDK's errors carry the service's code as their name.
    return "$metadata" in error ? `${error.name}: ${error.message}` : error.message;
  },
};
