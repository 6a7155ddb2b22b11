import { HeadwaterError } from "../model/errors.js";
import type { Pipeline, SourceEngine } from "../model/pipeline.js";
import { mysqlPreparation } from "./prepare/mysql.js";
import { oraclePreparation } from "./prepare/oracle.js";
import { postgresqlPreparation } from "./prepare/postgresql.js";
import { sqlserverPreparation } from "./prepare/sqlserver.js";
import { quoteIdentifier } from "./quoting.js";
import { LONGEST_POLLING_SECONDS, SAFE_POLLING_SECONDS, type Plan, type PreparationOptions } from "./plan.js";
import { scopeOf, type Statement } from "./statement.js";

const PREPARATIONS: Record<SourceEngine, (plan: Plan) => readonly Statement[]> = {
  postgresql: postgresqlPreparation,
  mysql: mysqlPreparation,
  mariadb: mysqlPreparation,
  sqlserver: sqlserverPreparation,
  oracle: oraclePreparation,
};

/**
 * What has to be run in a source database, as one who may (RDS: the master user), before DMS can carry a pipeline's tables out
 * of it; in order. Every statement looks first, so that the script can be run again, also after a failure half-way.
 * Facts: DMS guide, CHAP_Source.{PostgreSQL,MySQL,SQLServer,SQLServer.CDC,Oracle}.
 * @throws HeadwaterError `source/option` for options that do not go together, `source/name` for impossible names.
 */
export function preparation(pipeline: Pipeline, options: PreparationOptions): readonly Statement[] {
  return PREPARATIONS[pipeline.engine](plan(pipeline, options));
}

/** The name of DMS's user unless another is given. */
export function defaultUser({ name, engine }: Pipeline): string {
  return engine === "oracle" ? `HEADWATER_${name.toUpperCase()}` : `headwater_${name}`;
}

function plan(pipeline: Pipeline, options: PreparationOptions): Plan {
  const ours = `headwater_${pipeline.name}`;
  const made: Plan = {
    ...{ pipeline, hosting: options.hosting, database: options.database },
    user: options.user ?? defaultUser(pipeline),
    retentionHours: options.retentionHours ?? 24,
    beforeImages: options.beforeImages ?? false,
    publication: options.publication ?? ours,
    slot: options.slot,
    method: options.method ?? "ms-cdc",
    sysadmin: options.sysadmin ?? false,
    pollingSeconds: options.pollingSeconds ?? SAFE_POLLING_SECONDS,
    multiAz: options.multiAz ?? false,
  };
  check(made);
  return made;
}

function check(plan: Plan): void {
  const { pipeline, hosting, method, sysadmin, user, publication, slot } = plan;
  const { engine } = pipeline;
  quoteIdentifier(engine, user);
  inRange("retentionHours", plan.retentionHours, 168);
  inRange("pollingSeconds", plan.pollingSeconds, LONGEST_POLLING_SECONDS);
  if (method === "ms-replication" && hosting === "rds") {
    refuse(
      "method",
      method,
      "ms-cdc",
      "RDS for SQL Server has no MS-Replication: use MS-CDC for all tables.",
    );
  }
  if (sysadmin && method !== "ms-replication") {
    refuse("sysadmin", true, "false", "MS-CDC needs no sysadmin: leave it out.");
  }
  if (engine === "oracle" && user !== user.toUpperCase()) {
    refuse("user", user, user.toUpperCase(), "DMS logs in with the name in upper case: write it so.");
  }
  if (engine !== "postgresql") return;
  quoteIdentifier(engine, publication);
  for (const [field, name] of Object.entries({ publication, slot })) {
    if (name !== undefined && scopeOf(name) === "shared") {
      refuse(
        field,
        name,
        "a name that begins with headwater_",
        "One that others use is not for us to change.",
      );
    }
  }
  if (slot !== undefined && !/^[a-z0-9_]{1,63}$/.test(slot)) {
    refuse("slot", slot, "lower-case letters, digits and _, at most 63", "Use another name.");
  }
}

function inRange(field: string, found: number, max: number): void {
  if (Number.isInteger(found) && found >= 1 && found <= max) return;
  refuse(field, found, `a whole number from 1 to ${max}`, "Use a value in that range.");
}

function refuse(field: string, found: unknown, allowed: string, remedy: string): never {
  throw new HeadwaterError("source/option", "the source cannot be prepared so", {
    field,
    found,
    allowed,
    remedy,
  });
}
