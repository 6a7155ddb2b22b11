import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Link, useParams } from "wouter-preact";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Rows, TableHistory } from "../../schemas.js";
import { useGet } from "../api.js";
import { duration, number, when } from "../format.js";
import { Columns, Empty, Facts, Loaded, Section, State, Time, View } from "../parts/parts.js";

/** One table's history: versions over time, a row's life, what it holds against what it held. */
export default function TableView() {
  const {
    pipeline = "",
    environment = "",
    table = "",
  } = useParams<{ pipeline: string; environment: string; table: string }>();
  const at = `/environments/${pipeline}/${environment}/tables/${table}`;
  const query = useGet<TableHistory>(at, { everyMs: 30_000 });
  return (
    <View
      title={table}
      about={
        <>
          <Link href={`/environments/${pipeline}/${environment}`}>
            {pipeline} {environment}
          </Link>
          {query.data !== undefined && (
            <Facts
              all={[
                ["rows now", number(query.data.current)],
                ...(query.data.versions === undefined
                  ? []
                  : [["versions", number(query.data.versions)] as const]),
                ["key", query.data.keys.join(", ")],
              ]}
            />
          )}
        </>
      }
    >
      <Loaded query={query} what="the history">
        {(history) => (
          <>
            <Section
              title="Versions over time"
              aside={history.bucketSeconds !== undefined && `by ${duration(history.bucketSeconds * 1000)}`}
            >
              {history.began.length === 0 ? (
                <Empty>
                  {history.versions === undefined ? "SCD type 1 keeps no versions." : "There are none yet."}
                </Empty>
              ) : (
                <Chart history={history} />
              )}
            </Section>
            <Life at={at} history={history} />
            <Compare at={at} history={history} />
            <Section
              title="Runs that brought something"
              aside={`the last ${number(Math.min(20, history.runs.length))}`}
            >
              <table class="list">
                <Columns of={["When", "Outcome", ">Events", ">Behind", "Folded"]} />
                <tbody>
                  {history.runs
                    .slice(0, 20)
                    .map(({ run, at: time, outcome, events, lagSeconds, way, error }) => (
                      <tr key={run + time}>
                        <th scope="row">
                          <Time at={time} />
                        </th>
                        <td data-name="outcome">
                          <State word={outcome} />
                          {error !== undefined && <pre>{error}</pre>}
                        </td>
                        <td class="right" data-name="events">
                          {number(events)}
                        </td>
                        <td class="right" data-name="behind">
                          {lagSeconds === undefined ? "" : duration(lagSeconds * 1000)}
                        </td>
                        <td data-name="folded">{way}</td>
                      </tr>
                    ))}
                </tbody>
              </table>
            </Section>
          </>
        )}
      </Loaded>
    </View>
  );
}

