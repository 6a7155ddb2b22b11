import { Link } from "wouter-preact";
import type { EnvironmentSummary, Operation, Waiting } from "../../schemas.js";
import { useGet, useMe } from "../api.js";
import { changesText, duration, short } from "../format.js";
import { Empty, Loaded, Release, Section, State, Time, View } from "../parts/parts.js";

/** The way from one environment to the next, with the releases on it; what waits for whom; what goes on. */
export function PathView() {
  const environments = useGet<EnvironmentSummary[]>("/environments", { everyMs: 30_000 });
  const operations = useGet<Operation[]>("/operations?limit=12", { everyMs: 30_000 });
  const me = useMe();
  return (
    <View
      title="Promotion"
      about="Where each release is, and what is on its way."
      actions={
        me?.roles.includes("operator") === true && (
          <Link href="/promote" class="button primary">
            Promote
          </Link>
        )
      }
    >
      <Loaded query={environments} what="the environments">
        {(all) => (
          <Paths
            environments={all}
            operations={operations.data ?? []}
            mayStart={me?.roles.includes("operator") === true}
          />
        )}
      </Loaded>
      <div class="columns">
        <WaitingList />
        <Section title="Latest" aside={<Link href="/history">All of the history</Link>}>
          <Loaded query={operations} what="the history">
            {(all) =>
              all.length === 0 ? (
                <Empty>Nothing has been done yet.</Empty>
              ) : (
                <OperationList operations={all} />
              )
            }
          </Loaded>
        </Section>
      </div>
    </View>
  );
}

function Paths({
  environments,
  operations,
  mayStart,
}: {
  environments: readonly EnvironmentSummary[];
  operations: readonly Operation[];
  mayStart: boolean;
}) {
  const pipelines = [...new Set(environments.map(({ pipeline }) => pipeline))];
  if (pipelines.length === 0) return <Empty>There are no environments yet: a stack file makes one.</Empty>;
  return (
    <>
      {pipelines.map((pipeline) => {
        const own = environments.filter((each) => each.pipeline === pipeline && !each.ephemeral);
        const onPath = own
          .filter(({ position }) => position !== undefined)
          .sort((a, b) => a.position! - b.position!);
        const path = onPath.length > 0 ? onPath : own.slice(0, 6);
        const others = own.length - path.length;
        return (
          <section class="path" key={pipeline} aria-label={`The path of ${pipeline}`}>
            <header>
              <h2>{pipeline}</h2>
              {others > 0 && (
                <Link href="/environments" class="aside">
                  {others} more {others === 1 ? "environment" : "environments"}
                </Link>
              )}
            </header>
            <ol>
              {path.map((environment, index) => (
                <Stop
                  key={environment.name}
                  environment={environment}
                  before={path[index - 1]}
                  operation={operations.find(({ id }) => id === environment.operation)}
                  mayStart={mayStart}
                />
              ))}
            </ol>
          </section>
        );
      })}
    </>
  );
}

function Stop({
  environment,
  before,
  operation,
  mayStart,
}: {
  environment: EnvironmentSummary;
  before: EnvironmentSummary | undefined;
  operation: Operation | undefined;
  mayStart: boolean;
}) {
  const { pipeline, name, deployed, holder } = environment;
  const step = operation?.steps.find((each) => each.environment === name);
  const same = before?.deployed !== undefined && before.deployed.release === deployed?.release;
  const next =
    before?.deployed !== undefined && before.deployed.passed && !same && environment.operation === undefined;
  return (
    <li class={`stop ${same ? "same" : ""}`}>
      {before !== undefined && (
        <div class="leg">
          {next && mayStart ? (
            <Link
              href={`/promote?pipeline=${pipeline}&through=${name}&release=${before.deployed!.release}`}
              class="button small"
            >
              Promote
              <span class="hidden">
                {" "}
                {short(before.deployed!.release)} to {name}
              </span>
            </Link>
          ) : (
            <span class="quiet small">{same ? "same release" : ""}</span>
          )}
        </div>
      )}
      <article aria-label={name}>
        <header>
          <h3>
            <Link href={`/environments/${pipeline}/${name}`}>{name}</Link>
          </h3>
          {environment.protected && <span class="tag">protected</span>}
        </header>
        {deployed === undefined ? (
          <p class="quiet">not deployed</p>
        ) : (
          <>
            <p class="release">
              <Release id={deployed.release} />
            </p>
            <p class="small">
              <State
                word={deployed.passed ? "passed" : "failed"}
                text={deployed.passed ? "passed" : "not passed"}
              />{" "}
              <Time at={deployed.at} />
            </p>
          </>
        )}
        {operation !== undefined && step !== undefined && (
          <p class="now">
            <Link href={`/operations/${operation.id}`}>
              <State
                word={operation.outcome === "interrupted" ? "interrupted" : step.state}
                text={
                  step.state === "waiting"
                    ? "waits for an approval"
                    : step.state === "pending"
                      ? `${short(operation.release ?? "")} is on its way`
                      : `${step.phase ?? "starting"} of ${short(operation.release ?? "")}`
                }
              />
            </Link>
          </p>
        )}
        {operation === undefined && holder !== undefined && (
          <p class="now small">
            <State word="running" text={`${holder.by}: ${holder.doing}`} />
          </p>
        )}
      </article>
    </li>
  );
}

function WaitingList() {
  const query = useGet<Waiting[]>("/approvals", { everyMs: 15_000 });
  return (
    <Section title="Waiting for somebody">
      <Loaded query={query} what="what waits">
        {(all) =>
          all.length === 0 ? (
            <Empty>Nothing waits for an approval.</Empty>
          ) : (
            <ul class="rows">
              {all.map((each) => (
                <li key={each.operation + each.environment} class={each.mayApprove ? "mine" : ""}>
                  <Link href={`/operations/${each.operation}/previews/${each.environment}`} class="row">
                    <span class="grow">
                      <strong>
                        {each.pipeline} {each.environment}
                      </strong>{" "}
                      <span class="id">{short(each.release)}</span>
                      <br />
                      <span class="quiet small">
                        {changesText(each.changes)}; started by {each.startedBy}, asked{" "}
                        <Time at={each.since} />
                      </span>
                    </span>
                    <State
                      word={each.mayApprove ? "waiting" : "plain"}
                      text={
                        each.mayApprove
                          ? "for you"
                          : each.why === undefined || each.why.includes("role")
                            ? "for an approver"
                            : "for somebody else"
                      }
                    />
                  </Link>
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
    </Section>
  );
}

/** Operations, each with how it stands and how far it came. */
export function OperationList({ operations }: { operations: readonly Operation[] }) {
  return (
    <ul class="rows">
      {operations.map((operation) => (
        <li key={operation.id}>
          <Link href={`/operations/${operation.id}`} class="row">
            <span class="grow">
              <strong>
                {operation.kind === "promotion" ? "" : `${operation.kind} `}
                {operation.pipeline} {operation.through.join(" → ")}
              </strong>{" "}
              {operation.release !== undefined && <span class="id">{short(operation.release)}</span>}
              <br />
              <span class="quiet small">
                {operation.startedBy}, <Time at={operation.at} />
                {operation.elapsedMs !== undefined && `, took ${duration(operation.elapsedMs)}`}
                {operation.error !== undefined && `: ${operation.error.message.split("\n", 1)[0] ?? ""}`}
              </span>
            </span>
            <State
              word={operation.steps.some(({ state }) => state === "waiting") ? "waiting" : operation.outcome}
            />
          </Link>
        </li>
      ))}
    </ul>
  );
}
