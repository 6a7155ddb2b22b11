import { expect } from "chai";
import fc from "fast-check";
import { formatMicros } from "../../../src/sandbox/dms/instants.js";
import { sourceType, type TypeOptions } from "../../../src/sandbox/dms/source/types.js";

const defaults: TypeOptions = {
  booleans: "boolean",
  unboundedNumeric: "numeric(28,6)",
  trimChar: true,
  timestampUnit: "micros",
};
const numeric = (precision: number, scale: number) => ((precision << 16) | (scale & 0x7ff)) + 4;
const parse = (oid: number, text: string, typmod = -1, options = defaults): unknown =>
  sourceType(oid, typmod, options).parse(text);

describe("PostgreSQL's types in DMS's files", () => {
  it("timestamps keep every microsecond, in years far and near", () => {
    const micros = fc.bigInt({ min: -62_135_596_800_000_000n, max: 253_402_300_799_999_999n });
    fc.assert(
      fc.property(micros, (at) => {
        expect(parse(1114, formatMicrosExactly(at))).to.equal(at);
      }),
    );
    expect(parse(1184, "2026-01-02 03:04:05.6+00")).to.equal(1767323045600000n);
    expect(parse(1114, "0001-01-01 00:00:00 BC")).to.equal(-62167219200000000n);
    expect(parse(1082, "10000-01-01")).to.equal(2932897);
    expect(
      sourceType(1114, -1, { ...defaults, timestampUnit: "millis" }).parse("1969-12-31 23:59:59.999999"),
    ).to.equal(-1n);
  });

  it("numerics keep every digit of their scale", () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(10n ** 38n) + 1n, max: 10n ** 38n - 1n }),
        fc.nat(38),
        (unscaled, scale) => {
          expect(parse(1700, decimalText(unscaled, scale), numeric(38, scale))).to.equal(unscaled);
        },
      ),
    );
    expect(sourceType(1700, numeric(9, 2), defaults).element).to.include({
      type: "INT32",
      precision: 9,
      scale: 2,
    });
    expect(sourceType(1700, numeric(18, 2), defaults).element).to.include({ type: "INT64" });
    expect(sourceType(1700, numeric(19, 2), defaults).element).to.include({ type: "FIXED_LEN_BYTE_ARRAY" });
    expect(parse(1700, "12300", numeric(3, -2))).to.equal(12300n);
    expect(parse(1700, "12345", numeric(39, 2))).to.equal("12345");
  });

  it("an unbounded numeric is NUMERIC(28,6), cut after six digits, or a string by attribute", () => {
    expect(sourceType(1700, -1, defaults).element).to.include({ precision: 28, scale: 6 });
    expect(parse(1700, "-1.23456789")).to.equal(-1234567n);
    expect(parse(1700, "-1.23456789", -1, { ...defaults, unboundedNumeric: "string" })).to.equal(
      "-1.23456789",
    );
    expect(() => parse(1700, "1".repeat(23))).to.throw("does not fit numeric(28,6)");
  });

  it("booleans are strings unless MapBooleanAsBoolean says otherwise; char is trimmed unless told not to", () => {
    expect(parse(16, "t")).to.equal(true);
    expect([
      parse(16, "t", -1, { ...defaults, booleans: "string" }),
      parse(16, "f", -1, { ...defaults, booleans: "string" }),
    ]).to.deep.equal(["true", "false"]);
    expect(parse(1042, "ab  ")).to.equal("ab");
    expect(parse(1042, "ab  ", -1, { ...defaults, trimChar: false })).to.equal("ab  ");
  });

  it("integers beyond 2^53, floats, bytes, domains and unknown types", () => {
    expect(parse(20, "-9223372036854775808")).to.equal(-9223372036854775808n);
    expect(parse(701, "NaN")).to.be.NaN;
    expect(parse(700, "-Infinity")).to.equal(-Infinity);
    expect(parse(17, "\\x00ff")).to.deep.equal(new Uint8Array([0, 255]));
    expect(parse(2950, "0c4d4b4e-8f4e-4d0c-9a57-0a6b4f7f2e11")).to.equal(
      "0c4d4b4e-8f4e-4d0c-9a57-0a6b4f7f2e11",
    );
    const domains = new Map([[99, { base: 1700, typmod: numeric(5, 1) }]]);
    expect(sourceType(99, -1, defaults, domains).parse("12.3")).to.equal(123n);
  });

  it("values without a place in their type are refused, never turned into another", () => {
    expect(() => parse(1700, "NaN", numeric(5, 1))).to.throw("NaN is no finite number");
    expect(() => parse(1114, "infinity")).to.throw("infinity is no finite timestamp");
    expect(() => parse(1082, "-infinity")).to.throw("-infinity is no finite date");
  });
});

function formatMicrosExactly(at: bigint): string {
  // JavaScript's dates go by milliseconds; below zero the rest must still count up.
  const millis = at / 1000n - (at < 0n && at % 1000n !== 0n ? 1n : 0n);
  return `${formatMicros(millis * 1000n).slice(0, -3)}${String(at - millis * 1000n).padStart(3, "0")}`;
}

function decimalText(unscaled: bigint, scale: number): string {
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, "0");
  const point = digits.length - scale;
  return `${unscaled < 0n ? "-" : ""}${digits.slice(0, point)}${scale === 0 ? "" : `.${digits.slice(point)}`}`;
}
