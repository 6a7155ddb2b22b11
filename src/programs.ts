/** The package's export `headwater/programs`: the program that is ready for use, and what `pulumi up` by hand runs. */
export { cdcLakehouse, type LakehouseOutputs, type TableOutput } from "../programs/cdc-lakehouse.js";
export { stackMain } from "../programs/stack-main.js";
