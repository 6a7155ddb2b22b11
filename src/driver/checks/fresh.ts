import { listFiles, parseS3Url } from "../../operations/landing.js";
import { describeMs } from "../../operations/wait.js";
import type { Check } from "./check.js";
import { lakehouseOutputs } from "./outputs.js";
import { runSummaries } from "./run-summaries.js";

export interface FreshOptions {
  /** Milliseconds from a commit in the source until it can be read in the lakehouse. Default 15 min. */
  readonly promiseMs?: number;
  /** Milliseconds that are looked back. Default 24 h. */
  readonly lookBackMs?: number;
}

/**
 * The promise of freshness is kept: no file has waited in the landing zone for longer, and no table's newest events needed
 * longer from their commit to the end of the run that took them in. A table nothing happens to is fresh. Only reads.
 */
export function fresh({ promiseMs = 15 * 60_000, lookBackMs = 86_400_000 }: FreshOptions = {}): Check {
  return {
    name: "fresh",
    async run(context) {
      const { stack, clients } = context;
      const { incomingUrl, jobId } = lakehouseOutputs(stack, context.outputs);
      const now = Date.now();
      const waiting = (await listFiles(clients.s3, parseS3Url(incomingUrl))).filter(
        ({ modified }) => now - modified.getTime() > promiseMs,
      );
      if (waiting.length > 0) {
        const [first] = waiting.sort((a, b) => a.modified.getTime() - b.modified.getTime());
        const since = describeMs(now - first!.modified.getTime());
        return {
          passed: false,
          message: `${waiting.length} files wait for too long, ${first!.key} for ${since}`,
        };
      }
      const newest = new Map<string, number>();
      for (const { table, lagSeconds } of await runSummaries(context, jobId, new Date(now - lookBackMs)))
        if (typeof lagSeconds === "number" && !newest.has(table)) newest.set(table, lagSeconds * 1000);
      const late = [...newest].filter(([, lag]) => lag > promiseMs);
      if (late.length > 0) {
        const lags = late.map(([table, lag]) => `${table} ${describeMs(lag)}`).join(", ");
        return { passed: false, message: `behind the promise of ${describeMs(promiseMs)}: ${lags}` };
      }
      const worst = Math.max(0, ...newest.values());
      return {
        passed: true,
        message: `${newest.size} tables, at most ${describeMs(worst)} behind their source`,
      };
    },
  };
}
