import path from "node:path";
import { readTableMappings } from "../../model/dms/mappings.js";
import { readReplicationSettings } from "../../model/dms/replication-settings.js";
import {
  forbiddenMessage,
  isAllowed,
  startingStates,
  transitions,
  type ReplicationOperation,
  type ReplicationState,
  type StartType,
} from "../../model/dms/states.js";
import { Capture } from "./capture.js";
import { tableKey, type Checkpoint } from "./checkpoint.js";

import { problemOfEndpoint } from "./endpoint-test.js";
import { Fault, badValue } from "./faults.js";
import { isRecoverable } from "./recoverable.js";
import { slotName, type ConfigRecord, type EndpointRecord } from "./resources.js";
import { ReplicationRun } from "./run.js";
import { sourceConnection, SourceFailure, withDatabase } from "./source/database.js";
import { dropSlot, slotNames } from "./source/slot.js";
import { Document } from "./store.js";
import type { Surroundings } from "./surroundings.js";

/** assumed: seconds a replication spends in each state on its way to running (minutes in AWS). */
const secondsPerState = 3;
/** Shortest pause between two tries, however fast the clock. */
const shortestPause = 200;

/** One serverless replication: its states, and the work behind them. */
export class Replication {
  readonly checkpoint: Document<Checkpoint>;
  private controller = new AbortController();
  private work: Promise<void> = Promise.resolve();
  private capture: Capture | undefined;

  constructor(
    readonly config: ConfigRecord,
    private readonly surroundings: Surroundings,
    /** Called when its deletion is done. */
    private readonly removed: () => void,
  ) {
    const name = `${config.arn.split(":").at(-1) ?? ""}.json`;
    const file = path.join(surroundings.options.stateDir, "replications", name);
    this.checkpoint = new Document<Checkpoint>(file, { tables: {} });
  }

  get state(): ReplicationState {
    return this.config.replication.state;
  }

  /** DMS's fault for a call that is not allowed in the present state. */
  check(operation: ReplicationOperation): void {
    if (isAllowed(operation, this.state)) return;
    throw new Fault("InvalidResourceStateFault", forbiddenMessage(operation, this.state, this.config.arn));
  }

  /** Data has been moved, or a slot made, since the configuration was created. */
  get hasRun(): boolean {
    const { capture, tables } = this.checkpoint.value;
    return capture !== undefined || Object.values(tables).some(({ loaded }) => loaded);
  }

  /** Goes on where a former process was when it ended, by whatever means. */
  recover(): void {
    const { state, before } = this.config.replication;
    if (state === "modifying") this.enter(before ?? "created");
    else if (state === "stopping") this.enter("stopped");
    else if (state === "deleting") this.surroundings.background(this.remove());
    else if (state === "running") this.launch();
    else if (startingStates.some((starting) => starting === state)) {
      this.config.replication.state = "initializing"; // the way to running begins anew
      this.launch();
    }
  }

  start(startType: StartType): void {
    this.check("start");
    const fresh = startType !== "resume-processing" || !this.hasRun;
    const { replication } = this.config;
    Object.assign(replication, { startType, failures: [], started: Date.now() });
    delete replication.stopReason;
    if (fresh) {
      replication.freshStart = Date.now();
      this.checkpoint.value = { tables: {} };
      this.checkpoint.save();
    }
    this.enter("initializing");
    this.launch();
  }

  stop(): void {
    this.check("stop");
    this.enter("stopping");
    this.surroundings.background(this.halt({ discard: false }));
  }

  modify(change: () => void): void {
    this.check("modify");
    const before = this.state;
    this.config.replication.before = before;
    change();
    this.enter("modifying");
    this.controller = new AbortController();
    this.surroundings.background(this.leaveModifying(before, this.controller.signal));
  }

  delete(): void {
    this.check("delete");
    this.enter("deleting");
    this.surroundings.background(this.remove());
  }

  /** Loads tables again while changes go on being kept at the source. */
  reload(tables: readonly { schema: string; table: string }[]): void {
    this.check("reload tables");
    const progresses = tables.map(({ schema, table }) => {
      const progress = this.checkpoint.value.tables[tableKey(schema, table)];
      if (progress === undefined) throw badValue(`The replication has no table ${schema}.${table}`);
      return progress;
    });
    for (const progress of progresses) {
      Object.assign(progress, {
        loaded: false,
        reloaded: true,
        fullLoadRows: 0,
        state: "Table is being reloaded",
      });
      delete progress.error;
    }
    this.checkpoint.save();
    const again = async (): Promise<void> => {
      await this.end({ discard: false });
      if (this.state === "running") this.launch();
    };
    this.surroundings.background(again());
  }

  /** Ends the work without a change of state: the next process recovers it. */
  async close(): Promise<void> {
    await this.end({ discard: true });
  }

  private async leaveModifying(before: ReplicationState, signal: AbortSignal): Promise<void> {
    const { clock } = this.surroundings;
    try {
      await clock.wait(clock.millis(secondsPerState), signal);
    } catch (error) {
      if (signal.aborted) return; // the service closes; the next one's recover() goes back
      throw error;
    }
    this.enter(before);
  }

  private enter(state: ReplicationState): void {
    const { replication } = this.config;
    const known = state === replication.state || transitions[replication.state].includes(state);
    if (!known) throw new Error(`a replication cannot go from ${replication.state} to ${state}`);
    Object.assign(replication, { state, updated: Date.now() });
    this.surroundings.resources.save();
    this.surroundings.log(`${this.config.identifier}: ${state}`);
  }

