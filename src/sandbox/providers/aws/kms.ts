import type { KeySpec, KeyUsageType, KMS, Tag } from "@aws-sdk/client-kms";
import { flag, number, policy, text } from "../fields.js";
import { defineType, type ResourceType } from "../resource.js";
import type { AwsClients } from "./clients.js";
import { regionInput } from "./s3.js";
import { liveTags, tagChanges, tagInput, tagList, tagOutput } from "./tags.js";

const file = (name: string) => `terraform-provider-aws internal/service/kms/${name}.go`;

export const key: ResourceType<AwsClients> = defineType({
  token: "aws:kms/key:Key",
  source: file("key"),
  inputs: {
    customerMasterKeySpec: text({ default: "SYMMETRIC_DEFAULT", replaces: true }),
    deletionWindowInDays: number({ writeOnly: true }),
    description: text({ computed: true }),
    enableKeyRotation: flag(),
    isEnabled: flag({ default: true }),
    keyUsage: text({ default: "ENCRYPT_DECRYPT", replaces: true }),
    multiRegion: flag({ computed: true, replaces: true }),
    policy: policy({ computed: true }),
    ...regionInput,
    ...tagInput,
  },
  outputs: { arn: {}, keyId: {}, ...tagOutput },
  refused: ["bypassPolicyLockoutSafetyCheck", "customKeyStoreId", "rotationPeriodInDays", "xksKeyId"],
  async create({ client, inputs }) {
    const { KeyMetadata } = await (
      await client.kms(inputs["region"])
    ).createKey({
      KeySpec: inputs["customerMasterKeySpec"] as KeySpec | undefined,
      KeyUsage: inputs["keyUsage"] as KeyUsageType | undefined,
      Description: inputs["description"] as string | undefined,
      MultiRegion: inputs["multiRegion"] === true,
      Policy: inputs["policy"] as string | undefined,
      Tags: kmsTags(inputs["tags"]),
    });
    return KeyMetadata!.KeyId!;
  },
  async settle({ client, id, inputs }) {
    const kms = await client.kms(inputs["region"]);
    const [KeyId, rotate] = [id, inputs["enableKeyRotation"] === true];
    if ((await rotates(kms, KeyId)) !== rotate) {
      await (rotate ? kms.enableKeyRotation({ KeyId }) : kms.disableKeyRotation({ KeyId }));
    }
    const enabled = inputs["isEnabled"] !== false;
    if ((await kms.describeKey({ KeyId })).KeyMetadata!.Enabled !== enabled) {
      await (enabled ? kms.enableKey({ KeyId }) : kms.disableKey({ KeyId }));
    }
  },
  async read({ client, id, state }) {
    const kms = await client.kms(state["region"]);
    const live = (await kms.describeKey({ KeyId: id })).KeyMetadata!;
    if (live.KeyState === "PendingDeletion" || live.KeyState === "PendingReplicaDeletion") return undefined;
    const { Tags } = await kms.listResourceTags({ KeyId: id });
    return {
      customerMasterKeySpec: live.KeySpec,
      description: live.Description,
      enableKeyRotation: await rotates(kms, id),
      isEnabled: live.Enabled,
      keyUsage: live.KeyUsage,
      multiRegion: live.MultiRegion ?? false,
      policy: (await kms.getKeyPolicy({ KeyId: id, PolicyName: "default" })).Policy,
      region: state["region"] ?? client.region,
      arn: live.Arn,
      keyId: live.KeyId,
      ...liveTags(Tags?.map(({ TagKey, TagValue }) => ({ Key: TagKey, Value: TagValue }))),
    };
  },
  async update({ client, id, inputs, oldInputs, changed }) {
    const kms = await client.kms(inputs["region"]);
    const KeyId = id;
    if (changed.has("description"))
      await kms.updateKeyDescription({ KeyId, Description: inputs["description"] as string });
    if (changed.has("policy")) await kms.putKeyPolicy({ KeyId, Policy: inputs["policy"] as string });
    const { add, remove } = tagChanges(oldInputs["tags"], inputs["tags"]);
    if (add.length > 0)
      await kms.tagResource({ KeyId, Tags: kmsTags(Object.fromEntries(add.map((t) => [t.Key, t.Value]))) });
    if (remove.length > 0) await kms.untagResource({ KeyId, TagKeys: remove });
  },
  async delete({ client, id, state }) {
    const PendingWindowInDays = state["deletionWindowInDays"] as number | undefined;
    await (await client.kms(state["region"])).scheduleKeyDeletion({ KeyId: id, PendingWindowInDays });
  },
});

export const alias: ResourceType<AwsClients> = defineType({
  token: "aws:kms/alias:Alias",
  source: file("alias"),
  inputs: {
    name: text({ computed: true, replaces: true }),
    targetKeyId: text({ required: true }),
    ...regionInput,
  },
  outputs: { arn: {}, targetKeyArn: {} },
  refused: ["namePrefix"],
  autoname: { property: "name", maxLength: 256, transform: (name) => `alias/${name}` },
  async create({ client, inputs }) {
    const AliasName = inputs["name"] as string;
    await (
      await client.kms(inputs["region"])
    ).createAlias({ AliasName, TargetKeyId: inputs["targetKeyId"] as string });
    return AliasName;
  },
  async read({ client, id, inputs, state }) {
    const kms = await client.kms(state["region"]);
    for (let Marker: string | undefined, more = true; more;) {
      const page = await kms.listAliases({ Marker });
      const live = page.Aliases?.find(({ AliasName }) => AliasName === id);
      if (live?.TargetKeyId !== undefined) {
        const targetKeyArn = live.AliasArn!.replace(/:alias\/.*/, `:key/${live.TargetKeyId}`);
        // A key is named by its id or its ARN: what was given stays.
        const targetKeyId = inputs["targetKeyId"] === targetKeyArn ? targetKeyArn : live.TargetKeyId;
        return {
          name: id,
          targetKeyId,
          targetKeyArn,
          arn: live.AliasArn,
          region: state["region"] ?? client.region,
        };
      }
      Marker = page.NextMarker;
      more = page.Truncated === true;
    }
    return undefined;
  },
  async update({ client, id, inputs }) {
    const kms = await client.kms(inputs["region"]);
    await kms.updateAlias({ AliasName: id, TargetKeyId: inputs["targetKeyId"] as string });
  },
  async delete({ client, id, state }) {
    await (await client.kms(state["region"])).deleteAlias({ AliasName: id });
  },
});

async function rotates(kms: KMS, KeyId: string): Promise<boolean> {
  return (await kms.getKeyRotationStatus({ KeyId })).KeyRotationEnabled === true;
}

function kmsTags(tags: unknown): Tag[] {
  return tagList(tags).map(({ Key, Value }) => ({ TagKey: Key, TagValue: Value }));
}
