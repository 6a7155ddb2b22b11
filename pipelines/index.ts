import type { Pipeline } from "../src/model/pipeline.js";
import { shop } from "./shop.js";

/** Every pipeline there is; `headwater:pipeline` names one. */
export const pipelines: readonly Pipeline[] = [shop];
