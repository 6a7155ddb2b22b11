import type { Context } from "../context.js";
import { badValue, Fault, notFound } from "../faults.js";
import { page, pageShape } from "../paging.js";
import { checkInput, required, text, texts, type Input } from "../parameters.js";
import { makeArn, type SubnetGroupRecord } from "../resources.js";
import { attachedPolicies, problemOfRole } from "../roles.js";
import { tagsOf } from "./tags.js";

export async function createReplicationSubnetGroup(context: Context, input: Input): Promise<object> {
  checkInput(input, {
    ReplicationSubnetGroupIdentifier: "text!",
    ReplicationSubnetGroupDescription: "text!",
    SubnetIds: "texts!",
    Tags: "objects",
  });
  const identifier = required(input, "ReplicationSubnetGroupIdentifier").toLowerCase();
  if (!/^[a-z0-9._ -]{1,255}$/.test(identifier) || identifier === "default") {
    throw badValue(
      "ReplicationSubnetGroupIdentifier must have 1 to 255 letters, digits, periods, underscores, spaces or hyphens, and not " +
        `be "default": ${identifier}`,
    );
  }
  const tags = tagsOf(input);
  const { resources, options } = context;
  const exists = (): boolean => resources.value.subnetGroups[identifier] !== undefined;
  if (!exists()) await checkVpcRole(context);
  const { vpcId, subnets } = await checkSubnets(context, texts(input, "SubnetIds") ?? []);
  // Asked last, since another call may have come in between.
  if (exists())
    throw new Fault("ResourceAlreadyExistsFault", `ReplicationSubnetGroup ${identifier} already exists`);
  const arn = makeArn(options.aws, "subgrp", identifier);
  const description = required(input, "ReplicationSubnetGroupDescription");
  const group: SubnetGroupRecord = { arn, identifier, description, vpcId, subnets };
  resources.value.subnetGroups[identifier] = group;
  resources.value.tags[arn] = tags;
  resources.save();
  return { ReplicationSubnetGroup: shown(group) };
}

export async function modifyReplicationSubnetGroup(context: Context, input: Input): Promise<object> {
  checkInput(input, {
    ReplicationSubnetGroupIdentifier: "text!",
    ReplicationSubnetGroupDescription: "text",
    SubnetIds: "texts!",
  });
  const group = subnetGroupOf(context, required(input, "ReplicationSubnetGroupIdentifier"));
  const { vpcId, subnets } = await checkSubnets(context, texts(input, "SubnetIds") ?? []);
  if (vpcId !== group.vpcId)
    throw new Fault("InvalidSubnet", `The subnets must be in the group's VPC, ${group.vpcId}`);
  const description = text(input, "ReplicationSubnetGroupDescription") ?? group.description;
  Object.assign(group, { subnets, description });
  context.resources.save();
  return { ReplicationSubnetGroup: shown(group) };
}

export function deleteReplicationSubnetGroup(context: Context, input: Input): object {
  checkInput(input, { ReplicationSubnetGroupIdentifier: "text!" });
  const group = subnetGroupOf(context, required(input, "ReplicationSubnetGroupIdentifier"));
  const { value } = context.resources;
  const user = Object.values(value.configs).find(
    ({ compute }) => text(compute, "ReplicationSubnetGroupId")?.toLowerCase() === group.identifier,
  );
  if (user !== undefined) {
    throw new Fault(
      "InvalidResourceStateFault",
      `ReplicationSubnetGroup ${group.identifier} is in use by ${user.arn}`,
    );
  }
  delete value.subnetGroups[group.identifier];
  delete value.tags[group.arn];
  context.resources.save();
  return {};
}

export function describeReplicationSubnetGroups({ resources }: Context, input: Input): object {
  checkInput(input, pageShape);
  const found = page(
    input,
    Object.values(resources.value.subnetGroups),
    { "replication-subnet-group-id": ({ identifier }) => identifier },
    { whenNoneMatch: "No Replication Subnet Groups found matching provided filters" },
  );
  return { ReplicationSubnetGroups: found.items.map(shown), Marker: found.Marker };
}

export function subnetGroupOf({ resources }: Context, identifier: string): SubnetGroupRecord {
  const group = resources.value.subnetGroups[identifier.toLowerCase()];
  if (group === undefined) throw notFound(`ReplicationSubnetGroup ${identifier} not found`);
  return group;
}

/**
 * API users need the role dms-vpc-role with AmazonDMSVPCManagementRole attached; DMS says so in these words
 * (hashicorp/terraform-provider-aws#11025).
 */
async function checkVpcRole({ clients, options }: Context): Promise<void> {
  if (options.requireVpcRole === false) return;
  const arn = `arn:aws:iam::${options.aws.accountId}:role/dms-vpc-role`;
  const attached = await attachedPolicies(clients.iam, "dms-vpc-role");
  const problem = await problemOfRole(clients.iam, arn, ["dms.amazonaws.com"], []);
  if (attached?.includes("AmazonDMSVPCManagementRole") === true && problem === undefined) return;
  throw new Fault("AccessDeniedFault", `The IAM Role ${arn} is not configured properly.`);
}

async function checkSubnets(
  { clients }: Context,
  ids: string[],
): Promise<Pick<SubnetGroupRecord, "vpcId" | "subnets">> {
  const found = ids.length === 0 ? [] : await clients.subnets(ids);
  const missing = ids.filter((id) => !found.some((subnet) => subnet.id === id));
  if (missing.length > 0)
    throw new Fault("InvalidSubnet", `The subnet ids are not valid: ${missing.join(", ")}`);
  const vpcIds = [...new Set(found.map((subnet) => subnet.vpcId))];
  const [vpcId = ""] = vpcIds;
  if (vpcIds.length > 1) throw new Fault("InvalidSubnet", "The subnets must all be in one VPC");
  if (new Set(found.map(({ zone }) => zone)).size < 2) {
    throw new Fault(
      "ReplicationSubnetGroupDoesNotCoverEnoughAZs",
      "The Replication Subnet Group doesn't meet Availability Zone (AZ) coverage requirement: add subnets to cover at least 2 AZs.",
    );
  }
  return { vpcId, subnets: found.map(({ id, zone }) => ({ id, zone })) };
}

function shown(group: SubnetGroupRecord): object {
  return {
    ReplicationSubnetGroupIdentifier: group.identifier,
    ReplicationSubnetGroupDescription: group.description,
    VpcId: group.vpcId,
    SubnetGroupStatus: "Complete",
    Subnets: group.subnets.map(({ id, zone }) => ({
      SubnetIdentifier: id,
      SubnetAvailabilityZone: { Name: zone },
      SubnetStatus: "Active",
    })),
    SupportedNetworkTypes: ["IPV4"],
  };
}
