import { expect } from "chai";
import { atLeast, formatVersion, parseVersion } from "../../../src/engine/versions.js";

describe("engine/versions", () => {
  it("finds the version in what programs print", () => {
    expect(parseVersion("go version go1.26.8 linux/amd64")).to.deep.equal([1, 26, 8]);
    expect(parseVersion("v3.259.0-dev.4711")).to.deep.equal([3, 259, 0]);
    expect(parseVersion('openjdk version "17.0.15" 2025-04-15')).to.deep.equal([17, 0, 15]);
    expect(parseVersion("go1.27")).to.deep.equal([1, 27, 0]);
    expect(parseVersion("unknown command")).to.equal(undefined);
  });

  it("compares by number, not by text", () => {
    expect(atLeast([1, 25, 11], [1, 25, 9])).to.equal(true);
    expect(atLeast([1, 25, 11], [1, 25, 11])).to.equal(true);
    expect(atLeast([1, 25, 2], [1, 25, 11])).to.equal(false);
    expect(atLeast([4, 0, 0], [3, 206, 0])).to.equal(true);
    expect(atLeast([3, 99, 9], [3, 206, 0])).to.equal(false);
    expect(formatVersion([3, 206, 0])).to.equal("3.206.0");
  });
});
