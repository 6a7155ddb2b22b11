import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Link } from "wouter-preact";
import { ApiError } from "../api.js";
import { ago, short, useNow, when } from "../format.js";

/** Which view was left: the first one after the page was opened takes no focus. */
let opened = false;

/** A view with its title: told to the browser's history, and to who cannot see that the page has changed. */
export function View({
  title,
  about,
  actions,
  children,
}: {
  title: string;
  about?: ComponentChildren;
  actions?: ComponentChildren;
  children: ComponentChildren;
}) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · Headwater`;
  }, [title]);
  useEffect(() => {
    if (opened) heading.current?.focus();
    opened = true;
  }, []);
  return (
    <>
      <header class="view-head">
        <div>
          <h1 ref={heading} tabIndex={-1}>
            {title}
          </h1>
          {about !== undefined && <p class="about">{about}</p>}
        </div>
        {actions !== undefined && <div class="actions">{actions}</div>}
      </header>
      {children}
    </>
  );
}

export function Section({
  title,
  aside,
  children,
  id,
}: {
  title: string;
  aside?: ComponentChildren;
  children: ComponentChildren;
  id?: string;
}) {
  return (
    <section class="section" id={id} aria-label={title}>
      <header>
        <h2>{title}</h2>
        {aside !== undefined && <span class="aside">{aside}</span>}
      </header>
      {children}
    </section>
  );
}

/** What a query is at: still asked, failed, or here. */
export function Loaded<T>({
  query,
  what,
  children,
}: {
  query: { data: T | undefined; error: Error | null; isPending: boolean };
  what: string;
  children: (data: T) => ComponentChildren;
}) {
  if (query.data !== undefined) {
    return (
      <>
        {query.error !== null && <Failure error={query.error} what={`${what}: what is shown may be old`} />}
        {children(query.data)}
      </>
    );
  }
  if (query.error !== null) return <Failure error={query.error} what={what} />;
  return (
    <p class="quiet" role="status">
      Asking for {what} …
    </p>
  );
}

export function Failure({ error, what }: { error: Error; what?: string }) {
  const problem = error instanceof ApiError ? error.problem : undefined;
  return (
    <div class="failure" role="alert">
      <strong>
        {what === undefined ? "" : `${what}: `}
        {problem?.title ?? "the server cannot be reached"}
      </strong>
      {problem?.where !== undefined && <span>{problem.where}</span>}
      {problem?.found !== undefined && <span>found: {problem.found}</span>}
      {problem?.allowed !== undefined && <span>allowed: {problem.allowed}</span>}
      {problem?.remedy !== undefined && <span>{problem.remedy}</span>}
    </div>
  );
}

const MARKS: Readonly<Record<string, { tone: string; sign: string }>> = {
  ...Object.fromEntries(
    ["passed", "succeeded", "SUCCESS", "fresh", "active", "running-well", "approved"].map((word) => [
      word,
      { tone: "good", sign: "✓" },
    ]),
  ),
  ...Object.fromEntries(
    ["failed", "FAILED", "failing", "refused", "error", "missing"].map((word) => [
      word,
      { tone: "bad", sign: "✕" },
    ]),
  ),
  ...Object.fromEntries(
    [
      "waiting",
      "late",
      "overridden",
      "interrupted",
      "paused",
      "expired",
      "stopped",
      "cancelled",
      "CANCELED",
    ].map((word) => [word, { tone: "warn", sign: "!" }]),
  ),
  ...Object.fromEntries(
    ["running", "RUNNING", "PENDING", "QUEUED", "looking"].map((word) => [word, { tone: "busy", sign: "" }]),
  ),
};

/** A state: a sign and a word, never a colour alone. */
export function State({ word, text }: { word: string; text?: string }) {
  const { tone, sign } = MARKS[word] ?? { tone: "plain", sign: "–" };
  return (
    <span class={`state ${tone}`}>
      <i aria-hidden="true">{sign}</i>
      {text ?? word.toLowerCase()}
    </span>
  );
}

export function Time({ at }: { at: string }) {
  const now = useNow(10_000);
  return (
    <time dateTime={at} title={when(at)}>
      {ago(at, now)}
    </time>
  );
}

export function Release({ id }: { id: string }) {
  return (
    <Link href={`/releases/${id}`} class="id" title={id}>
      {short(id)}
    </Link>
  );
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="quiet">{children}</p>;
}

/** A short list of facts. */
export function Facts({ all }: { all: readonly (readonly [string, ComponentChildren])[] }) {
  return (
    <dl class="facts">
      {all.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** A button that asks once more before it does what cannot be undone. */
export function Confirmed({
  label,
  question,
  tone = "bad",
  busy,
  onConfirm,
}: {
  label: string;
  question: string;
  tone?: string;
  busy?: boolean;
  onConfirm: () => void;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  return (
    <>
      <button
        type="button"
        class={`button ${tone}`}
        disabled={busy}
        onClick={() => dialog.current?.showModal()}
      >
        {label}
      </button>
      <dialog ref={dialog} aria-label={label}>
        <p>{question}</p>
        <div class="actions">
          <button type="button" class="button" autofocus onClick={() => dialog.current?.close()}>
            Leave it
          </button>
          <button
            type="button"
            class={`button ${tone} full`}
            onClick={() => {
              dialog.current?.close();
              onConfirm();
            }}
          >
            {label}
          </button>
        </div>
      </dialog>
    </>
  );
}

/** The head of a table; a name that begins with `>` is of a column of figures, which stand at the right. */
export function Columns({ of }: { of: readonly string[] }) {
  return (
    <thead>
      <tr>
        {of.map((name) => (
          <th key={name} scope="col" class={name.startsWith(">") ? "right" : ""}>
            {name.replace(/^>/, "")}
          </th>
        ))}
      </tr>
    </thead>
  );
}
