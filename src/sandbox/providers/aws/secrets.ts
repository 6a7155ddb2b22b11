import { number, policy, set, text, type Values } from "../fields.js";
import { defineType, type ResourceType } from "../resource.js";
import type { AwsClients } from "./clients.js";
import { regionInput } from "./s3.js";
import { liveTags, tagChanges, tagInput, tagList, tagOutput } from "./tags.js";

const file = (name: string) => `terraform-provider-aws internal/service/secretsmanager/${name}.go`;

export const secret: ResourceType<AwsClients> = defineType({
  token: "aws:secretsmanager/secret:Secret",
  source: file("secret"),
  inputs: {
    name: text({ computed: true, replaces: true }),
    description: text(),
    kmsKeyId: text(),
    policy: policy({ computed: true }),
    recoveryWindowInDays: number({ default: 30, writeOnly: true }),
    ...regionInput,
    ...tagInput,
  },
  outputs: { arn: {}, ...tagOutput },
  refused: ["forceOverwriteReplicaSecret", "namePrefix", "replicas", "type"],
  autoname: { property: "name", maxLength: 255 },
  async create({ client, inputs }) {
    const service = await client.secretsmanager(inputs["region"]);
    const made = await service.createSecret({
      Name: inputs["name"] as string,
      Description: inputs["description"] as string | undefined,
      KmsKeyId: inputs["kmsKeyId"] as string | undefined,
      Tags: tagList(inputs["tags"]),
    });
    return made.ARN!;
  },
  async settle({ client, id, inputs }) {
    if (inputs["policy"] === undefined) return;
    const service = await client.secretsmanager(inputs["region"]);
    await service.putResourcePolicy({ SecretId: id, ResourcePolicy: inputs["policy"] as string });
  },
  async read({ client, id, state }) {
    const service = await client.secretsmanager(state["region"]);
    const live = await service.describeSecret({ SecretId: id });
    if (live.DeletedDate !== undefined) return undefined;
    return {
      name: live.Name,
      description: live.Description,
      kmsKeyId: live.KmsKeyId,
      policy: (await service.getResourcePolicy({ SecretId: id })).ResourcePolicy,
      region: state["region"] ?? client.region,
      arn: live.ARN,
      ...liveTags(live.Tags),
    };
  },
  async update({ client, id, inputs, oldInputs, changed }) {
    const service = await client.secretsmanager(inputs["region"]);
    if (changed.has("description") || changed.has("kmsKeyId")) {
      const Description = (inputs["description"] as string | undefined) ?? "";
      await service.updateSecret({
        SecretId: id,
        Description,
        KmsKeyId: inputs["kmsKeyId"] as string | undefined,
      });
    }
    if (changed.has("policy") && inputs["policy"] === undefined)
      await service.deleteResourcePolicy({ SecretId: id });
    const { add, remove } = tagChanges(oldInputs["tags"], inputs["tags"]);
    if (add.length > 0) await service.tagResource({ SecretId: id, Tags: add });
    if (remove.length > 0) await service.untagResource({ SecretId: id, TagKeys: remove });
  },
  async delete({ client, id, state }) {
    const service = await client.secretsmanager(state["region"]);
    const days = (state["recoveryWindowInDays"] ?? 30) as number;
    const how = days === 0 ? { ForceDeleteWithoutRecovery: true } : { RecoveryWindowInDays: days };
    await service.deleteSecret({ SecretId: id, ...how });
  },
});

export const secretVersion: ResourceType<AwsClients> = defineType({
  token: "aws:secretsmanager/secretVersion:SecretVersion",
  source: file("secret_version"),
  inputs: {
    secretId: text({ required: true, replaces: true }),
    secretString: text({ replaces: true, secret: true }),
    secretBinary: text({ replaces: true, secret: true }),
    versionStages: set(text(), { computed: true }),
    ...regionInput,
  },
  outputs: { arn: {}, hasSecretStringWo: {}, secretArn: {}, versionId: {} },
  refused: ["secretStringWo", "secretStringWoVersion"],
  async create({ client, inputs }) {
    const service = await client.secretsmanager(inputs["region"]);
    const binary = inputs["secretBinary"] as string | undefined;
    const made = await service.putSecretValue({
      SecretId: inputs["secretId"] as string,
      ...(binary === undefined ? {} : { SecretBinary: Buffer.from(binary, "base64") }),
      SecretString: inputs["secretString"] as string | undefined,
      VersionStages: inputs["versionStages"] as string[] | undefined,
    });
    return `${inputs["secretId"] as string}|${made.VersionId}`;
  },
  async read({ client, id, state }) {
    const [SecretId, VersionId] = id.split("|") as [string, string];
    const live = await (await client.secretsmanager(state["region"])).getSecretValue({ SecretId, VersionId });
    return {
      secretId: SecretId,
      secretString: live.SecretString,
      secretBinary:
        live.SecretBinary === undefined ? undefined : Buffer.from(live.SecretBinary).toString("base64"),
      versionStages: live.VersionStages,
      region: state["region"] ?? client.region,
      arn: live.ARN,
      secretArn: live.ARN,
      versionId: live.VersionId,
      hasSecretStringWo: false,
    };
  },
  async update({ client, id, inputs, oldInputs }) {
    const service = await client.secretsmanager(inputs["region"]);
    const [SecretId, versionId] = id.split("|") as [string, string];
    const [before, after] = [oldInputs, inputs].map((one) => (one["versionStages"] ?? []) as string[]) as [
      string[],
      string[],
    ];
    for (const VersionStage of after.filter((stage) => !before.includes(stage))) {
      const { Versions } = await service.listSecretVersionIds({ SecretId });
      const holder = Versions?.find((version) => version.VersionStages?.includes(VersionStage))?.VersionId;
      const from = holder === undefined ? {} : { RemoveFromVersionId: holder };
      await service.updateSecretVersionStage({ SecretId, VersionStage, MoveToVersionId: versionId, ...from });
    }
    for (const VersionStage of movable(before.filter((stage) => !after.includes(stage)))) {
      await service.updateSecretVersionStage({ SecretId, VersionStage, RemoveFromVersionId: versionId });
    }
  },
  async delete({ client, id, state }) {
    const service = await client.secretsmanager(state["region"]);
    const [SecretId, RemoveFromVersionId] = id.split("|") as [string, string];
    for (const VersionStage of movable(state["versionStages"])) {
      await service.updateSecretVersionStage({ SecretId, VersionStage, RemoveFromVersionId });
    }
  },
});

/** A version cannot be deleted and AWSCURRENT only moves: the last version stays until its secret goes. */
function movable(stages: unknown): string[] {
  return ((stages ?? []) as string[]).filter((stage) => stage !== "AWSCURRENT");
}

/** What a read of a secret's metadata or value has in common. */
export function secretIdOf(args: Values): string {
  const id = (args["arn"] ?? args["name"] ?? args["secretId"]) as string | undefined;
  if (id === undefined) throw new Error('a secret is looked up by "arn" or by "name"');
  return id;
}
