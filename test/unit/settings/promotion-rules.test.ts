import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { expect } from "chai";
import type { HeadwaterError } from "../../../src/model/errors.js";
import { loadPromotionRules, NO_RULES, rulesFor } from "../../../src/settings/promotion-rules.js";

describe("rules of promotion", () => {
  let folder: string;
  let file: string;
  beforeEach(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), "headwater-rules-"));
    file = path.join(folder, "promotion.yaml");
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it("are none where there is no file", () => {
    expect(loadPromotionRules(file)).to.deep.equal(NO_RULES);
    expect(rulesFor(NO_RULES, "prod")).to.deep.equal({
      ...{ protected: false, drift: "ignore", freeze: [], onFailure: "stop" },
    });
  });

  it("of this repository are read, with defaults for what is not written", () => {
    const rules = loadPromotionRules("stacks/promotion.yaml");
    expect(rules.path).to.deep.equal(["dev", "staging", "prod"]);
    expect(rulesFor(rules, "prod")).to.include({ protected: true, maxChanges: 50, onFailure: "stop" });
    expect(rulesFor(rules, "dev")).to.include({ protected: false });
  });

  const wrong: Record<string, [string, string, RegExp]> = {
    "an unknown key": [
      "version: 1\nenvironments:\n  prod:\n    protectd: true\n",
      "environments.prod.protectd",
      /protected/,
    ],
    "an environment twice": ["version: 1\npath: [dev, dev]\n", "path", /each environment once/],
    "a name that is none": ["version: 1\npath: [Dev!]\n", "path[0]", /lower-case letters/],
    "an account as a number": [
      "version: 1\nenvironments:\n  prod:\n    identity:\n      awsAccount: 123456789012\n",
      "environments.prod.identity.awsAccount",
      /string|text|quotes/,
    ],
    "no YAML": ["version: [1\n", "", /not valid YAML/],
  };
  for (const [what, [text, field, message]] of Object.entries(wrong)) {
    it(`name ${what} by file, line and field`, async () => {
      await writeFile(file, text);
      const load = () => loadPromotionRules(file);
      expect(load).to.throw(message);
      try {
        load();
      } catch (error) {
        const { details } = error as HeadwaterError;
        expect(details.where).to.match(/promotion\.yaml:\d+$/);
        if (field !== "") expect(details.field).to.equal(field);
      }
    });
  }

  for (const [what, window] of Object.entries({
    "ends before it begins": "{ from: '2026-12-02T00:00:00Z', until: '2026-12-01T00:00:00Z', reason: r }",
    "has no such time zone":
      "{ weekly: { from: Fri 16:00, until: Mon 07:00 }, timezone: Mars/Base, reason: r }",
    "has no such weekday": "{ weekly: { from: Fry 16:00, until: Mon 07:00 }, reason: r }",
    "gives no reason": "{ from: '2026-12-01T00:00:00Z', until: '2026-12-02T00:00:00Z' }",
  })) {
    it(`refuse a freeze window that ${what}`, async () => {
      await writeFile(file, `version: 1\nenvironments:\n  prod:\n    freeze: [${window}]\n`);
      expect(() => loadPromotionRules(file))
        .to.throw()
        .with.property("code")
        .that.matches(/^settings\//);
    });
  }
});
