/**
 * Which properties make a new resource when they change, read a second time from the real providers' sources
 * (Terraform's ForceNew; RequiresReplace in the random provider), apart from the tables under test.
 */
const alphabet = [
  ...["keepers", "length", "lower", "upper", "numeric", "special", "overrideSpecial"],
  ...["minLower", "minUpper", "minNumeric", "minSpecial"],
];
const securables = [
  ...[
    "catalog",
    "externalLocation",
    "function",
    "metastore",
    "schema",
    "storageCredential",
    "table",
    "volume",
  ],
];

export const replacing: Record<string, readonly string[]> = {
  "aws:s3/bucket:Bucket": ["bucket", "objectLockEnabled", "region"],
  "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": ["bucket", "region"],
  "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": [
    "bucket",
    "region",
  ],
  "aws:s3/bucketPolicy:BucketPolicy": ["bucket", "region"],
  "aws:s3/bucketOwnershipControls:BucketOwnershipControls": ["bucket", "region"],
  "aws:s3/bucketVersioning:BucketVersioning": ["bucket", "region"],
  "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": ["bucket", "region"],
  "aws:iam/role:Role": ["name", "path"],
  "aws:iam/rolePolicy:RolePolicy": ["name", "role"],
  "aws:iam/rolePolicyAttachment:RolePolicyAttachment": ["policyArn", "role"],
  "aws:iam/policy:Policy": ["name", "path", "description"],
  "aws:dms/endpoint:Endpoint": ["endpointId", "kmsKeyArn", "region"],
  "aws:dms/s3Endpoint:S3Endpoint": ["endpointId", "kmsKeyArn", "ignoreHeaderRows", "region"],
  "aws:dms/replicationConfig:ReplicationConfig": [
    ...["computeConfig.availabilityZone", "computeConfig.kmsKeyId", "computeConfig.replicationSubnetGroupId"],
    ...["replicationConfigIdentifier", "resourceIdentifier", "region"],
  ],
  "aws:dms/replicationSubnetGroup:ReplicationSubnetGroup": ["replicationSubnetGroupId", "region"],
  "aws:secretsmanager/secret:Secret": ["name", "region"],
  "aws:secretsmanager/secretVersion:SecretVersion": ["secretId", "secretString", "secretBinary", "region"],
  "aws:kms/key:Key": ["customerMasterKeySpec", "keyUsage", "multiRegion", "region"],
  "aws:kms/alias:Alias": ["name", "region"],
  "databricks:index/storageCredential:StorageCredential": ["name"],
  "databricks:index/externalLocation:ExternalLocation": ["name"],
  "databricks:index/catalog:Catalog": ["name", "storageRoot"],
  "databricks:index/schema:Schema": ["name", "catalogName", "storageRoot"],
  "databricks:index/volume:Volume": ["catalogName", "schemaName", "volumeType", "storageLocation"],
  "databricks:index/grant:Grant": ["principal", ...securables],
  "databricks:index/grants:Grants": securables,
  "databricks:index/notebook:Notebook": ["path"],
  "databricks:index/workspaceFile:WorkspaceFile": ["path"],
  "databricks:index/directory:Directory": ["path"],
  "databricks:index/job:Job": [],
  "databricks:index/permissions:Permissions": [
    ...[
      "jobId",
      "notebookId",
      "notebookPath",
      "directoryId",
      "directoryPath",
      "workspaceFileId",
      "workspaceFilePath",
    ],
  ],
  "databricks:index/servicePrincipal:ServicePrincipal": ["applicationId"],
  "databricks:index/group:Group": ["externalId"],
  "databricks:index/secretScope:SecretScope": ["name", "backendType", "initialManagePrincipal"],
  "databricks:index/secret:Secret": ["scope", "key", "stringValue"],
  "databricks:index/secretAcl:SecretAcl": ["scope", "principal", "permission"],
  "random:index/randomId:RandomId": ["byteLength", "keepers", "prefix"],
  "random:index/randomString:RandomString": alphabet,
  "random:index/randomPassword:RandomPassword": alphabet,
  "random:index/randomUuid:RandomUuid": ["keepers"],
  "random:index/randomInteger:RandomInteger": ["keepers", "min", "max"],
};
