import type { Cell, ColumnType } from "../tables.js";

/**
 * One text per value, the same whichever database printed it, and different for values that differ:
 * timestamps `yyyy-MM-dd HH:mm:ss.SSSSSS` (UTC where the type has a zone), decimals with exactly the column's scale, doubles as
 * JavaScript's shortest round trip, bytes and UUIDs in lower-case hex. Text stays as it is. What does not read as the
 * type is returned unchanged: it then equals nothing, and the report shows it as it was found.
 */
export function canonical(type: ColumnType, text: Cell): Cell {
  if (text === null) return null;
  switch (type.kind) {
    case "text":
      return text;
    case "numeric":
      return canonicalDecimal(text, type.scale);
    case "double precision":
      return text.trim() === "" ? text : String(Number(text));
    case "timestamp":
    case "timestamptz":
      return canonicalTime(text);
    case "boolean":
      return text === "t" ? "true" : text === "f" ? "false" : text.toLowerCase();
    case "bytea":
    case "uuid":
      return text.toLowerCase();
    case "bigint":
    case "integer":
    case "smallint":
    case "date":
      return text;
  }
}

/** `-1.5E+1` and `-15` with scale 2 are both `-15.00`; digits beyond the scale stay, so that they are seen. */
export function canonicalDecimal(text: string, scale: number): string {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/.exec(text.trim());
  if (match === null || (match[2] === "" && (match[3] ?? "") === "")) return text;
  const [, sign, whole = "", fraction = "", exponent = "0"] = match;
  const digits = whole + fraction;
  const point = whole.length + Number(exponent);
  const padded = point < 0 ? "0".repeat(-point) + digits : digits.padEnd(point, "0");
  const integer = padded.slice(0, Math.max(point, 0)).replace(/^0+(?=\d)/, "") || "0";
  let decimals = padded.slice(Math.max(point, 0)).padEnd(scale, "0");
  while (decimals.length > scale && decimals.endsWith("0")) decimals = decimals.slice(0, -1);
  const value = decimals === "" ? integer : `${integer}.${decimals}`;
  return sign === "-" && /[1-9]/.test(value) ? `-${value}` : value;
}

/** ISO or SQL notation, no zone or UTC's, any number of fraction digits; more than six stay unless they are zeros. */
export function canonicalTime(text: string): string {
  const match = /^(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}:\d{2})(?:\.(\d+))?(?:Z|\+00(?::?00)?)?$/.exec(
    text.trim(),
  );
  if (match === null) return text;
  const [, date, time, fraction = ""] = match;
  const digits = fraction.padEnd(6, "0");
  return `${date} ${time}.${/^\d{6}0*$/.test(digits) ? digits.slice(0, 6) : digits}`;
}

/** The canonical time `micros` microseconds later (earlier if negative). */
export function addMicroseconds(time: string, micros: number): string {
  const match = /^(.{19})\.(\d{6})$/.exec(time);
  if (match === null) throw new Error(`not a canonical time: ${time}`);
  const total =
    BigInt(Date.parse(`${match[1]?.replace(" ", "T")}Z`)) * 1000n + BigInt(match[2] ?? 0) + BigInt(micros);
  const millis = (total - (((total % 1000000n) + 1000000n) % 1000000n)) / 1000n;
  const rest = ((total % 1000000n) + 1000000n) % 1000000n;
  return `${new Date(Number(millis)).toISOString().slice(0, 19).replace("T", " ")}.${String(rest).padStart(6, "0")}`;
}
