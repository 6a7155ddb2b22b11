import type { IAM } from "@aws-sdk/client-iam";
import { flag, number, policy, set, text, type Values } from "../fields.js";
import { defineType, type ResourceType } from "../resource.js";
import type { AwsClients } from "./clients.js";
import { liveTags, tagChanges, tagInput, tagList, tagOutput } from "./tags.js";

const file = (name: string) => `terraform-provider-aws internal/service/iam/${name}.go`;
const name = text({ computed: true, replaces: true });

export const role: ResourceType<AwsClients> = defineType({
  token: "aws:iam/role:Role",
  source: file("role"),
  inputs: {
    name,
    assumeRolePolicy: policy({ required: true }),
    description: text(),
    forceDetachPolicies: flag({ writeOnly: true }),
    managedPolicyArns: set(text(), { computed: true }),
    maxSessionDuration: number({ default: 3600 }),
    path: text({ default: "/", replaces: true }),
    permissionsBoundary: text(),
    ...tagInput,
  },
  outputs: { arn: {}, createDate: {}, uniqueId: {}, ...tagOutput },
  refused: ["inlinePolicies", "namePrefix"],
  autoname: { property: "name", maxLength: 64 },
  async create({ client, inputs }) {
    const iam = await client.iam();
    await iam.createRole({
      RoleName: inputs["name"] as string,
      AssumeRolePolicyDocument: inputs["assumeRolePolicy"] as string,
      Description: inputs["description"] as string | undefined,
      MaxSessionDuration: inputs["maxSessionDuration"] as number | undefined,
      Path: inputs["path"] as string | undefined,
      PermissionsBoundary: inputs["permissionsBoundary"] as string | undefined,
      Tags: tagList(inputs["tags"]),
    });
    return inputs["name"] as string;
  },
  async settle({ client, id, inputs }) {
    if (inputs["managedPolicyArns"] === undefined) return;
    const iam = await client.iam();
    const [wanted, attached] = [inputs["managedPolicyArns"] as string[], await attachedPolicies(iam, id)];
    for (const PolicyArn of wanted.filter((arn) => !attached.includes(arn))) {
      await iam.attachRolePolicy({ RoleName: id, PolicyArn });
    }
    for (const PolicyArn of attached.filter((arn) => !wanted.includes(arn))) {
      await iam.detachRolePolicy({ RoleName: id, PolicyArn });
    }
  },
  async read({ client, id }) {
    const iam = await client.iam();
    const live = (await iam.getRole({ RoleName: id })).Role!;
    return {
      name: live.RoleName,
      assumeRolePolicy: decodeURIComponent(live.AssumeRolePolicyDocument!),
      description: live.Description,
      managedPolicyArns: await attachedPolicies(iam, id),
      maxSessionDuration: live.MaxSessionDuration,
      path: live.Path,
      permissionsBoundary: live.PermissionsBoundary?.PermissionsBoundaryArn,
      arn: live.Arn,
      createDate: live.CreateDate,
      uniqueId: live.RoleId,
      ...liveTags(live.Tags),
    };
  },
  async update({ client, id, inputs, oldInputs, changed }) {
    const iam = await client.iam();
    const RoleName = id;
    if (changed.has("assumeRolePolicy")) {
      await iam.updateAssumeRolePolicy({ RoleName, PolicyDocument: inputs["assumeRolePolicy"] as string });
    }
    if (changed.has("description") || changed.has("maxSessionDuration")) {
      const Description = (inputs["description"] as string | undefined) ?? "";
      await iam.updateRole({
        RoleName,
        Description,
        MaxSessionDuration: (inputs["maxSessionDuration"] ?? 3600) as number,
      });
    }
    if (changed.has("permissionsBoundary")) {
      const PermissionsBoundary = inputs["permissionsBoundary"] as string | undefined;
      if (PermissionsBoundary === undefined) await iam.deleteRolePermissionsBoundary({ RoleName });
      else await iam.putRolePermissionsBoundary({ RoleName, PermissionsBoundary });
    }
    const { add, remove } = tagChanges(oldInputs["tags"], inputs["tags"]);
    if (add.length > 0) await iam.tagRole({ RoleName, Tags: add });
    if (remove.length > 0) await iam.untagRole({ RoleName, TagKeys: remove });
  },
  async delete({ client, id, state }) {
    const iam = await client.iam();
    const RoleName = id;
    const ours = state["forceDetachPolicies"] === true ? await attachedPolicies(iam, id) : [];
    for (const PolicyArn of ours) await iam.detachRolePolicy({ RoleName, PolicyArn });
    await iam.deleteRole({ RoleName });
  },
});

export const rolePolicy: ResourceType<AwsClients> = defineType({
  token: "aws:iam/rolePolicy:RolePolicy",
  source: file("role_policy"),
  inputs: { name, policy: policy({ required: true }), role: text({ required: true, replaces: true }) },
  refused: ["namePrefix"],
  autoname: { property: "name", maxLength: 128 },
  async create({ client, inputs }) {
    await putRolePolicy(client, inputs);
    return `${inputs["role"] as string}:${inputs["name"] as string}`;
  },
  async read({ client, id }) {
    const [RoleName, PolicyName] = split(id);
    const live = await (await client.iam()).getRolePolicy({ RoleName, PolicyName });
    return { name: PolicyName, role: RoleName, policy: decodeURIComponent(live.PolicyDocument!) };
  },
  update: ({ client, inputs }) => putRolePolicy(client, inputs),
  async delete({ client, id }) {
    const [RoleName, PolicyName] = split(id);
    await (await client.iam()).deleteRolePolicy({ RoleName, PolicyName });
  },
});

