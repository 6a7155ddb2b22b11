/**
 * The part of a replication's settings (a JSON document) that this emulation honours. The rest is kept and given
 * back as it came. Source: AWS DMS user guide, "Specifying task settings".
 */
export interface ReplicationSettings {
  /** Longest LOB in KB; longer ones are cut with a warning (limited LOB mode). undefined: LOBs are left out. */
  readonly lobMaxSizeKb: number | undefined;
  /** What happens to a table's files before its load. */
  readonly prepareTarget: "DO_NOTHING" | "DROP_AND_CREATE" | "TRUNCATE_BEFORE_LOAD";
  /** A TRUNCATE at the source deletes the table's files at the target. DMS's default is true. */
  readonly truncateTarget: boolean;
  /** Tries after a recoverable error; -1 means without end. */
  readonly recoverableErrorCount: number;
  /** Seconds between two tries. */
  readonly recoverableErrorInterval: number;
}

interface Section {
  readonly [key: string]: unknown;
}

/** Reads the settings; every problem is a sentence that names the setting. */
export function readReplicationSettings(json: string | undefined): {
  settings: ReplicationSettings;
  problems: string[];
} {
  const problems: string[] = [];
  const document = parse(json, problems);
  const section = (name: string): Section => {
    const value = document[name];
    if (value === undefined || value === null) return {};
    if (typeof value === "object" && !Array.isArray(value)) return value as Section;
    problems.push(`ReplicationSettings.${name} must be an object`);
    return {};
  };
  const metadata = section("TargetMetadata");
  const ddl = section("ChangeProcessingDdlHandlingPolicy");
  const load = section("FullLoadSettings");
  const errors = section("ErrorBehavior");

  const refuse = (path: string, value: unknown, why: string): void => {
    if (value === true) problems.push(`ReplicationSettings.${path} is true: ${why}`);
  };
  refuse(
    "TargetMetadata.FullLobMode",
    metadata["FullLobMode"],
    "an S3 target does not support full LOB mode",
  );
  refuse(
    "TargetMetadata.BatchApplyEnabled",
    metadata["BatchApplyEnabled"],
    "an S3 target does not support it",
  );
  refuse(
    "ValidationSettings.EnableValidation",
    section("ValidationSettings")["EnableValidation"],
    "not supported here",
  );
  refuse(
    "FullLoadSettings.StopTaskCachedChangesApplied",
    load["StopTaskCachedChangesApplied"],
    "not supported here",
  );
  refuse(
    "FullLoadSettings.StopTaskCachedChangesNotApplied",
    load["StopTaskCachedChangesNotApplied"],
    "not supported here",
  );
  if (ddl["HandleSourceTableAltered"] === false) {
    problems.push(
      "ReplicationSettings.ChangeProcessingDdlHandlingPolicy.HandleSourceTableAltered is false: not supported here",
    );
  }
  const prepare = load["TargetTablePrepMode"] ?? "DROP_AND_CREATE";
  if (prepare !== "DO_NOTHING" && prepare !== "DROP_AND_CREATE" && prepare !== "TRUNCATE_BEFORE_LOAD") {
    problems.push(
      `ReplicationSettings.FullLoadSettings.TargetTablePrepMode is ${JSON.stringify(prepare)}, ` +
        "but takes DO_NOTHING, DROP_AND_CREATE or TRUNCATE_BEFORE_LOAD",
    );
  }
  const number = (path: string, value: unknown, fallback: number): number => {
    if (value === undefined || value === null) return fallback;
    if (Number.isInteger(value)) return value as number;
    problems.push(`ReplicationSettings.${path} must be an integer`);
    return fallback;
  };
  return {
    settings: {
      lobMaxSizeKb:
        metadata["SupportLobs"] === false
          ? undefined
          : number("TargetMetadata.LobMaxSize", metadata["LobMaxSize"], 32),
      prepareTarget: prepare as ReplicationSettings["prepareTarget"],
      truncateTarget: ddl["HandleSourceTableTruncated"] !== false,
      recoverableErrorCount: number(
        "ErrorBehavior.RecoverableErrorCount",
        errors["RecoverableErrorCount"],
        -1,
      ),
      recoverableErrorInterval: number(
        "ErrorBehavior.RecoverableErrorInterval",
        errors["RecoverableErrorInterval"],
        5,
      ),
    },
    problems,
  };
}

function parse(json: string | undefined, problems: string[]): Section {
  if (json === undefined || json === "") return {};
  try {
    const document: unknown = JSON.parse(json);
    if (typeof document === "object" && document !== null && !Array.isArray(document))
      return document as Section;
    problems.push("ReplicationSettings must be a JSON object");
  } catch (error) {
    problems.push(`ReplicationSettings is not valid JSON: ${(error as Error).message}`);
  }
  return {};
}
