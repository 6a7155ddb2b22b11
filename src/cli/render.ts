import type { ChangeSummary, CheckEvent, GateEvent, PhaseEvent, PromotionEvent } from "../driver/events.js";
import { describeMs } from "../operations/wait.js";
import { styleFor, type Style } from "./style.js";

/** Where progress goes: `process.stderr`, or a test's own. */
export interface Terminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export interface RendererOptions {
  readonly color?: boolean;
  /** Redraws one line that tells what is going on. Default: on a terminal, outside CI. */
  readonly live?: boolean;
  /** Also show every warning and note of the engine. */
  readonly verbose?: boolean;
  /** Milliseconds since some fixed moment. */
  readonly now?: () => number;
}

const REDRAW_MS = 200;

/**
 * Shows a promotion as it goes: one line for each phase and check that ended, and below them, on a terminal, one line that
 * moves. Hand it every event (`note`) and call `end` when there are no more.
 */
export class ProgressRenderer {
  private readonly style: Style;
  private readonly live: boolean;
  private readonly now: () => number;
  private readonly timer: NodeJS.Timeout | undefined;
  private current: { readonly label: string; readonly since: number; detail: string } | undefined;
  private readonly resources = new Map<string, string>();
  private total = 0;
  private drawn = false;

  constructor(
    private readonly out: Terminal,
    private readonly options: RendererOptions = {},
  ) {
    this.style = styleFor(out, options.color);
    this.live = options.live ?? (out.isTTY === true && !process.env["CI"]);
    this.now = options.now ?? (() => performance.now());
    if (this.live) this.timer = setInterval(() => this.draw(), REDRAW_MS).unref();
  }

  note(event: PromotionEvent): void {
    switch (event.type) {
      case "started":
        this.line(
          `release ${this.style.strong(event.release.slice(0, 12))} through ${event.through.join(", ")}` +
            this.style.faint(`  (record: ${event.record})`),
        );
        break;
      case "phase":
        this.phase(event);
        break;
      case "check":
        this.check(event);
        break;
      case "gate":
        this.gate(event);
        break;
      case "resource":
        if (event.op !== "same" || event.state === "failed") this.resources.set(event.urn, event.state);
        this.detail(this.resourceDetail());
        break;
      case "diagnostic":
        if (event.severity === "error" || event.severity === "warning" || this.options.verbose === true) {
          const [first, ...more] = event.message.split("\n");
          const rest = more.length > 0 && this.options.verbose === true ? `\n${more.join("\n")}` : "";
          const mark = event.severity === "error" ? this.style.bad("error") : event.severity;
          this.line(`  ${mark} ${shortUrn(event.urn)}${first}${rest}`);
        }
        break;
      case "done": {
        const mark = event.outcome === "succeeded" ? this.style.good : this.style.bad;
        this.line(`${mark(event.outcome)} after ${describeMs(event.elapsedMs)}`);
        break;
      }
    }
  }

  /** A line of one's own among the others. */
  line(text: string): void {
    this.erase();
    this.out.write(`${text}\n`);
    this.draw();
  }

  /** Stops redrawing and takes the moving line away. */
  end(): void {
    clearInterval(this.timer);
    this.current = undefined;
    this.erase();
  }

  private phase({ environment, phase, state, message = "", elapsedMs = 0, changes }: PhaseEvent): void {
    const label = this.label(environment, phase);
    if (state === "progress") {
      this.progress(label, message);
      return;
    }
    if (state === "started") {
      this.begin(label);
      // The number of resources an `up` has to touch is what its preview found.
      if (phase === "preview") this.total = 0;
      this.resources.clear();
      return;
    }
    this.current = undefined;
    if (phase === "preview" && changes !== undefined) this.total = touched(changes);
    // What a failed check found has been said by the check; gates that are open have nothing to say.
    if (phase === "checks" || phase === "gates") return;
    const mark = state === "succeeded" ? this.style.good("ok") : this.style.bad("failed");
    const what = changes === undefined ? message && `  ${message}` : `  ${describeChanges(changes)}`;
    this.line(`${label} ${mark}${what}  ${this.style.faint(describeMs(elapsedMs))}`);
  }

  /** Open gates are not worth a line. */
  private gate({ environment, rule, verdict, findings, reason = "" }: GateEvent): void {
    if (verdict === "passed") return;
    const mark = verdict === "refused" ? this.style.bad("refused") : this.style.strong("overridden");
    this.line(`${this.label(environment, `gate ${rule}`)} ${mark}${reason === "" ? "" : `  ${reason}`}`);
    for (const { urn, message } of findings.slice(0, 10)) this.line(`  ${shortUrn(urn)}${message}`);
    if (findings.length > 10) this.line(`  and ${findings.length - 10} more`);
  }

  private check({ environment, check, state, message = "", elapsedMs = 0 }: CheckEvent): void {
    const label = this.label(environment, check);
    if (state === "started") this.begin(label);
    else if (state === "progress") this.progress(label, message);
    else {
      this.current = undefined;
      const mark = state === "passed" ? this.style.good("ok") : this.style.bad("failed");
      this.line(`${label} ${mark}  ${message}  ${this.style.faint(describeMs(elapsedMs))}`);
    }
  }

  private progress(label: string, message: string): void {
    this.detail(message);
    if (!this.live) this.line(`${label} ... ${message}`);
  }

  private begin(label: string): void {
    this.current = { label, since: this.now(), detail: "" };
    this.draw();
  }

  private detail(detail: string): void {
    if (this.current !== undefined) this.current.detail = detail;
  }

  private resourceDetail(): string {
    const states = [...this.resources.values()];
    const done = states.filter((state) => state === "done").length;
    const failed = states.filter((state) => state === "failed").length;
    const of = this.total > 0 ? ` of ${this.total}` : "";
    return `${done}${of} resources${failed > 0 ? `, ${failed} failed` : ""}`;
  }

  private label(environment: string | undefined, what: string): string {
    return `${this.style.strong((environment ?? "all").padEnd(8))} ${what.padEnd(18)}`;
  }

  private draw(): void {
    if (!this.live || this.current === undefined) return;
    const { label, since, detail } = this.current;
    const elapsed = describeMs(Math.floor((this.now() - since) / 1000) * 1000);
    // A line longer than the terminal is wide could not be erased again.
    const room = (this.out.columns ?? 80) - 32 - elapsed.length;
    this.erase();
    this.out.write(`${label} ${detail.slice(0, Math.max(room, 0))}  ${elapsed}`);
    this.drawn = true;
  }

  private erase(): void {
    if (this.drawn) this.out.write("\r\x1b[2K");
    this.drawn = false;
  }
}

/** `{ create: 3, same: 40 }` -> `3 create, 40 same`. */
export function describeChanges(changes: ChangeSummary): string {
  const parts = Object.entries(changes).map(([op, count]) => `${count} ${op}`);
  return parts.length === 0 ? "nothing there" : parts.join(", ");
}

function touched(changes: ChangeSummary): number {
  return Object.entries(changes).reduce((sum, [op, count]) => (op === "same" ? sum : sum + count), 0);
}

function shortUrn(urn: string | undefined): string {
  return urn === undefined ? "" : `${urn.split("::").slice(2).join(" ")}: `;
}
