import { AttachRolePolicyCommand, CreateRoleCommand, IAMClient } from "@aws-sdk/client-iam";
import { CreateSecretCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { REGION } from "./environment.js";

/** What a real account and workspace hold before any stack, as a platform team makes it once. */
export interface Foundations extends AccountFoundations {
  /** Names of groups in the workspace. */
  readonly groups: { readonly readers: string; readonly operators: string };
}

export interface AccountFoundations {
  readonly vpcId: string;
  /** Two, in different zones. */
  readonly subnetIds: readonly string[];
  readonly securityGroupIds: readonly string[];
}

// AWS' DMS user guide, "Creating the IAM roles to use with DMS": exactly these names, one of each per account.
const DMS_ROLES = {
  "dms-vpc-role": "arn:aws:iam::aws:policy/service-role/AmazonDMSVPCManagementRole",
  "dms-cloudwatch-logs-role": "arn:aws:iam::aws:policy/service-role/AmazonDMSCloudWatchLogsRole",
} as const;

const CREDENTIALS = { accessKeyId: "sandbox", secretAccessKey: "sandbox" };

/** Makes the account-wide DMS roles and finds the account's network. */
export async function layAccountFoundations(aws: string, signal: AbortSignal): Promise<AccountFoundations> {
  const [network] = await Promise.all([defaultNetwork(aws, signal), dmsRoles(aws, signal)]);
  return network;
}

/** Makes the workspace's groups. */
export async function layWorkspaceFoundations(
  workspace: { readonly url: string; readonly token: string },
  signal: AbortSignal,
): Promise<Foundations["groups"]> {
  const groups = { readers: "readers", operators: "operators" };
  for (const name of Object.values(groups)) await createGroup(name, workspace, signal);
  return groups;
}

/** Stores a secret and gives its ARN. An object is stored as JSON, as DMS reads credentials. */
export async function putSecret(aws: string, name: string, value: string | object): Promise<string> {
  const client = new SecretsManagerClient({ endpoint: aws, region: REGION, credentials: CREDENTIALS });
  try {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    const { ARN } = await client.send(new CreateSecretCommand({ Name: name, SecretString: text }));
    if (ARN === undefined) throw new Error(`moto stored the secret ${name} without an ARN`);
    return ARN;
  } finally {
    client.destroy();
  }
}

async function dmsRoles(aws: string, signal: AbortSignal): Promise<void> {
  const client = new IAMClient({ endpoint: aws, region: REGION, credentials: CREDENTIALS });
  const trust = { Effect: "Allow", Principal: { Service: "dms.amazonaws.com" }, Action: "sts:AssumeRole" };
  const AssumeRolePolicyDocument = JSON.stringify({ Version: "2012-10-17", Statement: [trust] });
  try {
    for (const [RoleName, PolicyArn] of Object.entries(DMS_ROLES)) {
      await client.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument }), {
        abortSignal: signal,
      });
      await client.send(new AttachRolePolicyCommand({ RoleName, PolicyArn }), { abortSignal: signal });
    }
  } finally {
    client.destroy();
  }
}

async function createGroup(
  displayName: string,
  { url, token }: { readonly url: string; readonly token: string },
  signal: AbortSignal,
): Promise<void> {
  const response = await fetch(`${url}/api/2.0/preview/scim/v2/Groups`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/scim+json" },
    body: JSON.stringify({ schemas: ["urn:ietf:params:scim:schemas:core:2.0:Group"], displayName }),
    signal,
  });
  const text = await response.text();
  if (!response.ok)
    throw new Error(`the workspace refused the group ${displayName}: ${response.status} ${text}`);
}

/** Every account comes with a VPC, a subnet in each zone and a security group; so does moto's. */
async function defaultNetwork(aws: string, signal: AbortSignal): Promise<AccountFoundations> {
  const ask = async (action: string, filters: Record<string, string>, id: RegExp): Promise<string[]> => {
    const pairs = Object.entries(filters).map(([name, value], index) => [
      [`Filter.${index + 1}.Name`, name],
      [`Filter.${index + 1}.Value.1`, value],
    ]);
    const text = await ec2(aws, action, Object.fromEntries(pairs.flat()) as Record<string, string>, signal);
    return [...new Set([...text.matchAll(id)].map(([, found]) => found ?? ""))].sort();
  };
  const [vpcId] = await ask("DescribeVpcs", { "is-default": "true" }, /<vpcId>(.*?)<\/vpcId>/g);
  if (vpcId === undefined) throw new Error("moto has no default VPC");
  const subnetIds = await ask("DescribeSubnets", { "vpc-id": vpcId }, /<subnetId>(.*?)<\/subnetId>/g);
  const named = { "vpc-id": vpcId, "group-name": "default" };
  const securityGroupIds = await ask("DescribeSecurityGroups", named, /<groupId>(.*?)<\/groupId>/g);
  // moto makes one subnet a zone.
  if (subnetIds.length < 2 || securityGroupIds.length !== 1)
    throw new Error(`moto's VPC ${vpcId} has no network`);
  return { vpcId, subnetIds: subnetIds.slice(0, 2), securityGroupIds };
}

/** EC2's query protocol by hand: its SDK client is 19 MB for three calls. The signature only tells moto service and region. */
async function ec2(
  aws: string,
  action: string,
  parameters: Record<string, string>,
  signal: AbortSignal,
): Promise<string> {
  const scope = `sandbox/20260101/${REGION}/ec2/aws4_request`;
  const response = await fetch(aws, {
    method: "POST",
    headers: { authorization: `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=none` },
    body: new URLSearchParams({ Action: action, Version: "2016-11-15", ...parameters }),
    signal,
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`moto refused ${action}: ${response.status} ${text}`);
  return text;
}
