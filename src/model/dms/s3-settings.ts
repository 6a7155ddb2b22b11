/**
 * The settings of an S3 target endpoint, their allowed values and defaults.
 * Sources: S3Settings in the AWS DMS API reference (names, values, defaults); user guide, "Using Amazon S3 as a
 * target" (how they combine).
 */
export interface S3Settings {
  readonly bucketName: string;
  /** Without slashes at either end; "" means the bucket's root. */
  readonly bucketFolder: string;
  readonly serviceAccessRoleArn: string;
  readonly compressionType: "none" | "gzip";
  /** Name of the added commit-time column; undefined means none is added. */
  readonly timestampColumnName: string | undefined;
  readonly includeOpForFullLoad: boolean;
  readonly cdcInsertsOnly: boolean;
  readonly cdcInsertsAndUpdates: boolean;
  /** Seconds; default 60. */
  readonly cdcMaxBatchInterval: number;
  /** Kilobytes; default 32,000. */
  readonly cdcMinFileSize: number;
  readonly useTaskStartTimeForFullLoadTimestamp: boolean;
  readonly parquetTimestampInMillisecond: boolean;
  readonly enableStatistics: boolean;
  readonly rowGroupLength: number;
  readonly encryption: { readonly mode: "sse-s3" } | { readonly mode: "sse-kms"; readonly keyId: string };
  readonly expectedBucketOwner: string | undefined;
}

type Check = (value: unknown) => string | undefined;

const isBoolean: Check = (value) => (typeof value === "boolean" ? undefined : "true or false");
const isText: Check = (value) => (typeof value === "string" ? undefined : "a string");
const isCount =
  (min: number, max = 2_147_483_647): Check =>
  (value) =>
    Number.isInteger(value) && (value as number) >= min && (value as number) <= max
      ? undefined
      : `an integer from ${min} to ${max}`;
const oneOf =
  (...values: string[]): Check =>
  (value) =>
    typeof value === "string" && values.includes(value.toLowerCase()) ? undefined : values.join(" or ");
/** A setting DMS has and this emulation lacks: only the value that changes nothing is taken. */
const only = (...neutral: unknown[]): Check => {
  const shown = neutral.map((value) => JSON.stringify(value)).join(" or ");
  return (value) => (neutral.includes(value) ? undefined : `${shown} (other values are not supported here)`);
};

/** Every documented S3 setting, and what it takes. `csv` is refused by name: only parquet is written. */
const checks: Readonly<Record<string, Check>> = {
  ServiceAccessRoleArn: isText,
  BucketName: isText,
  BucketFolder: isText,
  CompressionType: oneOf("none", "gzip"),
  DataFormat: (value) => (value === "parquet" ? undefined : '"parquet" ("csv" is not supported here)'),
  TimestampColumnName: isText,
  IncludeOpForFullLoad: isBoolean,
  CdcInsertsOnly: isBoolean,
  CdcInsertsAndUpdates: isBoolean,
  CdcMaxBatchInterval: isCount(0),
  CdcMinFileSize: isCount(0),
  UseTaskStartTimeForFullLoadTimestamp: isBoolean,
  ParquetTimestampInMillisecond: isBoolean,
  EnableStatistics: isBoolean,
  RowGroupLength: isCount(1),
  DataPageSize: isCount(1),
  DictPageSizeLimit: isCount(0),
  MaxFileSize: isCount(1, 1_048_576),
  ParquetVersion: oneOf("parquet-1-0", "parquet-2-0", "parquet_1_0", "parquet_2_0"),
  EncodingType: oneOf("plain", "plain-dictionary", "rle-dictionary"),
  EncryptionMode: oneOf("sse-s3", "sse-kms", "sse_s3", "sse_kms"),
  ServerSideEncryptionKmsKeyId: isText,
  ExpectedBucketOwner: isText,
  // For csv files only, or for a source: they change nothing in a parquet target.
  AddColumnName: isBoolean,
  CsvRowDelimiter: isText,
  CsvDelimiter: isText,
  CsvNoSupValue: isText,
  CsvNullValue: isText,
  UseCsvNoSupValue: isBoolean,
  Rfc4180: isBoolean,
  IgnoreHeaderRows: isCount(0, 1),
  DatePartitionSequence: isText,
  DatePartitionDelimiter: isText,
  // Not emulated.
  AddTrailingPaddingCharacter: only(false),
  CannedAclForObjects: only("none", "NONE", "private", "PRIVATE"),
  CdcPath: only(""),
  DatePartitionEnabled: only(false),
  DatePartitionTimezone: only(""),
  ExternalTableDefinition: only(""),
  GlueCatalogGeneration: only(false),
  PreserveTransactions: only(false),
};