  private launch(): void {
    this.controller = new AbortController();
    const { signal } = this.controller;
    this.work = this.live(signal).catch((error: unknown) => {
      if (!signal.aborted) this.fail(error as Error);
      else if (this.state === "stopping")
        this.surroundings.log(`${this.config.identifier}: ${(error as Error).message}`);
    });
  }

  private fail(error: Error): void {
    const { replication } = this.config;
    replication.failures = [error.message];
    replication.stopReason = "Stop Reason FATAL_ERROR";
    replication.stopped = Date.now();
    this.surroundings.log(`${this.config.identifier}: ${error.message}`);
    this.enter("failed");
  }

  private async halt(how: { discard: boolean }): Promise<void> {
    await this.end(how);
    if (this.state !== "stopping") return; // it has failed on the way
    Object.assign(this.config.replication, { stopReason: "Stop Reason NORMAL", stopped: Date.now() });
    this.enter("stopped");
  }

  private async end({ discard }: { discard: boolean }): Promise<void> {
    await this.capture?.stop({ discard });
    this.controller.abort(new Error("the replication is being stopped"));
    await this.work;
  }

  private async remove(): Promise<void> {
    await this.end({ discard: true });
    const { checkpoint, config, surroundings } = this;
    // Also after a start that was broken off: the slot may have come to be nevertheless.
    if (config.type !== "full-load" && config.replication.started !== undefined) {
      try {
        const connection = await sourceConnection(
          this.endpoint(config.sourceEndpointArn),
          surroundings.clients,
          surroundings.options.aws,
        );
        await withDatabase(connection, (client) => dropSlot(client, slotNames(slotName(config))));
      } catch (error) {
        // The source may be gone already; a deletion must not hang on that.
        surroundings.log(`${config.identifier}: its slot could not be dropped: ${(error as Error).message}`);
      }
    }
    checkpoint.remove();
    delete surroundings.resources.value.configs[config.arn];
    delete surroundings.resources.value.tags[config.arn];
    surroundings.resources.save();
    this.removed();
  }

  private endpoint(arn: string): EndpointRecord {
    const endpoint = this.surroundings.resources.value.endpoints[arn];
    if (endpoint === undefined) throw new SourceFailure(`The endpoint ${arn} does not exist`);
    return endpoint;
  }

  private async live(signal: AbortSignal): Promise<void> {
    if (this.state !== "running") await this.begin(signal);
    const { settings } = readReplicationSettings(this.config.replicationSettings);
    for (let failures = 0; ;) {
      const since = Date.now();
      try {
        await this.operate(signal);
        return;
      } catch (error) {
        if (signal.aborted || !isRecoverable(error)) throw error;
        failures = Date.now() - since > 10_000 ? 1 : failures + 1;
        if (settings.recoverableErrorCount >= 0 && failures > settings.recoverableErrorCount) throw error;
        this.surroundings.log(`${this.config.identifier}: trying again after: ${(error as Error).message}`);
        const pause = this.surroundings.clock.millis(settings.recoverableErrorInterval);
        await this.surroundings.clock.wait(Math.max(pause, shortestPause), signal);
      }
    }
  }

  /** Through the starting states to running; what fails on the way fails the replication. */
  private async begin(signal: AbortSignal): Promise<void> {
    const { surroundings } = this;
    for (const state of startingStates) {
      this.enter(state);
      if (state === "testing_connection") await this.testEndpoints();
      if (state === "provisioning_capacity") this.provision();
      const run = state === "fetching_metadata" || state === "replication_starting" ? this.run() : undefined;
      if (state === "fetching_metadata") await run?.fetchMetadata(signal);
      if (state === "replication_starting") await run?.prepare(signal);
      // Also rejects if the replication was stopped meanwhile.
      await surroundings.clock.wait(surroundings.clock.millis(secondsPerState), signal);
    }
    this.enter("running");
  }

  private provision(): void {
    const units = this.config.compute["MinCapacityUnits"] ?? this.config.compute["MaxCapacityUnits"];
    this.config.replication.provisioned = { units: units as number, at: Date.now() };
  }

  private async testEndpoints(): Promise<void> {
    const { surroundings, config } = this;
    for (const arn of [config.sourceEndpointArn, config.targetEndpointArn]) {
      const endpoint = this.endpoint(arn);
      const problem = await problemOfEndpoint(endpoint, surroundings, {
        capture: config.type !== "full-load",
      });
      if (problem === undefined) continue;
      throw new SourceFailure(
        `Test connection failed for endpoint '${endpoint.identifier}' and replication config ` +
          `'${config.identifier}'. Failure Message: '${problem}'`,
      );
    }
  }

  private run(): ReplicationRun {
    const { config, surroundings, checkpoint } = this;
    return new ReplicationRun({
      config,
      surroundings,
      checkpoint,
      mappings: readTableMappings(config.tableMappings).mappings,
      settings: readReplicationSettings(config.replicationSettings).settings,
      source: this.endpoint(config.sourceEndpointArn),
      target: this.endpoint(config.targetEndpointArn),
    });
  }

  /** Loads what is not loaded, then captures until stopped. */
  private async operate(signal: AbortSignal): Promise<void> {
    const run = this.run();
    await run.load(signal);
    signal.throwIfAborted();
    if (this.config.type === "full-load") {
      const reason = "Stop Reason FULL_LOAD_ONLY_FINISHED";
      Object.assign(this.config.replication, { stopReason: reason, stopped: Date.now() });
      this.enter("stopped");
      return;
    }
    this.capture = await run.capture();
    try {
      signal.throwIfAborted();
      await this.capture.run();
    } finally {
      this.capture = undefined;
    }
  }
}
