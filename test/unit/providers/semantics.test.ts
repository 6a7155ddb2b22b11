import { expect } from "chai";
import { autoname, check, DEFAULTS } from "../../../src/sandbox/providers/check.js";
import { complete, diff, drift, unknowns } from "../../../src/sandbox/providers/diff.js";
import {
  flag,
  json,
  list,
  map,
  matches,
  number,
  object,
  policy,
  same,
  set,
  text,
  UNKNOWN,
  type Fields,
} from "../../../src/sandbox/providers/fields.js";
import { fromApi, pascal, snake, toApi } from "../../../src/sandbox/providers/api.js";

const inputs: Fields = {
  name: text({ computed: true, replaces: true }),
  comment: text(),
  rules: json({ partial: true }),
  count: number({ default: 3 }),
  enabled: flag(),
  password: text({ secret: true, writeOnly: true }),
  tags: map(),
  groups: set(object({ id: text({ required: true }), note: text({ computed: true }) })),
  role: object({
    arn: text({ required: true }),
    externalId: text({ computed: true }),
    zone: text({ replaces: true }),
  }),
};
const type = { inputs, autoname: { property: "name", maxLength: 20 } };
const operations = (olds: object, news: object) => [...diff(type, { ...olds }, { ...news }).changes];

describe("what counts as a change", () => {
  it("is not the order of a set, the layout of JSON, a default or an empty value", () => {
    const before = {
      rules: '{"a":1,"b":[1,2]}',
      groups: [{ id: "x" }, { id: "y" }],
      count: 3,
      tags: {},
      enabled: false,
    };
    const after = { rules: '{ "b": [1, 2], "a": 1 }', groups: [{ id: "y" }, { id: "x" }], comment: "" };
    expect(operations(before, after)).to.deep.equal([]);
  });

  it("is a value that is not known yet, and replaces where its property does", () => {
    expect(operations({ comment: "a" }, { comment: UNKNOWN })).to.deep.equal([
      ["comment", { kind: "update", replaces: false }],
    ]);
    expect(operations({ name: "a" }, { name: UNKNOWN })).to.deep.equal([
      ["name", { kind: "update", replaces: true }],
    ]);
    expect(operations({ tags: { a: UNKNOWN } }, { tags: { a: UNKNOWN } })).to.have.length(1);
  });

  it("tells what comes from what goes, by its path", () => {
    expect(
      operations({ comment: "a", role: { arn: "1" } }, { tags: { a: "b" }, role: { arn: "2" } }),
    ).to.deep.equal([
      ["comment", { kind: "delete", replaces: false }],
      ["tags", { kind: "add", replaces: false }],
      ["role.arn", { kind: "update", replaces: false }],
    ]);
    // An object that goes takes its replacing properties with it.
    expect(operations({ role: { arn: "1", zone: "z" } }, {})).to.deep.equal([
      ["role", { kind: "delete", replaces: true }],
    ]);
  });

  it("knows a policy in the forms AWS gives it back in", () => {
    const given = {
      Statement: [{ Action: ["s3:A", "s3:B"], Principal: { AWS: "123456789012" }, Resource: ["x"] }],
    };
    const live = {
      Statement: {
        Action: ["s3:B", "s3:A"],
        Principal: { AWS: "arn:aws:iam::123456789012:root" },
        Resource: "x",
      },
    };
    expect(same(policy(), JSON.stringify(given), JSON.stringify(live))).to.be.true;
    const wider = { Statement: { ...live.Statement, Resource: "*" } };
    expect(same(policy(), JSON.stringify(given), JSON.stringify(wider))).to.be.false;
  });

  it("folds case or a slash at the end only where the property says so", () => {
    expect(same(text({ same: "case" }), "Sales", "sales")).to.be.true;
    expect(same(text(), "Sales", "sales")).to.be.false;
    expect(same(text({ same: "slash" }), "s3://b/", "s3://b")).to.be.true;
    expect(same(text({ same: "slash" }), "s3://b/a", "s3://b")).to.be.false;
  });

  it("lets a service fill in a partial document, but not change it", () => {
    const field = json({ partial: true });
    expect(matches(field, '{"a":{"b":1}}', '{"a":{"b":1,"c":2},"d":3}')).to.be.true;
    expect(matches(field, '{"a":{"b":1}}', '{"a":{"b":2,"c":2}}')).to.be.false;
  });
});

describe("delete before replace", () => {
  it("is for a name the user gave and keeps, as in tfbridge", () => {
    const spec = {
      inputs: { name: text({ replaces: true }), path: text({ replaces: true }) },
      autoname: type.autoname,
    };
    const [a, b] = [{ path: "/a" }, { path: "/b" }];
    expect(diff(spec, { ...a, name: "n" }, { ...b, name: "n" }).deleteBeforeReplace).to.be.true;
    const made = { name: "n-1234567", [DEFAULTS]: ["name"] };
    expect(diff(spec, { ...a, ...made }, { ...b, ...made }).deleteBeforeReplace).to.be.false;
    expect(diff(spec, { ...a, name: "n" }, { ...b, name: "m" }).deleteBeforeReplace).to.be.false;
    expect(diff(spec, { ...a, name: "n" }, { ...a, name: "n" }).deleteBeforeReplace).to.be.false;
  });
});

