import type { AwsSurroundings } from "./aws.js";

/** Options of the DMS service. Behaviours AWS does not document have an option for each possibility. */
export interface DmsServiceOptions {
  /** Port on 127.0.0.1; 0 (the default) takes a free one. */
  readonly port?: number;
  /** Folder of the service's state; survives kill -9, belongs to one service at a time. */
  readonly stateDir: string;
  readonly aws: AwsSurroundings;
  /** How many times faster than AWS batches and states go; 1 (the default) is unscaled. */
  readonly clockScale?: number;
  /** A changed key: one U row with the old key among the before images (default), or a D and an I row. */
  readonly keyChange?: "update" | "deleteInsert";
  /** $AR_H_CHANGE_SEQ in load rows: '' (default) or NULL. */
  readonly loadChangeSeq?: "empty" | "null";
  /** What comes again after a restart: only what may not have been stored (default), or also the last batch. */
  readonly resend?: "unconfirmed" | "lastBatch";
  /** Change sequences of changes that come again: those they had (default), or new ones. */
  readonly resentChangeSeq?: "same" | "fresh";
  /** Whether subnet groups need the account's role dms-vpc-role, as in AWS (default true). */
  readonly requireVpcRole?: boolean;
  /** Lines for people; never hold a secret. Default: none. */
  readonly log?: (line: string) => void;
}
