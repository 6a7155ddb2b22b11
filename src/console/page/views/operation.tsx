import { useState } from "preact/hooks";
import { Link, useParams } from "wouter-preact";
import type { Operation, OperationDetail, Phase, Step } from "../../schemas.js";
import { refresh, useChange, useGet, useMe } from "../api.js";
import { changesText, duration, useNow } from "../format.js";
import { Confirmed, Facts, Failure, Loaded, Release, Section, State, Time, View } from "../parts/parts.js";
import { useStream } from "../stream.js";

/** What is shown in passing of the phase that goes on. */
interface Passing {
  readonly resources: ReadonlyMap<string, string>;
  readonly message: string;
  readonly diagnostics: readonly { readonly severity: string; readonly message: string }[];
}
const NONE: Passing = { resources: new Map(), message: "", diagnostics: [] };

/** One promotion (or destroy, or reload) from its beginning to its end, as it happens. */
export function OperationView() {
  const { id = "" } = useParams<{ id: string }>();
  const query = useGet<OperationDetail>(`/operations/${id}`);
  const [passing, setPassing] = useState<Passing>(NONE);
  const connection = useStream(`/operations/${id}/events`, ({ event, data }) => {
    if (event === "passing") setPassing((before) => heard(before, data));
    else {
      if (event === "phase") setPassing(({ diagnostics }) => ({ ...NONE, diagnostics }));
      refresh(id);
    }
  });
  return (
    <View
      title={`${titleOf(query.data)}`}
      about={query.data && <About operation={query.data} />}
      actions={query.data && <Actions operation={query.data} />}
    >
      <Loaded query={query} what="the operation">
        {(operation) => (
          <>
            {operation.error !== undefined && (
              <div class="failure" role="alert">
                <strong>{operation.error.code}</strong>
                <pre>{operation.error.message}</pre>
                {operation.error.code === "driver/gate-refused" && <Again operation={operation} />}
              </div>
            )}
            <ol class="steps">
              {operation.steps.map((step) => (
                <StepPart
                  key={step.environment}
                  operation={operation}
                  step={step}
                  passing={["running", "waiting"].includes(step.state) ? passing : NONE}
                />
              ))}
            </ol>
            {passing.diagnostics.length > 0 && (
              <Section title="What the engine said" aside="since this page was opened">
                <ul class="log">
                  {passing.diagnostics.map(({ severity, message }, index) => (
                    <li key={index} class={severity}>
                      {message}
                    </li>
                  ))}
                </ul>
              </Section>
            )}
            <p class="hidden" role="status" aria-live="polite">
              {operation.outcome}
              {connection === "lost" ? ", the connection was lost" : ""}
            </p>
          </>
        )}
      </Loaded>
    </View>
  );
}

function titleOf(operation: Operation | undefined): string {
  if (operation === undefined) return "Operation";
  const { kind, pipeline, through } = operation;
  const verb = kind === "promotion" ? "Promotion of" : kind === "destroy" ? "Destroying" : "Reloading";
  return `${verb} ${pipeline}: ${through.join(" → ")}`;
}

function About({ operation }: { operation: OperationDetail }) {
  const now = useNow();
  const { release, startedBy, at, outcome, elapsedMs, steps } = operation;
  const waits = steps.some(({ state }) => state === "waiting");
  return (
    <Facts
      all={[
        ["state", <State word={waits && outcome === "running" ? "waiting" : outcome} />],
        ...(release === undefined ? [] : [["release", <Release id={release} />] as const]),
        ["started by", startedBy],
        ["begun", <Time at={at} />],
        ["time", duration(elapsedMs ?? Math.floor((now - Date.parse(at)) / 1000) * 1000)],
      ]}
    />
  );
}

function Actions({ operation }: { operation: OperationDetail }) {
  const me = useMe();
  const { id, outcome, ownedHere } = operation;
  const cancel = useChange<{ firm: boolean }, unknown>("POST", `/operations/${id}/cancellation`);
  const resume = useChange<undefined, unknown>("POST", `/operations/${id}/resumption`);
  if (me?.roles.includes("operator") !== true) return null;
  return (
    <>
      {outcome === "running" && ownedHere && (
        <Confirmed
          label="Cancel"
          question="What is in hand is finished first, then it stops. Environments that have passed stay as they are."
          busy={cancel.isPending}
          onConfirm={() => cancel.mutate({ firm: false })}
        />
      )}
      {cancel.isSuccess && outcome === "running" && <span class="quiet">is being cancelled …</span>}
      {outcome === "interrupted" && operation.kind === "promotion" && (
        <button
          type="button"
          class="button primary"
          disabled={resume.isPending}
          onClick={() => resume.mutate(undefined)}
        >
          Go on with it
        </button>
      )}
      {cancel.error !== null && <Failure error={cancel.error} />}
      {resume.error !== null && <Failure error={resume.error} />}
    </>
  );
}

