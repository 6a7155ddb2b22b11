/* Getting a source database ready for DMS, and telling beforehand what would break. */
export { aboutOf, checkSource, readFacts } from "./check.js";
export type {
  About,
  CheckOptions,
  ColumnFacts,
  Facts,
  Finding,
  KeyFacts,
  Severity,
  TableFacts,
} from "./check/facts.js";
export { judge } from "./check/judge.js";
export { connectSource, type SourceAddress, type SourceConnection } from "./connection.js";
export { LONGEST_POLLING_SECONDS, SAFE_POLLING_SECONDS, type PreparationOptions } from "./plan.js";
export { defaultUser, preparation } from "./preparation.js";
export { runPreparation, runUndo } from "./run.js";
export {
  CAPTURE_METHODS,
  HOSTINGS,
  printScript,
  printUndo,
  undoOf,
  type CaptureMethod,
  type Hosting,
  type Statement,
} from "./statement.js";