export const rolePolicyAttachment: ResourceType<AwsClients> = defineType({
  token: "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
  source: `${file("role_policy_attachment")}; pulumi-aws deletes it before a replacement`,
  inputs: {
    policyArn: text({ required: true, replaces: true }),
    role: text({ required: true, replaces: true }),
  },
  deleteBeforeReplace: true,
  async create({ client, inputs }) {
    const [RoleName, PolicyArn] = [inputs["role"] as string, inputs["policyArn"] as string];
    await (await client.iam()).attachRolePolicy({ RoleName, PolicyArn });
    return `${RoleName}/${PolicyArn}`;
  },
  async read({ client, id }) {
    const [roleName, policyArn] = split(id, "/");
    const attached = await attachedPolicies(await client.iam(), roleName);
    return attached.includes(policyArn) ? { role: roleName, policyArn } : undefined;
  },
  async delete({ client, id }) {
    const [RoleName, PolicyArn] = split(id, "/");
    await (await client.iam()).detachRolePolicy({ RoleName, PolicyArn });
  },
});

export const managedPolicy: ResourceType<AwsClients> = defineType({
  token: "aws:iam/policy:Policy",
  source: file("policy"),
  inputs: {
    name,
    description: text({ replaces: true }),
    path: text({ default: "/", replaces: true }),
    policy: policy({ required: true }),
    ...tagInput,
  },
  outputs: { arn: {}, attachmentCount: {}, policyId: {}, ...tagOutput },
  refused: ["delayAfterPolicyCreationInMs", "namePrefix"],
  autoname: { property: "name", maxLength: 128 },
  async create({ client, inputs }) {
    const { Policy } = await (
      await client.iam()
    ).createPolicy({
      PolicyName: inputs["name"] as string,
      PolicyDocument: inputs["policy"] as string,
      Description: inputs["description"] as string | undefined,
      Path: inputs["path"] as string | undefined,
      Tags: tagList(inputs["tags"]),
    });
    return Policy!.Arn!;
  },
  async read({ client, id }) {
    const iam = await client.iam();
    const live = (await iam.getPolicy({ PolicyArn: id })).Policy!;
    const version = await iam.getPolicyVersion({ PolicyArn: id, VersionId: live.DefaultVersionId });
    return {
      name: live.PolicyName,
      description: live.Description,
      path: live.Path,
      policy: decodeURIComponent(version.PolicyVersion!.Document!),
      arn: live.Arn,
      attachmentCount: live.AttachmentCount,
      policyId: live.PolicyId,
      ...liveTags(live.Tags),
    };
  },
  async update({ client, id, inputs, oldInputs, changed }) {
    const iam = await client.iam();
    if (changed.has("policy")) {
      const versions = await otherVersions(iam, id);
      // IAM keeps five versions; the oldest makes room.
      if (versions.length >= 4) await iam.deletePolicyVersion({ PolicyArn: id, VersionId: versions.at(-1)! });
      await iam.createPolicyVersion({
        PolicyArn: id,
        PolicyDocument: inputs["policy"] as string,
        SetAsDefault: true,
      });
    }
    const { add, remove } = tagChanges(oldInputs["tags"], inputs["tags"]);
    if (add.length > 0) await iam.tagPolicy({ PolicyArn: id, Tags: add });
    if (remove.length > 0) await iam.untagPolicy({ PolicyArn: id, TagKeys: remove });
  },
  async delete({ client, id }) {
    const iam = await client.iam();
    for (const VersionId of await otherVersions(iam, id))
      await iam.deletePolicyVersion({ PolicyArn: id, VersionId });
    await iam.deletePolicy({ PolicyArn: id });
  },
});

async function putRolePolicy(client: AwsClients, inputs: Values): Promise<void> {
  const [RoleName, PolicyName] = [inputs["role"] as string, inputs["name"] as string];
  await (
    await client.iam()
  ).putRolePolicy({ RoleName, PolicyName, PolicyDocument: inputs["policy"] as string });
}

async function attachedPolicies(iam: IAM, RoleName: string): Promise<string[]> {
  const { AttachedPolicies } = await iam.listAttachedRolePolicies({ RoleName });
  return (AttachedPolicies ?? []).map(({ PolicyArn }) => PolicyArn!);
}

/** The versions that are not the default one, newest first. */
async function otherVersions(iam: IAM, PolicyArn: string): Promise<string[]> {
  const { Versions } = await iam.listPolicyVersions({ PolicyArn });
  const others = (Versions ?? []).filter((version) => version.IsDefaultVersion !== true);
  return others
    .sort((a, b) => Number(b.CreateDate) - Number(a.CreateDate))
    .map(({ VersionId }) => VersionId!);
}

/** Both parts of an id; role names hold neither `:` nor `/`. */
function split(id: string, separator = ":"): [string, string] {
  const at = id.indexOf(separator);
  return [id.slice(0, at), id.slice(at + 1)];
}
