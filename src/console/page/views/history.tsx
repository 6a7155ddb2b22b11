import { useState } from "preact/hooks";
import type { Action, Operation } from "../../schemas.js";
import { ask, useGet } from "../api.js";
import { Empty, Failure, Loaded, Section, State, Time, View } from "../parts/parts.js";
import { OperationList } from "./path.js";

const PAGE = 50;

/** What was done, and who asked for what. */
export function HistoryView() {
  const [kind, setKind] = useState("");
  const newest = useGet<Operation[]>(`/operations?limit=${PAGE}${kind === "" ? "" : `&kind=${kind}`}`, {
    everyMs: 30_000,
  });
  const [older, setOlder] = useState<readonly Operation[]>([]);
  const [done, setDone] = useState(false);
  const [error, setError] = useState<Error | null>(null);
  const more = async (last: string): Promise<void> => {
    try {
      const found = await ask<Operation[]>(
        "GET",
        `/operations?limit=${PAGE}&before=${last}${kind === "" ? "" : `&kind=${kind}`}`,
      );
      setOlder([...older, ...found]);
      setDone(found.length < PAGE);
      setError(null);
    } catch (caught) {
      setError(caught as Error);
    }
  };
  return (
    <View title="History" about="What was done with this backend, from any machine, newest first.">
      <div class="columns wide">
        <Section
          title="Operations"
          aside={
            <label class="inline">
              Kind
              <select
                value={kind}
                onChange={(event) => {
                  setKind(event.currentTarget.value);
                  setOlder([]);
                  setDone(false);
                }}
              >
                <option value="">all</option>
                <option value="promotion">promotions</option>
                <option value="destroy">destroys</option>
                <option value="reload">reloads</option>
              </select>
            </label>
          }
        >
          <Loaded query={newest} what="the history">
            {(first) => {
              const all = [...first, ...older];
              const last = all.at(-1);
              if (last === undefined) return <Empty>Nothing has been done yet.</Empty>;
              return (
                <>
                  <OperationList operations={all} />
                  {first.length === PAGE && !done && (
                    <button type="button" class="button" onClick={() => void more(last.id)}>
                      Older ones
                    </button>
                  )}
                  {error !== null && <Failure error={error} />}
                </>
              );
            }}
          </Loaded>
        </Section>
        <Actions />
      </div>
    </View>
  );
}

function Actions() {
  const query = useGet<(Action & { id: string })[]>("/actions?limit=50", { everyMs: 30_000 });
  return (
    <Section title="Who asked for what" aside="in a console">
      <Loaded query={query} what="the actions">
        {(all) =>
          all.length === 0 ? (
            <Empty>Nobody has asked for a change yet.</Empty>
          ) : (
            <ul class="rows">
              {all.map(({ id, by, action, target, at, status }) => (
                <li key={id} class="row">
                  <span class="grow">
                    <strong>{by}</strong> {nameOf(action)}
                    <br />
                    <span class="quiet small">
                      {target}, <Time at={at} />
                    </span>
                  </span>
                  <State
                    word={status === undefined ? "plain" : status < 400 ? "passed" : "refused"}
                    text={status === undefined ? "no answer" : status < 400 ? "done" : `refused (${status})`}
                  />
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
    </Section>
  );
}

const NAMES: Readonly<Record<string, string>> = {
  "POST /promotions": "started a promotion",
  "POST /operations/:id/cancellation": "cancelled",
  "POST /operations/:id/resumption": "went on with a promotion",
  "POST /operations/:id/approvals/:environment": "decided about a preview",
  "POST /ephemerals": "raised an environment",
  "PATCH /ephemerals/:pipeline/:environment": "let one live longer",
  "DELETE /ephemerals/:pipeline/:environment": "destroyed an environment",
  "POST /environments/:pipeline/:environment/drift": "looked for drift",
  "DELETE /environments/:pipeline/:environment/drift": "stopped looking for drift",
  "POST /releases": "stored a release",
};

function nameOf(action: string): string {
  return NAMES[action] ?? action;
}
