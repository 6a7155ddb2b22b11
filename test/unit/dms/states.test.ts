import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect } from "chai";
import {
  allowedOperations,
  isAllowed,
  refusedStart,
  replicationOperations,
  replicationStates,
  replicationTypes,
  startTypes,
  transitions,
  type ReplicationOperation,
  type ReplicationState,
} from "../../../src/model/dms/states.js";
import { awsClients } from "../../../src/sandbox/dms/aws.js";
import { newProgress, tableKey } from "../../../src/sandbox/dms/checkpoint.js";
import { Clock } from "../../../src/sandbox/dms/clock.js";
import type { Context } from "../../../src/sandbox/dms/context.js";
import { Fault } from "../../../src/sandbox/dms/faults.js";
import { operations } from "../../../src/sandbox/dms/operations.js";
import { Replication } from "../../../src/sandbox/dms/replication.js";
import { noResources, type ConfigRecord, type Resources } from "../../../src/sandbox/dms/resources.js";
import { Document } from "../../../src/sandbox/dms/store.js";

const calls: Record<ReplicationOperation, { name: string; input: object; next: ReplicationState }> = {
  start: {
    name: "StartReplication",
    input: { StartReplicationType: "start-replication" },
    next: "initializing",
  },
  stop: { name: "StopReplication", input: {}, next: "stopping" },
  modify: { name: "ModifyReplicationConfig", input: { ReplicationType: "cdc" }, next: "modifying" },
  delete: { name: "DeleteReplicationConfig", input: {}, next: "deleting" },
  "reload tables": {
    name: "ReloadReplicationTables",
    input: { TablesToReload: [{ SchemaName: "shop", TableName: "t" }] },
    next: "running",
  },
};

describe("DMS replication states", () => {
  const arn = "arn:aws:dms:eu-west-1:123456789012:replication-config:X";
  let folder: string;
  before(() => (folder = mkdtempSync(path.join(tmpdir(), "hw-test-states-"))));
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** A service's insides with one replication in a given state; nothing answers at its AWS. */
  function inState(state: ReplicationState): { context: Context; replication: Replication } {
    const aws = { endpoint: "http://127.0.0.1:1", region: "eu-west-1", accountId: "123456789012" };
    const endpoint = (name: string, type: "source" | "target") => ({
      ...{
        arn: name,
        identifier: name,
        type,
        engine: type === "source" ? "postgres" : "s3",
        kmsKeyId: "",
        sslMode: "none",
      },
      s3: { BucketName: "b", ServiceAccessRoleArn: "r", DataFormat: "parquet" },
    });
    const stateDir = mkdtempSync(path.join(folder, "state-"));
    const resources = new Document<Resources>(path.join(stateDir, "resources.json"), noResources());
    const config: ConfigRecord = {
      ...{
        arn,
        identifier: "x",
        type: "full-load-and-cdc",
        sourceEndpointArn: "source",
        targetEndpointArn: "target",
      },
      compute: { MaxCapacityUnits: 1, ReplicationSubnetGroupId: "group" },
      tableMappings: JSON.stringify({
        rules: [
          {
            "rule-type": "selection",
            "rule-action": "include",
            "object-locator": { "schema-name": "%", "table-name": "%" },
          },
        ],
      }),
      ...{ created: 0, updated: 0 },
      replication: { state, failures: [], updated: 0 },
    };
    resources.value.endpoints = {
      source: endpoint("source", "source"),
      target: endpoint("target", "target"),
    };
    resources.value.subnetGroups = {
      group: { arn: "g", identifier: "group", description: "", vpcId: "", subnets: [] },
    };
    resources.value.configs[arn] = config;
    const context: Context = {
      ...{
        options: { stateDir, aws },
        resources,
        replications: new Map(),
        clients: awsClients(aws),
        clock: new Clock(1),
      },
      log: () => undefined,
      background: (work) => void work.catch(() => undefined),
    };
    const replication = new Replication(config, context, () => undefined);
    replication.checkpoint.value.tables[tableKey("shop", "t")] = newProgress("shop", "t");
    context.replications.set(arn, replication);
    return { context, replication };
  }

  for (const state of replicationStates) {
    for (const operation of replicationOperations) {
      const { name, input, next } = calls[operation];
      const allowed = allowedOperations[state].includes(operation);
      it(`${name} while ${state} ${allowed ? `leads to ${next}` : "is an InvalidResourceStateFault"}`, async () => {
        const { context, replication } = inState(state);
        const call = async () =>
          await operations.get(name)?.(context, { ReplicationConfigArn: arn, ...input });
        try {
          if (allowed) {
            await call();
            expect(replication.state).to.equal(next);
          } else {
            const fault = await call().then(
              () => undefined,
              (error: unknown) => error,
            );
            expect(fault)
              .to.be.instanceOf(Fault)
              .and.include({
                type: "InvalidResourceStateFault",
                message: `Replication for Replication Config: ${arn} is in ${state.toUpperCase()} state and cannot ${operation}`,
              });
            expect(replication.state).to.equal(state);
          }
        } finally {
          await replication.close();
          context.clients.close();
        }
      });
    }
  }

  it("every operation leads along a transition of the table", () => {
    for (const state of replicationStates) {
      for (const operation of replicationOperations.filter((known) => isAllowed(known, state))) {
        const { next } = calls[operation];
        expect(next === state || transitions[state].includes(next), `${operation} in ${state}`).to.equal(
          true,
        );
      }
    }
  });

  it("every state but the last can be left, and every one reached from created", () => {
    const reached = new Set<ReplicationState>(["created"]);
    for (const state of reached) for (const next of transitions[state]) reached.add(next);
    expect([...reached].sort()).to.deep.equal([...replicationStates].sort());
    for (const state of replicationStates)
      expect(transitions[state].length === 0).to.equal(state === "deleting");
  });

  it("start types: only start-replication at first, then resume or reload", () => {
    for (const type of replicationTypes) {
      for (const startType of startTypes) {
        const first = refusedStart(startType, type, "created", false);
        expect(first === undefined, `${startType} of ${type} at first: ${first}`).to.equal(
          startType === "start-replication",
        );
      }
    }
    expect(refusedStart("start-replication", "full-load-and-cdc", "stopped", true)).to.include(
      "valid only for replications running for the first time",
    );
    expect(refusedStart("resume-processing", "full-load-and-cdc", "stopped", true)).to.equal(undefined);
    expect(refusedStart("reload-target", "full-load-and-cdc", "failed", true)).to.equal(undefined);
    expect(refusedStart("resume-processing", "full-load", "stopped", true)).to.include(
      "not applicable to a full-load",
    );
    expect(refusedStart("reload-target", "cdc", "stopped", true)).to.include("not applicable to a cdc");
    expect(refusedStart("start-replication", "full-load-and-cdc", "failed", false)).to.equal(undefined);
  });
});
