import type { ComponentChildren } from "preact";
import { Link } from "wouter-preact";
import type { PipelineState, TableState } from "../../schemas.js";
import { useGet } from "../api.js";
import { duration, number, useNow } from "../format.js";
import { Columns, Empty, Loaded, Section, State, Time } from "../parts/parts.js";

/** The pipeline drawn from source to history table: first as a whole, then each table's course through the same stations. */
export function PipelinePart({ at }: { at: string }) {
  const query = useGet<PipelineState>(`${at}/pipeline`, { everyMs: 10_000 });
  return (
    <Loaded query={query} what="the pipeline">
      {(state) => (
        <>
          {state.problems.length > 0 && (
            <div class="failure" role="alert">
              <strong>Not everything could be asked</strong>
              {state.problems.map((problem) => (
                <span key={problem}>{problem}</span>
              ))}
            </div>
          )}
          <Drawing state={state} />
          <Section
            title="Tables"
            aside={`promise: at most ${duration(state.promiseSeconds * 1000)} behind the source`}
          >
            {state.tables.length === 0 ? (
              <Empty>The pipeline has no tables.</Empty>
            ) : (
              <Tables at={at} state={state} />
            )}
          </Section>
        </>
      )}
    </Loaded>
  );
}

function Drawing({ state }: { state: PipelineState }) {
  const { tables, replication, landing, job } = state;
  const sum = (of: (table: TableState) => number): number =>
    tables.reduce((total, table) => total + of(table), 0);
  const loaded = sum(({ replication: r }) => r?.loadedRows ?? 0);
  const changed = sum(({ replication: r }) => (r === undefined ? 0 : r.inserts + r.updates + r.deletes));
  const lags = tables.flatMap(({ lagSeconds }) => (lagSeconds === undefined ? [] : [lagSeconds]));
  const worst = tables.some((table) => table.state === "failing")
    ? "failing"
    : tables.some((table) => table.state === "late")
      ? "late"
      : "fresh";
  const errors = tables.filter(({ state: its }) => its === "failing").length;
  const running = replication !== undefined && /running|replication/.test(replication.status);
  return (
    <ol class="flow" aria-label="From source to history table">
      <Station
        name="Source"
        title={state.engine}
        value={number(tables.length)}
        unit={tables.length === 1 ? "table" : "tables"}
      />
      <Station
        name="Replication"
        title="DMS"
        value={number(loaded + changed)}
        unit={`rows: ${number(loaded)} loaded, ${number(changed)} changes`}
        state={
          <State
            word={
              replication === undefined
                ? "missing"
                : running
                  ? "active"
                  : replication.failures.length > 0
                    ? "failed"
                    : "stopped"
            }
            text={replication?.status ?? "missing"}
          />
        }
      >
        {replication?.failures.map((failure) => (
          <span key={failure}>{failure}</span>
        ))}
      </Station>
      <Station
        name="Landing zone"
        title="S3"
        value={number(landing.waitingFiles)}
        unit={landing.waitingFiles === 1 ? "file waits" : "files wait"}
      >
        {landing.oldest !== undefined && (
          <span>
            the oldest came <Time at={landing.oldest} />
          </span>
        )}
      </Station>
      <Station
        name="Job"
        title="apply"
        value={number(job.active)}
        unit={job.active === 1 ? "run now" : "runs now"}
        state={
          <State
            word={job.trigger}
            text={job.trigger === "active" ? "trigger waits" : `trigger ${job.trigger}`}
          />
        }
      >
        {job.last !== undefined && (
          <span>
            last: <State word={job.last.state} /> <Time at={job.last.at} />
          </span>
        )}
      </Station>
      <Station
        name="History"
        title={state.lakehouse}
        value={number(sum(({ events }) => events))}
        unit="events in the logs"
        state={<State word={worst} text={worst === "failing" ? `${errors} failing` : worst} />}
      >
        {lags.length > 0 && <span>at most {duration(Math.max(...lags) * 1000)} behind</span>}
        {state.exports && <span>exported to the target database</span>}
      </Station>
    </ol>
  );
}

function Station({
  name,
  title,
  value,
  unit,
  state,
  children,
}: {
  name: string;
  title: string;
  value: string;
  unit: string;
  state?: ComponentChildren;
  children?: ComponentChildren;
}) {
  return (
    <li>
      <article aria-label={name}>
        <header>
          <h3>{name}</h3>
          <span class="quiet small">{title}</span>
        </header>
        <p class="figure">
          <b>{value}</b> <span>{unit}</span>
        </p>
        {state}
        <div class="small quiet stacked">{children}</div>
      </article>
    </li>
  );
}

function Tables({ at, state }: { at: string; state: PipelineState }) {
  const now = useNow(5000);
  return (
    <table class="list long flowing">
      <Columns
        of={["Table", ">Loaded", ">Changes", ">Files wait", ">Events", ">Not folded", "Behind", "State"]}
      />
      <tbody>
        {state.tables.map((table) => (
          <Row key={table.name} at={at} table={table} promiseSeconds={state.promiseSeconds} now={now} />
        ))}
      </tbody>
    </table>
  );
}

function Row({
  at,
  table,
  promiseSeconds,
  now,
}: {
  at: string;
  table: TableState;
  promiseSeconds: number;
  now: number;
}) {
  const {
    name,
    source,
    replication: counted,
    waitingFiles,
    oldestWaiting,
    events,
    unfolded,
    lagSeconds,
  } = table;
  // What waits is behind for as long as it has waited; else what the last run that took something in has said.
  const behind =
    oldestWaiting === undefined ? lagSeconds : Math.max(0, (now - Date.parse(oldestWaiting)) / 1000);
  return (
    <tr>
      <th scope="row">
        <Link href={`${at}/tables/${name}`}>{name}</Link>
        <br />
        <span class="quiet small">{source}</span>
      </th>
      <td class="right" data-name="loaded">
        {counted === undefined ? "–" : number(counted.loadedRows)}
      </td>
      <td class="right" data-name="changes">
        {counted === undefined ? "–" : number(counted.inserts + counted.updates + counted.deletes)}
      </td>
      <td class="right" data-name="files wait">
        {number(waitingFiles)}
      </td>
      <td class="right" data-name="events">
        {number(events)}
      </td>
      <td class="right" data-name="not folded">
        {number(unfolded)}
      </td>
      <td data-name="behind">
        {behind === undefined ? "–" : <Lag seconds={behind} promise={promiseSeconds} />}
      </td>
      <td data-name="state">
        <State word={table.state} />
        {table.quarantined > 0 && <span class="tag bad">{number(table.quarantined)} set aside</span>}
        {table.lastError !== undefined && (
          <details class="small">
            <summary>
              last error <Time at={table.lastError.at} />
            </summary>
            <pre>{table.lastError.message}</pre>
          </details>
        )}
      </td>
    </tr>
  );
}

/** A lag against the promise; the bar is full where the promise ends. */
function Lag({ seconds, promise }: { seconds: number; promise: number }) {
  return (
    <span class="lag">
      {duration(seconds * 1000)}
      <meter
        min={0}
        max={promise}
        high={promise * 0.8}
        optimum={0}
        value={Math.min(seconds, promise)}
        aria-label={`behind, of ${duration(promise * 1000)} promised`}
      />
    </span>
  );
}
