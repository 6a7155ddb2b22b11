import { expect } from "chai";
import { parseOptions } from "../../../demo/options.js";
import { HeadwaterError } from "../../../src/model/errors.js";

function refusal(...args: string[]): string {
  try {
    parseOptions(args);
  } catch (error) {
    expect(error).to.be.instanceOf(HeadwaterError);
    return (error as HeadwaterError).message;
  }
  throw new Error("the options were taken");
}

describe("the demo's options", () => {
  it("have defaults that run the whole of it", () => {
    const { help, ...options } = parseOptions([]);
    expect(help).to.equal(false);
    expect(options).to.deep.equal({
      environments: ["dev", "staging", "prod"],
      seed: "headwater",
      clockScale: 60,
      keep: false,
      report: "headwater-report.html",
    });
  });

  it("are taken as given", () => {
    const options = parseOptions(["--environments", "dev, prod", "--clock-scale=1", "--keep", "--seed", "x"]);
    expect(options).to.include({ clockScale: 1, keep: true, seed: "x" });
    expect(options.environments).to.deep.equal(["dev", "prod"]);
  });

  it("are refused with the option's name, what was found and what is allowed", () => {
    expect(refusal("--clock-scale", "fast")).to.match(
      /--clock-scale: not a scale\n\s+found: fast\n\s+allowed: a number/,
    );
    expect(refusal("--clock-scale", "0.5")).to.contain("from 1 (as in the cloud)");
    expect(refusal("--environments", "dev,dev")).to.contain("an environment is named twice");
    expect(refusal("--environments", "dev,")).to.contain("not an environment's name");
    expect(refusal("--fast")).to.contain("--fast").and.contain("--help");
    expect(refusal("extra")).to.contain("extra");
  });
});
