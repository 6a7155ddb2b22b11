import * as endpoints from "./api/endpoints.js";
import * as configs from "./api/replication-configs.js";
import * as replications from "./api/replications.js";
import * as groups from "./api/subnet-groups.js";
import * as tags from "./api/tags.js";
import type { Context } from "./context.js";
import type { Input } from "./parameters.js";

export type Operation = (context: Context, input: Input) => object | Promise<object>;

/** Every call that is answered; all others are refused by name. */
export const operations: ReadonlyMap<string, Operation> = new Map<string, Operation>([
  ["CreateEndpoint", endpoints.createEndpoint],
  ["ModifyEndpoint", endpoints.modifyEndpoint],
  ["DeleteEndpoint", endpoints.deleteEndpoint],
  ["DescribeEndpoints", endpoints.describeEndpoints],
  ["TestConnection", endpoints.testConnection],
  ["DescribeConnections", endpoints.describeConnections],
  ["DeleteConnection", endpoints.deleteConnection],
  ["CreateReplicationSubnetGroup", groups.createReplicationSubnetGroup],
  ["ModifyReplicationSubnetGroup", groups.modifyReplicationSubnetGroup],
  ["DeleteReplicationSubnetGroup", groups.deleteReplicationSubnetGroup],
  ["DescribeReplicationSubnetGroups", groups.describeReplicationSubnetGroups],
  ["CreateReplicationConfig", configs.createReplicationConfig],
  ["ModifyReplicationConfig", configs.modifyReplicationConfig],
  ["DeleteReplicationConfig", configs.deleteReplicationConfig],
  ["DescribeReplicationConfigs", configs.describeReplicationConfigs],
  ["DescribeReplications", replications.describeReplications],
  ["StartReplication", replications.startReplication],
  ["StopReplication", replications.stopReplication],
  ["ReloadReplicationTables", replications.reloadReplicationTables],
  ["DescribeReplicationTableStatistics", replications.describeReplicationTableStatistics],
  ["AddTagsToResource", tags.addTagsToResource],
  ["RemoveTagsFromResource", tags.removeTagsFromResource],
  ["ListTagsForResource", tags.listTagsForResource],
]);
