import type { SchemaElement } from "hyparquet";

/**
 * How PostgreSQL's types are written, from their text form, exactly.
 *
 * Facts (AWS DMS user guide, "Source data types for PostgreSQL", and Qlik Replicate's page of the same name):
 * numeric(p,s) stays so up to a precision of 38 and is a string beyond; numeric without a precision becomes
 * NUMERIC(28,6), or a string with the attribute mapUnboundedNumericAsString; booleans are strings ("true",
 * "false") unless MapBooleanAsBoolean is set; char(n) loses trailing spaces unless TrimSpaceInChar is false;
 * text, json and bytea are LOBs.
 * assumed: digits beyond the sixth of an unbounded numeric are cut, not rounded; time, interval, money, arrays and
 * every type not named here are strings in PostgreSQL's own notation; timestamps, with or without a zone, are
 * written as instants (TIMESTAMP_MICROS, UTC), since DMS's DATETIME knows no zone.
 * NaN and infinite numerics, dates and timestamps have no place in parquet's types: they fail the table by name.
 */
export interface SourceType {
  readonly element: Omit<SchemaElement, "name">;
  readonly lob: boolean;
  /** From PostgreSQL's text form (ISO dates, UTC, hex bytea) to what hyparquet-writer takes. */
  parse(text: string): unknown;
}

export interface TypeOptions {
  readonly booleans: "string" | "boolean";
  readonly unboundedNumeric: "numeric(28,6)" | "string";
  readonly trimChar: boolean;
  readonly timestampUnit: "micros" | "millis";
}

/** A domain is written as the type it is made of. */
export interface Domain {
  readonly base: number;
  readonly typmod: number;
}

const oid = {
  bool: 16,
  bytea: 17,
  int8: 20,
  int2: 21,
  int4: 23,
  text: 25,
  oid: 26,
  json: 114,
  xml: 142,
  float4: 700,
  float8: 701,
  bpchar: 1042,
  varchar: 1043,
  date: 1082,
  timestamp: 1114,
  timestamptz: 1184,
  numeric: 1700,
  jsonb: 3802,
} as const;

const string: SchemaElement = { name: "", type: "BYTE_ARRAY", converted_type: "UTF8" };
const asIs = (text: string): string => text;
const stringType: SourceType = { element: string, lob: false, parse: asIs };
const lobType: SourceType = { element: string, lob: true, parse: asIs };

export function sourceType(
  typeOid: number,
  typmod: number,
  options: TypeOptions,
  domains: ReadonlyMap<number, Domain> = new Map(),
): SourceType {
  const domain = domains.get(typeOid);
  if (domain !== undefined) return sourceType(domain.base, domain.typmod, options, domains);
  switch (typeOid) {
    case oid.bool:
      return options.booleans === "boolean"
        ? { element: { type: "BOOLEAN" }, lob: false, parse: (text) => text === "t" }
        : { ...stringType, parse: (text) => (text === "t" ? "true" : "false") };
    case oid.int2:
    case oid.int4:
      return { element: { type: "INT32" }, lob: false, parse: Number };
    case oid.int8:
    case oid.oid:
      return { element: { type: "INT64" }, lob: false, parse: BigInt };
    case oid.float4:
      return { element: { type: "FLOAT" }, lob: false, parse: Number };
    case oid.float8:
      return { element: { type: "DOUBLE" }, lob: false, parse: Number };
    case oid.numeric:
      return numericType(typmod, options);
    case oid.date:
      return { element: { type: "INT32", converted_type: "DATE" }, lob: false, parse: parseDays };
    case oid.timestamp:
    case oid.timestamptz:
      return timestampType(options.timestampUnit);
    case oid.bytea:
      return {
        element: { type: "BYTE_ARRAY" },
        lob: true,
        parse: (text) => new Uint8Array(Buffer.from(text.slice(2), "hex")),
      };
    case oid.bpchar:
      return { ...stringType, parse: options.trimChar ? (text) => text.replace(/ +$/, "") : asIs };
    case oid.text:
    case oid.json:
    case oid.jsonb:
    case oid.xml:
      return lobType;
    default:
      return stringType;
  }
}

