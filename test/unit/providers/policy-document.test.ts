import { expect } from "chai";
import { document } from "../../../src/sandbox/providers/aws/policy-document.js";

const read = { sid: "Read", actions: ["s3:GetObject"], resources: ["b", "a"] };

describe("aws.iam.getPolicyDocument", () => {
  it("writes single values as scalars, several sorted downwards, as the provider does", () => {
    const result = document({
      statements: [
        {
          ...read,
          principals: [{ type: "Service", identifiers: ["dms.amazonaws.com"] }],
          conditions: [{ test: "StringEquals", variable: "sts:ExternalId", values: ["1"] }],
        },
      ],
    });
    expect(JSON.parse(result["json"] as string)).to.deep.equal({
      Version: "2012-10-17",
      Statement: [
        {
          Sid: "Read",
          Effect: "Allow",
          Action: "s3:GetObject",
          Resource: ["b", "a"],
          Principal: { Service: "dms.amazonaws.com" },
          Condition: { StringEquals: { "sts:ExternalId": "1" } },
        },
      ],
    });
    expect(JSON.parse(result["minifiedJson"] as string)).to.deep.equal(JSON.parse(result["json"] as string));
  });

  it("puts sources first, and lets overriding documents replace by sid", () => {
    const source = JSON.stringify({
      Statement: { Sid: "Source", Effect: "Deny", Action: "*", Resource: "*" },
    });
    const over = JSON.stringify({
      Statement: [{ Sid: "Read", Effect: "Deny", Action: "s3:*", Resource: "*" }],
    });
    const { json } = document({
      sourcePolicyDocuments: [source],
      overridePolicyDocuments: [over],
      statements: [read],
    });
    const { Statement } = JSON.parse(json as string) as { Statement: { Sid: string; Effect: string }[] };
    expect(Statement.map(({ Sid, Effect }) => `${Sid} ${Effect}`)).to.deep.equal([
      "Source Deny",
      "Read Deny",
    ]);
  });

  it("refuses a sid used twice", () => {
    expect(() => document({ statements: [read, read] })).to.throw('the sid "Read"');
  });
});
