import type { Program } from "../src/settings/program.js";
import { cdcLakehouse } from "./cdc-lakehouse.js";

/** Every program there is; `headwater:program` names one. */
export const programs: readonly Program[] = [cdcLakehouse];
