import { checkNames, checkTitles, type CheckName, type TableVerdict } from "../proof/checks.js";
import { describeDifference } from "../proof/compare.js";
import { html, type Html } from "./html.js";
import { count, type Report, type ReportEnvironment } from "./model.js";

/** The four checks, each by environment and table, with the rows compared; what differs is told row by row. */
export function verdictsSection({ environments }: Report): Html {
  return html`<section aria-labelledby="proof">
    <h2 id="proof">The proof</h2>
    <div class="cards">${checkNames.map((check) => checkCard(check, environments))}</div>
  </section>`;
}

function checkCard(check: CheckName, environments: readonly ReportEnvironment[]): Html {
  const tables = [...new Set(environments.flatMap(({ verdicts }) => verdicts.map(({ table }) => table)))];
  const find = (environment: ReportEnvironment, table: string): TableVerdict | undefined =>
    environment.verdicts.find((verdict) => verdict.check === check && verdict.table === table);
  const failed = environments.flatMap((environment) =>
    environment.verdicts
      .filter((verdict) => verdict.check === check && !verdict.passed)
      .map((verdict) => ({ environment, verdict })),
  );
  const complete =
    tables.length > 0 && tables.every((table) => environments.every((each) => find(each, table)));
  return html`<article class="card wide">
    <h3>${badge(failed.length > 0, complete)} ${check}</h3>
    <p class="muted">${checkTitles[check]}</p>
    <div class="scroll" role="region" tabindex="0" aria-label="Rows compared: ${check}">
      <table>
        <thead>
          <tr>
            <th scope="col">rows of</th>
            ${environments.map(({ name }) => html`<th scope="col" class="number">${name}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${tables.map(
            (table) =>
              html`<tr>
                <th scope="row">${table}</th>
                ${environments.map((environment) => cell(find(environment, table)))}
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
    ${failed.map(({ environment, verdict }) => failure(environment.name, verdict))}
  </article>`;
}

function cell(verdict: TableVerdict | undefined): Html {
  if (verdict === undefined) return html`<td class="number muted">not run</td>`;
  const { expected, found } = verdict.comparison;
  return verdict.passed
    ? html`<td class="number">
        <span class="good" role="img" aria-label="equal">✓</span> ${count(expected)}
      </td>`
    : html`<td class="number bad">
        <span role="img" aria-label="unequal">✗</span> ${count(found)} of ${count(expected)}
      </td>`;
}

function failure(environment: string, { table, comparison }: TableVerdict): Html {
  const { missing, unexpected, changed, differences } = comparison;
  const shown = missing + unexpected + changed - differences.length;
  return html`<div class="error">
    <strong>${environment}, ${table}:</strong> ${count(missing)} missing, ${count(unexpected)} unexpected,
    ${count(changed)} changed
    <ul>
      ${differences.map((difference) => html`<li><code>${describeDifference(difference)}</code></li>`)}
      ${shown > 0 ? html`<li>and ${count(shown)} more</li>` : undefined}
    </ul>
  </div>`;
}

/** Passed only if every environment has a verdict for every table and all of them are good. */
function badge(failed: boolean, complete: boolean): Html {
  if (failed) return html`<span class="badge bad">failed</span>`;
  return complete
    ? html`<span class="badge good">passed</span>`
    : html`<span class="badge open">not complete</span>`;
}
