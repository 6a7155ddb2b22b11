/** What a pipeline may vary in DMS's task settings; all else is fixed here. */
export interface ReplicationSettingsOptions {
  /** KB of a large object that are kept; the rest is cut off. DMS's `LobMaxSize`, 1 to 102400. */
  readonly lobMaxSizeKb: number;
  /** Tables loaded at the same time; DMS's `MaxFullLoadSubTasks`, 1 to 49. */
  readonly parallelTables: number;
}

/** PostgreSQL's `text` is a large object to DMS, so this cuts ordinary text: kept above DMS's own default of 32 KB. */
export const DEFAULT_LOB_MAX_SIZE_KB = 64;
export const DEFAULT_PARALLEL_TABLES = 8;

/**
 * DMS's task settings, all of them, as canonical JSON. DMS answers with every key it knows; sending fewer, or in
 * another order, shows as a change that never ends (terraform-provider-aws#35573, #31136). Left out on purpose:
 * null sections, and CloudWatch's group and stream, which DMS refuses on create (DMS guide, TaskSettings.Saving).
 * Keys and defaults: DMS guide, CHAP_Tasks.CustomizingTasks.TaskSettings; where a value is not DMS's default, the
 * line says why.
 */
export function replicationSettings(options: Partial<ReplicationSettingsOptions> = {}): string {
  const { lobMaxSizeKb = DEFAULT_LOB_MAX_SIZE_KB, parallelTables = DEFAULT_PARALLEL_TABLES } = options;
  return canonicalJson({
    TargetMetadata: {
      TargetSchema: "",
      SupportLobs: true,
      // S3 targets take neither full nor inline LOB mode.
      FullLobMode: false,
      LobChunkSize: 0,
      LimitedSizeLobMode: true,
      LobMaxSize: lobMaxSizeKb,
      InlineLobMaxSize: 0,
      LoadMaxFileSize: 0,
      ParallelLoadThreads: 0,
      ParallelLoadBufferSize: 0,
      ParallelLoadQueuesPerThread: 0,
      ParallelApplyThreads: 0,
      ParallelApplyBufferSize: 0,
      ParallelApplyQueuesPerThread: 0,
      // Batch apply may lose data on S3 targets.
      BatchApplyEnabled: false,
      TaskRecoveryTableEnabled: false,
    },
    FullLoadSettings: {
      // Anything else would delete files that are already landed.
      TargetTablePrepMode: "DO_NOTHING",
      CreatePkAfterFullLoad: false,
      StopTaskCachedChangesApplied: false,
      StopTaskCachedChangesNotApplied: false,
      MaxFullLoadSubTasks: parallelTables,
      TransactionConsistencyTimeout: 600,
      CommitRate: 10_000,
    },
    TTSettings: { EnableTT: false },
    Logging: {
      // Why a table stopped is only in the log.
      EnableLogging: true,
      EnableLogContext: false,
      LogComponents: ["SOURCE_CAPTURE", "SOURCE_UNLOAD", "TARGET_APPLY", "TARGET_LOAD", "TASK_MANAGER"].map(
        (Id) => ({
          Id,
          Severity: "LOGGER_SEVERITY_DEFAULT",
        }),
      ),
    },
    ControlTablesSettings: {
      ControlSchema: "",
      HistoryTimeslotInMinutes: 5,
      HistoryTableEnabled: false,
      SuspendedTablesTableEnabled: false,
      StatusTableEnabled: false,
      FullLoadExceptionTableEnabled: false,
    },
    StreamBufferSettings: { StreamBufferCount: 3, StreamBufferSizeInMB: 8, CtrlStreamBufferSizeInMB: 5 },
    ChangeProcessingTuning: {
      BatchApplyPreserveTransaction: true,
      BatchApplyTimeoutMin: 1,
      BatchApplyTimeoutMax: 30,
      BatchApplyMemoryLimit: 500,
      BatchSplitSize: 0,
      MinTransactionSize: 1000,
      CommitTimeout: 1,
      MemoryLimitTotal: 1024,
      MemoryKeepTime: 60,
      StatementCacheSize: 50,
      RecoveryTimeout: -1,
    },
    ChangeProcessingDdlHandlingPolicy: {
      // A truncated or dropped source table would delete every landed file of it, read or not.
      HandleSourceTableDropped: false,
      HandleSourceTableTruncated: false,
      HandleSourceTableAltered: true,
    },
    ValidationSettings: { EnableValidation: false },
    ErrorBehavior: {
      FailOnNoTablesCaptured: true,
      FailOnTransactionConsistencyBreached: false,
      // DMS's default only logs a row it could not carry; a table that stands still is noticed, a lost row is not.
      DataErrorPolicy: "SUSPEND_TABLE",
      DataTruncationErrorPolicy: "LOG_ERROR",
      DataErrorEscalationPolicy: "SUSPEND_TABLE",
      DataErrorEscalationCount: 0,
      EventErrorPolicy: "IGNORE",
      TableErrorPolicy: "SUSPEND_TABLE",
      TableErrorEscalationPolicy: "STOP_TASK",
      TableErrorEscalationCount: 0,
      RecoverableErrorCount: -1,
      RecoverableErrorInterval: 5,
      RecoverableErrorThrottling: true,
      RecoverableErrorThrottlingMax: 1800,
      RecoverableErrorStopRetryAfterThrottlingMax: true,
      ApplyErrorDeletePolicy: "IGNORE_RECORD",
      ApplyErrorInsertPolicy: "LOG_ERROR",
      ApplyErrorUpdatePolicy: "LOG_ERROR",
      ApplyErrorEscalationPolicy: "LOG_ERROR",
      ApplyErrorEscalationCount: 0,
      ApplyErrorFailOnTruncationDdl: false,
      FullLoadIgnoreConflicts: true,
    },
    FailTaskWhenCleanTaskResourceFailed: false,
  });
}

/** JSON with every object's keys sorted: equal values give equal text. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === "object" && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
