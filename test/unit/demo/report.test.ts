import { expect } from "chai";
import { checkCurrent, checkNames, type TableVerdict } from "../../../demo/proof/checks.js";
import type { Version } from "../../../demo/proof/reference.js";
import type { Report, ReportEnvironment } from "../../../demo/report/model.js";
import { allPassed, renderReport } from "../../../demo/report/report.js";
import { shopTable, type Row } from "../../../demo/tables.js";

const customers = shopTable("customers");
const began = Date.parse("2026-03-01T12:00:00Z");

function customer(name: string, note: string | null): Row {
  return customers.columns.map((column) =>
    column.name === "id" ? "7" : column.name === "name" ? name : column.name === "note" ? note : null,
  );
}

const passed = checkNames.map((check): TableVerdict => ({ ...checkCurrent(customers, [], []), check }));

function environment(changes: Partial<ReportEnvironment> = {}): ReportEnvironment {
  return {
    name: "dev",
    stack: "shop-dev",
    resources: 31,
    steps: [{ name: "preview", startedAt: began, endedAt: began + 4000, detail: "31 to create" }],
    verdicts: passed,
    ...changes,
  };
}

function report(changes: Partial<Report> = {}): Report {
  return {
    release: "0123456789abcdef",
    seed: "headwater",
    clockScale: 60,
    startedAt: began,
    endedAt: began + 150_000,
    environments: [environment()],
    ...changes,
  };
}

describe("the report", () => {
  it("is one document that asks for nothing from outside", () => {
    const page = renderReport(report());
    expect(page).to.match(/^<!doctype html>\s*<html lang="en">/);
    expect(page).to.not.match(/<(script|link|img|iframe)|\bsrc=|\bhref=|url\(|@import/i);
    expect(page).to.contain("2 min 30 s").and.contain("31 to create").and.contain("60 times as often");
  });

  it("escapes everything that comes from data", () => {
    const evil = `<script>alert('x')</script>"&`;
    const versions: Version[] = [
      { row: customer(evil, null), start: "2026-03-01 12:00:00.000000", end: "2026-03-01 12:00:01.000000" },
      { row: customer("b", evil), start: "2026-03-01 12:00:01.000000", end: null },
    ];
    const verdict = checkCurrent(customers, [customer(evil, evil)], []);
    const page = renderReport(
      report({
        release: evil,
        seed: evil,
        environments: [environment({ name: evil, stack: evil, error: evil, verdicts: [verdict] })],
        story: { title: evil, environment: evil, table: customers, versions },
      }),
    );
    expect(page).to.not.contain("<script>").and.not.contain(`'x'`);
    expect(page).to.contain("&#60;script&#62;alert(&#39;x&#39;)&#60;/script&#62;&#34;&#38;");
  });

  it("says proven only if every check of every environment ran and passed", () => {
    expect(renderReport(report())).to.contain("Proven: all rows");
    const cases: ReportEnvironment[] = [
      environment({ verdicts: passed.slice(1) }),
      environment({ verdicts: [...passed, checkCurrent(customers, [customer("a", null)], [])] }),
      environment({ error: "the full load did not end" }),
    ];
    for (const each of cases) {
      const broken = report({ environments: [environment(), each] });
      expect(allPassed(broken)).to.equal(false);
      expect(renderReport(broken)).to.contain("Not proven").and.not.contain("Proven: all rows");
    }
    expect(allPassed(report({ environments: [] }))).to.equal(false);
  });

  it("tells a failed check's rows: counts, key, expected and found", () => {
    const source = [
      customer("Ada", "x"),
      customer("Ada", "x").map((cell, index) => (index === 0 ? "8" : cell)),
    ];
    const page = renderReport(
      report({
        environments: [environment({ verdicts: [checkCurrent(customers, source, [customer("Ada", "y")])] })],
      }),
    );
    expect(page.replace(/\s+/g, " ")).to.contain("1 missing, 0 unexpected, 1 changed");
    expect(page).to.contain("changed [&#34;7&#34;]: expected note=&#34;x&#34;, found note=&#34;y&#34;");
  });

  it("draws a life: what changed, NULL apart from the empty text, and the time the row was gone", () => {
    const versions: Version[] = [
      { row: customer("Ada", null), start: "2026-03-01 12:00:00.000000", end: "2026-03-01 12:00:01.500000" },
      { row: customer("Ada", ""), start: "2026-03-01 12:00:01.500000", end: "2026-03-01 12:00:02.000000" },
      { row: customer("Eve", ""), start: "2026-03-01 12:00:02.250000", end: null },
    ];
    const page = renderReport(
      report({ story: { title: "The life of customer 7", environment: "prod", table: customers, versions } }),
    );
    const text = page.replace(/<[^>]*>/g, " ").replace(/\s+/g, " ");
    expect(text).to.contain("3 versions of one row");
    expect(text).to.match(/note NULL → empty text/);
    expect(text).to.match(/name Ada → Eve/);
    expect(text).to.contain("absent for 250 ms");
    expect(
      page.match(/class="gap"/g),
      "hatched in the row's lane and in both changed columns'",
    ).to.have.length(3);
  });
});
