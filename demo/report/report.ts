import { checkNames } from "../proof/checks.js";
import { html, raw, type Html } from "./html.js";
import { count, duration, type Report } from "./model.js";
import { promotionSection } from "./promotion.js";
import { style } from "./style.js";
import { storySection } from "./timeline.js";
import { verdictsSection } from "./verdicts.js";

/** The report as one HTML document that needs no other file and no network; all text from data is escaped. */
export function renderReport(report: Report): string {
  const { environments, story } = report;
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'" />
        <title>Headwater: ${environments.map(({ name }) => name).join(", ")}</title>
        <style>
          ${raw(style)}
        </style>
      </head>
      <body>
        <main>
          <header>
            <h1>
              From PostgreSQL to history, in ${environments.length}
              environment${environments.length === 1 ? "" : "s"}
            </h1>
            <p class="muted">
              One release, promoted through ${environments.map(({ name }) => name).join(", ")}; every row
              compared with its source.
            </p>
            ${banner(report)}
            <ul class="facts">
              ${facts(report).map(([label, value]) => html`<li><b>${value}</b><span>${label}</span></li>`)}
            </ul>
          </header>
          ${promotionSection(report)} ${verdictsSection(report)}
          ${story === undefined ? undefined : storySection(story)}
          <footer>
            Made by Headwater's demo on ${new Date(report.endedAt).toISOString()} with the seed
            <code>${report.seed}</code>. ${clock(report.clockScale)}
          </footer>
        </main>
      </body>
    </html> `.markup;
}

/** True if every environment was finished and every check of every table was run and passed. */
export function allPassed({ environments }: Report): boolean {
  return (
    environments.length > 0 &&
    environments.every(
      ({ error, verdicts }) =>
        error === undefined &&
        verdicts.every(({ passed }) => passed) &&
        checkNames.every((name) => verdicts.some(({ check }) => check === name)),
    )
  );
}

function banner(report: Report): Html {
  return allPassed(report)
    ? html`<p class="banner good">Proven: all rows are where and as they should be.</p>`
    : html`<p class="banner bad">Not proven: see what failed below.</p>`;
}

function facts({ release, startedAt, endedAt, environments }: Report): [string, string][] {
  const verdicts = environments.flatMap((environment) => environment.verdicts);
  const rows = verdicts.reduce((sum, { comparison }) => sum + comparison.expected, 0);
  const resources = environments.reduce((sum, environment) => sum + environment.resources, 0);
  return [
    ["release", release.slice(0, 12)],
    ["took", duration(endedAt - startedAt)],
    ["resources", count(resources)],
    ["comparisons passed", `${verdicts.filter(({ passed }) => passed).length} of ${verdicts.length}`],
    ["rows compared", count(rows)],
  ];
}

function clock(scale: number): string {
  return scale === 1
    ? "The sandbox's clock was not scaled."
    : `The sandbox's clock was scaled by ${scale}: trigger polling and DMS's batches ran ${scale} times as often.`;
}
