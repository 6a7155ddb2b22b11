import { awaitFiles, parseS3Url } from "../../operations/landing.js";
import type { Check } from "./check.js";
import { lakehouseOutputs } from "./outputs.js";

export interface FilesLandedOptions {
  /** Milliseconds for the files to appear once DMS calls the tables loaded. Default 5 min. */
  readonly timeoutMs?: number;
  readonly intervalMs?: number;
}

/**
 * Every table DMS loaded rows of has files of the full load, in the landing zone or (when the job was quicker) below the
 * processed root. Empty tables have no folder at all: DMS writes none.
 */
export function filesLanded({ timeoutMs = 300_000, intervalMs = 500 }: FilesLandedOptions = {}): Check {
  return {
    name: "files-landed",
    async run({ stack, outputs, clients, progress, signal }) {
      const { replicationConfigArn, incomingUrl, processedUrl } = lakehouseOutputs(stack, outputs);
      const counted = await clients.replications.tables(replicationConfigArn);
      const tables = counted.filter(({ loadedRows }) => loadedRows > 0);
      const roots = [parseS3Url(incomingUrl), parseS3Url(processedUrl)];
      const wait = { timeoutMs, intervalMs, progress, signal };
      const files = (await awaitFiles(clients.s3, roots, tables, ({ kind }) => kind === "load", wait)).flat();
      const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
      return { passed: true, message: `${files.length} files of ${tables.length} tables, ${bytes} bytes` };
    },
  };
}
