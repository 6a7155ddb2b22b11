import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { INCOMING } from "../model/layout.js";
import { physicalName } from "../model/naming.js";
import { FILE_COLUMNS } from "../model/table-mappings.js";

export interface TargetEndpointArgs {
  /** `<pipeline>-<environment>`; names the endpoint. */
  readonly stack: string;
  /** Name of the bucket to write to, below `incoming/`. */
  readonly bucket: pulumi.Input<string>;
  /** ARN of the role DMS writes with. */
  readonly s3RoleArn: pulumi.Input<string>;
  /** Key of the bucket, if it has one of its own. */
  readonly kmsKeyArn?: string;
  /** Seconds after which DMS writes a file of changes at the latest. Default: 60. */
  readonly cdcMaxBatchInterval?: number;
  /** KB after which DMS writes a file of changes earlier. Default: 32000. */
  readonly cdcMinFileSize?: number;
}

/** DMS's S3 target: parquet files with the columns the notebooks count on. */
export class TargetEndpoint extends pulumi.ComponentResource {
  readonly endpointArn: pulumi.Output<string>;

  constructor(name: string, args: TargetEndpointArgs, opts?: pulumi.ComponentResourceOptions) {
    super("headwater:components:TargetEndpoint", name, {}, opts);

    const endpoint = new aws.dms.S3Endpoint(
      name,
      {
        endpointId: physicalName("endpoint", args.stack, "target"),
        endpointType: "target",
        bucketName: args.bucket,
        bucketFolder: INCOMING,
        serviceAccessRoleArn: args.s3RoleArn,
        dataFormat: "parquet",
        parquetVersion: "parquet-2-0",
        // DMS takes GZIP and NONE only; NONE leaves parquet's own page compression, which is what the paper calls snappy.
        compressionType: "NONE",
        // Both must be false, or deletes and updates are dropped without a word.
        cdcInsertsOnly: false,
        cdcInsertsAndUpdates: false,
        // Load and change files then have the same columns.
        includeOpForFullLoad: true,
        timestampColumnName: FILE_COLUMNS.commitTime,
        // Load rows then sort before every change, also before those captured while the load ran.
        useTaskStartTimeForFullLoadTimestamp: true,
        parquetTimestampInMillisecond: false,
        cdcMaxBatchInterval: args.cdcMaxBatchInterval ?? 60,
        cdcMinFileSize: args.cdcMinFileSize ?? 32_000,
        ...(args.kmsKeyArn === undefined
          ? { encryptionMode: "SSE_S3" }
          : { encryptionMode: "SSE_KMS", serverSideEncryptionKmsKeyId: args.kmsKeyArn }),
      },
      { parent: this },
    );
    this.endpointArn = endpoint.endpointArn;
    this.registerOutputs({ endpointArn: this.endpointArn });
  }
}
