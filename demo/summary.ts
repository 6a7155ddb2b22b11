import { checkNames } from "./proof/checks.js";
import { count, duration, type Report, type ReportEnvironment } from "./report/model.js";

/** The summary for a terminal: what was built and how long it took, and the verdict of each check, by environment. */
export function summarize(report: Report): string {
  const { environments } = report;
  const took = ({ steps }: ReportEnvironment, name: string): string => {
    const step = steps.find((each) => each.name === name);
    if (step === undefined) return "-";
    return `${step.failed === true ? "FAILED, " : ""}${duration(step.endedAt - step.startedAt)}`;
  };
  const steps = [
    ...new Set(environments.flatMap((environment) => environment.steps.map(({ name }) => name))),
  ];
  const verdicts = checkNames.map((check) => [
    check,
    ...environments.map((environment) => {
      const own = environment.verdicts.filter((verdict) => verdict.check === check);
      if (own.length === 0) return "not run";
      const rows = own.reduce((sum, { comparison }) => sum + comparison.expected, 0);
      return own.every(({ passed }) => passed) ? `equal, ${count(rows)} rows` : "NOT EQUAL";
    }),
  ]);
  return table([
    ["", ...environments.map(({ name }) => name)],
    ["resources", ...environments.map(({ resources }) => count(resources))],
    ...steps.map((name) => [name, ...environments.map((environment) => took(environment, name))]),
    ...verdicts,
  ]);
}

/** Columns of equal width, the first one to the left, the others to the right. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join("  ");
  const [head = [], ...body] = rows;
  return [line(head), widths.map((width) => "-".repeat(width)).join("  "), ...body.map(line)].join("\n");
}
