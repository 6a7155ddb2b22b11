import type {
  BucketLifecycleConfiguration,
  BucketVersioningStatus,
  LifecycleRule,
  ObjectOwnership,
  S3,
  ServerSideEncryptionRule,
} from "@aws-sdk/client-s3";
import { fromApi, pascal, toApi } from "../api.js";
import { flag, list, number, object, policy, set, text, type Fields, type Values } from "../fields.js";
import type { ResourceType } from "../resource.js";
import type { AwsClients } from "./clients.js";
import { regionInput, unless } from "./s3.js";

interface Setting {
  readonly type: string;
  readonly file: string;
  readonly inputs: Fields;
  readonly refused?: string[];
  readonly put: (s3: S3, bucket: { Bucket: string }, inputs: Values) => Promise<unknown>;
  readonly get: (s3: S3, bucket: { Bucket: string }) => Promise<Values | undefined>;
  readonly remove: (s3: S3, bucket: { Bucket: string }, state: Values) => Promise<unknown>;
}

/** A setting of one bucket: put as a whole, at creation as at every change; its id is the bucket's name. */
function setting({ type, file, inputs, refused, put, get, remove }: Setting): ResourceType<AwsClients> {
  const apply = async (client: AwsClients, values: Values): Promise<string> => {
    const Bucket = values["bucket"] as string;
    await put(await client.s3(values["region"]), { Bucket }, values);
    return Bucket;
  };
  return {
    token: `aws:s3/${type[0]!.toLowerCase()}${type.slice(1)}:${type}`,
    source: `terraform-provider-aws internal/service/s3/${file}.go`,
    inputs: { bucket: text({ required: true, replaces: true }), ...regionInput, ...inputs },
    refused: refused ?? [],
    create: ({ client, inputs }) => apply(client, inputs),
    async read({ client, id, state }) {
      const live = await get(await client.s3(state["region"]), { Bucket: id });
      return live && { bucket: id, region: state["region"] ?? client.region, ...live };
    },
    async update({ client, inputs }) {
      await apply(client, inputs);
    },
    async delete({ client, id, state }) {
      await remove(await client.s3(state["region"]), { Bucket: id }, state);
    },
  };
}

const publicAccess = {
  blockPublicAcls: flag(),
  blockPublicPolicy: flag(),
  ignorePublicAcls: flag(),
  restrictPublicBuckets: flag(),
};

const encryptionRules = set(
  object({
    applyServerSideEncryptionByDefault: object({
      sseAlgorithm: text({ required: true, api: "SSEAlgorithm" }),
      kmsMasterKeyId: text({ api: "KMSMasterKeyID" }),
    }),
    bucketKeyEnabled: flag(),
  }),
  { required: true },
);

const days = { noncurrentDays: number({ required: true }), newerNoncurrentVersions: number() };
const lifecycleRules = list(
  object({
    id: text({ required: true, api: "ID" }),
    status: text({ required: true }),
    prefix: text({ computed: true }),
    filter: object(
      { prefix: text(), objectSizeGreaterThan: number(), objectSizeLessThan: number() },
      { computed: true },
    ),
    expiration: object({ days: number(), expiredObjectDeleteMarker: flag() }),
    abortIncompleteMultipartUpload: object({ daysAfterInitiation: number() }),
    transitions: set(object({ days: number(), storageClass: text({ required: true }) })),
    noncurrentVersionExpiration: object(days),
    noncurrentVersionTransitions: set(object({ ...days, storageClass: text({ required: true }) })),
  }),
);

