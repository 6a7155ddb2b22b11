import { lazy, Suspense } from "preact/compat";
import { useState } from "preact/hooks";
import { Link, Route, Switch, useRoute } from "wouter-preact";
import type { Waiting } from "../schemas.js";
import { ApiError, ask, client, refresh, useGet, useMe } from "./api.js";
import { Failure, View } from "./parts/parts.js";
import { setToken } from "./session.js";
import { useStream } from "./stream.js";
import { useQuery } from "@tanstack/preact-query";
import { EphemeralsView } from "./views/ephemerals.js";
import { EnvironmentView } from "./views/environment.js";
import { EnvironmentsView } from "./views/environments.js";
import { HistoryView } from "./views/history.js";
import { OperationView } from "./views/operation.js";
import { PathView } from "./views/path.js";
import { PreviewView } from "./views/preview.js";
import { PromoteView } from "./views/promote.js";
import { ReleasesView, ReleaseView } from "./views/releases.js";
import { RunView } from "./views/runs.js";

// The only view with a chart: its library is loaded with it.
const TableView = lazy(() => import("./views/table.js"));

export function App() {
  const me = useQuery({ queryKey: ["/me"], queryFn: () => ask("GET", "/me"), staleTime: Infinity });
  if (me.error instanceof ApiError && me.error.problem.status === 401) return <SignIn />;
  if (me.error !== null) {
    return (
      <main class="alone">
        <Failure error={me.error} />
      </main>
    );
  }
  return me.data === undefined ? null : <Shell />;
}

function Shell() {
  const me = useMe();
  const connection = useStream("/events", ({ event, data }) => {
    if (event === "operation") refresh(String(data["id"]));
    // After a drop: what happened meanwhile may have been missed by what is shown.
    if (event === "hello") refresh();
  });
  const waiting = useGet<Waiting[]>("/approvals", { everyMs: 15_000 }).data ?? [];
  const mine = waiting.filter(({ mayApprove }) => mayApprove).length;
  return (
    <div class="shell">
      <a class="skip" href="#main" onClick={skip}>
        Skip to the content
      </a>
      <header class="bar">
        <Link href="/" class="brand">
          <svg viewBox="0 0 16 16" aria-hidden="true">
            <path d="M1.5 4.5c3.2 0 3.2 3 6.5 3s3.3-3 6.5-3M1.5 10c3.2 0 3.2 3 6.5 3s3.3-3 6.5-3" />
          </svg>
          Headwater
        </Link>
        <nav aria-label="Views">
          <Item href="/" text="Promotion" {...(mine > 0 ? { count: mine } : {})} />
          <Item href="/environments" text="Environments" deep />
          <Item href="/ephemerals" text="Ephemeral" />
          <Item href="/releases" text="Releases" deep />
          <Item href="/history" text="History" />
        </nav>
        <div class="who">
          <span class={`connection ${connection}`} role="status">
            {connection === "lost"
              ? "Connection lost, trying again"
              : connection === "live"
                ? "Live"
                : "Connecting"}
          </span>
          <span>
            {me?.name} <small>{me?.roles.join(", ") || "viewer"}</small>
          </span>
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        <Suspense fallback={<p class="quiet">Opening …</p>}>
          <Switch>
            <Route path="/" component={PathView} />
            <Route path="/promote" component={PromoteView} />
            <Route path="/environments" component={EnvironmentsView} />
            <Route path="/environments/:pipeline/:environment/tables/:table" component={TableView} />
            <Route path="/environments/:pipeline/:environment/runs/:run" component={RunView} />
            <Route path="/environments/:pipeline/:environment/:tab?" component={EnvironmentView} />
            <Route path="/operations/:id/previews/:environment" component={PreviewView} />
            <Route path="/operations/:id" component={OperationView} />
            <Route path="/ephemerals" component={EphemeralsView} />
            <Route path="/releases" component={ReleasesView} />
            <Route path="/releases/:release" component={ReleaseView} />
            <Route path="/history" component={HistoryView} />
            <Route>
              <View title="There is no such page">
                <p>
                  <Link href="/">To the promotions</Link>
                </p>
              </View>
            </Route>
          </Switch>
        </Suspense>
      </main>
    </div>
  );
}

/** The address is relative to the page's own, so that the fragment would open another one. */
function skip(event: MouseEvent): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

function Item({ href, text, count, deep }: { href: string; text: string; count?: number; deep?: boolean }) {
  const [exact] = useRoute(href);
  const [below] = useRoute(`${href}/*?`);
  const here = exact || (deep === true && below);
  return (
    <Link href={href} {...(here ? { "aria-current": "page" as const } : {})}>
      {text}
      {count !== undefined && (
        <b class="badge" title="waiting for you">
          {count}
          <span class="hidden"> waiting for you</span>
        </b>
      )}
    </Link>
  );
}

function SignIn() {
  const [token, change] = useState("");
  return (
    <main class="alone">
      <form
        class="panel"
        onSubmit={(event) => {
          event.preventDefault();
          setToken(token.trim());
          void client.resetQueries();
        }}
      >
        <h1>Headwater</h1>
        <p>
          Nobody that is known asks. Open the address that <code>headwater console</code> has printed, or give
          the token in it.
        </p>
        <label>
          Token
          <input
            type="password"
            autocomplete="off"
            value={token}
            onInput={(event) => change(event.currentTarget.value)}
          />
        </label>
        <button class="button primary" disabled={token.trim() === ""}>
          Open
        </button>
      </form>
    </main>
  );
}
