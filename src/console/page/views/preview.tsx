import { useState } from "preact/hooks";
import { Link, useLocation, useParams } from "wouter-preact";
import type { Approval, Change, Operation, Preview } from "../../schemas.js";
import { useChange, useGet, useMe } from "../api.js";
import { changesText, number, typeName } from "../format.js";
import { Empty, Facts, Failure, Loaded, Release, Section, State, Time, View } from "../parts/parts.js";

/** What a promotion would change in an environment, and the decision about it. */
export function PreviewView() {
  const { id = "", environment = "" } = useParams<{ id: string; environment: string }>();
  const preview = useGet<Preview>(`/operations/${id}/previews/${environment}`);
  const operation = useGet<Operation>(`/operations/${id}`);
  return (
    <View
      title={`Preview of ${environment}`}
      about={
        preview.data && (
          <Facts
            all={[
              ["would change", changesText(preview.data.changes)],
              ["release", <Release id={preview.data.release} />],
              ["made", <Time at={preview.data.at} />],
              ["started by", operation.data?.startedBy ?? "…"],
              ["promotion", <Link href={`/operations/${id}`}>follow it</Link>],
            ]}
          />
        )
      }
    >
      <Loaded query={preview} what="the preview">
        {(found) => (
          <>
            <div class="columns wide">
              <Changes preview={found} />
              <Verdicts preview={found} />
            </div>
            {operation.data !== undefined && <Decision preview={found} operation={operation.data} />}
          </>
        )}
      </Loaded>
    </View>
  );
}

const GROUPS = [
  ["delete", "−", "Deleted"],
  ["replace", "±", "Replaced: deleted and made anew"],
  ["update", "~", "Updated"],
  ["create", "+", "Created"],
  ["import", "+", "Imported"],
] as const;

function Changes({ preview }: { preview: Preview }) {
  const resources = preview.resources.filter(({ type }) => type !== "pulumi:pulumi:Stack");
  const known = new Set<string>(GROUPS.map(([op]) => op));
  const others = [...new Set(resources.map(({ op }) => op).filter((op) => !known.has(op)))].map(
    (op) => [op, "·", op] as const,
  );
  if (resources.length === 0) {
    return (
      <Section title="Resources">
        <Empty>No resource would change.</Empty>
      </Section>
    );
  }
  return (
    <div>
      {[...GROUPS, ...others].map(([op, sign, title]) => {
        const own = resources.filter((each) => each.op === op);
        if (own.length === 0) return null;
        return (
          <Section key={op} title={title} aside={number(own.length)}>
            <ul class="diff">
              {own.map((change) => (
                <Resource
                  key={change.urn}
                  change={change}
                  sign={sign}
                  open={resources.length <= 6 || (resources.length <= 12 && op !== "create")}
                />
              ))}
            </ul>
          </Section>
        );
      })}
    </div>
  );
}

export function Resource({ change, sign, open }: { change: Change; sign: string; open: boolean }) {
  const { op, type, name, properties, more, urn } = change;
  const head = (
    <>
      <i class={`sign ${op}`} aria-hidden="true">
        {sign}
      </i>
      <strong>{name}</strong> <span class="quiet">{typeName(type)}</span>
    </>
  );
  if (properties.length === 0)
    return (
      <li>
        <div class="resource">{head}</div>
      </li>
    );
  return (
    <li>
      <details open={open}>
        <summary class="resource">
          {head}
          <span class="count">
            {number(properties.length + more)} {properties.length + more === 1 ? "property" : "properties"}
          </span>
        </summary>
        <dl class="properties">
          {properties.map(({ field, old, new: now, replaces }) => (
            <div key={field}>
              <dt>
                {field}
                {replaces && <span class="tag bad">forces replacement</span>}
              </dt>
              {old !== undefined && (
                <dd class="old">
                  <span class="hidden">before: </span>
                  <del>{old}</del>
                </dd>
              )}
              {now !== undefined && (
                <dd class="new">
                  <span class="hidden">after: </span>
                  <ins>{now}</ins>
                </dd>
              )}
              {old === undefined && now === undefined && (
                <dd class="quiet">differs; the values are secret or not known yet</dd>
              )}
            </div>
          ))}
          {more > 0 && <p class="quiet">and {number(more)} more</p>}
        </dl>
        <p class="urn">{urn}</p>
      </details>
    </li>
  );
}

function Verdicts({ preview }: { preview: Preview }) {
  const order = ["refused", "overridden", "passed"];
  const verdicts = [...preview.verdicts].sort((a, b) => order.indexOf(a.verdict) - order.indexOf(b.verdict));
  return (
    <Section title="Gates">
      {verdicts.length === 0 ? (
        <Empty>The gates have not judged yet.</Empty>
      ) : (
        <ul class="gates">
          {verdicts.map(({ rule, verdict, findings, reason }) => (
            <li key={rule} class={verdict}>
              <span class="phase">
                <strong>{rule}</strong>
                <State word={verdict} />
              </span>
              {reason !== undefined && <p>Why: {reason}</p>}
              {findings.map(({ urn, message }, index) => (
                <p key={index} class="small">
                  {message}
                  {urn !== undefined && <span class="urn">{urn.split("::").slice(2).join(" ")}</span>}
                </p>
              ))}
            </li>
          ))}
        </ul>
      )}
    </Section>
  );
}

function Decision({ preview, operation }: { preview: Preview; operation: Operation }) {
  const me = useMe();
  const [, go] = useLocation();
  const [reason, setReason] = useState("");
  const { environment, plan, decision } = preview;
  const decide = useChange<{ approved: boolean; plan: string; reason?: string }, Approval>(
    "POST",
    `/operations/${operation.id}/approvals/${environment}`,
    () => go(`/operations/${operation.id}`),
  );
  const step = operation.steps.find((each) => each.environment === environment);
  if (decision !== undefined) {
    return (
      <div class="decision" role="status">
        <State word={decision.approved ? "approved" : "refused"} /> by {decision.by},{" "}
        <Time at={decision.at} />
        {decision.reason !== undefined && <span> : {decision.reason}</span>}
      </div>
    );
  }
  if (step?.state !== "waiting" || !preview.asks) {
    return (
      <div class="decision quiet" role="status">
        {step?.state === "failed" ? "The promotion has stopped here." : "Nothing waits for a decision here."}
      </div>
    );
  }
  const why =
    me?.roles.includes("approver") !== true
      ? "It takes the role approver to decide."
      : preview.protected && operation.startedBy === me.name
        ? "You have started it: somebody else has to decide."
        : undefined;
  const send = (approved: boolean): void =>
    decide.mutate({ approved, plan, ...(reason.trim() === "" ? {} : { reason: reason.trim() }) });
  return (
    <form class="decision" aria-label="Decision" onSubmit={(event) => event.preventDefault()}>
      {why === undefined ? (
        <>
          <label class="grow">
            Remark
            <input
              value={reason}
              placeholder="not needed; it is recorded"
              onInput={(event) => setReason(event.currentTarget.value)}
            />
          </label>
          <button type="button" class="button bad" disabled={decide.isPending} onClick={() => send(false)}>
            Refuse
          </button>
          <button type="button" class="button primary" disabled={decide.isPending} onClick={() => send(true)}>
            Approve and go on
          </button>
        </>
      ) : (
        <p>{why}</p>
      )}
      {decide.error !== null && <Failure error={decide.error} />}
    </form>
  );
}
