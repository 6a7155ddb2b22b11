import { capacityUnits, isCapacityUnits } from "../../../model/dms/capacity.js";
import { readTableMappings } from "../../../model/dms/mappings.js";
import { readReplicationSettings } from "../../../model/dms/replication-settings.js";
import { replicationTypes, type ReplicationType } from "../../../model/dms/states.js";
import type { Context } from "../context.js";
import { badValue, Fault, notFound } from "../faults.js";
import { epochSeconds } from "../instants.js";
import { page, pageShape } from "../paging.js";
import {
  checkIdentifier,
  checkInput,
  checkOneOf,
  object,
  required,
  text,
  type Input,
} from "../parameters.js";
import { Replication } from "../replication.js";
import { makeArn, type ConfigRecord } from "../resources.js";
import { endpointOf } from "./endpoints.js";
import { subnetGroupOf } from "./subnet-groups.js";
import { tagsOf } from "./tags.js";

const configShape = {
  ReplicationConfigIdentifier: "text",
  ReplicationType: "text",
  SourceEndpointArn: "text",
  TargetEndpointArn: "text",
  ComputeConfig: "object",
  TableMappings: "text",
  ReplicationSettings: "text",
  SupplementalSettings: "text",
} as const;

const computeShape = {
  AvailabilityZone: "text",
  DnsNameServers: "text",
  KmsKeyId: "text",
  MaxCapacityUnits: "integer",
  MinCapacityUnits: "integer",
  MultiAZ: "boolean",
  PreferredMaintenanceWindow: "text",
  ReplicationSubnetGroupId: "text",
  VpcSecurityGroupIds: "texts",
} as const;

export function createReplicationConfig(context: Context, input: Input): object {
  checkInput(input, {
    ...configShape,
    ...{ ReplicationConfigIdentifier: "text!", ReplicationType: "text!", TableMappings: "text!" },
    ...{ SourceEndpointArn: "text!", TargetEndpointArn: "text!", ComputeConfig: "object!" },
    ...{ ResourceIdentifier: "text", Tags: "objects" },
  });
  const { resources, options } = context;
  const tags = tagsOf(input);
  const resourceIdentifier = text(input, "ResourceIdentifier");
  // Limits: ResourceIdentifier in the API reference.
  if (resourceIdentifier !== undefined) {
    checkIdentifier("ResourceIdentifier", resourceIdentifier);
    if (resourceIdentifier.length > 31) throw badValue("ResourceIdentifier can have at most 31 characters");
  }
  const arn = makeArn(options.aws, "replication-config", resourceIdentifier);
  if (resources.value.configs[arn] !== undefined) {
    throw new Fault("ResourceAlreadyExistsFault", `Replication Config ${arn} already exists`);
  }
  const now = Date.now();
  const config = change(
    context,
    {
      ...{
        arn,
        identifier: "",
        type: "full-load",
        sourceEndpointArn: "",
        targetEndpointArn: "",
        tableMappings: "",
      },
      ...{ compute: {}, created: now, updated: now },
      replication: { state: "created", failures: [], updated: now },
    },
    input,
  );
  resources.value.configs[arn] = config;
  resources.value.tags[arn] = tags;
  addReplication(context, config);
  resources.save();
  return { ReplicationConfig: shown(config) };
}

export function modifyReplicationConfig(context: Context, input: Input): object {
  checkInput(input, { ...configShape, ReplicationConfigArn: "text!" });
  const replication = replicationOf(context, required(input, "ReplicationConfigArn"));
  replication.check("modify");
  const changed = change(context, replication.config, input);
  replication.modify(() => Object.assign(replication.config, changed, { updated: Date.now() }));
  return { ReplicationConfig: shown(replication.config) };
}

export function deleteReplicationConfig(context: Context, input: Input): object {
  checkInput(input, { ReplicationConfigArn: "text!" });
  const replication = replicationOf(context, required(input, "ReplicationConfigArn"));
  replication.delete();
  return { ReplicationConfig: shown(replication.config) };
}

export function describeReplicationConfigs({ resources }: Context, input: Input): object {
  checkInput(input, pageShape);
  const found = page(
    input,
    Object.values(resources.value.configs),
    {
      "replication-config-arn": ({ arn }) => arn,
      "replication-config-id": ({ identifier }) => identifier,
    },
    { whenNoneMatch: "No Replication Configs found matching provided filters" },
  );
  return { ReplicationConfigs: found.items.map(shown), Marker: found.Marker };
}

export function replicationOf({ replications }: Context, arn: string): Replication {
  const replication = replications.get(arn);
  if (replication === undefined) throw notFound(`Replication Config ${arn} not found`);
  return replication;
}

