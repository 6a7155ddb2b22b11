import { gzipSync } from "node:zlib";
import type { SchemaElement } from "hyparquet";
import { parquetWriteBuffer } from "hyparquet-writer";
import type { S3Settings } from "../../../model/dms/s3-settings.js";

/** A column of a file: its values are in the form its element wants, null for NULL. */
export interface FileColumn {
  readonly name: string;
  readonly element: Omit<SchemaElement, "name">;
  readonly values: unknown[];
}

/** One parquet file; every column is nullable, as DMS's are. */
export function writeParquet(columns: readonly FileColumn[], settings: S3Settings): Uint8Array {
  const gzip = settings.compressionType === "gzip";
  const buffer = parquetWriteBuffer({
    columnData: columns.map(({ name, values }) => ({ name, data: values })),
    schema: [
      { name: "root", num_children: columns.length },
      ...columns.map(({ name, element }): SchemaElement => ({
        ...element,
        name,
        repetition_type: "OPTIONAL",
      })),
    ],
    codec: gzip ? "GZIP" : "UNCOMPRESSED",
    ...(gzip ? { compressors: { GZIP: (bytes: Uint8Array) => new Uint8Array(gzipSync(bytes)) } } : {}),
    statistics: settings.enableStatistics,
    rowGroupSize: settings.rowGroupLength,
    createdBy: "AWS DMS (sandbox)",
  });
  return new Uint8Array(buffer);
}
