import { Link, useParams } from "wouter-preact";
import type { RunDetail, RunSummary } from "../../schemas.js";
import { useGet } from "../api.js";
import { duration, number, useNow } from "../format.js";
import { Columns, Empty, Facts, Loaded, Section, State, Time, View } from "../parts/parts.js";

/** Runs of the ingestion job. */
export function RunsPart({ at }: { at: string }) {
  const query = useGet<RunSummary[]>(`${at}/runs?limit=100`, { everyMs: 5000 });
  const now = useNow();
  return (
    <Section title="Runs of the job" aside="newest first">
      <Loaded query={query} what="the runs">
        {(runs) =>
          runs.length === 0 ? (
            <Empty>It has not run yet.</Empty>
          ) : (
            <table class="list long">
              <Columns of={["Run", "State", "Started by", "Begun", ">Took"]} />
              <tbody>
                {runs.map((run) => (
                  <tr key={run.run}>
                    <th scope="row">
                      <Link href={`${at}/runs/${run.run}`}>{run.run}</Link>
                    </th>
                    <td data-name="state">
                      <State word={run.state} />
                    </td>
                    <td data-name="started by">{(run.trigger ?? "").toLowerCase().replaceAll("_", " ")}</td>
                    <td data-name="begun">
                      <Time at={run.start} />
                    </td>
                    <td class="right" data-name="took">
                      {duration((run.end === undefined ? now : Date.parse(run.end)) - Date.parse(run.start))}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          )
        }
      </Loaded>
    </Section>
  );
}

/** One run: what it brought, and what its notebooks said. */
export function RunView() {
  const {
    pipeline = "",
    environment = "",
    run = "",
  } = useParams<{ pipeline: string; environment: string; run: string }>();
  const at = `/environments/${pipeline}/${environment}`;
  const query = useGet<RunDetail>(`${at}/runs/${run}`, { everyMs: 10_000 });
  return (
    <View
      title={`Run ${run}`}
      about={
        <>
          <Link href={`${at}/runs`}>
            {pipeline} {environment}
          </Link>
          {query.data !== undefined && (
            <Facts
              all={[
                ["state", <State word={query.data.state} />],
                ["started by", (query.data.trigger ?? "").toLowerCase().replaceAll("_", " ")],
                ["begun", <Time at={query.data.start} />],
                ...(query.data.end === undefined
                  ? []
                  : [["took", duration(Date.parse(query.data.end) - Date.parse(query.data.start))] as const]),
              ]}
            />
          )}
        </>
      }
    >
      <Loaded query={query} what="the run">
        {({ tables, tasks, message, problem }) => (
          <>
            {message !== undefined && <p>{message}</p>}
            {problem !== undefined && (
              <div class="failure" role="alert">
                <strong>Not everything could be asked</strong>
                <span>{problem}</span>
              </div>
            )}
            <Section title="What it brought">
              {tables.length === 0 ? (
                <Empty>Nothing, or its lines of the run table are not written yet.</Empty>
              ) : (
                <table class="list">
                  <Columns of={["Table", "Outcome", ">Files", ">Events", "Folded", ">Took"]} />
                  <tbody>
                    {tables.map(({ table, outcome, error, files, events, way, reason, seconds }, index) => (
                      <tr key={index}>
                        <th scope="row">
                          <Link href={`${at}/tables/${table}`}>{table}</Link>
                        </th>
                        <td data-name="outcome">
                          <State word={outcome} />
                          {error !== undefined && <pre>{error}</pre>}
                        </td>
                        <td class="right" data-name="files">
                          {number(files)}
                        </td>
                        <td class="right" data-name="events">
                          {number(events)}
                        </td>
                        <td data-name="folded">
                          {way} <span class="quiet small">{reason}</span>
                        </td>
                        <td class="right" data-name="took">
                          {seconds === undefined ? "" : duration(seconds * 1000)}
                        </td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              )}
            </Section>
            {tasks.map(({ key, state, output, error, trace }) => (
              <Section
                key={key}
                title={`Log of ${key === "" ? "the notebook" : key}`}
                aside={state !== undefined && <State word={state} />}
              >
                {error !== undefined && <pre class="failure">{error}</pre>}
                {trace !== undefined && (
                  <details>
                    <summary>Where it was thrown</summary>
                    <pre class="code" tabIndex={0}>
                      {trace}
                    </pre>
                  </details>
                )}
                {output !== undefined ? (
                  <pre class="code" tabIndex={0}>
                    {pretty(output)}
                  </pre>
                ) : (
                  error === undefined && <Empty>It has left nothing.</Empty>
                )}
              </Section>
            ))}
          </>
        )}
      </Loaded>
    </View>
  );
}

function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
