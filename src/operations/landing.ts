import { ListObjectsV2Command, type S3Client } from "@aws-sdk/client-s3";
import { HeadwaterError } from "../model/errors.js";
import { nameOf, type SourceTable } from "./dms.js";
import { waitFor, type WaitOptions } from "./wait.js";

/** A file below the landing zone or the processed root. */
export interface LandedFile {
  readonly key: string;
  readonly bytes: number;
  readonly modified: Date;
  /** DMS names files of the full load `LOAD<hex>.parquet`; all others of a table hold changes. */
  readonly kind: "load" | "change";
}

/** A folder in a bucket; the prefix ends in `/`. */
export interface S3Folder {
  readonly bucket: string;
  readonly prefix: string;
}

/**
 * Takes `s3://bucket/prefix` apart.
 * @throws HeadwaterError `operations/s3-url`.
 */
export function parseS3Url(url: string): S3Folder {
  const match = /^s3:\/\/([^/]+)(?:\/(.*))?$/.exec(url);
  if (match?.[1] === undefined) {
    throw new HeadwaterError("operations/s3-url", "not an S3 address", {
      found: url,
      allowed: "s3://<bucket>/<prefix>",
    });
  }
  const prefix = match[2] ?? "";
  return { bucket: match[1], prefix: prefix === "" || prefix.endsWith("/") ? prefix : `${prefix}/` };
}

/**
 * Every file below the folder, in key order. Left out: folder markers (keys ending in `/`) and what begins with `_`, which
 * is no data ({@link RELOAD_MARKER}).
 */
export async function listFiles(client: S3Client, { bucket, prefix }: S3Folder): Promise<LandedFile[]> {
  const files: LandedFile[] = [];
  let token: string | undefined;
  do {
    const page = await client
      .send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ContinuationToken: token }))
      .catch((error: unknown) => {
        throw s3Error("the files could not be listed", `s3://${bucket}/${prefix}`, error);
      });
    for (const { Key: key, Size: bytes = 0, LastModified: modified = new Date(0) } of page.Contents ?? []) {
      if (key === undefined || key.endsWith("/")) continue;
      const name = key.slice(key.lastIndexOf("/") + 1);
      if (name.startsWith("_")) continue;
      files.push({ key, bytes, modified, kind: /^LOAD[0-9A-F]+\./i.test(name) ? "load" : "change" });
    }
    token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
  } while (token !== undefined);
  return files;
}

/** S3's own error, as ours. */
export function s3Error(summary: string, where: string, error: unknown): HeadwaterError {
  const { name, message } = error as Error;
  return new HeadwaterError(
    "operations/s3",
    summary,
    { where, found: `${name}: ${message}` },
    { cause: error },
  );
}

/** A table's folder below a root: `<root><schema>/<table>/`, as DMS lays it out. */
export function tableFolder({ bucket, prefix }: S3Folder, { schema, table }: SourceTable): S3Folder {
  return { bucket, prefix: `${prefix}${schema}/${table}/` };
}

/**
 * Waits until each table has a file that `wanted` accepts below one of the roots (a notebook may have moved it from the
 * landing zone to the processed root already).
 * @returns the accepted files of each table, in the order of `tables`.
 */
export async function awaitFiles(
  client: S3Client,
  roots: readonly S3Folder[],
  tables: readonly SourceTable[],
  wanted: (file: LandedFile) => boolean,
  options: WaitOptions,
): Promise<LandedFile[][]> {
  return waitFor("files of every table", options, async () => {
    const found = await Promise.all(
      tables.map(async (table) => {
        const lists = await Promise.all(roots.map((root) => listFiles(client, tableFolder(root, table))));
        return lists.flat().filter(wanted);
      }),
    );
    const missing = tables.filter((_, index) => found[index]?.length === 0);
    if (missing.length === 0) return { done: true, value: found };
    return {
      done: false,
      seen: `no files yet of ${missing.map(nameOf).join(", ")}`,
    };
  });
}
