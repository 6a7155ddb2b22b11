import { expect } from "chai";
import fc from "fast-check";
import { parseExpression } from "../../../src/model/dms/expressions.js";
import { isSelected, readTableMappings } from "../../../src/model/dms/mappings.js";
import { matches } from "../../../src/model/dms/patterns.js";
import { planTable } from "../../../src/model/dms/table-plan.js";

const selection = (action: string, schema: string, table: string, more: object = {}): object => ({
  "rule-type": "selection",
  "rule-id": "1",
  "rule-name": "1",
  "object-locator": { "schema-name": schema, "table-name": table },
  "rule-action": action,
  ...more,
});
const transformation = (target: string, action: string, locator: object, more: object = {}): object => ({
  "rule-type": "transformation",
  "rule-id": "7",
  "rule-name": "7",
  "rule-target": target,
  "rule-action": action,
  "object-locator": locator,
  ...more,
});
const read = (...rules: object[]) => readTableMappings(JSON.stringify({ rules }));

describe("DMS table mappings", () => {
  describe("wildcards", () => {
    for (const [pattern, name, expected] of [
      ["%", "anything", true],
      ["shop", "shop", true],
      ["shop", "Shop", false],
      ["order%", "order_lines", true],
      ["order%", "orders", true],
      ["order_", "orders", true],
      ["order_", "order_lines", false],
      ["order[_]lines", "order_lines", true],
      ["order[_]lines", "orderxlines", false],
      ["t[ab]", "tb", true],
      ["t[a-c]1", "tc1", true],
      ["t[a-c]1", "td1", false],
      ["a.b", "axb", false],
      ["a(b", "a(b", true],
      ["100[%]", "100%", true],
      ["100[%]", "100x", false],
    ] as const) {
      it(`${pattern} ${expected ? "matches" : "does not match"} ${name}`, () => {
        expect(matches(pattern, name)).to.equal(expected);
      });
    }

    it("a name without wildcards matches itself only", () => {
      fc.assert(
        fc.property(fc.string({ unit: "grapheme" }), fc.string({ unit: "grapheme" }), (pattern, name) => {
          fc.pre(!/[%_[]/.test(pattern));
          expect(matches(pattern, name)).to.equal(pattern === name);
        }),
      );
    });
  });

  describe("selection", () => {
    it("excludes win, wherever they stand", () => {
      const { mappings, problems } = read(
        selection("exclude", "shop", "audit%"),
        selection("include", "shop", "%"),
        selection("explicit", "other", "one_table"),
      );
      expect(problems).to.deep.equal([]);
      expect(isSelected(mappings, "shop", "customers")).to.equal(true);
      expect(isSelected(mappings, "shop", "audit_log")).to.equal(false);
      expect(isSelected(mappings, "other", "one_table")).to.equal(true);
      expect(isSelected(mappings, "other", "onextable")).to.equal(false);
      expect(isSelected(mappings, "else", "customers")).to.equal(false);
    });

    for (const [what, rule, message] of [
      [
        "filters",
        selection("include", "a", "b", { filters: [{ "filter-type": "source" }] }),
        "filters are not supported",
      ],
      ["an unknown action", selection("take", "a", "b"), 'rule-action "take" is not supported here'],
      [
        "views",
        selection("include", "a", "b", {
          "object-locator": { "schema-name": "a", "table-name": "b", "table-type": "view" },
        }),
        "table-type takes table only",
      ],
      ["explicit with a wildcard", selection("explicit", "a", "b%"), "explicit takes exact names"],
      [
        "an unknown key",
        selection("include", "a", "b", { "load-order": 1 }),
        "load-order is not supported here",
      ],
      [
        "an unknown rule type",
        selection("include", "a", "b", { "rule-type": "data-masking" }),
        'rule-type "data-masking" is not supported here',
      ],
      ["no schema", selection("include", "", "b"), "object-locator.schema-name is required"],
    ] as const) {
      it(`refuses ${what}, by name`, () => {
        expect(read(rule).problems.join()).to.include("TableMappings, rule 1").and.include(message);
      });
    }

    it("takes limits of LOBs for single tables, and nothing else of table-settings", () => {
      const settings = (lob: object): object => ({
        "rule-type": "table-settings",
        "rule-id": "1",
        "object-locator": { "schema-name": "shop", "table-name": "notes" },
        ...lob,
      });
      const limited = read(
        selection("include", "%", "%"),
        settings({ "lob-settings": { mode: "limited", "bulk-max-size": "64" } }),
      );
      expect(limited.problems).to.deep.equal([]);
      expect(limited.mappings.lobLimits.map(({ maxSizeKb }) => maxSizeKb)).to.deep.equal([64]);
      for (const [refused, message] of [
        [{ "lob-settings": { mode: "unlimited" } }, 'mode "unlimited" is not supported here'],
        [{ "lob-settings": { mode: "limited", "bulk-max-size": "big" } }, "a whole number of KB"],
        [{ "parallel-load": { type: "partitions-auto" } }, "parallel-load is not supported here"],
      ] as const) {
        expect(read(selection("include", "%", "%"), settings(refused)).problems.join()).to.include(message);
      }
    });

    it("refuses what is no document of rules, and rules that take no table", () => {
      expect(readTableMappings("{").problems.join()).to.include("not valid JSON");
      expect(readTableMappings("[]").problems.join()).to.include('an array "rules"');
      expect(read(selection("exclude", "a", "b")).problems.join()).to.include(
        "no selection rule that includes",
      );
    });
  });

  describe("transformation", () => {
    const customers = {
      schema: "shop",
      table: "customers",
      columns: [
        { name: "id", key: true, lob: false },
        { name: "Name", key: false, lob: false },
        { name: "notes", key: false, lob: true },
      ],
    };
    const all = { "schema-name": "%", "table-name": "%" };
    const plan = (...rules: object[]) => {
      const { mappings, problems } = read(selection("include", "%", "%"), ...rules);
      expect(problems).to.deep.equal([]);
      return planTable(mappings, customers);
    };

    it("changes nothing without rules", () => {
      expect(plan()).to.deep.equal({
        schema: "shop",
        table: "customers",
        columns: ["id", "Name", "notes"].map((name) => ({ source: name, name })),
        added: [],
        beforeImages: [],
      });
    });

    it("renames and converts schemas, tables and columns where the rule's locator hits", () => {
      const found = plan(
        transformation("schema", "rename", { "schema-name": "shop" }, { value: "sales" }),
        transformation("table", "convert-uppercase", { "schema-name": "shop", "table-name": "cust%" }),
        transformation(
          "table",
          "rename",
          { "schema-name": "shop", "table-name": "orders" },
          { value: "never" },
        ),
        transformation("column", "convert-lowercase", { ...all, "column-name": "N%" }),
        transformation("column", "rename", { ...all, "column-name": "notes" }, { value: "remarks" }),
      );
      expect(found).to.include({ schema: "sales", table: "CUSTOMERS" });
      expect(found.columns.map(({ name }) => name)).to.deep.equal(["id", "name", "remarks"]);
    });

    it("adds and removes columns, and adds before images of the columns the filter names", () => {
      const image = (filter: string, prefix: string) =>
        transformation("column", "add-before-image-columns", all, {
          "before-image-def": { "column-prefix": prefix, "column-suffix": "", "column-filter": filter },
        });
      const found = plan(
        transformation("column", "remove-column", { ...all, "column-name": "Name" }),
        transformation("column", "add-column", all, {
          value: "change_seq",
          expression: "$AR_H_CHANGE_SEQ",
          "data-type": { type: "string", length: 35 },
        }),
        image("pk-only", "BI_"),
        image("non-lob", "N_"),
        image("all", "A_"),
      );
      expect(found.columns.map(({ name }) => name)).to.deep.equal(["id", "notes"]);
      expect(found.added.map(({ name }) => name)).to.deep.equal(["change_seq"]);
      expect(found.beforeImages.map(({ name }) => name)).to.deep.equal([
        "BI_id",
        "N_id",
        "N_Name",
        "A_id",
        "A_Name",
        "A_notes",
      ]);
    });

    it("refuses two columns of one name, and an expression over a column that is not there", () => {
      const rename = transformation("column", "rename", { ...all, "column-name": "Name" }, { value: "id" });
      expect(() => plan(rename)).to.throw("table shop.customers: two columns are named id");
      const add = transformation("column", "add-column", all, { value: "x", expression: "$missing" });
      expect(() => plan(add)).to.throw("the added column x names the unknown column missing");
    });

    for (const [what, rule, message] of [
      [
        "an unknown action",
        transformation("column", "change-data-type", all),
        'rule-action "change-data-type" is not supported',
      ],
      [
        "an unknown target",
        transformation("table-tablespace", "rename", all, { value: "x" }),
        'rule-target "table-tablespace"',
      ],
      ["a rename without a value", transformation("table", "rename", all), "value is required"],
      [
        "add-column on a table",
        transformation("table", "add-column", all, { value: "x", expression: "'a'" }),
        "rule-target of add-column must be column",
      ],
      [
        "a data type",
        transformation("column", "add-column", all, {
          value: "x",
          expression: "'a'",
          "data-type": { type: "int8" },
        }),
        'data-type "int8" is not supported',
      ],
      [
        "an expression",
        transformation("column", "add-column", all, { value: "x", expression: "round($a)" }),
        'the expression "round($a)" is not supported here',
      ],
      [
        "a header",
        transformation("column", "add-column", all, { value: "x", expression: "$AR_H_USER" }),
        "the header $AR_H_USER is not supported",
      ],
      [
        "a before image without a name",
        transformation("column", "add-before-image-columns", all, {
          "before-image-def": { "column-filter": "all" },
        }),
        "needs a column-prefix or a column-suffix",
      ],
    ] as const) {
      it(`refuses ${what}, by name`, () => {
        const { problems } = read(selection("include", "%", "%"), rule);
        expect(problems.join()).to.include("TableMappings, rule 7").and.include(message);
      });
    }
  });

  it("expressions are terms joined by ||, with quotes doubled inside quotes", () => {
    expect(parseExpression("'it''s ' || $NAME||operation_indicator('D', 'U', 'I')")).to.deep.equal([
      { kind: "text", text: "it's " },
      { kind: "column", column: "NAME" },
      { kind: "indicator", onDelete: "D", onUpdate: "U", onInsert: "I" },
    ]);
    expect(parseExpression("$AR_H_COMMIT_TIMESTAMP")).to.deep.equal([
      { kind: "header", header: "AR_H_COMMIT_TIMESTAMP" },
    ]);
    expect(parseExpression("'a' ||")).to.be.a("string");
    expect(parseExpression("")).to.be.a("string");
  });
});
