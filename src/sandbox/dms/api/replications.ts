import { refusedStart, startTypes, type StartType } from "../../../model/dms/states.js";
import type { TableProgress } from "../checkpoint.js";
import type { Context } from "../context.js";
import { badValue, Fault } from "../faults.js";
import { epochSeconds } from "../instants.js";
import { page, pageShape } from "../paging.js";
import { checkInput, checkOneOf, required, text, type Input } from "../parameters.js";
import type { Replication } from "../replication.js";
import { replicationOf } from "./replication-configs.js";

export function startReplication(context: Context, input: Input): object {
  checkInput(input, {
    ReplicationConfigArn: "text!",
    StartReplicationType: "text!",
    ...{ CdcStartTime: "time", CdcStartPosition: "text", CdcStopPosition: "text" },
  });
  for (const name of ["CdcStartTime", "CdcStartPosition"]) {
    if (input[name] !== undefined && input[name] !== null) {
      // User guide, "Serverless limitations".
      throw badValue(`${name}: AWS DMS Serverless does not support setting a custom CDC start point`);
    }
  }
  if (text(input, "CdcStopPosition")) throw badValue("CdcStopPosition is not supported by this sandbox");
  const replication = replicationOf(context, required(input, "ReplicationConfigArn"));
  const startType = required(input, "StartReplicationType");
  checkOneOf("StartReplicationType", startType, startTypes);
  replication.check("start");
  const { config, state, hasRun } = replication;
  const refused = refusedStart(startType as StartType, config.type, state, hasRun);
  if (refused !== undefined) throw new Fault("InvalidParameterCombinationException", refused);
  replication.start(startType as StartType);
  return { Replication: shown(replication) };
}

export function stopReplication(context: Context, input: Input): object {
  checkInput(input, { ReplicationConfigArn: "text!" });
  const replication = replicationOf(context, required(input, "ReplicationConfigArn"));
  replication.stop();
  return { Replication: shown(replication) };
}

export function reloadReplicationTables(context: Context, input: Input): object {
  checkInput(input, { ReplicationConfigArn: "text!", TablesToReload: "objects!", ReloadOption: "text" });
  checkOneOf("ReloadOption", text(input, "ReloadOption"), ["data-reload"]);
  const replication = replicationOf(context, required(input, "ReplicationConfigArn"));
  const tables = (input["TablesToReload"] as Input[]).map((table) => {
    checkInput(table, { SchemaName: "text!", TableName: "text!" }, "TablesToReload.");
    return { schema: required(table, "SchemaName"), table: required(table, "TableName") };
  });
  if (tables.length === 0) throw badValue("TablesToReload must name at least one table");
  replication.reload(tables);
  return { ReplicationConfigArn: replication.config.arn };
}

export function describeReplications({ replications }: Context, input: Input): object {
  checkInput(input, pageShape);
  const found = page(
    input,
    [...replications.values()],
    {
      "replication-config-arn": ({ config }) => config.arn,
      "replication-config-id": ({ config }) => config.identifier,
    },
    { whenNoneMatch: "No Replications found matching provided filters" },
  );
  return { Replications: found.items.map(shown), Marker: found.Marker };
}

export function describeReplicationTableStatistics(context: Context, input: Input): object {
  checkInput(input, { ...pageShape, ReplicationConfigArn: "text!" });
  const replication = replicationOf(context, required(input, "ReplicationConfigArn"));
  const found = page(
    input,
    Object.values(replication.checkpoint.value.tables),
    {
      "schema-name": ({ schema }) => schema,
      "table-name": ({ table }) => table,
      "table-state": ({ state }) => state,
    },
    { most: 500 },
  );
  return {
    ReplicationConfigArn: replication.config.arn,
    ReplicationTableStatistics: found.items.map(statistics),
    Marker: found.Marker,
  };
}

/** Changes are counted when they are stored, so what is captured and what is applied never differ here. */
function statistics(table: TableProgress): object {
  return {
    SchemaName: table.schema,
    TableName: table.table,
    Inserts: table.inserts,
    Updates: table.updates,
    Deletes: table.deletes,
    Ddls: table.ddls,
    AppliedInserts: table.inserts,
    AppliedUpdates: table.updates,
    AppliedDeletes: table.deletes,
    AppliedDdls: table.ddls,
    FullLoadRows: table.fullLoadRows,
    FullLoadCondtnlChkFailedRows: 0,
    FullLoadErrorRows: 0,
    FullLoadStartTime: seconds(table.loadStart),
    FullLoadEndTime: seconds(table.loadEnd),
    FullLoadReloaded: table.reloaded,
    LastUpdateTime: seconds(table.lastUpdate),
    TableState: table.state,
    ValidationPendingRecords: 0,
    ValidationFailedRecords: 0,
    ValidationSuspendedRecords: 0,
    ValidationState: "Not enabled",
    ...(table.error === undefined ? {} : { ValidationStateDetails: table.error }),
  };
}

function shown({ config, checkpoint }: Replication): object {
  const { replication } = config;
  const tables = Object.values(checkpoint.value.tables);
  const count = (...states: TableProgress["state"][]) =>
    tables.filter(({ state }) => states.includes(state)).length;
  const loads = config.type !== "cdc";
  const loaded = count("Table completed");
  const ends = tables.map(({ loadEnd }) => loadEnd ?? 0);
  const starts = tables.flatMap(({ loadStart }) => loadStart ?? []);
  const allLoaded = tables.length > 0 && tables.every(({ loaded }) => loaded);
  const tableErrors = tables.flatMap(({ error }) => error ?? []);
  return {
    ReplicationConfigIdentifier: config.identifier,
    ReplicationConfigArn: config.arn,
    SourceEndpointArn: config.sourceEndpointArn,
    TargetEndpointArn: config.targetEndpointArn,
    ReplicationType: config.type,
    Status: replication.state,
    ProvisionData:
      replication.provisioned === undefined
        ? undefined
        : {
            ProvisionState: "provisioned",
            ProvisionedCapacityUnits: replication.provisioned.units,
            DateProvisioned: epochSeconds(replication.provisioned.at),
            IsNewProvisioningAvailable: false,
          },
    StopReason: replication.stopReason,
    FailureMessages: [...replication.failures, ...tableErrors],
    ReplicationStats: {
      FullLoadProgressPercent: loads
        ? tables.length === 0
          ? 0
          : Math.floor((100 * loaded) / tables.length)
        : 0,
      ElapsedTimeMillis:
        replication.started === undefined
          ? 0
          : Math.max(0, (replication.stopped ?? Date.now()) - replication.started),
      TablesLoaded: loaded,
      TablesLoading: count("Full load", "Table is being reloaded"),
      TablesQueued: count("Before load"),
      TablesErrored: count("Table error"),
      FreshStartDate: seconds(replication.freshStart),
      StartDate: seconds(replication.started),
      StopDate: seconds(replication.stopped),
      FullLoadStartDate: loads && starts.length > 0 ? seconds(Math.min(...starts)) : undefined,
      FullLoadFinishDate: loads && allLoaded ? seconds(Math.max(...ends)) : undefined,
    },
    StartReplicationType: replication.startType,
    ReplicationCreateTime: epochSeconds(config.created),
    ReplicationUpdateTime: epochSeconds(replication.updated),
    ReplicationLastStopTime: seconds(replication.stopped),
  };
}

function seconds(millis: number | undefined): number | undefined {
  return millis === undefined ? undefined : epochSeconds(millis);
}
