import { HeadwaterError } from "../../model/errors.js";

/** A table as the program `cdc-lakehouse` puts it out. */
export interface TableOutput {
  readonly source: { readonly schema: string; readonly table: string };
  readonly name: string;
  /** `catalog.schema.table` of the history. */
  readonly history: string;
}

/** The outputs of `cdc-lakehouse` that checks and reloads read. */
export interface LakehouseOutputs {
  readonly bucket: string;
  readonly incomingUrl: string;
  readonly processedUrl: string;
  readonly replicationConfigArn: string;
  readonly jobId: number;
  readonly catalog: string;
  readonly schema: string;
  readonly tables: readonly TableOutput[];
}

const TEXTS = ["bucket", "incomingUrl", "processedUrl", "replicationConfigArn", "catalog", "schema"] as const;

/**
 * Reads the outputs that checks and reloads need.
 * @throws HeadwaterError `driver/output-missing` naming the first that is absent or of another type.
 */
export function lakehouseOutputs(
  stack: string,
  outputs: Readonly<Record<string, unknown>>,
): LakehouseOutputs {
  for (const name of TEXTS) if (typeof outputs[name] !== "string") throw missing(stack, name, outputs[name]);
  // The Databricks provider's ids are strings.
  const jobId = Number(outputs["jobId"]);
  if (!Number.isSafeInteger(jobId) || jobId <= 0) throw missing(stack, "jobId", outputs["jobId"]);
  if (!Array.isArray(outputs["tables"])) throw missing(stack, "tables", outputs["tables"]);
  return { ...outputs, jobId } as unknown as LakehouseOutputs;
}

function missing(stack: string, output: string, found: unknown): HeadwaterError {
  return new HeadwaterError("driver/output-missing", "the stack lacks an output that is needed", {
    where: `stack ${stack}`,
    field: output,
    found: found ?? "nothing",
    remedy:
      "Stacks of the program cdc-lakehouse have it once they are deployed (`headwater up`); other programs need checks of " +
      "their own and cannot be reloaded.",
  });
}
