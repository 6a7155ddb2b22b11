import { existsSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { expect } from "chai";
import { cacheRoot, packageRoot } from "../../../src/engine/paths.js";

describe("engine/paths", () => {
  it("finds the package's root with what is not compiled", () => {
    expect(existsSync(path.join(packageRoot(), "src/engine/go/pulumi/go.mod"))).to.equal(true);
  });

  it("keeps the cache where the user says, else where XDG says", () => {
    expect(cacheRoot({ HEADWATER_CACHE: "/a/b", XDG_CACHE_HOME: "/x" })).to.equal("/a/b");
    expect(cacheRoot({ XDG_CACHE_HOME: "/x" })).to.equal("/x/headwater");
    expect(cacheRoot({ XDG_CACHE_HOME: "relative" })).to.equal(path.join(homedir(), ".cache/headwater"));
    expect(cacheRoot({ HEADWATER_CACHE: "" })).to.equal(path.join(homedir(), ".cache/headwater"));
  });
});
