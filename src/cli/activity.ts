import { isEnginesOwn } from "../driver/engine-events.js";
import type { ResourceEvent } from "../driver/events.js";
import { describeMs } from "../operations/wait.js";

interface Running {
  readonly what: string;
  readonly since: number;
}

interface Part {
  readonly label: string;
  readonly since: number;
  /** What is waited for, in the words of whoever waits. */
  detail: string;
  readonly running: Map<string, Running>;
  /** What was done with which resource. */
  readonly done: Map<string, string>;
  failed: number;
}

/** No more resources than these are shown one by one. */
const SHOWN = 6;
/** Rows that the head, what is waited for, the rest's count and the cursor need. */
const OTHER_ROWS = 4;

/**
 * What is going on now, told in few lines: the innermost phase or check with its time, counts of what is done, the resources in
 * hand with theirs (those that take longest first), and what is waited for.
 */
export class Activity {
  private readonly parts: Part[] = [];
  /** Resources that the preview would touch: what the next `up` has to. */
  expected = 0;

  /** @param now milliseconds since some fixed moment. */
  constructor(private readonly now: () => number) {}

  get idle(): boolean {
    return this.parts.length === 0;
  }

  begin(label: string): void {
    const counted = { running: new Map(), done: new Map(), failed: 0 };
    this.parts.push({ label, since: this.now(), detail: "", ...counted });
  }

  end(label: string): void {
    const index = this.parts.findLastIndex((part) => part.label === label);
    if (index >= 0) this.parts.splice(index, 1);
  }

  /** What is waited for; where nothing of that name is going on, it begins. */
  waits(label: string, detail: string): void {
    if (!this.parts.some((part) => part.label === label)) this.begin(label);
    const part = this.parts.findLast((each) => each.label === label);
    if (part !== undefined) part.detail = detail;
  }

  resource({ urn, op, state, resourceType, name }: ResourceEvent): void {
    const part = this.parts.at(-1);
    if (part === undefined) return;
    const kind = /replace/.test(op) ? "replace" : op;
    // The engine does not count its own either.
    const untouched = ["same", "read", "refresh"].includes(op) || isEnginesOwn(resourceType);
    if (state === "started") {
      if (!untouched)
        part.running.set(urn, {
          what: `${kind} ${resourceType.split(":").at(-1)} ${name}`,
          since: this.now(),
        });
      return;
    }
    part.running.delete(urn);
    if (state === "failed") part.failed += 1;
    else if (!untouched) part.done.set(urn, kind);
  }

  /** @param columns of the terminal: no line is longer. */
  lines(columns: number, rows: number): string[] {
    const part = this.parts.at(-1);
    if (part === undefined) return [];
    const running = inHand(part.running);
    const shown = running.slice(0, Math.max(1, Math.min(SHOWN, rows - OTHER_ROWS)));
    const rest = running.length - shown.length;
    return [
      ahead(part.label, [this.counts(part), this.since(part)], columns),
      ...shown.map((each) => ahead(`  ${each.what}`, [this.since(each)], columns)),
      ...(rest > 0 ? [cut(`  and ${rest} more`, columns)] : []),
      ...(part.detail === "" ? [] : [cut(`  ${part.detail.split("\n", 1)[0]}`, columns)]),
    ];
  }

  /** The same in one line. */
  sentence(): string {
    const part = this.parts.at(-1);
    if (part === undefined) return "";
    const [longest] = inHand(part.running);
    const resource = longest === undefined ? "" : `${longest.what} (${this.since(longest)})`;
    const told = [this.counts(part), resource, part.detail].filter((text) => text !== "");
    return `${part.label} ... ${[this.since(part), ...told].join("; ")}`;
  }

  private counts({ done, failed, running }: Part): string {
    if (done.size + failed + running.size === 0) return "";
    const byOp = new Map<string, number>();
    for (const op of done.values()) byOp.set(op, (byOp.get(op) ?? 0) + 1);
    const ops = [...byOp].map(([op, count]) => `${count} ${op}`).join(", ");
    const told = this.expected === 0 ? [] : [`${done.size} of ${this.expected}`];
    return [...told, ...(ops === "" ? [] : [ops]), ...(failed > 0 ? [`${failed} failed`] : [])].join(", ");
  }

  private since({ since }: { readonly since: number }): string {
    const seconds = Math.floor((this.now() - since) / 1000);
    return seconds === 0 ? "0 s" : describeMs(seconds * 1000);
  }
}

/** Without components, which wait for what is in them. */
function inHand(running: ReadonlyMap<string, Running>): Running[] {
  const types = [...running.keys()].map((urn) => urn.split("::")[2] ?? "");
  return [...running.values()].filter(
    (_, index) => !types.some((type) => type.startsWith(`${types[index]}$`)),
  );
}

/** The text, then what has to be seen of it: the last part stays whole when there is no room. */
function ahead(text: string, [...after]: readonly string[], columns: number): string {
  const last = after.pop() ?? "";
  const between = after.filter((part) => part !== "").map((part) => `  ${part}`);
  return `${cut(text + between.join(""), columns - last.length - 2)}  ${last}`;
}

function cut(text: string, columns: number): string {
  return text.length <= columns ? text : `${text.slice(0, Math.max(0, columns - 1)).trimEnd()}…`;
}
