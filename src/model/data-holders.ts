/**
 * Resource types whose deletion loses data, or a position in a source's log, that no update brings back. Types are those of
 * pulumi-aws 7 and pulumi-databricks 1; a bucket or catalog counts whether or not anything is in it, because a preview
 * cannot know.
 */
const HOLDS: Readonly<Record<string, string>> = {
  "aws:s3/bucket:Bucket": "files",
  "aws:s3/bucketV2:BucketV2": "files",
  "aws:rds/instance:Instance": "a database",
  "aws:rds/cluster:Cluster": "a database",
  "aws:rds/clusterInstance:ClusterInstance": "a database's server",
  "aws:ebs/volume:Volume": "a disk",
  "aws:dynamodb/table:Table": "a table",
  "aws:kms/key:Key": "a key, without which what it encrypted cannot be read",
  "aws:secretsmanager/secret:Secret": "a secret",
  "aws:dms/replicationConfig:ReplicationConfig": "a replication's position in the source's log",
  "aws:dms/replicationTask:ReplicationTask": "a replication's position in the source's log",
  "databricks:index/catalog:Catalog": "tables",
  "databricks:index/schema:Schema": "tables",
  "databricks:index/volume:Volume": "files",
  "databricks:index/sqlTable:SqlTable": "a table",
  "databricks:index/pipeline:Pipeline": "the tables and checkpoints of a pipeline",
  "databricks:index/metastore:Metastore": "all catalogs of a region",
};

/** What is lost when a resource of this type goes; undefined where nothing is. */
export function heldBy(type: string): string | undefined {
  return HOLDS[type];
}
