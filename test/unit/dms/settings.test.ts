import { expect } from "chai";
import { isCapacityUnits } from "../../../src/model/dms/capacity.js";
import { readReplicationSettings } from "../../../src/model/dms/replication-settings.js";
import { problemsOfS3Settings, readS3Settings } from "../../../src/model/dms/s3-settings.js";

const least = {
  BucketName: "b",
  ServiceAccessRoleArn: "arn:aws:iam::123456789012:role/r",
  DataFormat: "parquet",
};

describe("DMS settings", () => {
  it("S3 settings have DMS's defaults", () => {
    expect(problemsOfS3Settings(least)).to.deep.equal([]);
    expect(readS3Settings(least)).to.deep.equal({
      bucketName: "b",
      bucketFolder: "",
      serviceAccessRoleArn: "arn:aws:iam::123456789012:role/r",
      compressionType: "none",
      timestampColumnName: undefined,
      includeOpForFullLoad: false,
      cdcInsertsOnly: false,
      cdcInsertsAndUpdates: false,
      cdcMaxBatchInterval: 60,
      cdcMinFileSize: 32000,
      useTaskStartTimeForFullLoadTimestamp: false,
      parquetTimestampInMillisecond: false,
      enableStatistics: true,
      rowGroupLength: 10000,
      encryption: { mode: "sse-s3" },
      expectedBucketOwner: undefined,
    });
    expect(readS3Settings({ ...least, BucketFolder: "/in/coming/" }).bucketFolder).to.equal("in/coming");
  });

  for (const [setting, value, message] of [
    ["DataFormat", "csv", '"csv" is not supported here'],
    ["DataFormat", undefined, 'defaults to "csv"'],
    ["BucketName", "", "BucketName is required"],
    ["ServiceAccessRoleArn", undefined, "ServiceAccessRoleArn is required"],
    ["CompressionType", "snappy", 'S3Settings.CompressionType is "snappy", but takes none or gzip'],
    ["CdcMaxBatchInterval", "60", 'S3Settings.CdcMaxBatchInterval is "60", but takes an integer'],
    ["IncludeOpForFullLoad", "true", "takes true or false"],
    ["DatePartitionEnabled", true, "takes false (other values are not supported here)"],
    ["PreserveTransactions", true, "takes false"],
    ["CdcPath", "cdc", 'takes ""'],
    ["Colour", "red", "S3Settings.Colour is not a setting"],
    ["EncryptionMode", "sse-kms", "ServerSideEncryptionKmsKeyId is required"],
  ] as const) {
    it(`S3 settings: refuses ${setting} ${JSON.stringify(value)}, by name`, () => {
      const given: Record<string, unknown> = { ...least, [setting]: value };
      if (value === undefined) delete given[setting];
      expect(problemsOfS3Settings(given).join("; ")).to.include(message);
    });
  }

  it("S3 settings: CdcInsertsOnly and CdcInsertsAndUpdates exclude each other", () => {
    const both = { ...least, CdcInsertsOnly: true, CdcInsertsAndUpdates: true };
    expect(problemsOfS3Settings(both).join()).to.include("can't both be true");
  });

  it("replication settings have DMS's defaults, also where that hurts", () => {
    const { settings, problems } = readReplicationSettings(undefined);
    expect(problems).to.deep.equal([]);
    expect(settings).to.deep.equal({
      lobMaxSizeKb: 32,
      prepareTarget: "DROP_AND_CREATE",
      truncateTarget: true,
      recoverableErrorCount: -1,
      recoverableErrorInterval: 5,
    });
  });

  it("replication settings refuse what an S3 target or this sandbox lacks, by name", () => {
    const { problems } = readReplicationSettings(
      JSON.stringify({
        TargetMetadata: { FullLobMode: true, BatchApplyEnabled: true, LobMaxSize: "big" },
        ValidationSettings: { EnableValidation: true },
        FullLoadSettings: { TargetTablePrepMode: "KEEP" },
      }),
    );
    for (const name of [
      "FullLobMode",
      "BatchApplyEnabled",
      "LobMaxSize",
      "EnableValidation",
      "TargetTablePrepMode",
    ]) {
      expect(problems.filter((problem) => problem.includes(name))).to.have.length(1);
    }
    expect(readReplicationSettings("{").problems.join()).to.include("not valid JSON");
  });

  it("capacity units are DMS's", () => {
    expect([1, 2, 16, 384].every(isCapacityUnits)).to.equal(true);
    expect([0, 3, 24, 512, "1", undefined].some(isCapacityUnits)).to.equal(false);
  });
});
