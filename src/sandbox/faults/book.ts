import { errorAnswer, notFoundAnswer, type Answer } from "./answer.js";
import { asksFor, namesInAnswer, type Call } from "./call.js";
import {
  checkRule,
  fits,
  isRead,
  serviceOf,
  type CrashAfterWriteFault,
  type FaultReport,
  type FaultRule,
  type Service,
  type StaleReadFault,
} from "./rule.js";

interface Entry<Rule extends FaultRule = FaultRule> {
  readonly id: number;
  readonly rule: Rule;
  readonly service: Service;
  struck: number;
}

/** A write whose next reads are stale. */
interface Written {
  readonly entry: Entry<StaleReadFault>;
  readonly call: Call;
  readonly names: ReadonlySet<string>;
  left: number;
}

/** What becomes of a request. */
export interface Verdict {
  /** The answer, without asking the service. */
  readonly answer?: Answer;
  /** Called with the service's own answer, whole; tells what the caller gets: it, another, or nothing. */
  readonly after?: (real: Answer) => Answer | "hang up";
}

const MOST_REMEMBERED = 1000;
const MOST_BYTES = 1_000_000;

/** The rules of a sandbox, and what they have to know of earlier calls. */
export class FaultBook {
  #entries: Entry[] = [];
  #written: Written[] = [];
  /** What reads answered last. */
  readonly #answers = new Map<string, Answer>();
  #next = 1;

  add(given: FaultRule): FaultReport {
    const rule = checkRule(given);
    const entry = { id: this.#next++, rule, service: serviceOf(rule.operation), struck: 0 };
    this.#entries.push(entry);
    return report(entry);
  }

  list(): FaultReport[] {
    return this.#entries.map(report);
  }

  clear(): void {
    this.#entries = [];
    this.#written = [];
    this.#answers.clear();
  }

  /** Whether requests to that service have to be looked at. */
  concerns(service: Service): boolean {
    return this.#entries.some((entry) => entry.service === service);
  }

  judge(call: Call): Verdict {
    const mine = this.#entries.filter((entry) => entry.service === call.service);
    for (const entry of mine) {
      if (entry.rule.kind !== "error" || !strikes(entry, call)) continue;
      entry.struck++;
      return { answer: errorAnswer(call, entry.rule) };
    }
    const stale = this.#stale(call);
    if (stale !== undefined) return { answer: stale };
    const reads = isRead(call.operation);
    const writes = mine.filter(({ rule }) => !reads && rule.kind === "stale-read" && hits(rule, call));
    const crash = mine.find(
      (entry) => !reads && entry.rule.kind === "crash-after-write" && strikes(entry, call),
    );
    // Two writes at once must not share the last strike.
    if (crash !== undefined) crash.struck++;
    const remember = reads && mine.some((entry) => entry.rule.kind === "stale-read");
    if (!remember && writes.length === 0 && crash === undefined) return {};
    return {
      after: (real) => {
        if (remember) this.#remember(call, real);
        if (real.status >= 400) {
          if (crash !== undefined) crash.struck--;
          return real;
        }
        const names = new Set([...call.names, ...(writes.length > 0 ? namesInAnswer(real.body) : [])]);
        for (const entry of writes as Entry<StaleReadFault>[]) {
          this.#written.push({ entry, call, names, left: entry.rule.times ?? 1 });
        }
        if (crash === undefined) return real;
        const { status } = crash.rule as CrashAfterWriteFault;
        if (status === undefined) return "hang up";
        return errorAnswer(call, {
          code: "InternalFailure",
          message: "The sandbox lost this answer, as it was asked to",
          status,
        });
      },
    };
  }

  #stale(call: Call): Answer | undefined {
    for (const written of this.#written) {
      const { entry, left } = written;
      if (left === 0 || !asksFor(call, written.call, written.names, entry.rule.reads)) continue;
      const answer =
        this.#answers.get(call.key) ?? (creates(written.call) ? notFoundAnswer(call) : undefined);
      if (answer === undefined) continue;
      written.left--;
      entry.struck++;
      return answer;
    }
    this.#written = this.#written.filter(({ left }) => left > 0);
    return undefined;
  }

  #remember(call: Call, answer: Answer): void {
    if (answer.status >= 500 || answer.body.length > MOST_BYTES) return;
    this.#answers.delete(call.key);
    this.#answers.set(call.key, answer);
    const [oldest] = this.#answers.keys();
    if (this.#answers.size > MOST_REMEMBERED) this.#answers.delete(oldest!);
  }
}

function hits(rule: FaultRule, call: Call): boolean {
  return fits(rule.operation, call.operation) && (rule.match === undefined || call.text.includes(rule.match));
}

function strikes(entry: Entry, call: Call): boolean {
  return entry.struck < (entry.rule.times ?? 1) && hits(entry.rule, call);
}

/** Whether the thing may not have been there before. */
function creates({ operation }: Call): boolean {
  if (operation.startsWith("POST ")) return !/\/(?:update|reset|edit|delete|set)$/.test(operation);
  return /:(?:Create|Put|Register|Add|Attach|Import|Copy|Upload|Complete)/.test(operation);
}

function report({ id, rule, struck }: Entry): FaultReport {
  return { ...rule, id, struck };
}