export const bucketSettings: ResourceType<AwsClients>[] = [
  setting({
    type: "BucketPublicAccessBlock",
    file: "bucket_public_access_block",
    inputs: publicAccess,
    refused: ["skipDestroy"],
    put: (s3, bucket, inputs) =>
      s3.putPublicAccessBlock({
        ...bucket,
        PublicAccessBlockConfiguration: toApi(publicAccess, inputs, pascal),
      }),
    get: async (s3, bucket) => {
      const { PublicAccessBlockConfiguration: live } = await s3.getPublicAccessBlock(bucket);
      return fromApi(publicAccess, live as Values, pascal);
    },
    remove: (s3, bucket) => s3.deletePublicAccessBlock(bucket),
  }),
  setting({
    type: "BucketServerSideEncryptionConfiguration",
    file: "bucket_server_side_encryption_configuration",
    inputs: { rules: encryptionRules },
    refused: ["expectedBucketOwner"],
    put: (s3, bucket, inputs) => {
      const Rules = toApi({ rules: encryptionRules }, inputs, pascal)["Rules"] as ServerSideEncryptionRule[];
      return s3.putBucketEncryption({ ...bucket, ServerSideEncryptionConfiguration: { Rules } });
    },
    get: async (s3, bucket) => {
      const { ServerSideEncryptionConfiguration: live } = await s3.getBucketEncryption(bucket);
      return fromApi({ rules: encryptionRules }, live as Values | undefined, pascal);
    },
    remove: (s3, bucket) => s3.deleteBucketEncryption(bucket),
  }),
  setting({
    type: "BucketPolicy",
    file: "bucket_policy",
    inputs: { policy: policy({ required: true }) },
    put: (s3, bucket, inputs) => s3.putBucketPolicy({ ...bucket, Policy: inputs["policy"] as string }),
    get: async (s3, bucket) => ({ policy: (await s3.getBucketPolicy(bucket)).Policy }),
    remove: (s3, bucket) => s3.deleteBucketPolicy(bucket),
  }),
  setting({
    type: "BucketOwnershipControls",
    file: "bucket_ownership_controls",
    inputs: { rule: object({ objectOwnership: text({ required: true }) }, { required: true }) },
    put: (s3, bucket, inputs) => {
      const ObjectOwnership = (inputs["rule"] as Values)["objectOwnership"] as ObjectOwnership;
      return s3.putBucketOwnershipControls({
        ...bucket,
        OwnershipControls: { Rules: [{ ObjectOwnership }] },
      });
    },
    get: async (s3, bucket) => {
      const { OwnershipControls } = await s3.getBucketOwnershipControls(bucket);
      return { rule: { objectOwnership: OwnershipControls?.Rules?.[0]?.ObjectOwnership } };
    },
    remove: (s3, bucket) => s3.deleteBucketOwnershipControls(bucket),
  }),
  setting({
    type: "BucketVersioning",
    file: "bucket_versioning",
    inputs: { versioningConfiguration: object({ status: text({ required: true }) }, { required: true }) },
    refused: ["expectedBucketOwner", "mfa"],
    put: async (s3, bucket, inputs) => {
      const Status = (inputs["versioningConfiguration"] as Values)["status"] as
        BucketVersioningStatus | "Disabled";
      // Never enabled is not a state one can put.
      if (Status !== "Disabled")
        await s3.putBucketVersioning({ ...bucket, VersioningConfiguration: { Status } });
    },
    get: async (s3, bucket) => {
      const { Status } = await s3.getBucketVersioning(bucket);
      return { versioningConfiguration: { status: Status ?? "Disabled" } };
    },
    remove: async (s3, bucket, state) => {
      const { status } = state["versioningConfiguration"] as Values;
      if (status === "Enabled") {
        await s3.putBucketVersioning({ ...bucket, VersioningConfiguration: { Status: "Suspended" } });
      }
    },
  }),
  setting({
    type: "BucketLifecycleConfiguration",
    file: "bucket_lifecycle_configuration",
    inputs: { rules: lifecycleRules },
    refused: ["expectedBucketOwner", "timeouts", "transitionDefaultMinimumObjectSize"],
    put: (s3, bucket, inputs) => {
      const rules = ((inputs["rules"] ?? []) as Values[]).map((rule) => {
        return rule["prefix"] === undefined ? { filter: {}, ...rule } : rule;
      });
      const Rules = toApi({ rules: lifecycleRules }, { rules }, pascal)["Rules"] as LifecycleRule[];
      const configuration: BucketLifecycleConfiguration = { Rules };
      return s3.putBucketLifecycleConfiguration({ ...bucket, LifecycleConfiguration: configuration });
    },
    get: async (s3, bucket) => {
      const live = await s3
        .getBucketLifecycleConfiguration(bucket)
        .catch(unless("NoSuchLifecycleConfiguration"));
      return live && fromApi({ rules: lifecycleRules }, live as unknown as Values, pascal);
    },
    remove: (s3, bucket) => s3.deleteBucketLifecycle(bucket),
  }),
];
