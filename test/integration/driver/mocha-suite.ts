import path from "node:path";
import { expect } from "chai";
import { useEphemeralEnvironment } from "../../../src/testing.js";
import { openPlatform, thingProgram } from "./support.js";

/** A user's suites, run by a mocha of its own (ephemeral-mocha.test.ts); `SCENE` names the scene's folder. */
const scene = process.env["SCENE"] ?? "";

describe("a suite that fails in part", () => {
  const environment = useEphemeralEnvironment({
    platform: () => openPlatform(scene, thingProgram()),
    from: "dev",
  });
  let outside: unknown;
  try {
    expect(environment.current);
  } catch (error) {
    outside = error;
  }

  it("passes", async () => {
    expect(outside).to.include({ code: "testing/no-environment" });
    const { name, outputs } = environment.current;
    expect(name).to.match(/^t-[0-9a-f]{14}$/);
    expect(outputs["value"]).to.equal(name);
  });
  it("fails", () => {
    throw new Error(`the test failed in ${environment.current.name}`);
  });
});

describe("a suite whose environment comes up half-way", () => {
  const settingsDir = path.join(scene, "broken");
  useEphemeralEnvironment({
    platform: () => openPlatform(scene, thingProgram(), { settingsDir }),
    name: "half-way",
    ttl: "10m",
    from: "dev",
  });
  it("is not run", () => undefined);
});