/** Versions by when they began; those that are current on top of those that have ended. */
function Chart({ history: { began, bucketSeconds = 1 } }: { history: TableHistory }) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    const style = getComputedStyle(element);
    const color = (name: string): string => style.getPropertyValue(name).trim();
    const bars = uPlot.paths.bars?.({ size: [0.8, 40], align: 1 });
    const axis = {
      stroke: color("--ink-2"),
      grid: { stroke: color("--line"), width: 1 },
      ticks: { show: false },
    };
    const times = began.map(({ at }) => Date.parse(at) / 1000);
    const plot = new uPlot(
      {
        width: element.clientWidth,
        height: 200,
        legend: { show: false },
        cursor: { show: false },
        scales: {
          x: { range: (_, min, max) => [min - bucketSeconds / 2, max + bucketSeconds * 1.5] },
          y: { range: (_, __, max) => [0, Math.max(1, max)] },
        },
        axes: [
          { ...axis, values: (_, ticks) => ticks.map((tick) => clock(tick * 1000)), space: 80 },
          {
            ...axis,
            size: 60,
            values: (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? number(tick) : "")),
          },
        ],
        series: [
          {},
          {
            ...(bars === undefined ? {} : { paths: bars }),
            fill: color("--chart-2"),
            stroke: "transparent",
            points: { show: false },
          },
          {
            ...(bars === undefined ? {} : { paths: bars }),
            fill: color("--chart-1"),
            stroke: "transparent",
            points: { show: false },
          },
        ],
      },
      [times, began.map(({ versions }) => versions), began.map(({ current }) => current)],
      element,
    );
    const resized = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: 200 }));
    resized.observe(element);
    return () => {
      resized.disconnect();
      plot.destroy();
    };
  }, [began, bucketSeconds]);
  return (
    <figure class="chart">
      <div ref={place} aria-hidden="true" />
      <figcaption>
        <span class="key one">began then and are current</span>
        <span class="key two">have ended since</span>
        <details>
          <summary>As a table</summary>
          <table class="list">
            <Columns of={["From", ">Versions", ">Current"]} />
            <tbody>
              {began.map(({ at, versions, current }) => (
                <tr key={at}>
                  <th scope="row">{when(at)}</th>
                  <td class="right">{number(versions)}</td>
                  <td class="right">{number(current)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </details>
      </figcaption>
    </figure>
  );
}

const CLOCK = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

/** The day where it begins, else the time. */
function clock(ms: number): string {
  const date = new Date(ms);
  return date.getHours() + date.getMinutes() + date.getSeconds() === 0
    ? DAY.format(date)
    : CLOCK.format(date);
}

/** A row's life as a timeline: what each version changed. */
function Life({ at, history }: { at: string; history: TableHistory }) {
  const { keys, startColumn, endColumn } = history;
  const [key, setKey] = useState<Readonly<Record<string, string>>>({});
  const [asked, setAsked] = useState<string | undefined>();
  const query = useGet<Rows>(`${at}/life?key=${encodeURIComponent(asked ?? "")}`, {
    enabled: asked !== undefined,
  });
  return (
    <Section title="A row’s life">
      <form
        class="form inline"
        onSubmit={(event) => {
          event.preventDefault();
          setAsked(JSON.stringify(Object.fromEntries(keys.map((column) => [column, key[column] ?? ""]))));
        }}
      >
        {keys.map((column) => (
          <label key={column}>
            {column}
            <input
              required
              value={key[column] ?? ""}
              onInput={(event) => setKey({ ...key, [column]: event.currentTarget.value })}
            />
          </label>
        ))}
        <button class="button">Show</button>
      </form>
      {asked !== undefined && (
        <Loaded query={query} what="its versions">
          {(rows) => <Timeline rows={rows} startColumn={startColumn} endColumn={endColumn} />}
        </Loaded>
      )}
    </Section>
  );
}

function Timeline({
  rows: { columns, rows },
  startColumn,
  endColumn,
}: {
  rows: Rows;
  startColumn: string | undefined;
  endColumn: string | undefined;
}) {
  if (rows.length === 0) return <Empty>There never was such a row.</Empty>;
  const index = (name: string | undefined): number => columns.findIndex((column) => column.name === name);
  const [start, end, current] = [index(startColumn), index(endColumn), index("current")];
  const own = columns.map((_, at) => at).filter((at) => ![start, end, current].includes(at));
  return (
    <ol class="timeline">
      {rows.map((row, at) => {
        const before = rows[at - 1];
        const changed = own.filter((column) => before === undefined || before[column] !== row[column]);
        const gone = before !== undefined && end >= 0 && before[end] !== null && before[end] !== row[start];
        return (
          <li key={at} class={end >= 0 && row[end] === null ? "open" : ""}>
            {gone && <p class="gap quiet small">was gone from {before[end]} on</p>}
            <header>
              <strong>{start < 0 ? "now" : row[start]}</strong>
              <span class="quiet"> until {end < 0 || row[end] === null ? "now" : row[end]}</span>
            </header>
            <dl class="properties">
              {changed.map((column) => (
                <div key={column}>
                  <dt>{columns[column]?.name}</dt>
                  {before !== undefined && (
                    <dd class="old">
                      <span class="hidden">before: </span>
                      <del>{cell(before[column])}</del>
                    </dd>
                  )}
                  <dd class={before === undefined ? "" : "new"}>
                    {before !== undefined && <span class="hidden">after: </span>}
                    <ins>{cell(row[column])}</ins>
                  </dd>
                </div>
              ))}
              {changed.length === 0 && <p class="quiet">the same values again</p>}
            </dl>
          </li>
        );
      })}
      {end >= 0 && rows.at(-1)?.[end] !== null && (
        <li class="end">
          <strong>{rows.at(-1)?.[end]}</strong> <span class="quiet">deleted</span>
        </li>
      )}
    </ol>
  );
}

function cell(value: string | null | undefined): string {
  return value === null || value === undefined ? "NULL" : value;
}

/** What the table holds now against what it held at a moment. */
function Compare({ at, history }: { at: string; history: TableHistory }) {
  const [moment, setMoment] = useState("");
  const now = useGet<Rows>(`${at}/rows?limit=20`);
  const asOf = moment === "" ? undefined : new Date(moment).toISOString();
  const then = useGet<Rows>(`${at}/rows?limit=20&asOf=${encodeURIComponent(asOf ?? "")}`, {
    enabled: asOf !== undefined,
  });
  return (
    <Section
      title="Now and as of a moment"
      aside={
        history.startColumn !== undefined && (
          <label class="inline">
            As of
            <input
              type="datetime-local"
              step={1}
              value={moment}
              onInput={(event) => setMoment(event.currentTarget.value)}
            />
          </label>
        )
      }
    >
      <div class={asOf === undefined ? "" : "columns equal"}>
        {asOf !== undefined && (
          <Loaded query={then} what="what it held then">
            {(rows) => (
              <RowTable caption={`As of ${when(asOf)}`} rows={rows} other={now.data} keys={history.keys} />
            )}
          </Loaded>
        )}
        <Loaded query={now} what="what it holds now">
          {(rows) => (
            <RowTable
              caption="Now"
              rows={rows}
              other={asOf === undefined ? undefined : then.data}
              keys={history.keys}
            />
          )}
        </Loaded>
      </div>
    </Section>
  );
}

function RowTable({
  caption,
  rows,
  other,
  keys,
}: {
  caption: string;
  rows: Rows;
  other: Rows | undefined;
  keys: readonly string[];
}) {
  const keyOf = (row: readonly (string | null)[], columns: Rows["columns"]): string =>
    JSON.stringify(
      keys.map((key) => row[columns.findIndex(({ name }) => name.toLowerCase() === key.toLowerCase())]),
    );
  const others = useMemo(() => new Map(other?.rows.map((row) => [keyOf(row, other.columns), row])), [other]);
  const differs = (row: readonly (string | null)[], name: string, value: string | null): boolean => {
    if (other === undefined) return false;
    const same = others.get(keyOf(row, rows.columns));
    const at = other.columns.findIndex((column) => column.name === name);
    return at >= 0 && same?.[at] !== value;
  };
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={caption}>
      <table class="list data">
        <caption>
          {caption}{" "}
          <span class="quiet">
            {rows.truncated ? `the first ${rows.rows.length} rows` : `${number(rows.rows.length)} rows`}
          </span>
        </caption>
        <thead>
          <tr>
            {rows.columns.map(({ name, type }) => (
              <th scope="col" key={name} title={type}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.rows.map((row, at) => (
            <tr key={at}>
              {row.map((value, index) => {
                const name = rows.columns[index]?.name ?? "";
                const other_ = differs(row, name, value);
                return (
                  <td key={name} class={`${value === null ? "null" : ""} ${other_ ? "differs" : ""}`}>
                    {cell(value)}
                    {other_ && <span class="hidden"> (differs)</span>}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
