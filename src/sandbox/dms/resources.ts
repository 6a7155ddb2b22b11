import { createHash, randomBytes } from "node:crypto";
import type { ReplicationState, ReplicationType, StartType } from "../../model/dms/states.js";
import type { Input } from "./parameters.js";

/** What the API keeps: everything but the progress of replications (see checkpoint.ts). Times are epoch ms. */
export interface Resources {
  endpoints: Record<string, EndpointRecord>;
  subnetGroups: Record<string, SubnetGroupRecord>;
  configs: Record<string, ConfigRecord>;
  connections: ConnectionRecord[];
  tags: Record<string, Record<string, string>>;
}

export interface EndpointRecord {
  arn: string;
  identifier: string;
  type: "source" | "target";
  engine: string;
  kmsKeyId: string;
  sslMode: string;
  extraConnectionAttributes?: string;
  serverName?: string;
  port?: number;
  databaseName?: string;
  postgres?: Input;
  s3?: Input;
}

export interface SubnetGroupRecord {
  arn: string;
  identifier: string;
  description: string;
  vpcId: string;
  subnets: { id: string; zone: string }[];
}

export interface ConnectionRecord {
  endpointArn: string;
  instanceArn: string;
  status: "testing" | "successful" | "failed";
  lastFailureMessage?: string;
}

export interface ConfigRecord {
  arn: string;
  identifier: string;
  type: ReplicationType;
  sourceEndpointArn: string;
  targetEndpointArn: string;
  compute: Input;
  tableMappings: string;
  replicationSettings?: string;
  supplementalSettings?: string;
  created: number;
  updated: number;
  replication: ReplicationRecord;
}

export interface ReplicationRecord {
  state: ReplicationState;
  /** Where a modification returns to. */
  before?: ReplicationState;
  startType?: StartType;
  failures: string[];
  stopReason?: string;
  provisioned?: { units: number; at: number };
  /** Start of the latest fresh start, epoch ms. */
  freshStart?: number;
  started?: number;
  stopped?: number;
  updated: number;
}

export function noResources(): Resources {
  return { endpoints: {}, subnetGroups: {}, configs: {}, connections: [], tags: {} };
}

/** DMS makes up the last part of an ARN from 26 capital letters and digits. */
export function makeArn(
  aws: { region: string; accountId: string },
  kind: "endpoint" | "replication-config" | "subgrp",
  name = randomName(),
): string {
  return `arn:aws:dms:${aws.region}:${aws.accountId}:${kind}:${name}`;
}

function randomName(): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  return [...randomBytes(26)].map((byte) => alphabet.charAt(byte % 32)).join("");
}

/**
 * Name of the publication and the slot of a replication: from its ARN, which no other replication has, with the
 * identifier in front for people. At most 63 characters of [a-z0-9_], as PostgreSQL wants.
 */
export function slotName({ arn, identifier }: { arn: string; identifier: string }): string {
  const shown = identifier
    .toLowerCase()
    .replace(/[^a-z0-9]/g, "_")
    .slice(0, 36);
  return `dms_${shown}_${createHash("sha256").update(arn).digest("hex").slice(0, 16)}`;
}
