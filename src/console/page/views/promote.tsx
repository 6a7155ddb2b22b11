import { useState } from "preact/hooks";
import { useLocation, useSearch } from "wouter-preact";
import type { EnvironmentSummary, ReleaseSummary, StartPromotion } from "../../schemas.js";
import { useChange, useGet, useMe } from "../api.js";
import { short } from "../format.js";
import { Failure, Loaded, View } from "../parts/parts.js";

/** Starts a promotion. */
export function PromoteView() {
  const environments = useGet<EnvironmentSummary[]>("/environments");
  return (
    <View
      title="Promote a release"
      about="Preview, gates, approval where it is asked for, up and checks; environment by environment."
    >
      <Loaded query={environments} what="the environments">
        {(all) => <Form environments={all.filter(({ ephemeral }) => !ephemeral)} />}
      </Loaded>
    </View>
  );
}

type Override = StartPromotion["overrides"][number];

function Form({ environments }: { environments: readonly EnvironmentSummary[] }) {
  const [, go] = useLocation();
  const asked = new URLSearchParams(useSearch());
  const me = useMe();
  const releases = useGet<ReleaseSummary[]>("/releases").data ?? [];
  const pipelines = [...new Set(environments.map(({ pipeline }) => pipeline))];
  const [pipeline, setPipeline] = useState(asked.get("pipeline") ?? pipelines[0] ?? "");
  const [through, setThrough] = useState<readonly string[]>(
    (asked.get("through") ?? "").split(",").filter((name) => name !== ""),
  );
  const [release, setRelease] = useState(asked.get("release") ?? "");
  const [ask, setAsk] = useState<"protected" | "always">("protected");
  const [rollback, setRollback] = useState(false);
  const [checks, setChecks] = useState(true);
  const [overrides, setOverrides] = useState<readonly Override[]>(
    asked.getAll("override").map((rule) => ({ rule, reason: "" })),
  );
  const start = useChange<Partial<StartPromotion>, { id: string }>("POST", "/promotions", ({ id }) =>
    go(`/operations/${id}`),
  );
  const own = environments
    .filter((each) => each.pipeline === pipeline)
    .sort((a, b) => (a.position ?? 1e9) - (b.position ?? 1e9));
  // In the order of the path, however they were ticked.
  const chosen = own.filter(({ name }) => through.includes(name));
  const toProtected = chosen.filter((each) => each.protected).map(({ name }) => name);
  const toggle = (name: string): void =>
    setThrough(through.includes(name) ? through.filter((each) => each !== name) : [...through, name]);
  const change = (index: number, part: Partial<Override>): void =>
    setOverrides(overrides.map((each, at) => (at === index ? { ...each, ...part } : each)));
  return (
    <form
      class="panel form"
      onSubmit={(event) => {
        event.preventDefault();
        start.mutate({
          pipeline,
          through: chosen.map(({ name }) => name),
          ask,
          checks,
          overrides: [...overrides],
          ...(release === "" ? {} : { release }),
          ...(rollback ? { onFailure: "rollback" as const } : {}),
        });
      }}
    >
      {pipelines.length > 1 && (
        <label>
          Pipeline
          <select value={pipeline} onChange={(event) => setPipeline(event.currentTarget.value)}>
            {pipelines.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
      )}
      <label>
        Release
        <select value={release} onChange={(event) => setRelease(event.currentTarget.value)}>
          <option value="">what is on the server’s disk now</option>
          {releases
            .filter((each) => each.pipeline === undefined || each.pipeline === pipeline)
            .map(({ id, environments: where }) => (
              <option key={id} value={id}>
                {short(id)}
                {where.length > 0
                  ? `, in ${where.map((stack) => stack.split("/").slice(1).join("/")).join(", ")}`
                  : ""}
              </option>
            ))}
        </select>
      </label>
      <fieldset>
        <legend>Through</legend>
        <div class="ticks">
          {own.map(({ name, protected: isProtected }) => (
            <label key={name} class="tick">
              <input type="checkbox" checked={through.includes(name)} onChange={() => toggle(name)} />
              {name}
              {isProtected && <span class="tag">protected</span>}
            </label>
          ))}
        </div>
      </fieldset>
      {toProtected.length > 0 && (
        <p class="note">
          {toProtected.join(", ")}: another person than you has to approve the preview before anything
          changes.
        </p>
      )}
      <fieldset>
        <legend>How</legend>
        <label class="tick">
          <input
            type="checkbox"
            checked={ask === "always"}
            onChange={(event) => setAsk(event.currentTarget.checked ? "always" : "protected")}
          />
          Every preview waits for an approval
        </label>
        <label class="tick">
          <input
            type="checkbox"
            checked={checks}
            onChange={(event) => setChecks(event.currentTarget.checked)}
          />
          Check each environment after up
        </label>
        <label class="tick">
          <input
            type="checkbox"
            checked={rollback}
            onChange={(event) => setRollback(event.currentTarget.checked)}
          />
          After a failure go back to the last release that passed
        </label>
      </fieldset>
      {me?.roles.includes("approver") === true && (
        <fieldset>
          <legend>Gates that are not to stop it</legend>
          {overrides.map((override, index) => (
            <div class="override" key={index}>
              <label>
                Rule
                <input
                  value={override.rule}
                  required
                  pattern="[a-z][a-z0-9\-]*"
                  onInput={(event) => change(index, { rule: event.currentTarget.value })}
                />
              </label>
              <label class="grow">
                Why; it is recorded
                <input
                  value={override.reason}
                  required
                  onInput={(event) => change(index, { reason: event.currentTarget.value })}
                />
              </label>
              <button
                type="button"
                class="button"
                onClick={() => setOverrides(overrides.filter((_, at) => at !== index))}
              >
                Remove<span class="hidden"> the override of {override.rule}</span>
              </button>
            </div>
          ))}
          <button
            type="button"
            class="button"
            onClick={() => setOverrides([...overrides, { rule: "", reason: "" }])}
          >
            Override a gate
          </button>
        </fieldset>
      )}
      {start.error !== null && <Failure error={start.error} />}
      <div class="actions">
        <button class="button primary" disabled={chosen.length === 0 || start.isPending}>
          {start.isPending
            ? "Starting …"
            : `Promote through ${chosen.map(({ name }) => name).join(", ") || "…"}`}
        </button>
      </div>
    </form>
  );
}
