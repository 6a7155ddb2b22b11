import type pg from "pg";
import type { TableMappings } from "../../model/dms/mappings.js";
import type { ReplicationSettings } from "../../model/dms/replication-settings.js";
import { readS3Settings } from "../../model/dms/s3-settings.js";
import { Capture } from "./capture.js";
import { newProgress, tableKey, type Checkpoint, type TableProgress } from "./checkpoint.js";

import { nowMicros } from "./instants.js";
import { loadTable } from "./load.js";
import { slotName, type ConfigRecord, type EndpointRecord } from "./resources.js";
import { ChangeSequence } from "./sequence.js";
import { readDomains, readTables, type SourceTable } from "./source/catalog.js";
import { sourceConnection, SourceFailure, withDatabase } from "./source/database.js";
import { createSlot, dropSlot, publish, slotExists, slotNames, type SlotNames } from "./source/slot.js";
import type { Document } from "./store.js";
import type { Surroundings } from "./surroundings.js";
import { TargetFiles } from "./target/files.js";
import { TableFailure, type FileShape } from "./target/rows.js";

export interface RunOptions {
  readonly config: ConfigRecord;
  readonly surroundings: Surroundings;
  readonly checkpoint: Document<Checkpoint>;
  readonly mappings: TableMappings;
  readonly settings: ReplicationSettings;
  readonly source: EndpointRecord;
  readonly target: EndpointRecord;
}

/** One replication's data movement with the settings and credentials of this moment. */
export class ReplicationRun {
  private readonly files: TargetFiles;
  private readonly names: SlotNames;

  constructor(private readonly options: RunOptions) {
    this.files = new TargetFiles(options.surroundings.clients.s3, readS3Settings(options.target.s3 ?? {}));
    this.names = slotNames(slotName(options.config));
  }

  /** Finds the tables. Fails, in DMS's words, when the mappings select none. */
  async fetchMetadata(signal: AbortSignal): Promise<void> {
    await this.withSource(signal, async (client) => this.note(await this.selected(client)));
  }

  /** Publications, then the slot: changes are captured from here on, whatever is loaded later. */
  async prepare(signal: AbortSignal): Promise<void> {
    const { config, checkpoint } = this.options;
    // The task starts here, not with the call of StartReplication; a task that goes on keeps its start.
    if (checkpoint.value.capture === undefined) checkpoint.value.taskStart = String(nowMicros());
    if (config.type === "full-load") return;
    await this.withSource(signal, async (client) => {
      const tables = await this.selected(client);
      // Left behind by a former run that is not to be continued.
      if (checkpoint.value.capture === undefined) await dropSlot(client, this.names);
      await publish(client, this.names, tables);
      if (checkpoint.value.capture === undefined) {
        const lsn = await createSlot(client, this.names);
        checkpoint.value.capture = { lsn: String(lsn), sequence: new ChangeSequence().state() };
        checkpoint.save();
      }
    });
  }

  /** Loads every table that is not yet, each with a read of its own, later than the slot. */
  async load(signal: AbortSignal): Promise<void> {
    const { checkpoint } = this.options;
    await this.withSource(signal, async (client) => {
      const tables = await this.selected(client);
      this.note(tables);
      const shape = await this.shape(client);
      for (const table of tables) {
        const progress = checkpoint.value.tables[tableKey(table.schema, table.name)];
        if (progress !== undefined && !progress.loaded)
          await this.loadOne(client, table, progress, shape, signal);
      }
    });
  }

  async capture(): Promise<Capture> {
    const { surroundings, checkpoint, settings } = this.options;
    const { options, clock } = surroundings;
    const connection = await this.connection();
    const shape = await withDatabase(connection, async (client) => {
      if (!(await slotExists(client, this.names))) {
        throw new SourceFailure(
          `The replication slot ${this.names.slot} is gone from the source; reload the target`,
        );
      }
      return await this.shape(client);
    });
    return new Capture({
      ...{ connection, names: this.names, shape, files: this.files, clock },
      checkpoint: checkpoint.value,
      save: () => checkpoint.save(),
      tables: () => withDatabase(connection, (client) => readTables(client, this.options.mappings)),
      truncateTarget: settings.truncateTarget,
      keyChange: options.keyChange ?? "update",
      resend: options.resend ?? "unconfirmed",
      resentChangeSeq: options.resentChangeSeq ?? "same",
      log: (message) => surroundings.log(`${this.options.config.identifier}: ${message}`),
    });
  }

