import { pipelines } from "../pipelines/index.js";
import { programs } from "./all.js";
import { stackMain } from "./stack-main.js";

// What `pulumi up` by hand runs (Pulumi.yaml's `main`). Pulumi calls the default export; there may be no other.
export default stackMain(programs, pipelines);
