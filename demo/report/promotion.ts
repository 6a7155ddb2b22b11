import { html, type Html } from "./html.js";
import { count, duration, type Report, type ReportEnvironment, type ReportStep } from "./model.js";

/** When each environment's steps ran, as bars on one axis, and what they took, as a table. */
export function promotionSection({ environments, startedAt, endedAt }: Report): Html {
  const span = Math.max(1, endedAt - startedAt);
  const share = (milliseconds: number): string => ((milliseconds / span) * 100).toFixed(3);
  const names = [...new Set(environments.flatMap(({ steps }) => steps.map(({ name }) => name)))];
  const bar = (step: ReportStep): Html =>
    html`<span
      class="bar step-${names.indexOf(step.name) % 8}${step.failed ? " failed" : ""}"
      style="left:${share(step.startedAt - startedAt)}%;width:${share(step.endedAt - step.startedAt)}%"
      title="${step.name}: ${duration(step.endedAt - step.startedAt)}"
    ></span>`;
  return html`<section aria-labelledby="promotion">
    <h2 id="promotion">The promotion</h2>
    <div class="gantt" aria-hidden="true">
      ${environments.map(
        ({ name, steps }) =>
          html`<div class="lane-name">${name}</div>
            <div class="lane">${steps.map(bar)}</div>`,
      )}
      <div></div>
      <div class="axis">
        ${[0, 1, 2, 3, 4].map(
          (part) => html`<span style="left:${part * 25}%">${duration((span * part) / 4)}</span>`,
        )}
      </div>
    </div>
    <ul class="legend" aria-hidden="true">
      ${names.map((name, index) => html`<li><i class="step-${index % 8}"></i>${name}</li>`)}
    </ul>
    <div class="cards">${environments.map(environmentCard)}</div>
  </section>`;
}

function environmentCard({ name, stack, resources, steps, error }: ReportEnvironment): Html {
  const took = steps.reduce((sum, step) => sum + step.endedAt - step.startedAt, 0);
  return html`<article class="card">
    <h3>${name} <small>${stack}</small></h3>
    <p class="muted">${count(resources)} resources, ${duration(took)}</p>
    ${error === undefined ? undefined : html`<p class="error"><strong>Failed:</strong> ${error}</p>`}
    <table>
      <thead>
        <tr>
          <th scope="col">step</th>
          <th scope="col" class="number">took</th>
        </tr>
      </thead>
      <tbody>
        ${steps.map(
          (step) =>
            html`<tr${step.failed ? html` class="bad"` : undefined}>
              <th scope="row">${step.name}${step.detail === undefined ? undefined : html`<small>${step.detail}</small>`}</th>
              <td class="number">${duration(step.endedAt - step.startedAt)}</td>
            </tr>`,
        )}
      </tbody>
    </table>
  </article>`;
}
