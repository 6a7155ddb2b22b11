import { definePipeline } from "../src/model/pipeline.js";

/** A small shop: the pipeline the demo carries through dev, staging and prod. */
export const shop = definePipeline({
  name: "shop",
  engine: "postgresql",
  tables: {
    shop: {
      customers: { keys: ["id"] },
      orders: { keys: ["id"] },
      order_lines: { keys: ["order_id", "line_no"] },
      products: { keys: ["sku"] },
    },
  },
});