describe("drift", () => {
  it("keeps the form given for what still matches, and takes what does not from the service", () => {
    const given = {
      ...{
        name: "n",
        rules: '{"a":1}',
        password: "p",
        groups: [{ id: "x" }],
        comment: "old",
        [DEFAULTS]: ["name"],
      },
      role: { arn: "1" },
    };
    const live = {
      ...{ name: "n", rules: '{"b":2,"a":1}', groups: [{ id: "x", note: "made" }, { id: "y" }] },
      ...{ role: { arn: "2", externalId: "e" }, tags: { by: "hand" }, count: 3 },
    };
    expect(drift(inputs, given, live)).to.deep.equal({
      ...{ name: "n", rules: '{"a":1}', password: "p", [DEFAULTS]: ["name"] },
      ...{ groups: [{ id: "x" }, { id: "y" }], role: { arn: "2" }, tags: { by: "hand" } },
    });
  });

  it("follows a list item by item", () => {
    const fields = { items: list(object({ key: text(), made: text({ computed: true }) })) };
    const live = { items: [{ key: "a", made: "1" }, { key: "c" }, { key: "d" }] };
    expect(drift(fields, { items: [{ key: "a" }, { key: "b" }] }, live)).to.deep.equal({
      items: [{ key: "a" }, { key: "c" }, { key: "d" }],
    });
  });
});

describe("what is recorded", () => {
  it("is what was given, filled up by the service", () => {
    const live = { name: "N", role: { arn: "1", externalId: "e" }, arn: "arn" };
    expect(complete(inputs, { name: "n", role: { arn: "1" } }, live)).to.deep.equal({
      ...{ name: "n", role: { arn: "1", externalId: "e" }, arn: "arn" },
    });
  });

  it("is unknown before it is made where only the service can tell", () => {
    expect(unknowns(inputs, ["arn"])).to.deep.equal({
      arn: UNKNOWN,
      name: UNKNOWN,
      role: { externalId: UNKNOWN },
    });
  });
});

describe("check", () => {
  it("names the property, what it takes and what was found, at every depth", () => {
    const failures = check("x:y:Z", inputs, {
      ...{
        count: "3",
        enabled: UNKNOWN,
        tags: { a: 1 },
        groups: [{ note: "n" }],
        role: { arn: "1", region: "r" },
      },
    });
    expect(failures).to.deep.equal([
      { property: "count", reason: 'x:y:Z takes a number for "count", but found a string' },
      { property: 'tags["a"]', reason: 'x:y:Z takes a string for "tags["a"]", but found a number' },
      { property: "groups[0].id", reason: 'x:y:Z needs "groups[0].id"' },
      {
        property: "role.region",
        reason:
          'x:y:Z does not take "role.region" (there is no such property); it takes: arn, externalId, zone',
      },
    ]);
  });
});

describe("autoname", () => {
  const seed = new Uint8Array([1, 2, 3]);

  it("adds seven hexadecimal digits, the same for the same seed, and keeps them", () => {
    const made = autoname(type, { name: "lake", news: {}, olds: {}, seed })!;
    expect(made.value).to.match(/^lake-[0-9a-f]{7}$/);
    expect(autoname(type, { name: "lake", news: {}, olds: {}, seed })).to.deep.equal(made);
    const olds = { name: made.value, [DEFAULTS]: ["name"] };
    expect(autoname(type, { name: "lake", news: {}, olds, seed: new Uint8Array([9]) })).to.deep.equal(made);
  });

  it("leaves a given name alone, and does not inherit one", () => {
    expect(autoname(type, { name: "lake", news: { name: "mine" }, olds: {}, seed })).to.equal(undefined);
    const { value } = autoname(type, { name: "lake", news: {}, olds: { name: "mine" }, seed })!;
    expect(value).not.to.equal("mine");
  });
});

describe("the APIs' spelling", () => {
  const fields: Fields = {
    bucketFolder: text(),
    multiAz: flag({ api: "MultiAZ" }),
    dependsOns: set(object({ taskKey: text() }), { api: "depends_on" }),
    sparkConf: map(),
  };
  const values = {
    bucketFolder: "in",
    multiAz: true,
    dependsOns: [{ taskKey: "a" }],
    sparkConf: { "spark.a_B": "1" },
  };

  it("goes there and back", () => {
    const sent = toApi(fields, values, snake);
    expect(sent).to.deep.equal({
      ...{
        bucket_folder: "in",
        MultiAZ: true,
        depends_on: [{ task_key: "a" }],
        spark_conf: { "spark.a_B": "1" },
      },
    });
    expect(fromApi(fields, { ...sent, other: 1 }, snake)).to.deep.equal(values);
    expect(toApi(fields, { bucketFolder: "in" }, pascal)).to.deep.equal({ BucketFolder: "in" });
    expect(fromApi(fields, { bucket_folder: null }, snake)).to.deep.equal({});
  });
});
