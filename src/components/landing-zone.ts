import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { INCOMING, PROCESSED, s3Url } from "../model/layout.js";
import { physicalName } from "../model/naming.js";
import { tlsOnlyBucketPolicy } from "../model/policies.js";

export interface LandingZoneArgs {
  /** `<pipeline>-<environment>`; names the bucket if `bucketName` does not. */
  readonly stack: string;
  /** Name of the bucket. Default: `headwater-<stack>-<6 random characters>`. A change replaces the bucket. */
  readonly bucketName?: string;
  /** ARN of the KMS key that encrypts the bucket. Default: S3's own key (AES256). */
  readonly kmsKeyArn?: string;
  /** Destroying the bucket deletes its files as well. Default: false, so that a bucket with files stays. */
  readonly forceDestroy?: boolean;
  /** Finished files are deleted after so many days. Default: never. */
  readonly processedExpirationDays?: number;
}

/** The bucket DMS writes to: encrypted, never public, TLS only, owned by the account whoever writes. */
export class LandingZone extends pulumi.ComponentResource {
  /** Name of the bucket. */
  readonly bucket: pulumi.Output<string>;
  readonly bucketArn: pulumi.Output<string>;
  /** `s3://bucket/`. */
  readonly url: pulumi.Output<string>;
  /** What DMS writes and the file-arrival trigger watches. */
  readonly incomingUrl: pulumi.Output<string>;
  /** Where finished files go; outside what the trigger watches. */
  readonly processedUrl: pulumi.Output<string>;

  constructor(name: string, args: LandingZoneArgs, opts?: pulumi.ComponentResourceOptions) {
    super("headwater:components:LandingZone", name, {}, opts);
    const parent = { parent: this };

    const bucket = new aws.s3.Bucket(
      name,
      { bucket: this.bucketName(name, args), forceDestroy: args.forceDestroy ?? false },
      parent,
    );
    new aws.s3.BucketServerSideEncryptionConfiguration(
      name,
      {
        bucket: bucket.bucket,
        rules: [
          {
            applyServerSideEncryptionByDefault:
              args.kmsKeyArn === undefined
                ? { sseAlgorithm: "AES256" }
                : { sseAlgorithm: "aws:kms", kmsMasterKeyId: args.kmsKeyArn },
            // One data key for many objects: KMS is paid by the call.
            bucketKeyEnabled: args.kmsKeyArn !== undefined,
          },
        ],
      },
      parent,
    );
    const publicAccess = new aws.s3.BucketPublicAccessBlock(
      name,
      {
        bucket: bucket.bucket,
        blockPublicAcls: true,
        blockPublicPolicy: true,
        ignorePublicAcls: true,
        restrictPublicBuckets: true,
      },
      parent,
    );
    new aws.s3.BucketOwnershipControls(
      name,
      { bucket: bucket.bucket, rule: { objectOwnership: "BucketOwnerEnforced" } },
      parent,
    );
    new aws.s3.BucketPolicy(
      name,
      { bucket: bucket.bucket, policy: bucket.arn.apply((arn) => JSON.stringify(tlsOnlyBucketPolicy(arn))) },
      // S3 answers 409 when both settings of one bucket are written at once.
      { ...parent, dependsOn: publicAccess },
    );
    if (args.processedExpirationDays !== undefined) {
      new aws.s3.BucketLifecycleConfiguration(
        name,
        {
          bucket: bucket.bucket,
          rules: [
            {
              id: "processed",
              status: "Enabled",
              filter: { prefix: `${PROCESSED}/` },
              expiration: { days: args.processedExpirationDays },
            },
          ],
        },
        parent,
      );
    }

    this.bucket = bucket.bucket;
    this.bucketArn = bucket.arn;
    this.url = this.bucket.apply((bucket) => s3Url(bucket));
    this.incomingUrl = this.bucket.apply((bucket) => s3Url(bucket, INCOMING));
    this.processedUrl = this.bucket.apply((bucket) => s3Url(bucket, PROCESSED));
    this.registerOutputs({
      bucket: this.bucket,
      incomingUrl: this.incomingUrl,
      processedUrl: this.processedUrl,
    });
  }

  /** Bucket names are shared by all of AWS, so a name nobody chose gets a random end, kept in the state. */
  private bucketName(name: string, { stack, bucketName }: LandingZoneArgs): pulumi.Input<string> {
    if (bucketName !== undefined) return bucketName;
    const length = 6;
    const suffix = new random.RandomString(
      `${name}-suffix`,
      { length, special: false, upper: false },
      { parent: this },
    );
    return pulumi.interpolate`${physicalName("bucket", stack, undefined, length + 1)}-${suffix.result}`;
  }
}
