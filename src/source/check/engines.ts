import type { SourceEngine } from "../../model/pipeline.js";
import type { EngineCheck } from "./facts.js";
import { mysqlCheck } from "./mysql.js";
import { oracleCheck } from "./oracle.js";
import { postgresqlCheck } from "./postgresql.js";
import { sqlserverCheck } from "./sqlserver.js";

export const ENGINE_CHECKS: Record<SourceEngine, EngineCheck> = {
  postgresql: postgresqlCheck,
  mysql: mysqlCheck,
  mariadb: mysqlCheck,
  sqlserver: sqlserverCheck,
  oracle: oracleCheck,
};
