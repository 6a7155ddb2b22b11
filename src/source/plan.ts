import type { Pipeline } from "../model/pipeline.js";
import type { CaptureMethod, Hosting } from "./statement.js";

/** Longest polling interval of SQL Server's capture job that every version keeps (Microsoft KB4459220). */
export const SAFE_POLLING_SECONDS = 3599;
/** What DMS's guide recommends; some versions of SQL Server turn more than {@link SAFE_POLLING_SECONDS} into 5 s. */
export const LONGEST_POLLING_SECONDS = 86_399;

export interface PreparationOptions {
  readonly hosting: Hosting;
  /** The database that is read; for Oracle it only goes into messages. */
  readonly database: string;
  /** Name of DMS's own user. Default: `headwater_<pipeline>`, in Oracle in upper case. One that begins so is dropped by an undo. */
  readonly user?: string;
  /** How long the source keeps its log (MySQL, MariaDB, Oracle on RDS): whole hours, 1 to 168. Default: 24. Never lowered. */
  readonly retentionHours?: number;
  /** PostgreSQL: log all old values with each change (REPLICA IDENTITY FULL), not the key's only. Default: false. */
  readonly beforeImages?: boolean;
  /** PostgreSQL: default `headwater_<pipeline>`; must begin with `headwater_`. */
  readonly publication?: string;
  /**
   * PostgreSQL: a replication slot to make, for CDC from a known position; must begin with `headwater_`. Default: none, DMS makes
   * its own. From the moment it is there the server keeps all of its log until somebody reads the slot, or until the disk is full.
   */
  readonly slot?: string;
  /** SQL Server. Default: `ms-cdc`. */
  readonly method?: CaptureMethod;
  /** SQL Server with MS-Replication: DMS's user is sysadmin, and DMS makes the publication itself. Default: false. */
  readonly sysadmin?: boolean;
  /** SQL Server with MS-CDC: 1 to 86399. Default: 3599. */
  readonly pollingSeconds?: number;
  /** SQL Server on RDS: whether the instance has a standby, which must have the same polling interval. Default: false. */
  readonly multiAz?: boolean;
}

/** {@link PreparationOptions}, checked and complete. */
export type Plan = Required<Omit<PreparationOptions, "slot">> & {
  readonly pipeline: Pipeline;
  readonly slot: string | undefined;
};