  private async loadOne(
    client: pg.Client,
    table: SourceTable,
    progress: TableProgress,
    shape: FileShape,
    signal: AbortSignal,
  ): Promise<void> {
    const { surroundings, checkpoint, settings } = this.options;
    const { taskStart } = checkpoint.value;
    const useStart = this.files.settings.useTaskStartTimeForFullLoadTimestamp && taskStart !== undefined;
    progress.state = progress.reloaded ? "Table is being reloaded" : "Full load";
    progress.loadStart = Date.now();
    checkpoint.save();
    try {
      progress.fullLoadRows = await loadTable({
        ...{ client, table, shape, files: this.files, signal },
        taskStart: useStart ? BigInt(taskStart) : undefined,
        changeSeq: surroundings.options.loadChangeSeq === "null" ? null : "",
        clean: settings.prepareTarget !== "DO_NOTHING",
        progress: (rows) => (progress.fullLoadRows = rows),
      });
      progress.state = "Table completed";
    } catch (error) {
      const code = (error as { code?: string }).code;
      // 42501 insufficient_privilege, 42P01 undefined_table: this table's own trouble.
      if (!(error instanceof TableFailure) && code !== "42501" && code !== "42P01") throw error;
      progress.state = "Table error";
      progress.error = (error as Error).message;
      surroundings.log(`${this.options.config.identifier}: table suspended: ${progress.error}`);
    }
    progress.loaded = true;
    progress.loadEnd = progress.lastUpdate = Date.now();
    checkpoint.save();
  }

  private async selected(client: pg.Client): Promise<SourceTable[]> {
    const tables = await readTables(client, this.options.mappings);
    if (tables.length > 0) return tables;
    throw new SourceFailure(
      "No tables were found at task initialization. Either the selected table(s) or schema(s) no longer exist or no " +
        "match was found for the table selection pattern(s)",
    );
  }

  /** Lists the tables in the statistics; those no longer selected leave it. */
  private note(tables: readonly SourceTable[]): void {
    const { checkpoint, config } = this.options;
    const present = checkpoint.value.tables;
    checkpoint.value.tables = Object.fromEntries(
      tables.map(({ schema, name }) => {
        const key = tableKey(schema, name);
        const progress = present[key] ?? newProgress(schema, name);
        // Nothing to load: assumed to be shown as completed.
        if (config.type === "cdc" && !progress.loaded)
          Object.assign(progress, { loaded: true, state: "Table completed" });
        return [key, progress];
      }),
    );
    checkpoint.save();
  }

  private async shape(client: pg.Client): Promise<FileShape> {
    const { source, settings, mappings, surroundings, config } = this.options;
    const postgres = source.postgres ?? {};
    const unbounded = /(?:^|;)\s*mapUnboundedNumericAsString\s*=\s*(?:true|y)\s*(?:;|$)/i;
    return {
      mappings,
      settings: this.files.settings,
      domains: await readDomains(client),
      lobMaxSizeKb: settings.lobMaxSizeKb,
      types: {
        booleans: postgres["MapBooleanAsBoolean"] === true ? "boolean" : "string",
        unboundedNumeric: unbounded.test(source.extraConnectionAttributes ?? "") ? "string" : "numeric(28,6)",
        trimChar: postgres["TrimSpaceInChar"] !== false,
        timestampUnit: this.files.settings.parquetTimestampInMillisecond ? "millis" : "micros",
      },
      warn: (message) => surroundings.log(`${config.identifier}: ${message}`),
    };
  }

  private async connection(): Promise<pg.ClientConfig> {
    const { source, surroundings } = this.options;
    return await sourceConnection(source, surroundings.clients, surroundings.options.aws);
  }

  private async withSource(signal: AbortSignal, use: (client: pg.Client) => Promise<void>): Promise<void> {
    await withDatabase(await this.connection(), use, signal);
  }
}
