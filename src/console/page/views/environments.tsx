import { useState } from "preact/hooks";
import { Link } from "wouter-preact";
import type { EnvironmentSummary } from "../../schemas.js";
import { useGet } from "../api.js";
import { number } from "../format.js";
import { Columns, Empty, Loaded, State, Time, View } from "../parts/parts.js";
import { short } from "../format.js";

/** All environments, however many. */
export function EnvironmentsView() {
  const query = useGet<EnvironmentSummary[]>("/environments", { everyMs: 30_000 });
  const [wanted, setWanted] = useState("");
  return (
    <View title="Environments" about={query.data && `${number(query.data.length)} in all pipelines`}>
      <label class="filter">
        Find
        <input type="search" value={wanted} onInput={(event) => setWanted(event.currentTarget.value)} />
      </label>
      <Loaded query={query} what="the environments">
        {(all) => {
          const found = all.filter((each) =>
            `${each.pipeline} ${each.name} ${each.deployed?.release ?? ""}`.includes(wanted.trim()),
          );
          if (found.length === 0) return <Empty>None that fits.</Empty>;
          return (
            <table class="list long">
              <Columns of={["Environment", "Release", "State", "Deployed"]} />
              <tbody>
                {found.map((each) => (
                  <Row key={`${each.pipeline}/${each.name}`} environment={each} />
                ))}
              </tbody>
            </table>
          );
        }}
      </Loaded>
    </View>
  );
}

function Row({ environment }: { environment: EnvironmentSummary }) {
  const { pipeline, name, deployed, operation, ephemeral } = environment;
  return (
    <tr>
      <th scope="row">
        <Link href={`/environments/${pipeline}/${name}`}>
          {pipeline} / <strong>{name}</strong>
        </Link>{" "}
        {environment.protected && <span class="tag">protected</span>}
        {ephemeral && <span class="tag">ephemeral</span>}
      </th>
      <td class="id">{deployed === undefined ? "" : short(deployed.release)}</td>
      <td>
        {operation !== undefined ? (
          <Link href={`/operations/${operation}`}>
            <State word="running" text="under way" />
          </Link>
        ) : deployed === undefined ? (
          <State word="plain" text="not deployed" />
        ) : (
          <State
            word={deployed.passed ? "passed" : "failed"}
            text={deployed.passed ? "passed" : "not passed"}
          />
        )}
      </td>
      <td>{deployed !== undefined && <Time at={deployed.at} />}</td>
    </tr>
  );
}
