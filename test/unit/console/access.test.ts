import { expect } from "chai";
import type { FastifyRequest } from "fastify";
import { refuseOtherOrigins, requireRole } from "../../../src/console/access.js";
import { tokensFor } from "../../../src/console/tokens.js";
import type { HeadwaterError } from "../../../src/model/errors.js";

function request(method: string, headers: Record<string, string>): FastifyRequest {
  return { method, headers, host: "127.0.0.1:7420" } as unknown as FastifyRequest;
}

function codeOf(body: () => void): string {
  try {
    body();
    return "none";
  } catch (error) {
    return (error as HeadwaterError).code;
  }
}

describe("who may use the console", () => {
  it("refuses a change that a page of another origin asks for, and takes those of its own page and of programs", () => {
    const judged = (headers: Record<string, string>, method = "POST"): string =>
      codeOf(() => refuseOtherOrigins(request(method, headers)));
    expect(judged({ "sec-fetch-site": "cross-site" })).to.equal("console/other-origin");
    expect(judged({ "sec-fetch-site": "same-site" })).to.equal("console/other-origin");
    expect(judged({ origin: "https://evil.example" })).to.equal("console/other-origin");
    expect(judged({ origin: "null" })).to.equal("console/other-origin");
    expect(judged({ origin: "http://127.0.0.1:7420" })).to.equal("none");
    expect(judged({ "sec-fetch-site": "same-origin", origin: "http://127.0.0.1:7420" })).to.equal("none");
    expect(judged({})).to.equal("none");
    expect(judged({ "sec-fetch-site": "cross-site" }, "GET")).to.equal("none");
  });

  it("knows a person by exactly their token", async () => {
    const { tokens, authenticate } = tokensFor([
      { name: "ann", roles: ["operator"] },
      { name: "bob", roles: [] },
    ]);
    const asked = (authorization: string) => authenticate(request("GET", { authorization }));
    for (const { person, token } of tokens) {
      expect(token).to.have.length(43);
      expect(await asked(`Bearer ${token}`)).to.equal(person);
      expect(await asked(`Bearer ${token}x`)).to.equal(undefined);
      expect(await asked(token)).to.equal(undefined);
    }
    expect(await authenticate(request("GET", {}))).to.equal(undefined);
  });

  it("tells the role that is missing", () => {
    const vic = { name: "vic", roles: ["viewer"] as const };
    expect(codeOf(() => requireRole(vic, "operator", "to start"))).to.equal("console/not-allowed");
    expect(codeOf(() => requireRole(vic, "viewer", "to look"))).to.equal("none");
    expect(codeOf(() => requireRole({ name: "x", roles: [] }, "viewer", "to look"))).to.equal("none");
  });
});
