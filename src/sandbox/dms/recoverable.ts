const networkCodes = new Set([
  ...[
    "ECONNREFUSED",
    "ECONNRESET",
    "ETIMEDOUT",
    "EPIPE",
    "EHOSTUNREACH",
    "ENETUNREACH",
    "ENOTFOUND",
    "EAI_AGAIN",
  ],
]);

/**
 * Whether trying again can help, as DMS tries again after recoverable errors: a lost connection, a database that is
 * starting or stopping or has no connection left, a slot its last reader has not yet let go, a fault of S3's.
 */
export function isRecoverable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, $metadata } = error as { code?: unknown; $metadata?: { httpStatusCode?: number } };
  if (typeof code === "string" && (networkCodes.has(code) || /^(08|53|57P)/.test(code) || code === "55006"))
    return true;
  if (($metadata?.httpStatusCode ?? 0) >= 500 || error.name === "TimeoutError") return true;
  if (/connection terminated|replication connection|timeout expired|connection timeout/i.test(error.message))
    return true;
  if (error instanceof AggregateError && error.errors.some(isRecoverable)) return true;
  return error.cause !== undefined && isRecoverable(error.cause);
}
