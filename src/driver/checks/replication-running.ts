import type { Check } from "./check.js";
import { lakehouseOutputs } from "./outputs.js";

/** The replication runs, and DMS has given up no table. Only reads. */
export function replicationRunning(): Check {
  return {
    name: "replication-running",
    async run({ stack, outputs, clients }) {
      const { replicationConfigArn: arn } = lakehouseOutputs(stack, outputs);
      const { status } = await clients.replications.require(arn);
      const tables = await clients.replications.tables(arn);
      const failed = tables.filter(({ state }) => /error/i.test(state));
      const names = failed.map(({ schema, table, state }) => `${schema}.${table} (${state})`);
      if (names.length > 0) return { passed: false, message: `DMS has given up ${names.join(", ")}` };
      return {
        passed: status === "running",
        message: `the replication is ${status}, ${tables.length} tables`,
      };
    },
  };
}