/** After a gate has refused: the same once more, with the gates that stood in the way named. */
function Again({ operation }: { operation: OperationDetail }) {
  const me = useMe();
  const refused = operation.parts.flatMap(({ verdicts }) =>
    verdicts.filter(({ verdict }) => verdict === "refused"),
  );
  const from = operation.through.slice(operation.steps.findIndex(({ state }) => state === "failed"));
  if (me?.roles.includes("operator") !== true || !me.roles.includes("approver")) return null;
  const query = new URLSearchParams([
    ["pipeline", operation.pipeline],
    ["through", from.join(",")],
    ["release", operation.release ?? ""],
    ...refused.map(({ rule }) => ["override", rule]),
  ]);
  return (
    <p>
      <Link href={`/promote?${query.toString()}`} class="button">
        Promote again, against {refused.map(({ rule }) => rule).join(", ")}
      </Link>
    </p>
  );
}

function StepPart({
  operation,
  step,
  passing,
}: {
  operation: OperationDetail;
  step: Step;
  passing: Passing;
}) {
  const part = operation.parts.find(({ environment }) => environment === step.environment);
  const hasPreview = operation.hasPreviews.includes(step.environment);
  const done = [...passing.resources.values()].filter((state) => state === "done").length;
  return (
    <li class={`step ${step.state}`}>
      <header>
        <h2>
          <Link href={`/environments/${operation.pipeline}/${step.environment}`}>{step.environment}</Link>
        </h2>
        <State word={step.state} text={step.state === "waiting" ? "waits for an approval" : step.state} />
      </header>
      {hasPreview && (
        <p>
          <Link
            class={`button ${step.state === "waiting" ? "primary" : ""}`}
            href={`/operations/${operation.id}/previews/${step.environment}`}
          >
            {step.state === "waiting" ? "Review the preview" : "Preview"}
            <span class="hidden"> of {step.environment}</span>
          </Link>{" "}
          {step.changes !== undefined && <span class="quiet">{changesText(step.changes)}</span>}
        </p>
      )}
      {part !== undefined && (
        <ul class="phases">
          {part.phases.map((phase, index) => (
            <PhaseLine key={`${phase.name}${index}`} phase={phase}>
              {phase.state === "started" && (
                <>
                  {passing.resources.size > 0 &&
                    `${done} of ${passing.resources.size} resources begun are done`}
                  {passing.message}
                </>
              )}
              {phase.name === "gates" && (
                <ul class="verdicts">
                  {part.verdicts
                    .filter(({ verdict }) => verdict !== "passed")
                    .map(({ rule, verdict, reason, findings }) => (
                      <li key={rule}>
                        <State word={verdict} text={`${rule} ${verdict}`} /> {reason}
                        {findings.slice(0, 5).map(({ message }, at) => (
                          <p class="small" key={at}>
                            {message}
                          </p>
                        ))}
                      </li>
                    ))}
                </ul>
              )}
              {phase.name === "checks" && (
                <ul class="phases inner">
                  {part.checks.map((check, at) => (
                    <PhaseLine key={`${check.name}${at}`} phase={check}>
                      {check.message}
                    </PhaseLine>
                  ))}
                </ul>
              )}
            </PhaseLine>
          ))}
        </ul>
      )}
      {part === undefined && (
        <p class="quiet">{step.state === "passed" ? "had passed before" : "not reached"}</p>
      )}
    </li>
  );
}

function PhaseLine({ phase, children }: { phase: Phase; children?: preact.ComponentChildren }) {
  const now = useNow();
  const { name, state, at, elapsedMs, changes, message } = phase;
  const running = state === "started";
  return (
    <li>
      <span class="phase">
        <State
          word={
            running ? (name === "approve" ? "waiting" : "running") : state === "succeeded" ? "passed" : state
          }
          text={name}
        />
        <span class="quiet small">
          {changes !== undefined ? changesText(changes) : (phase.name !== "checks" && message) || ""}
        </span>
        <span class="took">
          {duration(
            running ? Math.max(0, Math.floor((now - Date.parse(at)) / 1000) * 1000) : (elapsedMs ?? 0),
          )}
        </span>
      </span>
      <div class="small">{children}</div>
    </li>
  );
}

function heard(before: Passing, data: Record<string, unknown>): Passing {
  if (data["type"] === "resource") {
    if (data["op"] === "same") return before;
    return {
      ...before,
      resources: new Map(before.resources).set(String(data["urn"]), String(data["state"])),
    };
  }
  if (data["type"] === "diagnostic") {
    const line = { severity: String(data["severity"]), message: String(data["message"]) };
    return { ...before, diagnostics: [...before.diagnostics.slice(-199), line] };
  }
  const { message } = data;
  return typeof message === "string" ? { ...before, message } : before;
}