export function addReplication(context: Context, config: ConfigRecord): void {
  const { replications } = context;
  const removed = (): void => void replications.delete(config.arn);
  replications.set(config.arn, new Replication(config, context, removed));
}

/** A configuration with what a call gives changed, checked as a whole. */
function change(context: Context, config: ConfigRecord, input: Input): ConfigRecord {
  const changed: ConfigRecord = {
    ...config,
    identifier: text(input, "ReplicationConfigIdentifier") ?? config.identifier,
    type: (text(input, "ReplicationType") ?? config.type) as ReplicationType,
    sourceEndpointArn: text(input, "SourceEndpointArn") ?? config.sourceEndpointArn,
    targetEndpointArn: text(input, "TargetEndpointArn") ?? config.targetEndpointArn,
    compute: { ...config.compute, ...object(input, "ComputeConfig") },
    tableMappings: text(input, "TableMappings") ?? config.tableMappings,
  };
  const settings = text(input, "ReplicationSettings") ?? config.replicationSettings;
  if (settings !== undefined) changed.replicationSettings = settings;
  const supplemental = text(input, "SupplementalSettings") ?? config.supplementalSettings;
  if (supplemental !== undefined) changed.supplementalSettings = supplemental;
  check(context, changed);
  return changed;
}

function check(context: Context, config: ConfigRecord): void {
  checkIdentifier("ReplicationConfigIdentifier", config.identifier);
  const same = Object.values(context.resources.value.configs).find(
    ({ identifier, arn }) => identifier === config.identifier && arn !== config.arn,
  );
  if (same !== undefined) {
    throw new Fault("ResourceAlreadyExistsFault", `Replication Config ${config.identifier} already exists`);
  }
  checkOneOf("ReplicationType", config.type, replicationTypes);
  for (const [arn, type] of [
    [config.sourceEndpointArn, "source"],
    [config.targetEndpointArn, "target"],
  ] as const) {
    const endpoint = endpointOf(context, arn);
    if (endpoint.type !== type)
      throw badValue(`Endpoint ${arn} is a ${endpoint.type} endpoint, but is given as ${type}`);
  }
  if (config.supplementalSettings !== undefined && !["", "{}"].includes(config.supplementalSettings.trim())) {
    throw badValue("SupplementalSettings are not supported by this sandbox");
  }
  checkCompute(context, config.compute);
  const problems = [
    ...readTableMappings(config.tableMappings).problems,
    ...readReplicationSettings(config.replicationSettings).problems,
  ];
  if (problems.length > 0) throw badValue(problems.join("; "));
}

function checkCompute(context: Context, compute: Input): void {
  checkInput(compute, computeShape, "ComputeConfig.");
  const { MaxCapacityUnits: max, MinCapacityUnits: min } = compute;
  for (const [name, units] of [
    ["MaxCapacityUnits", max],
    ["MinCapacityUnits", min ?? 1],
  ] as const) {
    if (!isCapacityUnits(units)) {
      throw badValue(`ComputeConfig.${name} is ${String(units)}, but takes ${capacityUnits.join(", ")}`);
    }
  }
  if (typeof min === "number" && typeof max === "number" && min > max) {
    throw badValue(`ComputeConfig.MinCapacityUnits (${min}) must not be above MaxCapacityUnits (${max})`);
  }
  if (compute["MultiAZ"] === true && text(compute, "AvailabilityZone")) {
    throw new Fault(
      "InvalidParameterCombinationException",
      "ComputeConfig.AvailabilityZone can't be set if ComputeConfig.MultiAZ is true",
    );
  }
  const group = text(compute, "ReplicationSubnetGroupId");
  if (!group)
    throw badValue("ComputeConfig.ReplicationSubnetGroupId is required: this sandbox has no default group");
  subnetGroupOf(context, group);
}

/** assumed: settings come back as they were given; AWS completes them with its defaults, not all documented. */
function shown(config: ConfigRecord): object {
  return {
    ReplicationConfigIdentifier: config.identifier,
    ReplicationConfigArn: config.arn,
    SourceEndpointArn: config.sourceEndpointArn,
    TargetEndpointArn: config.targetEndpointArn,
    ReplicationType: config.type,
    ComputeConfig: config.compute,
    ReplicationSettings: config.replicationSettings,
    SupplementalSettings: config.supplementalSettings,
    TableMappings: config.tableMappings,
    ReplicationConfigCreateTime: epochSeconds(config.created),
    ReplicationConfigUpdateTime: epochSeconds(config.updated),
  };
}
