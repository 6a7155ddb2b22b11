import type { Version } from "../proof/reference.js";
import type { Cell, Table } from "../tables.js";
import { html, type Html } from "./html.js";
import type { Story } from "./model.js";

/** A stretch of the axis between two instants at which something changed; `share` is its part of the width, in percent. */
interface Stretch {
  readonly from: string;
  readonly until: string | null;
  readonly share: number;
  /** The version that holds during it; undefined while the row is deleted. */
  readonly version: Version | undefined;
}

/**
 * One row's life: a bar per version, a lane per column that ever changed, and the versions as a list with what changed.
 * The axis shortens long stretches (the square root of their length counts), as a load is minutes before changes that
 * follow each other in milliseconds; it says so.
 */
export function storySection({ title, environment, table, versions }: Story): Html {
  const stretches = stretchesOf(versions);
  const lanes = table.columns.filter((_, index) => new Set(versions.map(({ row }) => row[index])).size > 1);
  return html`<section aria-labelledby="story">
    <h2 id="story">${title}</h2>
    <p class="muted">
      From the history table <code>${table.name}</code> in ${environment}: ${versions.length} versions of one
      row. The axis is not to scale: long quiet stretches are shortened.
    </p>
    <div class="scroll" role="region" tabindex="0" aria-label="Timeline of the row">
      <div class="timeline" aria-hidden="true">
        <div class="lane-name">row</div>
        <div class="track">${stretches.map(versionBar(versions))}</div>
        ${lanes.map(
          ({ name }) =>
            html`<div class="lane-name">${name}</div>
              <div class="track">${valueBars(table, name, stretches)}</div>`,
        )}
        <div></div>
        <div class="track ticks">${stretches.map(tick(stretches[0]?.from ?? ""))}</div>
      </div>
    </div>
    <ol class="versions">
      ${lifeItems(table, versions)}
    </ol>
  </section>`;
}

function stretchesOf(versions: readonly Version[]): Stretch[] {
  const instants = [
    ...new Set(versions.flatMap(({ start, end }) => (end === null ? [start] : [start, end]))),
  ].sort();
  const stillThere = versions.some(({ end }) => end === null);
  const pieces = instants.flatMap((from, index): Omit<Stretch, "share">[] => {
    const until = instants[index + 1] ?? null;
    if (until === null && !stillThere) return [];
    const version = versions.find(({ start, end }) => start <= from && (end === null || from < end));
    return [{ from, until, version }];
  });
  const weights = pieces.map(({ from, until }) =>
    until === null ? undefined : Math.sqrt(Math.max(1, milliseconds(until) - milliseconds(from))),
  );
  const known = weights.filter((weight) => weight !== undefined);
  const middle = [...known].sort((a, b) => a - b)[Math.floor(known.length / 2)] ?? 1;
  // Between a half and three times the middle one, so that every bar can be seen and none hides the others.
  const clamped = weights.map((weight) => Math.min(3 * middle, Math.max(middle / 2, weight ?? 2 * middle)));
  const total = clamped.reduce((sum, weight) => sum + weight, 0);
  return pieces.map((piece, index) => ({ ...piece, share: ((clamped[index] ?? 0) / total) * 100 }));
}

function versionBar(versions: readonly Version[]): (stretch: Stretch) => Html {
  return ({ version, share, until }) =>
    version === undefined
      ? html`<span class="gap" style="width:${share.toFixed(3)}%">deleted</span>`
      : html`<span class="version${until === null ? " open" : ""}" style="width:${share.toFixed(3)}%"
          >${versions.indexOf(version) + 1}</span
        >`;
}

/** Runs of one value: a new bar only where the value changed. */
function valueBars(table: Table, name: string, stretches: readonly Stretch[]): Html[] {
  const index = table.columns.findIndex((column) => column.name === name);
  const runs: { value: Cell | undefined; share: number }[] = [];
  for (const { version, share } of stretches) {
    const value = version === undefined ? undefined : (version.row[index] ?? null);
    const last = runs.at(-1);
    if (last !== undefined && last.value === value) last.share += share;
    else runs.push({ value, share });
  }
  return runs.map(({ value, share }) => {
    const kind = value === undefined ? "gap" : value === null ? "value null" : "value";
    const text = value === undefined ? "" : shown(value);
    return html`<span class="${kind}" style="width:${share.toFixed(3)}%" title="${text}">${text}</span>`;
  });
}

function tick(first: string): (stretch: Stretch) => Html {
  return ({ from, share }) =>
    html`<span style="width:${share.toFixed(3)}%"
      >${from === first ? from.slice(11, 23) : `+${offset(first, from)}`}</span
    >`;
}

function lifeItems(table: Table, versions: readonly Version[]): Html[] {
  return versions.map((version, index) => {
    const before = versions[index - 1];
    const gap = before !== undefined && before.end !== version.start;
    const changes = table.columns.flatMap(({ name }, at) => {
      const [was, is] = [before?.row[at] ?? null, version.row[at] ?? null];
      return before === undefined || was === is ? [] : [{ name, was, is }];
    });
    return html`${gap ? html`<li class="gap-item">deleted at <time>${before.end ?? ""}</time>, absent for ${offset(before.end ?? "", version.start)}</li>` : undefined}
      <li class="version-item" value="${index + 1}">
        <p class="when">
          <time>${version.start}</time> until
          ${version.end === null ? "now" : html`<time>${version.end}</time>`}
        </p>
        ${
          before === undefined
            ? html`<dl>
                ${table.columns.map(
                  ({ name }, at) =>
                    html`<dt>${name}</dt>
                      <dd>${value(version.row[at] ?? null)}</dd>`,
                )}
              </dl>`
            : html`<dl>
                ${changes.map(
                  ({ name, was, is }) =>
                    html`<dt>${name}</dt>
                      <dd>
                        <del>${value(was)}</del> <span aria-label="became">→</span> <ins>${value(is)}</ins>
                      </dd>`,
                )}
              </dl>`
        }
      </li>
      ${version.end !== null && index === versions.length - 1 ? html`<li class="gap-item">deleted at <time>${version.end}</time></li>` : undefined}`;
  });
}

function value(cell: Cell): Html {
  return cell === null
    ? html`<em>NULL</em>`
    : cell === ""
      ? html`<em>empty text</em>`
      : html`<span class="text">${cell}</span>`;
}

function shown(cell: Cell): string {
  return cell === null ? "NULL" : cell === "" ? "''" : cell;
}

function milliseconds(time: string): number {
  return Date.parse(`${time.slice(0, 19).replace(" ", "T")}Z`) + Number(`0.${time.slice(20)}`) * 1000;
}

function offset(from: string, until: string): string {
  const elapsed = milliseconds(until) - milliseconds(from);
  return elapsed < 1000 ? `${elapsed.toFixed(elapsed < 10 ? 3 : 0)} ms` : `${(elapsed / 1000).toFixed(2)} s`;
}
