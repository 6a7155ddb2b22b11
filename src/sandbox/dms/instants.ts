/** Instants are microseconds since 1970-01-01 UTC, as bigints: what PostgreSQL keeps, exactly. */

export function nowMicros(): bigint {
  return BigInt(Date.now()) * 1000n;
}

/** `yyyy-MM-dd HH:mm:ss.SSSSSS` in UTC, the format of DMS's timestamp column. */
export function formatMicros(micros: bigint): string {
  const iso = new Date(Number(micros / 1000n)).toISOString();
  return `${iso.slice(0, 10)} ${iso.slice(11, 23)}${String(micros % 1000n).padStart(3, "0")}`;
}

/** `YYYYMMDDHHmmSShh`, down to hundredths of a second: the first 16 digits of a change sequence. */
export function formatHundredths(micros: bigint): string {
  return formatMicros(micros).replace(/\D/g, "").slice(0, 16);
}

/** `yyyymmdd-hhmmssfff` in UTC, the name of a file of changes. */
export function formatFileStamp(millis: number): string {
  const digits = new Date(millis).toISOString().replace(/\D/g, "");
  return `${digits.slice(0, 8)}-${digits.slice(8, 17)}`;
}

/** Seconds since 1970 with a fraction, as AWS's JSON protocol carries timestamps. */
export function epochSeconds(millis: number): number {
  return millis / 1000;
}
