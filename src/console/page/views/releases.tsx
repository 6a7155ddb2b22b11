import { Link, useParams } from "wouter-preact";
import type { Release, ReleaseSummary } from "../../schemas.js";
import { useGet, useMe } from "../api.js";
import { short } from "../format.js";
import { Columns, Empty, Facts, Loaded, Section, Time, View } from "../parts/parts.js";

/** Stored releases, and where they are. */
export function ReleasesView() {
  const query = useGet<ReleaseSummary[]>("/releases");
  return (
    <View title="Releases" about="What can be promoted, whatever is on disk by now.">
      <Loaded query={query} what="the releases">
        {(all) =>
          all.length === 0 ? (
            <Empty>None is stored yet: the first promotion makes one.</Empty>
          ) : (
            <table class="list long">
              <Columns of={["Release", "Pipeline", "Deployed in", "First promoted"]} />
              <tbody>
                {all.map(({ id, pipeline, environments, firstPromoted }) => (
                  <tr key={id}>
                    <th scope="row">
                      <Link href={`/releases/${id}`} class="id" title={id}>
                        {short(id)}
                      </Link>
                    </th>
                    <td data-name="pipeline">{pipeline}</td>
                    <td data-name="deployed in">
                      {environments.map((stack) => (
                        <Link key={stack} href={`/environments/${stack}`} class="tag">
                          {stack.replace("/", " ")}
                        </Link>
                      ))}
                    </td>
                    <td data-name="first promoted">
                      {firstPromoted === undefined ? "never" : <Time at={firstPromoted} />}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          )
        }
      </Loaded>
    </View>
  );
}

export function ReleaseView() {
  const { release = "" } = useParams<{ release: string }>();
  const me = useMe();
  const query = useGet<Release>(`/releases/${release}`);
  return (
    <View
      title={`Release ${short(release)}`}
      actions={
        me?.roles.includes("operator") === true &&
        query.data !== undefined && (
          <Link
            class="button primary"
            href={`/promote?pipeline=${query.data.pipeline}&release=${query.data.id}`}
          >
            Promote it
          </Link>
        )
      }
    >
      <Loaded query={query} what="the release">
        {({ id, program, pipeline, parts }) => (
          <div class="columns">
            <Section title="What it consists of" aside="hashes of its content">
              <Facts
                all={[
                  ["id", <code class="wrap">{id}</code>],
                  ["program", program],
                  ["pipeline", pipeline],
                  ["code", <code>{short(parts.code)}</code>],
                  ["pipeline definition", <code>{short(parts.pipeline)}</code>],
                  ["notebooks", <code>{short(parts.notebooks)}</code>],
                ]}
              />
            </Section>
            <Section title="Providers" aside="installed versions">
              <Facts
                all={Object.entries(parts.providers).map(([name, version]) => [name, version] as const)}
              />
            </Section>
          </div>
        )}
      </Loaded>
    </View>
  );
}
