import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { capacityUnits, isCapacityUnits } from "../model/dms/capacity.js";
import { HeadwaterError } from "../model/errors.js";
import { physicalName } from "../model/naming.js";
import type { Pipeline } from "../model/pipeline.js";
import { replicationSettings } from "../model/replication-settings.js";
import { tableMappings, type TableOverridesByName } from "../model/table-mappings.js";

export interface ServerlessReplicationArgs {
  /** `<pipeline>-<environment>`; names the replication. A change replaces it, and the tables are loaded again. */
  readonly stack: string;
  /** The tables to carry. */
  readonly pipeline: Pipeline;
  readonly sourceEndpointArn: pulumi.Input<string>;
  readonly targetEndpointArn: pulumi.Input<string>;
  /** DMS capacity units (2 GB of memory each): 1, 2, 4, 8, 16, 32, 64, 128, 192, 256 or 384. */
  readonly capacity: { readonly min: number; readonly max: number };
  /** Subnets in at least two zones, and security groups that reach the source. */
  readonly network: { readonly subnetIds: readonly string[]; readonly securityGroupIds: readonly string[] };
  /** Keep a standby in a second zone. Default: false. */
  readonly multiAz?: boolean;
  /** KB kept of a large object. Default: 64. */
  readonly lobMaxSizeKb?: number;
  /** Tables loaded at the same time. Default: 8. */
  readonly parallelTables?: number;
  /** Overrides for single tables. */
  readonly tables?: TableOverridesByName;
}

/** Throws where DMS would refuse the capacity or the network, before anything is made. */
export function checkServerlessReplication(
  args: Pick<ServerlessReplicationArgs, "capacity" | "network">,
): void {
  for (const bound of ["min", "max"] as const) {
    const units = args.capacity[bound];
    if (isCapacityUnits(units)) continue;
    throw new HeadwaterError("replication/capacity", "not a number of DMS capacity units", {
      field: `capacity.${bound}`,
      found: units,
      allowed: capacityUnits.join(", "),
      remedy: "Use one of the sizes DMS has.",
    });
  }
  const { min, max } = args.capacity;
  if (min > max) {
    throw new HeadwaterError("replication/capacity", "capacity.max is below capacity.min", {
      field: "capacity.max",
      found: max,
      allowed: capacityUnits.filter((units) => units >= min).join(", "),
      remedy: `Raise max, or lower min (${min}).`,
    });
  }
  const subnets = new Set(args.network.subnetIds);
  if (subnets.size < 2) {
    throw new HeadwaterError("replication/subnets", "DMS wants subnets in at least two zones", {
      field: "network.subnetIds",
      found: args.network.subnetIds,
      allowed: "two or more different subnets",
      remedy: "Add a subnet of another availability zone.",
    });
  }
}

/**
 * A DMS Serverless replication: full load, then changes. It is made but never started here: started by the provider it
 * may not be changed while it runs (terraform-provider-aws#35650). The driver starts, stops and waits.
 */
export class ServerlessReplication extends pulumi.ComponentResource {
  readonly replicationConfigArn: pulumi.Output<string>;

  constructor(name: string, args: ServerlessReplicationArgs, opts?: pulumi.ComponentResourceOptions) {
    checkServerlessReplication(args);
    super("headwater:components:ServerlessReplication", name, {}, opts);
    const { stack, pipeline, capacity, network } = args;

    const subnetGroup = new aws.dms.ReplicationSubnetGroup(
      name,
      {
        replicationSubnetGroupId: physicalName("subnetGroup", stack),
        replicationSubnetGroupDescription: `Headwater ${stack}`,
        subnetIds: [...network.subnetIds],
      },
      { parent: this },
    );
    const config = new aws.dms.ReplicationConfig(
      name,
      {
        replicationConfigIdentifier: physicalName("replicationConfig", stack),
        replicationType: "full-load-and-cdc",
        sourceEndpointArn: args.sourceEndpointArn,
        targetEndpointArn: args.targetEndpointArn,
        tableMappings: tableMappings(pipeline, args.tables),
        replicationSettings: replicationSettings({
          ...(args.lobMaxSizeKb === undefined ? {} : { lobMaxSizeKb: args.lobMaxSizeKb }),
          ...(args.parallelTables === undefined ? {} : { parallelTables: args.parallelTables }),
        }),
        startReplication: false,
        computeConfig: {
          replicationSubnetGroupId: subnetGroup.replicationSubnetGroupId,
          vpcSecurityGroupIds: [...network.securityGroupIds],
          minCapacityUnits: capacity.min,
          maxCapacityUnits: capacity.max,
          multiAz: args.multiAz ?? false,
        },
      },
      { parent: this },
    );
    this.replicationConfigArn = config.arn;
    this.registerOutputs({ replicationConfigArn: this.replicationConfigArn });
  }
}
