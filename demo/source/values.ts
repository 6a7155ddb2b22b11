import type { Cell, Column, Row, Table } from "../tables.js";
import type { Random } from "./random.js";

/** The demo's size: about 5,000 rows, which DMS, Spark and the proof carry in seconds on two cores. */
export const demoSizes: Readonly<Record<string, number>> = {
  customers: 900,
  products: 300,
  orders: 1300,
  order_lines: 2600,
};

const linesPerOrder = 3;

/** The key cells of the `number`th row (from 1) of a table: unique per number. */
export function keyFor(table: Table, number: number): Record<string, string> {
  switch (table.name) {
    case "products":
      // Text keys that break naive quoting, sorting and paths.
      return { sku: number % 50 === 0 ? `SKU ${number} "é'%/😀` : `SKU-${String(number).padStart(6, "0")}` };
    case "order_lines":
      return {
        order_id: String(1 + Math.floor((number - 1) / linesPerOrder)),
        line_no: String(1 + ((number - 1) % linesPerOrder)),
      };
    case "orders":
      // Beyond 2^53: a 64-bit key that passes through a double would collide with its neighbour.
      return { id: number % 100 === 0 ? String(9007199254740993n + BigInt(number)) : String(number) };
    default:
      return { id: String(number) };
  }
}

/** A row with that key; every other cell is random, NULL now and then where the column allows it. */
export function randomRow(random: Random, table: Table, key: Readonly<Record<string, string>>): Row {
  return table.columns.map((column) => key[column.name] ?? randomCell(random, table, column));
}

/** A canonical value for the column, NULL in one of six cases where it may be. */
export function randomCell(random: Random, table: Table, column: Column): Cell {
  return column.nullable && random.chance(1 / 6) ? null : randomValue(random, table, column);
}

/** A canonical value for the column, never NULL. */
export function randomValue(random: Random, table: Table, column: Column): string {
  if (column.name === "customer_id") return String(random.int(1, demoSizes.customers ?? 1));
  if (column.name === "status")
    return random.pick(["new", "paid", "packed", "shipped", "returned", "cancelled"]);
  if (column.name === "name") return `${random.pick(firstNames)} ${random.pick(lastNames)}`;
  if (column.name === "email") return random.chance(0.05) ? "" : `user${random.int(1, 99999)}@example.com`;
  if (column.name === "sku" && !table.keys.includes("sku")) return `SKU-${random.digits(6)}`;
  const { type } = column;
  switch (type.kind) {
    case "bigint":
      return random.pick(["-9223372036854775808", "9223372036854775807", `${random.int(1, 1e9)}`]);
    case "smallint":
      return String(random.int(-32768, 32767));
    case "integer":
      return random.chance(0.02) ? "-2147483648" : String(random.int(0, 5000));
    case "boolean":
      return random.chance(0.5) ? "true" : "false";
    case "numeric":
      return randomDecimal(random, type.precision, type.scale);
    case "double precision":
      return String(random.pick([0.1, 1e-7, -2.5, 1234567.875, random.uint32() / 7, 1.7976931348623157e308]));
    case "date":
      return random.pick(["1900-01-01", "1969-12-31", "2000-02-29", "9999-12-31", randomDate(random)]);
    case "timestamp":
    case "timestamptz":
      return `${random.chance(0.03) ? "1969-12-31" : randomDate(random)} ${randomTime(random)}`;
    case "bytea":
      return Array.from({ length: random.int(0, 24) }, () => random.pick(bytes)).join("");
    case "uuid":
      return [8, 4, 4, 4, 12].map((length) => hexDigits(random, length)).join("-");
    case "text":
      return random.chance(0.4) ? random.pick(awkwardTexts) : `${random.pick(words)} ${random.pick(words)}`;
  }
}

function randomDecimal(random: Random, precision: number, scale: number): string {
  const places = precision - scale;
  // Full precision now and then: more digits than a double holds.
  const whole = random.chance(0.1)
    ? `9${random.digits(places - 1)}`
    : String(random.int(0, Math.min(5000, 10 ** places - 1)));
  const text = `${whole}.${random.digits(scale)}`;
  // PostgreSQL has no negative zero.
  return random.chance(0.15) && /[1-9]/.test(text) ? `-${text}` : text;
}

function randomDate(random: Random): string {
  const pad = (value: number): string => String(value).padStart(2, "0");
  return `${random.int(1950, 2038)}-${pad(random.int(1, 12))}-${pad(random.int(1, 28))}`;
}

function randomTime(random: Random): string {
  const pad = (value: number): string => String(value).padStart(2, "0");
  const micros = random.chance(0.2)
    ? random.pick(["000000", "000001", "999999", "100000"])
    : random.digits(6);
  return `${pad(random.int(0, 23))}:${pad(random.int(0, 59))}:${pad(random.int(0, 59))}.${micros}`;
}

function hexDigits(random: Random, count: number): string {
  return Array.from({ length: count }, () => random.int(0, 15).toString(16)).join("");
}

const bytes = ["00", "0a", "0d", "22", "27", "5c", "7f", "80", "fe", "ff"];
const firstNames = ["Ada", "Björk", "Chloé", "Dmitri", "Eve", "Fátima", "Grace", "李", "O'Neil", "Zoë"];
const lastNames = [
  "Ångström",
  "Brown",
  "D'Arcy",
  "Lovelace",
  "Müller",
  "Nguyễn",
  "Øster",
  "王",
  'Smith "Jr."',
];
const words = ["quick", "amber", "river", "stone", "paper", "cloud", "delta", "spring", "mill", "weir"];

/** Texts that quoting, CSV, JSON, trimming or "NULL as a word" get wrong. */
export const awkwardTexts: readonly string[] = [
  "",
  " ",
  "NULL",
  "\\N",
  "it's",
  'a "quoted" word',
  "two\nlines",
  "carriage\r\nreturn",
  "tab\there",
  "back\\slash \\x41",
  "  padded  ",
  "comma,semicolon;pipe|",
  '{"json": [1, null]}',
  "<b>markup</b> &amp; ${notATemplate} {{nor}} this",
  "emoji 😀 👩🏽‍🚀 flags 🇨🇭",
  "combining e\u0301 and é, right-to-left \u05d0\u05d1",
  "line\u2028separator and \u0001 control",
];
