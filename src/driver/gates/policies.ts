import { policyGate } from "./standard.js";
import type { Gate } from "./gate.js";

/** Resources that take tags, of those that Headwater's components and RDS programs make. */
const TAGGABLE =
  /^aws:(s3\/bucket:Bucket|iam\/role:Role|dms\/(endpoint|s3Endpoint|replicationConfig|replicationInstance|replicationTask|replicationSubnetGroup):|rds\/instance:|kms\/key:|secretsmanager\/secret:)/;

/** What the policies of the platform's own programs are told. */
export interface PolicyLimits {
  /** Most DMS capacity units of a replication. Default 64. */
  readonly maxCapacityUnits?: number;
  /** Most workers of a job's cluster. Default 16. */
  readonly maxWorkers?: number;
  /** Tags every taggable AWS resource has to carry, itself or by the provider's default tags. Default: none. */
  readonly tags?: readonly string[];
}

/** Policies for what Headwater's components make: encryption, public access, tags, and sizes that cost. */
export function lakehousePolicies({
  maxCapacityUnits = 64,
  maxWorkers = 16,
  tags = [],
}: PolicyLimits = {}): Gate[] {
  return [
    policyGate("encryption", ({ type, inputs }) => {
      if (type === "aws:rds/instance:Instance" && inputs["storageEncrypted"] !== true)
        return "the database's storage would not be encrypted";
      if (type === "aws:dms/endpoint:Endpoint" && inputs["sslMode"] === "none")
        return "DMS would read the source without TLS (sslMode none)";
      return undefined;
    }),
    policyGate("public-access", ({ type, inputs }) => {
      if (type === "aws:rds/instance:Instance" && inputs["publiclyAccessible"] === true)
        return "the database would be reachable from the internet";
      if (/^aws:s3\/bucketPublicAccessBlock:/.test(type)) {
        const open = [
          "blockPublicAcls",
          "blockPublicPolicy",
          "ignorePublicAcls",
          "restrictPublicBuckets",
        ].filter((key) => inputs[key] !== true);
        return open.length === 0 ? undefined : `the bucket's ${open.join(", ")} would not be on`;
      }
      return undefined;
    }),
    policyGate("cost", ({ type, inputs }) => {
      if (type === "aws:dms/replicationConfig:ReplicationConfig") {
        const units = Number(
          (inputs["computeConfig"] as { maxCapacityUnits?: unknown } | undefined)?.maxCapacityUnits,
        );
        return units > maxCapacityUnits
          ? `up to ${units} DMS capacity units, allowed are ${maxCapacityUnits}`
          : undefined;
      }
      if (type === "databricks:index/job:Job") {
        const clusters = (inputs["jobClusters"] ?? []) as { newCluster?: { numWorkers?: unknown } }[];
        const workers = Math.max(0, ...clusters.map(({ newCluster }) => Number(newCluster?.numWorkers ?? 0)));
        return workers > maxWorkers ? `${workers} workers, allowed are ${maxWorkers}` : undefined;
      }
      return undefined;
    }),
    ...(tags.length === 0
      ? []
      : [
          policyGate("tags", ({ type, inputs }) => {
            if (!TAGGABLE.test(type)) return undefined;
            // The provider writes its default tags into tagsAll.
            const given = {
              ...(inputs["tagsAll"] as object | undefined),
              ...(inputs["tags"] as object | undefined),
            };
            const missing = tags.filter((tag) => !(tag in given));
            return missing.length === 0 ? undefined : `has no tag ${missing.join(", ")}`;
          }),
        ]),
  ];
}
