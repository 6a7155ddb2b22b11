import type {
  DatabaseMigrationService,
  MigrationTypeValue,
  Replication,
  ReplicationConfig,
} from "@aws-sdk/client-database-migration-service";
import { fromApi, pascal, toApi, until } from "../api.js";
import { flag, json, number, object, set, text, type Fields, type Values } from "../fields.js";
import { defineType, type ResourceType } from "../resource.js";
import type { AwsClients } from "./clients.js";
import { retag, tagsOf } from "./dms-endpoint.js";
import { regionInput, unless } from "./s3.js";
import { tagInput, tagList, tagOutput } from "./tags.js";

const computeConfig: Fields = {
  availabilityZone: text({ computed: true, replaces: true }),
  dnsNameServers: text(),
  kmsKeyId: text({ computed: true, replaces: true }),
  maxCapacityUnits: number(),
  minCapacityUnits: number(),
  multiAz: flag({ computed: true, api: "MultiAZ" }),
  preferredMaintenanceWindow: text({ computed: true }),
  replicationSubnetGroupId: text({ required: true, replaces: true }),
  vpcSecurityGroupIds: set(text(), { computed: true }),
};

/** What ModifyReplicationConfig takes. */
const modifiable: Fields = {
  computeConfig: object(computeConfig, { required: true }),
  replicationSettings: json({ computed: true, partial: true }),
  replicationType: text({ required: true }),
  sourceEndpointArn: text({ required: true }),
  supplementalSettings: json(),
  tableMappings: json({ required: true }),
  targetEndpointArn: text({ required: true }),
};

export const replicationConfig: ResourceType<AwsClients> = defineType({
  token: "aws:dms/replicationConfig:ReplicationConfig",
  source: "terraform-provider-aws internal/service/dms/replication_config.go",
  inputs: {
    ...modifiable,
    replicationConfigIdentifier: text({ required: true, replaces: true }),
    resourceIdentifier: text({ computed: true, replaces: true, writeOnly: true }),
    startReplication: flag({ writeOnly: true }),
    ...regionInput,
    ...tagInput,
  },
  outputs: { arn: {}, ...tagOutput },
  async create({ client, inputs }) {
    const dms = await client.dms(inputs["region"]);
    const made = await dms.createReplicationConfig({
      ReplicationConfigIdentifier: inputs["replicationConfigIdentifier"] as string,
      ResourceIdentifier: inputs["resourceIdentifier"] as string | undefined,
      ReplicationType: inputs["replicationType"] as MigrationTypeValue,
      SourceEndpointArn: inputs["sourceEndpointArn"] as string,
      TargetEndpointArn: inputs["targetEndpointArn"] as string,
      TableMappings: inputs["tableMappings"] as string,
      ReplicationSettings: inputs["replicationSettings"] as string | undefined,
      SupplementalSettings: inputs["supplementalSettings"] as string | undefined,
      ComputeConfig: toApi(computeConfig, inputs["computeConfig"] as Values, pascal),
      Tags: tagList(inputs["tags"]),
    });
    return made.ReplicationConfig!.ReplicationConfigArn!;
  },
  async settle({ client, id, inputs }) {
    if (inputs["startReplication"] === true) await start(await client.dms(inputs["region"]), id);
  },
  async read({ client, id, state }) {
    const dms = await client.dms(state["region"]);
    const live = await findConfig(dms, id);
    if (live === undefined) return undefined;
    return {
      ...fromApi(modifiable, live as Values, pascal),
      replicationConfigIdentifier: live.ReplicationConfigIdentifier,
      region: state["region"] ?? client.region,
      arn: live.ReplicationConfigArn,
      ...(await tagsOf(dms, id)),
    };
  },
  async update({ client, id, inputs, oldInputs, changed }) {
    const dms = await client.dms(inputs["region"]);
    const names = Object.keys(modifiable).filter((name) => changed.has(name));
    if (names.length > 0) {
      // A replication is modified at rest only; the provider stops it, and starts it again if the program says so.
      await stop(dms, id);
      const values = Object.fromEntries(names.map((name) => [name, inputs[name]]));
      await dms.modifyReplicationConfig({ ReplicationConfigArn: id, ...toApi(modifiable, values, pascal) });
    } else if (changed.has("startReplication") && inputs["startReplication"] !== true) {
      await stop(dms, id);
    }
    await retag(dms, id, oldInputs["tags"], inputs["tags"]);
  },
  async delete({ client, id, state }) {
    const dms = await client.dms(state["region"]);
    await stop(dms, id);
    await dms.deleteReplicationConfig({ ReplicationConfigArn: id });
    await until(`the deletion of ${id}`, 60, async () => (await findConfig(dms, id)) === undefined);
  },
});

