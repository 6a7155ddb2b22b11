import { parseArgs } from "node:util";
import { HeadwaterError } from "../src/model/errors.js";
import { checkEnvironmentName } from "../src/model/naming.js";

/** What one may choose on the command line. */
export interface DemoOptions {
  readonly environments: readonly string[];
  readonly seed: string;
  /** How many times faster than in the cloud triggers poll and DMS batches; 1 = not scaled. */
  readonly clockScale: number;
  /** Leave the sandbox up until Ctrl-C. */
  readonly keep: boolean;
  /** Where the report goes. */
  readonly report: string;
  readonly help: boolean;
}

export const usage = `Usage: npm run demo -- [options]

Raises the sandbox, promotes one release through the environments with real data, and proves the result.

  --environments <list>   environments, in order               (default: dev,staging,prod)
  --seed <text>           the same seed gives the same data    (default: headwater)
  --clock-scale <number>  how many times faster than in the cloud triggers poll and DMS batches; 1 = unscaled (default: 60)
  --keep                  leave the sandbox up afterwards and print every URL and connection, until Ctrl-C
  --report <file>         where the HTML report goes           (default: headwater-report.html)
  --help                  show this

Exit codes: 0 proven; 1 a step failed or a row was not as it should be; 2 wrong options; 130 and 143 after Ctrl-C and SIGTERM.`;

/** Reads the arguments after `node main.js`. Throws a HeadwaterError `demo/options` that names the option. */
export function parseOptions(args: readonly string[]): DemoOptions {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        environments: { type: "string", default: "dev,staging,prod" },
        seed: { type: "string", default: "headwater" },
        "clock-scale": { type: "string", default: "60" },
        keep: { type: "boolean", default: false },
        report: { type: "string", default: "headwater-report.html" },
        help: { type: "boolean", default: false },
      },
    }));
  } catch (error) {
    throw wrong((error as Error).message, {});
  }
  const environments = values.environments.split(",").map((name) => name.trim());
  environments.forEach(checkEnvironmentName);
  if (new Set(environments).size < environments.length) {
    throw wrong("an environment is named twice", { field: "--environments", found: values.environments });
  }
  const clockScale = Number(values["clock-scale"]);
  if (!(clockScale >= 1 && clockScale <= 1000)) {
    throw wrong("not a scale", {
      field: "--clock-scale",
      found: values["clock-scale"],
      allowed: "a number from 1 (as in the cloud) to 1000",
    });
  }
  return {
    environments,
    seed: values.seed,
    clockScale,
    keep: values.keep,
    report: values.report,
    help: values.help,
  };
}

function wrong(
  summary: string,
  details: { field?: string; found?: string; allowed?: string },
): HeadwaterError {
  return new HeadwaterError("demo/options", summary, { ...details, remedy: "See npm run demo -- --help." });
}
