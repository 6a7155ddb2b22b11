import { useState } from "preact/hooks";
import { Link, useLocation } from "wouter-preact";
import type { EnvironmentSummary, Ephemeral } from "../../schemas.js";
import { useChange, useGet, useMe } from "../api.js";
import { duration, useNow, when } from "../format.js";
import { Confirmed, Empty, Failure, Loaded, Section, State, View } from "../parts/parts.js";

/** Environments with a time to live. */
export function EphemeralsView() {
  const me = useMe();
  const query = useGet<Ephemeral[]>("/ephemerals", { everyMs: 15_000 });
  const mayChange = me?.roles.includes("operator") === true;
  return (
    <View
      title="Ephemeral environments"
      about="Small copies with a time to live; they are destroyed with their data."
    >
      <Loaded query={query} what="the ephemeral environments">
        {(all) =>
          all.length === 0 ? (
            <Empty>There are none.</Empty>
          ) : (
            <ul class="cards">
              {all.map((each) => (
                <Card key={`${each.pipeline}/${each.name}`} ephemeral={each} mayChange={mayChange} />
              ))}
            </ul>
          )
        }
      </Loaded>
      {mayChange && <Raise />}
    </View>
  );
}

function Card({ ephemeral, mayChange }: { ephemeral: Ephemeral; mayChange: boolean }) {
  const now = useNow();
  const [, go] = useLocation();
  const { pipeline, name, from, by, created, expires, expired, holder } = ephemeral;
  const left = Date.parse(expires) - now;
  const whole = Date.parse(expires) - Date.parse(created);
  const extend = useChange<{ ttl: string }, { expires: string }>("PATCH", `/ephemerals/${pipeline}/${name}`);
  const destroy = useChange<undefined, { id: string }>(
    "DELETE",
    `/ephemerals/${pipeline}/${name}`,
    ({ id }) => go(`/operations/${id}`),
  );
  return (
    <li class="card">
      <header>
        <h2>
          <Link href={`/environments/${pipeline}/${name}`}>{name}</Link>
        </h2>
        <span class="quiet">
          {pipeline}, like {from}
        </span>
      </header>
      <p class="figure">
        {expired || left <= 0 ? (
          <State word="expired" text="expired: the next reap destroys it" />
        ) : (
          <>
            <b>{duration(left < 3_600_000 ? left - (left % 1000) : left)}</b>{" "}
            <span>left, until {when(expires)}</span>
          </>
        )}
      </p>
      <meter
        min={0}
        max={whole}
        low={whole * 0.2}
        optimum={whole}
        value={Math.max(0, left)}
        aria-label={`time left of ${name}`}
      />
      <p class="small quiet">
        raised by {by}
        {holder !== undefined && `; ${holder}`}
      </p>
      {mayChange && (
        <div class="actions">
          <span class="small quiet">Live on for</span>
          {["1h", "8h", "1d"].map((ttl) => (
            <button
              key={ttl}
              type="button"
              class="button"
              disabled={extend.isPending}
              onClick={() => extend.mutate({ ttl })}
            >
              {ttl} <span class="hidden">from now for {name}</span>
            </button>
          ))}
          <Confirmed
            label={`Destroy ${name}`}
            question={`${name} is destroyed with its data and its stack. There is no way back.`}
            busy={destroy.isPending}
            onConfirm={() => destroy.mutate(undefined)}
          />
        </div>
      )}
      {extend.error !== null && <Failure error={extend.error} />}
      {destroy.error !== null && <Failure error={destroy.error} />}
    </li>
  );
}

function Raise() {
  const [, go] = useLocation();
  const environments = useGet<EnvironmentSummary[]>("/environments").data ?? [];
  const own = environments.filter(({ ephemeral }) => !ephemeral);
  const [model, setModel] = useState("");
  const [name, setName] = useState("");
  const [ttl, setTtl] = useState("2h");
  const raise = useChange<object, { id: string }>("POST", "/ephemerals", ({ id }) => go(`/operations/${id}`));
  const chosen = model === "" ? `${own[0]?.pipeline ?? ""}/${own[0]?.name ?? ""}` : model;
  return (
    <Section title="Raise one">
      <form
        class="form inline"
        onSubmit={(event) => {
          event.preventDefault();
          const [pipeline, from] = chosen.split("/");
          raise.mutate({ name, ttl, pipeline, from });
        }}
      >
        <label>
          Name
          <input
            value={name}
            required
            maxLength={20}
            pattern="[a-z][a-z0-9]*(-[a-z0-9]+)*"
            placeholder="pr-12"
            onInput={(event) => setName(event.currentTarget.value)}
          />
        </label>
        <label>
          Like
          <select value={chosen} onChange={(event) => setModel(event.currentTarget.value)}>
            {own.map((each) => (
              <option key={`${each.pipeline}/${each.name}`} value={`${each.pipeline}/${each.name}`}>
                {each.pipeline} {each.name}
              </option>
            ))}
          </select>
        </label>
        <label>
          Lives for
          <select value={ttl} onChange={(event) => setTtl(event.currentTarget.value)}>
            {["1h", "2h", "8h", "1d", "7d"].map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        </label>
        <button class="button primary" disabled={raise.isPending}>
          {raise.isPending ? "Starting …" : "Raise"}
        </button>
        {raise.error !== null && <Failure error={raise.error} />}
      </form>
    </Section>
  );
}
