import { createLogUpdate } from "log-update";
import type { ChangeSummary, CheckEvent, GateEvent, PhaseEvent, PromotionEvent } from "../driver/events.js";
import { describeMs } from "../operations/wait.js";
import { Activity } from "./activity.js";
import { styleFor, type Style } from "./style.js";

/** Where progress goes: `process.stderr`, or a test's own. */
export interface Terminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
}

export interface RendererOptions {
  readonly color?: boolean;
  /** Redraws what is going on. Default: on a terminal that can, outside CI. */
  readonly live?: boolean;
  /** Also show every warning and note of the engine. */
  readonly verbose?: boolean;
  /** Milliseconds since some fixed moment. */
  readonly now?: () => number;
}

const REDRAW_MS = 200;
/** Where nothing is redrawn, how often what takes long is told of. */
const SIGN_OF_LIFE_MS = 30_000;
/** Narrower terminals get no columns. */
const NARROW = 60;

/**
 * Shows a promotion as it goes: one line for each phase and check that ended, and below them, on a terminal, what is going on
 * now, redrawn in place. Hand it every event (`note`) and call `end` when there are no more.
 */
export class ProgressRenderer {
  private readonly style: Style;
  private readonly moving: ReturnType<typeof createLogUpdate> | undefined;
  private readonly timer: NodeJS.Timeout;
  private readonly activity: Activity;

  constructor(
    private readonly out: Terminal,
    private readonly options: RendererOptions = {},
  ) {
    this.style = styleFor(out, options.color);
    this.activity = new Activity(options.now ?? (() => performance.now()));
    const able = out.isTTY === true && !process.env["CI"] && process.env["TERM"] !== "dumb";
    if (options.live ?? able) this.moving = createLogUpdate(out as NodeJS.WriteStream, { showCursor: true });
    const [ms, look] = this.moving === undefined ? [SIGN_OF_LIFE_MS, this.tellLife] : [REDRAW_MS, this.draw];
    this.timer = setInterval(look, ms).unref();
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
        this.activity.resource(event);
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
    this.moving?.clear();
    this.out.write(`${text}\n`);
    this.draw();
  }

  /** Stops redrawing; what was going on stays to be seen. */
  end(): void {
    clearInterval(this.timer);
    this.draw();
    this.moving?.done();
  }

  private phase({ environment, phase, state, message = "", elapsedMs = 0, changes }: PhaseEvent): void {
    const label = this.label(environment, phase);
    if (state === "progress") {
      this.progress(label, message);
      return;
    }
    if (state === "started") {
      // Whoever held the lease has let go of it.
      this.activity.end(this.label(environment, "lease"));
      // The number of resources an `up` has to touch is what its preview found.
      if (phase === "preview") this.activity.expected = 0;
      // Who is asked sees the question, and nothing may move below it.
      if (phase !== "approve") this.activity.begin(label);
      this.draw();
      return;
    }
    this.activity.end(label);
    if (phase === "preview" && changes !== undefined) this.activity.expected = touched(changes);
    // What a failed check found has been said by the check; gates that are open have nothing to say.
    if (phase === "checks" || phase === "gates") return;
    const mark = state === "succeeded" ? this.style.good("ok") : this.style.bad("failed");
    const what = changes === undefined ? message && `  ${message}` : `  ${describeChanges(changes)}`;
    this.line(`${this.strong(label)} ${mark}${what}  ${this.style.faint(describeMs(elapsedMs))}`);
  }

  /** Open gates are not worth a line. */
  private gate({ environment, rule, verdict, findings, reason = "" }: GateEvent): void {
    if (verdict === "passed") return;
    const mark = verdict === "refused" ? this.style.bad("refused") : this.style.strong("overridden");
    this.line(
      `${this.strong(this.label(environment, `gate ${rule}`))} ${mark}${reason === "" ? "" : `  ${reason}`}`,
    );
    for (const { urn, message } of findings.slice(0, 10)) this.line(`  ${shortUrn(urn)}${message}`);
    if (findings.length > 10) this.line(`  and ${findings.length - 10} more`);
  }

  private check({ environment, check, state, message = "", elapsedMs = 0 }: CheckEvent): void {
    const label = this.label(environment, check);
    if (state === "started") this.activity.begin(label);
    else if (state === "progress") this.progress(label, message);
    else {
      this.activity.end(label);
      const mark = state === "passed" ? this.style.good("ok") : this.style.bad("failed");
      // The rest of a failure is told once, by what ends the promotion.
      const [first] = message.split("\n", 1);
      this.line(`${this.strong(label)} ${mark}  ${first}  ${this.style.faint(describeMs(elapsedMs))}`);
    }
    this.draw();
  }

  private progress(label: string, message: string): void {
    this.activity.waits(label, message);
    if (this.moving === undefined) this.line(`${this.strong(label)} ... ${message}`);
    else this.draw();
  }

  private label(environment: string | undefined, what: string): string {
    if ((this.out.columns ?? 80) < NARROW) return `${environment ?? "all"} ${what}`;
    return `${(environment ?? "all").padEnd(8)} ${what.padEnd(18)}`;
  }

  /** The environment stands out. */
  private strong(label: string): string {
    return label.replace(/^\S+/, (environment) => this.style.strong(environment));
  }

  private readonly draw = (): void => {
    if (this.moving === undefined) return;
    // A line as long as the terminal is wide would begin another one.
    const [head, ...others] = this.activity.lines((this.out.columns ?? 80) - 1, this.out.rows ?? 24);
    if (head === undefined) this.moving.clear();
    else this.moving([this.strong(head), ...others.map(this.style.faint)].join("\n"));
  };

  private readonly tellLife = (): void => {
    if (!this.activity.idle) this.line(this.activity.sentence());
  };
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
