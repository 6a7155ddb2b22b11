import { definePipeline, type Pipeline } from "headwater";

/** Every pipeline there is; `headwater:pipeline` in a stack's file names one. */
export const pipelines: readonly Pipeline[] = [
  definePipeline({
    name: "{{name}}",
    engine: "{{engine}}",
    // Schema, table, and the columns that tell its rows apart. Put your own here.
    tables: {
      shop: {
        customers: { keys: ["id"] },
        order_lines: { keys: ["order_id", "line_no"] },
      },
    },
  }),
];
