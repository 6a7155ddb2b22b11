import { definePipeline, type Pipeline, type SourceEngine } from "../../../src/model/pipeline.js";
import { ORACLE_QUERIES } from "../../../src/source/check/oracle.js";
import { SQLSERVER_QUERIES } from "../../../src/source/check/sqlserver.js";
import type { PreparationOptions } from "../../../src/source/plan.js";
import { preparation } from "../../../src/source/preparation.js";
import { printScript, printUndo, type Hosting } from "../../../src/source/statement.js";

/** A pipeline with names that have to be quoted. */
export function pipelineOn(engine: SourceEngine): Pipeline {
  const schema = engine === "oracle" ? "SHOP" : "Shop";
  return definePipeline({
    name: "shop",
    engine,
    tables: {
      [schema]: {
        "Order-Lines": { name: "order_lines", keys: ["Order's id", "line"] },
        customers: { keys: ["id"] },
      },
    },
  });
}

const SQLSERVER: Record<string, Partial<PreparationOptions>> = {
  "sqlserver-rds-ms-cdc": { hosting: "rds", multiAz: true },
  "sqlserver-self-managed-ms-cdc": { hosting: "self-managed", pollingSeconds: 86_399 },
  "sqlserver-self-managed-ms-replication": { hosting: "self-managed", method: "ms-replication" },
  "sqlserver-self-managed-ms-replication-sysadmin": {
    hosting: "self-managed",
    method: "ms-replication",
    sysadmin: true,
  },
};

const hosted = (engine: SourceEngine): [string, Partial<PreparationOptions>][] =>
  (["rds", "self-managed"] as Hosting[]).map((hosting) => [
    `${engine}-${hosting}`,
    { hosting, ...(engine === "postgresql" ? { slot: "headwater_shop" } : {}) },
  ]);

/** Every script there is, by the name of its file in `golden/`. */
export function scripts(): Map<string, string> {
  const all = [
    ...(["postgresql", "mysql", "mariadb", "oracle"] as const).flatMap(hosted),
    ...Object.entries(SQLSERVER),
    ["postgresql-before-images", { hosting: "rds", beforeImages: true }] as const,
  ];
  const made = all.flatMap(([name, options]): [string, string][] => {
    const engine = name.split("-")[0] as SourceEngine;
    const statements = preparation(pipelineOn(engine), { hosting: "rds", database: "Shop db", ...options });
    return [
      [`${name}.sql`, printScript(engine, statements)],
      [`${name}.undo.sql`, printUndo(engine, statements)],
    ];
  });
  const queries = (of: Readonly<Record<string, string>>, end: string): string =>
    Object.entries(of)
      .map(([name, sql]) => `-- ${name}\n${sql}${end}\n`)
      .join("\n");
  return new Map([
    ...made,
    ["sqlserver-check.sql", queries(SQLSERVER_QUERIES, ";\nGO")],
    ["oracle-check.sql", queries(ORACLE_QUERIES, ";")],
  ]);
}
