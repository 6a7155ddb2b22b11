import { Link, useParams } from "wouter-preact";
import type { Drift, EnvironmentDetail, EnvironmentSummary } from "../../schemas.js";
import { useChange, useGet, useMe } from "../api.js";
import { changesText, number, typeName } from "../format.js";
import {
  Columns,
  Empty,
  Facts,
  Failure,
  Loaded,
  Release,
  Section,
  State,
  Time,
  View,
} from "../parts/parts.js";
import { PipelinePart } from "./pipeline.js";
import { Resource } from "./preview.js";
import { RunsPart } from "./runs.js";

const TABS = [
  ["", "Pipeline"],
  ["runs", "Runs"],
  ["drift", "Drift"],
  ["stack", "Stack"],
] as const;

/** One environment: its pipeline, its runs, its drift, its stack. */
export function EnvironmentView() {
  const {
    pipeline = "",
    environment = "",
    tab = "",
  } = useParams<{ pipeline: string; environment: string; tab?: string }>();
  const at = `/environments/${pipeline}/${environment}`;
  const known = useGet<EnvironmentSummary[]>("/environments").data?.find(
    (each) => each.pipeline === pipeline && each.name === environment,
  );
  return (
    <View
      title={`${pipeline} ${environment}`}
      about={
        known !== undefined && (
          <Facts
            all={[
              ["release", known.deployed === undefined ? "none" : <Release id={known.deployed.release} />],
              ...(known.deployed === undefined
                ? []
                : [["deployed", <Time at={known.deployed.at} />] as const]),
              ...(known.operation === undefined
                ? []
                : [["under way", <Link href={`/operations/${known.operation}`}>follow it</Link>] as const]),
              ...(known.protected ? [["", <span class="tag">protected</span>] as const] : []),
              ...(known.ephemeral ? [["", <span class="tag">ephemeral</span>] as const] : []),
            ]}
          />
        )
      }
    >
      <nav class="tabs" aria-label={`Views of ${environment}`}>
        {TABS.map(([path, text]) => (
          <Link
            key={path}
            href={path === "" ? at : `${at}/${path}`}
            {...(tab === path ? { "aria-current": "page" as const } : {})}
          >
            {text}
          </Link>
        ))}
      </nav>
      {tab === "" && <PipelinePart at={at} />}
      {tab === "runs" && <RunsPart at={at} />}
      {tab === "drift" && <DriftPart at={at} />}
      {tab === "stack" && <StackPart at={at} />}
    </View>
  );
}

function DriftPart({ at }: { at: string }) {
  const me = useMe();
  const first = useGet<Drift>(`${at}/drift`);
  const query = useGet<Drift>(`${at}/drift`, { everyMs: first.data?.state === "looking" ? 1000 : 60_000 });
  const look = useChange<undefined, Drift>("POST", `${at}/drift`);
  const stop = useChange<undefined, Drift>("DELETE", `${at}/drift`);
  return (
    <Section
      title="Cloud against state"
      aside={
        me?.roles.includes("operator") === true &&
        (query.data?.state === "looking" ? (
          <button
            type="button"
            class="button"
            disabled={stop.isPending}
            onClick={() => stop.mutate(undefined)}
          >
            Stop
          </button>
        ) : (
          <button
            type="button"
            class="button"
            disabled={look.isPending}
            onClick={() => look.mutate(undefined)}
          >
            Compare now
          </button>
        ))
      }
    >
      {look.error !== null && <Failure error={look.error} />}
      <Loaded query={query} what="the last comparison">
        {({ state, at: when, by, resources = [], error }) => (
          <>
            <p role="status">
              {state === "never" && "Nobody has compared them yet."}
              {state === "looking" && (
                <>
                  <State word="running" text="comparing" /> for {by}, since{" "}
                  {when !== undefined && <Time at={when} />}
                </>
              )}
              {state === "cancelled" && <State word="cancelled" text="the last comparison was stopped" />}
              {state === "failed" && <State word="failed" text="the last comparison failed" />}
              {state === "known" && (
                <>
                  <State
                    word={resources.length === 0 ? "passed" : "late"}
                    text={
                      resources.length === 0 ? "no drift" : `${number(resources.length)} resources differ`
                    }
                  />{" "}
                  as of {when !== undefined && <Time at={when} />}, for {by}
                </>
              )}
            </p>
            {error !== undefined && <pre class="failure">{error}</pre>}
            <ul class="diff">
              {resources.map((change) => (
                <Resource key={change.urn} change={change} sign={change.op === "delete" ? "−" : "~"} open />
              ))}
            </ul>
          </>
        )}
      </Loaded>
    </Section>
  );
}

function StackPart({ at }: { at: string }) {
  const query = useGet<EnvironmentDetail>(at);
  return (
    <Loaded query={query} what="the stack">
      {({ program, stack, exists, resources, resourcesByType, pending, last, outputs, rules }) => (
        <div class="columns">
          <Section title="Stack" aside={stack}>
            <Facts
              all={[
                ["program", program],
                ["resources", exists ? number(resources) : "not deployed"],
                ...(last === undefined
                  ? []
                  : [
                      [
                        "last",
                        <>
                          {`${last.kind} ${last.result}, `}
                          <Time at={last.at} />
                        </>,
                      ] as const,
                      ["changes", changesText(last.changes)] as const,
                      ...(last.release === undefined
                        ? []
                        : [["release", <Release id={last.release} />] as const]),
                    ]),
                ["after a failure", rules.onFailure],
                [
                  "before a promotion",
                  rules.drift === "refuse" ? "drift is refused" : "drift is not looked for",
                ],
                ...(rules.maxChanges === undefined
                  ? []
                  : [["at most", `${number(rules.maxChanges)} changes`] as const]),
                ...rules.freeze.map((window) => ["frozen", window] as const),
              ]}
            />
            {pending.length > 0 && (
              <div class="failure">
                <strong>Left half-way by an earlier run</strong>
                {pending.map(({ type, urn }) => (
                  <span key={urn}>
                    {type} {urn}
                  </span>
                ))}
              </div>
            )}
          </Section>
          <Section title="Resources by type">
            {Object.keys(resourcesByType).length === 0 ? (
              <Empty>None.</Empty>
            ) : (
              <table class="list">
                <Columns of={["Type", ">Count"]} />
                <tbody>
                  {Object.entries(resourcesByType)
                    .sort(([, a], [, b]) => b - a)
                    .map(([type, count]) => (
                      <tr key={type}>
                        <th scope="row" title={type}>
                          {typeName(type)}
                        </th>
                        <td class="right">{number(count)}</td>
                      </tr>
                    ))}
                </tbody>
              </table>
            )}
          </Section>
          <Section title="Outputs">
            {Object.keys(outputs).length === 0 ? (
              <Empty>None.</Empty>
            ) : (
              <dl class="properties">
                {Object.entries(outputs).map(([name, value]) => (
                  <div key={name}>
                    <dt>{name}</dt>
                    <dd>{value}</dd>
                  </div>
                ))}
              </dl>
            )}
          </Section>
        </div>
      )}
    </Loaded>
  );
}
