import { hasEnded, hasSucceeded } from "../../operations/jobs.js";
import type { Check } from "./check.js";
import { lakehouseOutputs } from "./outputs.js";

/** The ingestion job is there, its trigger is not paused, and the newest run that has ended succeeded. Only reads. */
export function jobHealthy(): Check {
  return {
    name: "job-healthy",
    async run({ stack, outputs, clients, signal }) {
      const { jobId } = lakehouseOutputs(stack, outputs);
      const { jobs } = clients;
      const { exists, trigger } = await jobs.state(jobId, signal);
      if (!exists) return { passed: false, message: `job ${jobId} does not exist` };
      if (trigger === "paused") return { passed: false, message: `the trigger of job ${jobId} is paused` };
      const runs = await jobs.runs(jobId, { limit: 25, signal });
      const newest = runs.find((run) => hasEnded(run) && run.lifeCycleState !== "SKIPPED");
      if (newest === undefined) return { passed: true, message: "the job waits for its first run" };
      if (!hasSucceeded(newest)) throw await jobs.failure(newest, signal);
      return { passed: true, message: `run ${newest.runId} succeeded, trigger ${trigger}` };
    },
  };
}
