import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  NoSuchKey,
  NotFound,
  PutObjectCommand,
  S3ServiceException,
  type S3Client,
} from "@aws-sdk/client-s3";
import { HeadwaterError } from "../../model/errors.js";
import { StoreConflict, type Condition, type Store, type Stored } from "./store.js";

/**
 * A store in an S3 bucket. Conditional writes are S3's own (`If-None-Match`, `If-Match`; the principal needs `s3:GetObject`,
 * `s3:PutObject`, `s3:DeleteObject` on the prefix and `s3:ListBucket` on the bucket).
 */
export class S3Store implements Store {
  readonly url: string;

  constructor(
    private readonly client: S3Client,
    private readonly bucket: string,
    private readonly prefix: string,
  ) {
    this.url = `s3://${bucket}${prefix === "" ? "" : `/${prefix}`}`;
  }

  async get(key: string): Promise<Stored | undefined> {
    try {
      const { Body: body, ETag: version } = await this.client.send(new GetObjectCommand(this.object(key)));
      if (body === undefined || version === undefined) throw new Error("an answer without body or ETag");
      return { bytes: Buffer.from(await body.transformToByteArray()), version };
    } catch (error) {
      if (error instanceof NoSuchKey) return undefined;
      throw this.failed(key, error);
    }
  }

  async put(key: string, data: string | Buffer, when?: Condition): Promise<string> {
    const condition =
      when === undefined ? {} : when === "absent" ? { IfNoneMatch: "*" } : { IfMatch: when.version };
    try {
      const { ETag: version } = await this.client.send(
        new PutObjectCommand({ ...this.object(key), ...condition, Body: Buffer.from(data) }),
      );
      if (version === undefined) throw new Error("an answer without ETag");
      return version;
    } catch (error) {
      throw this.failed(key, error);
    }
  }

  async remove(key: string, when?: { readonly version: string }): Promise<void> {
    // General purpose buckets have no conditional delete: looking first leaves a gap of milliseconds, after which the
    // worst is that a lease taken over in it has to be taken again.
    if (when !== undefined) {
      const now = await this.get(key);
      if (now !== undefined && now.version !== when.version) throw new StoreConflict(this.locate(key));
    }
    try {
      await this.client.send(new DeleteObjectCommand(this.object(key)));
    } catch (error) {
      throw this.failed(key, error);
    }
  }

  async list(folder: string): Promise<string[]> {
    const base = this.prefix === "" ? "" : `${this.prefix}/`;
    const keys: string[] = [];
    let token: string | undefined;
    do {
      try {
        const page = await this.client.send(
          new ListObjectsV2Command({ Bucket: this.bucket, Prefix: base + folder, ContinuationToken: token }),
        );
        for (const { Key: key } of page.Contents ?? [])
          if (key !== undefined) keys.push(key.slice(base.length));
        token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
      } catch (error) {
        throw this.failed(folder, error);
      }
    } while (token !== undefined);
    return keys.sort();
  }

  async modified(key: string): Promise<Date | undefined> {
    try {
      return (await this.client.send(new HeadObjectCommand(this.object(key)))).LastModified;
    } catch (error) {
      if (error instanceof NotFound) return undefined;
      throw this.failed(key, error);
    }
  }

  locate(key: string): string {
    return `${this.url}/${key}`;
  }

  private object(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.bucket, Key: this.prefix === "" ? key : `${this.prefix}/${key}` };
  }

  private failed(key: string, error: unknown): HeadwaterError {
    const status = error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
    // 409: two conditional writes at once. 404 of If-Match: the object was removed.
    if (status === 412 || status === 409 || (error instanceof NoSuchKey && status === 404))
      return new StoreConflict(this.locate(key), { cause: error });
    const { name, message } = error as Error;
    return new HeadwaterError(
      "driver/store",
      "the store beside the state backend cannot be used",
      {
        where: this.locate(key),
        found: `${name}: ${message}`,
        remedy:
          "Its principal needs s3:GetObject, s3:PutObject and s3:DeleteObject there, and s3:ListBucket on the bucket.",
      },
      { cause: error },
    );
  }
}