export function timestampType(unit: TypeOptions["timestampUnit"]): SourceType {
  return unit === "micros"
    ? { element: { type: "INT64", converted_type: "TIMESTAMP_MICROS" }, lob: false, parse: parseMicros }
    : {
        element: { type: "INT64", converted_type: "TIMESTAMP_MILLIS" },
        lob: false,
        parse: (text) => floorDivide(parseMicros(text), 1000n),
      };
}

function numericType(typmod: number, options: TypeOptions): SourceType {
  if (typmod < 4) {
    return options.unboundedNumeric === "string" ? stringType : decimalType(28, 6);
  }
  const precision = ((typmod - 4) >> 16) & 0xffff;
  // The scale is an eleven-bit signed number since PostgreSQL 15.
  const scale = (((typmod - 4) & 0x7ff) ^ 1024) - 1024;
  const digits = scale < 0 ? precision - scale : Math.max(precision, scale);
  return digits > 38 ? stringType : decimalType(digits, Math.max(scale, 0));
}

function decimalType(precision: number, scale: number): SourceType {
  const physical: Omit<SchemaElement, "name"> =
    precision <= 9
      ? { type: "INT32" }
      : precision <= 18
        ? { type: "INT64" }
        : { type: "FIXED_LEN_BYTE_ARRAY", type_length: 16 };
  const limit = 10n ** BigInt(precision);
  return {
    element: { ...physical, converted_type: "DECIMAL", precision, scale },
    lob: false,
    parse: (text) => {
      const value = unscaled(text, scale);
      if (value >= limit || value <= -limit)
        throw new Error(`${text} does not fit numeric(${precision},${scale})`);
      return value;
    },
  };
}

function unscaled(text: string, scale: number): bigint {
  const found = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text);
  if (found === null) throw new Error(`${text} is no finite number`);
  const [, sign, whole = "", fraction = ""] = found;
  const value = BigInt(whole + fraction.slice(0, scale).padEnd(scale, "0"));
  return sign === "-" ? -value : value;
}

const datePattern = /^(\d{4,})-(\d\d)-(\d\d)/;

function parseDays(text: string): number {
  const found = datePattern.exec(text);
  if (found === null) throw new Error(`${text} is no finite date`);
  const year = text.endsWith(" BC") ? 1 - Number(found[1]) : Number(found[1]);
  return daysOf(year, Number(found[2]), Number(found[3]));
}

/** Days since 1970-01-01 in the proleptic Gregorian calendar, for any year (Date.UTC shifts the years 0 to 99). */
function daysOf(year: number, month: number, day: number): number {
  const shifted = month <= 2 ? year - 1 : year;
  const era = Math.floor(shifted / 400);
  const ofEra = shifted - era * 400;
  const ofYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1;
  return era * 146_097 + ofEra * 365 + Math.floor(ofEra / 4) - Math.floor(ofEra / 100) + ofYear - 719_468;
}

/** Microseconds since 1970-01-01 UTC; a timestamp with a zone comes in UTC, since the session's zone is UTC. */
function parseMicros(text: string): bigint {
  const found = /^\d{4,}-\d\d-\d\d (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(\+00)?( BC)?$/.exec(text);
  if (found === null) throw new Error(`${text} is no finite timestamp`);
  const [, hours, minutes, seconds, fraction = ""] = found;
  const ofDay = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
  return (
    BigInt(parseDays(text)) * 86_400_000_000n + BigInt(ofDay) * 1_000_000n + BigInt(fraction.padEnd(6, "0"))
  );
}

function floorDivide(value: bigint, by: bigint): bigint {
  return value / by - (value < 0n && value % by !== 0n ? 1n : 0n);
}
