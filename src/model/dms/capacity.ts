/**
 * DMS capacity units (2 GB of memory each) a serverless replication may be given as minimum or maximum.
 * Source: ComputeConfig in the AWS DMS API reference.
 */
export const capacityUnits = [1, 2, 4, 8, 16, 32, 64, 128, 192, 256, 384] as const;
export type CapacityUnits = (typeof capacityUnits)[number];

export function isCapacityUnits(value: unknown): value is CapacityUnits {
  return capacityUnits.some((units) => units === value);
}
