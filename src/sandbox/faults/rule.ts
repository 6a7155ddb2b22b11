import { HeadwaterError } from "../../model/errors.js";

interface Struck {
  /**
   * The call: `iam:CreateRole`, `s3:PutBucketPolicy` (AWS and DMS by the name of the API's operation, `dms:StartReplication`),
   * or, in the workspace, method and path: `POST /api/2.1/unity-catalog/external-locations`. `*` stands for anything.
   */
  readonly operation: string;
  /** Only requests that hold this text: a name, say. Of S3's objects only the path is looked at. */
  readonly match?: string;
}

/** The call is refused and nothing is done. */
export interface ErrorFault extends Struck {
  readonly kind: "error";
  /** `NoSuchEntity`, `PERMISSION_DENIED`: what the service calls it. SDKs try some again by themselves (`Throttling`, any 5xx). */
  readonly code: string;
  readonly message: string;
  /** HTTP status. Default 400. */
  readonly status?: number;
  /** How many calls. Default 1. */
  readonly times?: number;
}

/**
 * After each such write the next reads of that thing answer as before it: of a new thing, that it does not exist; else what
 * the same read answered last since the rule is there. (A read that cannot be answered so is answered truly, and not counted.)
 * Reads of a thing name it; lists do not.
 */
export interface StaleReadFault extends Struck {
  readonly kind: "stale-read";
  /** How many reads after each write. Default 1. */
  readonly times?: number;
  /** Which calls count as reads of the thing. Default: those that get, describe or head the same kind of thing. */
  readonly reads?: readonly string[];
}

/** The write is done, and the caller does not learn it. A write that the service refuses is answered as it is. */
export interface CrashAfterWriteFault extends Struck {
  readonly kind: "crash-after-write";
  /** Default: no answer, the connection is closed. */
  readonly status?: number;
  /** How many calls. Default 1. */
  readonly times?: number;
}

/** What is to go wrong. */
export type FaultRule = ErrorFault | StaleReadFault | CrashAfterWriteFault;

/** A rule, and how often it has struck. */
export type FaultReport = FaultRule & { readonly id: number; readonly struck: number };

/** The three services that faults are injected in. */
export type Service = "aws" | "dms" | "workspace";
export const SERVICES: readonly Service[] = ["aws", "dms", "workspace"];

/** @throws HeadwaterError `sandbox/fault-rule` */
export function checkRule(rule: FaultRule): FaultRule {
  const { operation, kind, match } = (rule ?? {}) as Partial<FaultRule>;
  if (typeof operation !== "string" || !/^([\w-]+:[\w*]+|[A-Z*]+ \/\S*)$/.test(operation)) {
    throw refused(
      "operation",
      operation,
      "iam:CreateRole, dms:StartReplication, POST /api/2.1/unity-catalog/catalogs",
    );
  }
  if (kind !== "error" && kind !== "stale-read" && kind !== "crash-after-write") {
    throw refused("kind", kind, "error, stale-read, crash-after-write");
  }
  if (match !== undefined && typeof match !== "string") throw refused("match", match, "a text");
  const { times, status, code, message, reads } = rule as Partial<
    Omit<ErrorFault, "kind"> & Omit<StaleReadFault, "kind">
  >;
  if (times !== undefined && !(Number.isInteger(times) && times > 0))
    throw refused("times", times, "1 or more");
  if (status !== undefined && !(Number.isInteger(status) && status >= 400 && status < 600)) {
    throw refused("status", status, "400 to 599");
  }
  if (kind === "error") {
    if (typeof code !== "string" || code === "")
      throw refused("code", code, "the service's name for the error");
    if (typeof message !== "string") throw refused("message", message, "a text");
  } else if (isRead(operation)) {
    throw refused(
      "operation",
      operation,
      `a call that writes: the fault ${kind} is about what a write leaves behind`,
    );
  }
  if (reads !== undefined && !(Array.isArray(reads) && reads.every((one) => typeof one === "string"))) {
    throw refused("reads", reads, "a list of calls");
  }
  return rule;
}

export function serviceOf(operation: string): Service {
  if (operation.includes(" ")) return "workspace";
  return operation.startsWith("dms:") ? "dms" : "aws";
}

/** Whether the call only reads. */
export function isRead(operation: string): boolean {
  return /^(?:GET|HEAD) |:(?:Get|Describe|List|Head|Select|Simulate|Lookup)/.test(operation);
}

/** `*` stands for anything, and case does not count. */
export function fits(pattern: string, operation: string): boolean {
  const expression = pattern.replace(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*");
  return new RegExp(`^${expression}$`, "i").test(operation);
}

function refused(field: string, found: unknown, allowed: string): HeadwaterError {
  return new HeadwaterError("sandbox/fault-rule", "the sandbox cannot inject that fault", {
    ...{ where: "faults.add", field, found: found ?? "nothing", allowed },
    remedy: "Mend the rule; nothing was added.",
  });
}
