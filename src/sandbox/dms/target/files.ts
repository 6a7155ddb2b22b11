import {
  DeleteObjectsCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import type { S3Settings } from "../../../model/dms/s3-settings.js";
import { formatFileStamp } from "../instants.js";

/**
 * The files of one S3 target, in DMS's layout: `[folder/]schema/table/`, loads as `LOAD00000001.parquet` (a hex
 * counter), changes as `yyyymmdd-hhmmssfff.parquet` in UTC. A folder exists only once it holds a file.
 */
export class TargetFiles {
  private readonly lastStamp = new Map<string, number>();

  constructor(
    private readonly s3: S3Client,
    readonly settings: S3Settings,
  ) {}

  folder(schema: string, table: string): string {
    const { bucketFolder } = this.settings;
    return `${bucketFolder === "" ? "" : `${bucketFolder}/`}${schema}/${table}/`;
  }

  async putLoad(folder: string, number: number, body: Uint8Array): Promise<void> {
    await this.put(`${folder}LOAD${number.toString(16).toUpperCase().padStart(8, "0")}.parquet`, body);
  }

  /** Names go up within a folder, also when the clock goes back; a name that is taken is passed over. */
  async putChanges(folder: string, body: Uint8Array): Promise<void> {
    for (let stamp = Math.max(Date.now(), (this.lastStamp.get(folder) ?? 0) + 1); ; stamp++) {
      const key = `${folder}${formatFileStamp(stamp)}.parquet`;
      if (await this.exists(key)) continue;
      this.lastStamp.set(folder, stamp);
      await this.put(key, body);
      return;
    }
  }

  async deleteAll(folder: string): Promise<void> {
    const { bucketName: Bucket } = this.settings;
    for (;;) {
      const { Contents = [] } = await this.s3.send(new ListObjectsV2Command({ Bucket, Prefix: folder }));
      if (Contents.length === 0) return;
      await this.s3.send(
        new DeleteObjectsCommand({ Bucket, Delete: { Objects: Contents.map(({ Key }) => ({ Key })) } }),
      );
    }
  }

  /** Rejects when the bucket is not there. */
  async probe(): Promise<void> {
    await this.s3.send(new HeadBucketCommand(this.bucket()));
  }

  private async put(Key: string, Body: Uint8Array): Promise<void> {
    const { encryption } = this.settings;
    await this.s3.send(
      new PutObjectCommand({
        ...this.bucket(),
        Key,
        Body,
        ...(encryption.mode === "sse-kms"
          ? { ServerSideEncryption: "aws:kms" as const, SSEKMSKeyId: encryption.keyId }
          : {}),
      }),
    );
  }

  private async exists(Key: string): Promise<boolean> {
    try {
      await this.s3.send(new HeadObjectCommand({ ...this.bucket(), Key }));
      return true;
    } catch (error) {
      if ((error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode === 404)
        return false;
      throw error;
    }
  }

  private bucket(): { Bucket: string; ExpectedBucketOwner?: string } {
    const { bucketName: Bucket, expectedBucketOwner } = this.settings;
    return {
      Bucket,
      ...(expectedBucketOwner === undefined ? {} : { ExpectedBucketOwner: expectedBucketOwner }),
    };
  }
}
