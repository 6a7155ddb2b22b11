import { expect } from "chai";
import fc from "fast-check";
import {
  addMicroseconds,
  canonical,
  canonicalDecimal,
  canonicalTime,
} from "../../../demo/proof/canonical.js";

describe("canonical text of a value", () => {
  it("is one for every way to print a decimal", () => {
    const cases: [string, number, string][] = [
      ["12.3", 2, "12.30"],
      ["-12.30", 2, "-12.30"],
      ["0E-18", 18, "0.000000000000000000"],
      ["1.5E-7", 10, "0.0000001500"],
      ["1.2E+3", 2, "1200.00"],
      ["-0.00", 2, "0.00"],
      ["007", 0, "7"],
      ["12345678901234567890.123456789012345678", 18, "12345678901234567890.123456789012345678"],
    ];
    for (const [text, scale, expected] of cases) expect(canonicalDecimal(text, scale)).to.equal(expected);
  });

  it("keeps digits beyond the scale, so that a value that was not rounded is seen", () => {
    expect(canonicalDecimal("1.005", 2)).to.equal("1.005");
    expect(canonicalDecimal("1.2300000", 2)).to.equal("1.23");
  });

  it("does not change a decimal's value, whatever it is", () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(10n ** 38n), max: 10n ** 38n }),
        fc.integer({ min: 0, max: 18 }),
        (unscaled, scale) => {
          const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, "0");
          const plain = `${digits.slice(0, digits.length - scale)}${scale > 0 ? `.${digits.slice(-scale)}` : ""}`;
          const expected = `${unscaled < 0n ? "-" : ""}${plain}`;
          expect(canonicalDecimal(`${unscaled}E-${scale}`, scale)).to.equal(expected);
          expect(canonicalDecimal(expected, scale)).to.equal(expected);
        },
      ),
    );
  });

  it("is one for every way to print a time, to the microsecond", () => {
    for (const text of [
      "2026-01-02 03:04:05.1",
      "2026-01-02T03:04:05.100000Z",
      "2026-01-02 03:04:05.100000000+00",
    ]) {
      expect(canonicalTime(text)).to.equal("2026-01-02 03:04:05.100000");
    }
    expect(canonicalTime("2026-01-02 03:04:05")).to.equal("2026-01-02 03:04:05.000000");
    expect(canonicalTime("2026-01-02 03:04:05.0000001")).to.equal("2026-01-02 03:04:05.0000001");
    expect(canonicalTime("2026-01-02 03:04:05+02"), "another zone is another text").to.contain("+02");
  });

  it("keeps NULL, the empty text and the word NULL apart", () => {
    const text = { kind: "text" } as const;
    expect([null, "", "NULL", " "].map((cell) => canonical(text, cell))).to.deep.equal([
      null,
      "",
      "NULL",
      " ",
    ]);
  });

  it("reads a double as the double it is", () => {
    const double = { kind: "double precision" } as const;
    expect(canonical(double, "1.0E-7")).to.equal(canonical(double, "1e-07"));
    expect(canonical(double, "0.1")).to.not.equal(canonical(double, "0.10000000000000002"));
  });

  it("adds microseconds across every boundary", () => {
    expect(addMicroseconds("2026-01-01 00:00:00.000000", -1)).to.equal("2025-12-31 23:59:59.999999");
    expect(addMicroseconds("1969-12-31 23:59:59.999999", 1)).to.equal("1970-01-01 00:00:00.000000");
    expect(addMicroseconds("1960-01-01 00:00:00.000000", -1)).to.equal("1959-12-31 23:59:59.999999");
  });
});
