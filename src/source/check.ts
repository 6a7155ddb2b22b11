import { HeadwaterError } from "../model/errors.js";
import type { Pipeline } from "../model/pipeline.js";
import { ENGINE_CHECKS } from "./check/engines.js";
import { type About, type CheckOptions, type Facts, type Finding } from "./check/facts.js";
import { judge } from "./check/judge.js";
import { connectSource, type SourceAddress, type SourceConnection } from "./connection.js";

/** How a source cannot be reached; a finding like others. */
const NOT_REACHED = ["source/unreachable", "source/tls", "source/login"];

/**
 * What will break before DMS finds out. Read-only. A source that cannot be reached is a finding.
 * @param address with the login to look by: DMS's own tells best what DMS will see.
 * @throws HeadwaterError `source/no-driver`; `source/query` for a query that the source refused.
 */
export async function checkSource(
  address: SourceAddress,
  pipeline: Pipeline,
  options: CheckOptions,
): Promise<readonly Finding[]> {
  let connection: SourceConnection;
  try {
    connection = await connectSource(address);
  } catch (error) {
    if (!(error instanceof HeadwaterError) || !NOT_REACHED.includes(error.code)) throw error;
    const { where = "", found, remedy = "" } = error.details;
    return [
      {
        code: error.code,
        severity: "error",
        found: `${error.summary} (${where}): ${String(found)}`,
        allowed: "a session",
        remedy,
      },
    ];
  }
  try {
    const about = aboutOf(pipeline, { ...options, user: options.user ?? address.user });
    return judge(await readFacts(connection, about), about);
  } finally {
    await connection.close();
  }
}

/** What {@link judge} is given of a database: all queries, no judgement. */
export async function readFacts(connection: SourceConnection, about: About): Promise<Facts> {
  let asked = "";
  try {
    return await ENGINE_CHECKS[about.pipeline.engine].read((sql, parameters) => {
      asked = sql;
      return connection.query(sql, parameters);
    }, about);
  } catch (error) {
    throw new HeadwaterError(
      "source/query",
      "the source did not answer a question",
      {
        where: asked,
        found: (error as Error).message,
        remedy: "Check as a user who may read the catalog, or report this.",
      },
      { cause: error },
    );
  }
}

/** The options with their defaults. */
export function aboutOf(pipeline: Pipeline, options: CheckOptions & { readonly user: string }): About {
  return {
    ...options,
    pipeline,
    load: options.load ?? "cdc",
    retentionHours: options.retentionHours ?? 24,
    publication: options.publication ?? `headwater_${pipeline.name}`,
  };
}
