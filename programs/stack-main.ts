import { Config, getStack } from "@pulumi/pulumi";
import { HeadwaterError } from "../src/model/errors.js";
import { parseStackName } from "../src/model/naming.js";
import type { Pipeline } from "../src/model/pipeline.js";
import { pickByName, resolveSettings, type Program } from "../src/settings/program.js";

/**
 * What `pulumi up` by hand runs, as the default export of Pulumi.yaml's `main`: the very same programs, settings and checks as
 * the driver's, chosen by the stack's own `headwater:program` and `headwater:pipeline`.
 */
export function stackMain(
  programs: readonly Program[],
  pipelines: readonly Pipeline[],
): () => Promise<unknown> {
  return async () => {
    const stack = getStack();
    const where = `stack ${stack}`;
    const config = new Config("headwater");
    const program = pickByName("program", config.require("program"), programs, where);
    const pipeline = pickByName("pipeline", config.require("pipeline"), pipelines, where);
    const parsed = parseStackName(stack);
    if (parsed.pipeline !== pipeline.name) {
      throw new HeadwaterError("settings/stack", "the stack is named after another pipeline", {
        where,
        field: "headwater:pipeline",
        found: pipeline.name,
        allowed: parsed.pipeline,
        remedy: `Name the pipeline ${parsed.pipeline}, or use stack ${pipeline.name}-${parsed.environment}.`,
      });
    }
    const settings = resolveSettings(program, pipeline, config.requireObject("settings"), { where });
    return program.run({ pipeline, settings, environment: parsed.environment, release: "manual" });
  };
}
