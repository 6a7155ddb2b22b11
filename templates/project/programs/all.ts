import type { Program } from "headwater";
import { cdcLakehouse } from "headwater/programs";

/** Every program there is; `headwater:program` in a stack's file names one. */
export const programs: readonly Program[] = [cdcLakehouse];
