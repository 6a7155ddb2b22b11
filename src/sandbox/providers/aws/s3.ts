import type { BucketLocationConstraint, S3 } from "@aws-sdk/client-s3";
import { flag, text } from "../fields.js";
import { defineType, type ResourceType } from "../resource.js";
import type { AwsClients } from "./clients.js";
import { liveTags, tagInput, tagList, tagOutput } from "./tags.js";

export const regionInput = { region: text({ computed: true, replaces: true }) };

export const bucket: ResourceType<AwsClients> = defineType({
  token: "aws:s3/bucket:Bucket",
  source:
    "terraform-provider-aws internal/service/s3/bucket.go; its deprecated in-bucket settings are types of their own",
  inputs: {
    bucket: text({ computed: true, replaces: true }),
    forceDestroy: flag({ writeOnly: true }),
    objectLockEnabled: flag({ computed: true, replaces: true }),
    ...regionInput,
    ...tagInput,
  },
  outputs: {
    arn: {},
    bucketDomainName: {},
    bucketRegionalDomainName: {},
    bucketRegion: {},
    ...tagOutput,
  },
  refused: [
    ...[
      "accelerationStatus",
      "acl",
      "bucketNamespace",
      "bucketPrefix",
      "corsRules",
      "grants",
      "lifecycleRules",
    ],
    ...["logging", "objectLockConfiguration", "policy", "replicationConfiguration", "requestPayer"],
    ...["serverSideEncryptionConfiguration", "versioning", "website"],
  ],
  autoname: { property: "bucket", maxLength: 63, transform: (name) => name.toLowerCase() },
  async create({ client, inputs }) {
    const s3 = await client.s3(inputs["region"]);
    const region = (inputs["region"] as string | undefined) ?? client.region;
    const LocationConstraint = region as BucketLocationConstraint;
    await s3.createBucket({
      Bucket: inputs["bucket"] as string,
      ObjectLockEnabledForBucket: inputs["objectLockEnabled"] === true,
      // us-east-1 is the one region that must not be named.
      ...(region === "us-east-1" ? {} : { CreateBucketConfiguration: { LocationConstraint } }),
    });
    return inputs["bucket"] as string;
  },
  async settle({ client, id, inputs }) {
    const s3 = await client.s3(inputs["region"]);
    const TagSet = tagList(inputs["tags"]);
    if (TagSet.length > 0) await s3.putBucketTagging({ Bucket: id, Tagging: { TagSet } });
    else await s3.deleteBucketTagging({ Bucket: id });
  },
  async read({ client, id, state }) {
    const s3 = await client.s3(state["region"]);
    const head = await s3.headBucket({ Bucket: id });
    const tags = await s3.getBucketTagging({ Bucket: id }).catch(unless("NoSuchTagSet"));
    const lock = await s3
      .getObjectLockConfiguration({ Bucket: id })
      .catch(unless("ObjectLockConfigurationNotFoundError"));
    const region = head.BucketRegion ?? (state["region"] as string | undefined) ?? client.region;
    return {
      bucket: id,
      objectLockEnabled: lock?.ObjectLockConfiguration?.ObjectLockEnabled === "Enabled",
      region,
      arn: `arn:aws:s3:::${id}`,
      bucketDomainName: `${id}.s3.amazonaws.com`,
      bucketRegionalDomainName: `${id}.s3.${region}.amazonaws.com`,
      bucketRegion: region,
      ...liveTags(tags?.TagSet),
    };
  },
  async update() {}, // tags are settled; forceDestroy matters at the end only
  async delete({ client, id, state }) {
    const s3 = await client.s3(state["region"]);
    if (state["forceDestroy"] === true) await emptyBucket(s3, id);
    await s3.deleteBucket({ Bucket: id });
  },
});

/** Every version of every object, and every delete marker. */
async function emptyBucket(s3: S3, Bucket: string): Promise<void> {
  for (;;) {
    const page = await s3.listObjectVersions({ Bucket });
    const entries = [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])];
    if (entries.length === 0) return;
    const Objects = entries.map(({ Key, VersionId }) => ({ Key, VersionId }));
    const { Errors } = await s3.deleteObjects({ Bucket, Delete: { Objects, Quiet: true } });
    if (Errors?.[0] !== undefined) throw new Error(`${Bucket}/${Errors[0].Key}: ${Errors[0].Message}`);
  }
}

/** Turns the service's way of saying "none" into undefined. */
export function unless(...names: string[]): (error: unknown) => undefined {
  return (error) => {
    if (error instanceof Error && names.includes(error.name)) return undefined;
    throw error;
  };
}