export const replicationSubnetGroup: ResourceType<AwsClients> = defineType({
  token: "aws:dms/replicationSubnetGroup:ReplicationSubnetGroup",
  source: "terraform-provider-aws internal/service/dms/replication_subnet_group.go",
  inputs: {
    replicationSubnetGroupDescription: text({ required: true }),
    replicationSubnetGroupId: text({ required: true, replaces: true, same: "case" }),
    subnetIds: set(text(), { required: true }),
    ...regionInput,
    ...tagInput,
  },
  outputs: { replicationSubnetGroupArn: {}, vpcId: {}, ...tagOutput },
  async create({ client, inputs }) {
    const dms = await client.dms(inputs["region"]);
    await dms.createReplicationSubnetGroup({ ...group(inputs), Tags: tagList(inputs["tags"]) });
    return inputs["replicationSubnetGroupId"] as string;
  },
  async read({ client, id, state }) {
    const dms = await client.dms(state["region"]);
    const Filters = [{ Name: "replication-subnet-group-id", Values: [id.toLowerCase()] }];
    const found = await dms
      .describeReplicationSubnetGroups({ Filters })
      .catch(unless("ResourceNotFoundFault"));
    const live = found?.ReplicationSubnetGroups?.[0];
    if (live === undefined) return undefined;
    const region = (state["region"] as string | undefined) ?? client.region;
    const arn = await groupArn(client, region, live.ReplicationSubnetGroupIdentifier!);
    return {
      replicationSubnetGroupId: live.ReplicationSubnetGroupIdentifier,
      replicationSubnetGroupDescription: live.ReplicationSubnetGroupDescription,
      subnetIds: live.Subnets?.map(({ SubnetIdentifier }) => SubnetIdentifier),
      vpcId: live.VpcId,
      region,
      replicationSubnetGroupArn: arn,
      ...(await tagsOf(dms, arn)),
    };
  },
  async update({ client, id, inputs, state, oldInputs, changed }) {
    const dms = await client.dms(inputs["region"]);
    if (changed.size > (changed.has("tags") ? 1 : 0)) await dms.modifyReplicationSubnetGroup(group(inputs));
    const arn = await groupArn(client, (state["region"] as string | undefined) ?? client.region, id);
    await retag(dms, arn, oldInputs["tags"], inputs["tags"]);
  },
  async delete({ client, id, state }) {
    const dms = await client.dms(state["region"]);
    await dms.deleteReplicationSubnetGroup({ ReplicationSubnetGroupIdentifier: id });
  },
});

/** The API does not tell a group's ARN: the provider composes it, as here. */
async function groupArn(client: AwsClients, region: string, id: string): Promise<string> {
  const { Account } = await (await client.sts()).getCallerIdentity({});
  return `arn:aws:dms:${region}:${Account}:subgrp:${id.toLowerCase()}`;
}

function group(inputs: Values) {
  return {
    ReplicationSubnetGroupIdentifier: inputs["replicationSubnetGroupId"] as string,
    ReplicationSubnetGroupDescription: inputs["replicationSubnetGroupDescription"] as string,
    SubnetIds: inputs["subnetIds"] as string[],
  };
}

async function findConfig(
  dms: DatabaseMigrationService,
  arn: string,
): Promise<ReplicationConfig | undefined> {
  const found = await dms.describeReplicationConfigs(byArn(arn)).catch(unless("ResourceNotFoundFault"));
  return found?.ReplicationConfigs?.[0];
}

async function findReplication(dms: DatabaseMigrationService, arn: string): Promise<Replication | undefined> {
  const found = await dms.describeReplications(byArn(arn)).catch(unless("ResourceNotFoundFault"));
  return found?.Replications?.[0];
}

function byArn(arn: string) {
  return { Filters: [{ Name: "replication-config-arn", Values: [arn] }] };
}

const atRest = ["created", "ready", "stopped", "failed"];

async function start(dms: DatabaseMigrationService, arn: string): Promise<void> {
  const before = (await findReplication(dms, arn))?.Status ?? "created";
  if (before === "running") return;
  const StartReplicationType =
    before === "created" || before === "ready" ? "start-replication" : "resume-processing";
  await dms.startReplication({ ReplicationConfigArn: arn, StartReplicationType });
  await until(`the start of ${arn}`, 60, async () => {
    const now = await findReplication(dms, arn);
    if (now?.Status === "failed") {
      const why = [...(now.FailureMessages ?? []), now.StopReason ?? ""].filter((one) => one !== "");
      throw new Error(`${arn} failed to start: ${why.join("; ")}`);
    }
    return now?.Status === "running" || now?.Status === "stopped"; // a full load may be over already
  });
}

async function stop(dms: DatabaseMigrationService, arn: string): Promise<void> {
  const before = (await findReplication(dms, arn))?.Status;
  if (before === undefined || atRest.includes(before)) return;
  if (before !== "stopping") await dms.stopReplication({ ReplicationConfigArn: arn });
  await until(`the stop of ${arn}`, 60, async () => {
    const now = (await findReplication(dms, arn))?.Status;
    return now === undefined || atRest.includes(now);
  });
}