/** What is wrong with the settings of an S3 target, as sentences that name the setting; empty when nothing is. */
export function problemsOfS3Settings(given: Readonly<Record<string, unknown>>): string[] {
  const problems = Object.entries(given).flatMap(([name, value]) => {
    const check = checks[name];
    if (check === undefined) return [`S3Settings.${name} is not a setting of an S3 endpoint`];
    const allowed = check(value);
    return allowed === undefined
      ? []
      : [`S3Settings.${name} is ${JSON.stringify(value)}, but takes ${allowed}`];
  });
  for (const name of ["BucketName", "ServiceAccessRoleArn"]) {
    if (given[name] === undefined || given[name] === "") problems.push(`S3Settings.${name} is required`);
  }
  if (given["DataFormat"] === undefined) {
    problems.push(
      'S3Settings.DataFormat defaults to "csv", which is not supported here; set it to "parquet"',
    );
  }
  if (given["CdcInsertsOnly"] === true && given["CdcInsertsAndUpdates"] === true) {
    problems.push("S3Settings.CdcInsertsOnly and S3Settings.CdcInsertsAndUpdates can't both be true");
  }
  const kms = normal(given["EncryptionMode"]) === "sse-kms";
  if (kms && !given["ServerSideEncryptionKmsKeyId"]) {
    problems.push("S3Settings.ServerSideEncryptionKmsKeyId is required when EncryptionMode is sse-kms");
  }
  return problems;
}

function normal(value: unknown): string {
  return typeof value === "string" ? value.toLowerCase().replaceAll("_", "-") : "";
}

/** Checked settings with DMS's defaults filled in. Call `problemsOfS3Settings` first. */
export function readS3Settings(given: Readonly<Record<string, unknown>>): S3Settings {
  const text = (name: string) => (typeof given[name] === "string" ? given[name] : "");
  const flag = (name: string, fallback = false) => (given[name] as boolean | undefined) ?? fallback;
  const count = (name: string, fallback: number) => (given[name] as number | undefined) ?? fallback;
  return {
    bucketName: text("BucketName"),
    bucketFolder: text("BucketFolder").replace(/^\/+|\/+$/g, ""),
    serviceAccessRoleArn: text("ServiceAccessRoleArn"),
    compressionType: normal(given["CompressionType"]) === "gzip" ? "gzip" : "none",
    timestampColumnName: text("TimestampColumnName") || undefined,
    includeOpForFullLoad: flag("IncludeOpForFullLoad"),
    cdcInsertsOnly: flag("CdcInsertsOnly"),
    cdcInsertsAndUpdates: flag("CdcInsertsAndUpdates"),
    cdcMaxBatchInterval: count("CdcMaxBatchInterval", 60),
    cdcMinFileSize: count("CdcMinFileSize", 32_000),
    useTaskStartTimeForFullLoadTimestamp: flag("UseTaskStartTimeForFullLoadTimestamp"),
    parquetTimestampInMillisecond: flag("ParquetTimestampInMillisecond"),
    enableStatistics: flag("EnableStatistics", true),
    rowGroupLength: count("RowGroupLength", 10_000),
    encryption:
      normal(given["EncryptionMode"]) === "sse-kms"
        ? { mode: "sse-kms", keyId: text("ServerSideEncryptionKmsKeyId") }
        : { mode: "sse-s3" },
    expectedBucketOwner: text("ExpectedBucketOwner") || undefined,
  };
}
