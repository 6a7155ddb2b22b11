import type { HeadwaterError } from "../model/errors.js";

/**
 * One part of a step. `settings` comes first and covers all environments at once; `identity`, `refresh` (a look for drift) and
 * `approve` only exist where rules or the caller ask for them; `rollback` follows an `up` that failed.
 */
export type Phase =
  | "settings"
  | "lease"
  | "identity"
  | "preview"
  | "refresh"
  | "gates"
  | "approve"
  | "up"
  | "checks"
  | "rollback"
  | "destroy"
  | "reload";

/** How many resources had which operation: `create`, `update`, `replace`, `delete`, `same`, ... (the engine's words). */
export type ChangeSummary = Readonly<Record<string, number>>;

interface Common {
  /** ISO time at which it happened. */
  readonly at: string;
  /** The environment it happened in; absent for what concerns the whole promotion. */
  readonly environment?: string;
}

export interface StartedEvent extends Common {
  readonly type: "started";
  readonly id: string;
  readonly release: string;
  readonly through: readonly string[];
  /** The file this promotion is recorded in. */
  readonly record: string;
}

export interface PhaseEvent extends Common {
  readonly type: "phase";
  readonly phase: Phase;
  readonly state: "started" | "progress" | "succeeded" | "failed";
  /** Milliseconds; with `succeeded` and `failed`. */
  readonly elapsedMs?: number;
  /** What is waited for; with `progress`. */
  readonly message?: string;
  /** What was or would be changed; with `succeeded` of preview, up and destroy. */
  readonly changes?: ChangeSummary;
  readonly error?: HeadwaterError;
}

/** An operation on one resource. Best effort, for display: the truth about counts is the phase's `changes`. */
export interface ResourceEvent extends Common {
  readonly type: "resource";
  readonly phase: Phase;
  readonly op: string;
  readonly state: "started" | "done" | "failed";
  readonly urn: string;
  readonly resourceType: string;
  readonly name: string;
}

export interface DiagnosticEvent extends Common {
  readonly type: "diagnostic";
  readonly phase: Phase;
  readonly severity: "info" | "warning" | "error";
  readonly message: string;
  readonly urn?: string;
}

/** What a gate holds against a plan. */
export interface GateFinding {
  /** The resource it is about; absent for what concerns the whole step. */
  readonly urn?: string;
  /** A sentence. */
  readonly message: string;
}

export interface GateEvent extends Common {
  readonly type: "gate";
  /** The gate's rule, as an override names it. */
  readonly rule: string;
  readonly verdict: "passed" | "refused" | "overridden";
  readonly findings: readonly GateFinding[];
  /** Why it was overridden. */
  readonly reason?: string;
}

export interface CheckEvent extends Common {
  readonly type: "check";
  readonly check: string;
  readonly state: "started" | "progress" | "passed" | "failed";
  /** What is waited for, what was found. */
  readonly message?: string;
  readonly elapsedMs?: number;
}

export interface DoneEvent extends Common {
  readonly type: "done";
  readonly outcome: Outcome;
  readonly elapsedMs: number;
}

export type Outcome = "succeeded" | "failed" | "cancelled";

/** What happens during a promotion, in order. The result tells the truth; events tell the story. */
export type PromotionEvent =
  StartedEvent | PhaseEvent | ResourceEvent | DiagnosticEvent | GateEvent | CheckEvent | DoneEvent;

type Undated<E> = E extends PromotionEvent ? Omit<E, "at"> : never;

/** An event as the code that raises it writes it; the time is added. */
export type NewEvent = Undated<PromotionEvent>;

/**
 * Events as they come, kept for whoever reads them later: every reader gets all of them from the first, at its own pace.
 * A reader that leaves stops nothing.
 */
export class EventLog<E> implements AsyncIterable<E> {
  private readonly events: E[] = [];
  private ended = false;
  private readonly readers = new Set<() => void>();

  push(event: E): void {
    this.events.push(event);
    this.notify();
  }

  end(): void {
    this.ended = true;
    this.notify();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<E, void, undefined> {
    for (let next = 0; ;) {
      const event = this.events[next];
      if (event !== undefined) {
        next++;
        yield event;
      } else if (this.ended) {
        return;
      } else {
        await new Promise<void>((resolve) => this.readers.add(resolve));
      }
    }
  }

  private notify(): void {
    for (const wake of this.readers) wake();
    this.readers.clear();
  }
}
