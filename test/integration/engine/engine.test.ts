import { execFileSync } from "node:child_process";
import { PulumiCommand } from "@pulumi/pulumi/automation/index.js";
import { expect } from "chai";
import { ensureEngine } from "../../../src/engine/engine.js";

describe("engine: on this machine", function () {
  this.timeout(1_800_000); // the first time it may have to be built

  it("is one the Automation API accepts, and is there at once the second time", async () => {
    const first = await ensureEngine({ progress: (line) => console.log(`      ${line}`) });
    const command = await PulumiCommand.get({ root: first.root });
    expect(command.command).to.equal(first.command);
    expect(String(command.version)).to.equal(first.version);
    const told: string[] = [];
    const second = await ensureEngine({ progress: (line) => told.push(line) });
    expect(second.command).to.equal(first.command);
    expect(told).to.deep.equal([]);
    const about = JSON.parse(execFileSync(first.command, ["about", "--json"], { encoding: "utf8" })) as {
      cliAbout: { version: string };
    };
    expect(about.cliAbout.version).to.contain(first.version);
  });
});
