import bcrypt from "bcryptjs";
import { expect } from "chai";
import { randomId, randomText } from "../../../src/sandbox/providers/random/generate.js";
import { randomProvider } from "../../../src/sandbox/providers/random/provider.js";

describe("the light random provider", () => {
  it("makes texts of the length and classes asked for", () => {
    for (let round = 0; round < 50; round++) {
      const text = randomText({
        length: 12,
        minUpper: 2,
        minNumeric: 3,
        minSpecial: 1,
        overrideSpecial: "_",
        lower: false,
      });
      expect(text).to.match(/^[A-Z0-9_]{12}$/);
      expect(text.replace(/[^A-Z]/g, "").length).to.be.at.least(2);
      expect(text.replace(/[^0-9]/g, "").length).to.be.at.least(3);
      expect(text).to.contain("_");
    }
    expect(randomText({ length: 40, special: false })).to.match(/^[A-Za-z0-9]{40}$/);
  });

  it("refuses what cannot be made", () => {
    const none = { lower: false, upper: false, numeric: false, special: false };
    expect(() => randomText({ length: 2, minLower: 3 })).to.throw("length 2 is too short for 3 characters");
    expect(() => randomText({ length: 2, ...none })).to.throw("no class is allowed");
  });

  it("gives one id in all its forms", () => {
    const { id, hex, dec, b64Url, b64Std } = randomId(5, "p-");
    const bytes = Buffer.from(id, "base64url");
    expect(bytes).to.have.length(5);
    expect({ hex, dec, b64Url, b64Std }).to.deep.equal({
      hex: `p-${bytes.toString("hex")}`,
      dec: `p-${BigInt(`0x${bytes.toString("hex")}`)}`,
      b64Url: `p-${bytes.toString("base64url")}`,
      b64Std: `p-${bytes.toString("base64")}`,
    });
  });

  it("hashes a password so that bcrypt knows it again, and says that both are secret", async () => {
    const type = randomProvider.types.find(({ token }) => token.endsWith(":RandomPassword"))!;
    const made = await type.create({ client: null, inputs: { length: 80 } });
    const { result, bcryptHash } = (made as { properties: Record<string, string> }).properties;
    expect(await bcrypt.compare(result!.slice(0, 72), bcryptHash!)).to.be.true;
    expect(type.outputs).to.deep.equal({ result: { secret: true }, bcryptHash: { secret: true } });
  });
});
