import type { Platform } from "../driver/platform.js";
import type { PromotionEvent } from "../driver/events.js";
import type { Records, Told } from "./records.js";

/**
 * Follows operations by their records, for any number of streams. The frames of a record are kept once; a stream is a place in
 * them. So a slow reader costs nothing, one that comes back goes on behind the line it saw last, and what another process
 * writes (or this one wrote before it was restarted) is followed as well.
 *
 * A line of the record is an event with an id: its number, the head's is 0. What is shown in passing (resources, what is
 * waited for) has none, and is not kept.
 */
export class Followers {
  private readonly followed = new Map<string, Follower>();

  constructor(
    private readonly platform: Platform,
    private readonly pollMs: number,
  ) {}

  /** Frames from behind line `after` on, until the operation has ended or the signal is aborted. */
  async *stream(id: string, after: number, signal: AbortSignal): AsyncGenerator<string, void, undefined> {
    let follower = this.followed.get(id);
    if (follower === undefined) {
      follower = new Follower(this.platform, id, this.pollMs);
      this.followed.set(id, follower);
    }
    follower.streams += 1;
    try {
      yield* follower.from(after, signal);
    } finally {
      follower.streams -= 1;
      if (follower.streams === 0) {
        follower.stop();
        this.followed.delete(id);
      }
    }
  }

  /** Something was written to a record by this process. */
  changed(id: string): void {
    this.followed.get(id)?.look();
  }

  /** Something is shown in passing. */
  passing(id: string, event: PromotionEvent): void {
    this.followed.get(id)?.pass(event);
  }
}

/** Frames in passing that a stream may lag behind by; beyond, it misses some. */
const PASSING = 64;
/** A comment now and then tells the other side, and whoever is in between, that the stream lives. */
const HEARTBEAT_MS = 15_000;

class Follower {
  streams = 0;
  private readonly frames: string[] = [];
  private ended = false;
  private outcome = "";
  private readonly passing: string[] = [];
  /** How many have ever been pushed to `passing`. */
  private passed = 0;
  private waiting = new Set<() => void>();
  private looking: Promise<void> | undefined;
  private again = false;
  private failure: Error | undefined;
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly platform: Platform,
    private readonly id: string,
    pollMs: number,
  ) {
    this.timer = setInterval(() => this.look(), pollMs).unref();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  look(): void {
    if (this.looking !== undefined) {
      this.again = true;
      return;
    }
    this.looking = this.read()
      .catch((error: unknown) => {
        this.failure = error as Error;
      })
      .finally(() => {
        this.looking = undefined;
        this.wake();
        if (!this.again) return;
        this.again = false;
        this.look();
      });
  }

  pass(event: PromotionEvent): void {
    this.passing.push(`event: passing\ndata: ${JSON.stringify(this.platform.shown(event))}\n\n`);
    this.passed += 1;
    if (this.passing.length > PASSING) this.passing.shift();
    this.wake();
  }

  async *from(after: number, signal: AbortSignal): AsyncGenerator<string, void, undefined> {
    this.look();
    await this.looking;
    let next = after + 1;
    let seen = this.passed;
    let outcome = "";
    while (!signal.aborted) {
      if (this.failure !== undefined) throw this.failure;
      const frame = this.frames[next];
      if (frame !== undefined) {
        next += 1;
        yield frame;
      } else if (outcome !== this.outcome) {
        outcome = this.outcome;
        yield `event: outcome\ndata: ${JSON.stringify({ outcome })}\n\n`;
      } else if (this.ended) {
        return;
      } else if (seen < this.passed) {
        // What was dropped meanwhile is dropped for good.
        seen = Math.max(seen, this.passed - this.passing.length);
        const passing = this.passing[this.passing.length - (this.passed - seen)];
        seen += 1;
        if (passing !== undefined) yield passing;
      } else if (!(await this.news(signal))) {
        yield ": alive\n\n";
      }
    }
  }

  /** Whether there is something new; false when it was only time for a sign of life. */
  private news(signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const settle = (news: boolean): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", woken);
        this.waiting.delete(woken);
        resolve(news);
      };
      const woken = (): void => settle(true);
      const timer = setTimeout(() => settle(false), HEARTBEAT_MS).unref();
      signal.addEventListener("abort", woken, { once: true });
      this.waiting.add(woken);
    });
  }

  private wake(): void {
    const all = [...this.waiting];
    for (const each of all) each();
  }

  private async read(): Promise<void> {
    const { head, lines, outcome } = await this.platform.record(this.id);
    const all = [head, ...lines];
    for (let index = this.frames.length; index < all.length; index += 1) {
      const { process: _, ...line } = all[index] as { kind: string; process?: unknown };
      // Settings are shown where they are asked for: they are long, and nobody follows them.
      const { config: __, ...told } = line as { kind: string; config?: unknown };
      const kind = index === 0 ? "head" : told.kind;
      this.frames.push(
        `id: ${index}\nevent: ${kind}\ndata: ${JSON.stringify(this.platform.shown(told))}\n\n`,
      );
    }
    this.outcome = outcome;
    this.ended = outcome !== "running" && outcome !== "interrupted";
  }
}

/**
 * Tells what changes anywhere, for pages that show lists: an event for each operation whose record has changed. Its id is the time
 * of the record's last line; whoever comes back with it is told of everything since, and of a little before: once too often does
 * no harm, as an event only says what to look at again.
 */
export class Feed {
  private readonly readers = new Set<(told: Told) => void>();
  private timer: NodeJS.Timeout | undefined;
  private seen = new Map<string, string>();
  private looking = false;

  constructor(
    private readonly records: Records,
    private readonly pollMs: number,
  ) {}

  /** An operation was changed by this process. */
  async changed(id: string): Promise<void> {
    if (this.readers.size === 0) return;
    this.tell(await this.records.tell(id));
  }

  async *stream(since: string | undefined, signal: AbortSignal): AsyncGenerator<string, void, undefined> {
    // By operation: a slow reader is told the newest of each, once.
    const news = new Map<string, Told>();
    let wake: () => void = () => undefined;
    const read = (told: Told): void => {
      news.set(told.id, told);
      wake();
    };
    this.readers.add(read);
    this.start();
    signal.addEventListener("abort", () => wake(), { once: true });
    try {
      yield `event: hello\ndata: {}\n\n`;
      if (since !== undefined) for (const told of await this.since(since)) read(told);
      while (!signal.aborted) {
        for (const [id, told] of news) {
          news.delete(id);
          yield frameOf(told);
        }
        if (news.size > 0) continue;
        let alive = false;
        await new Promise<void>((resolve) => {
          const timer = setTimeout(() => {
            alive = true;
            resolve();
          }, HEARTBEAT_MS).unref();
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
          if (signal.aborted || news.size > 0) wake();
        });
        if (alive) yield ": alive\n\n";
      }
    } finally {
      this.readers.delete(read);
      if (this.readers.size === 0) this.stop();
    }
  }

  private async since(time: string): Promise<Told[]> {
    const from = new Date(Date.parse(time) - OVERLAP_MS).toISOString();
    const all = await this.records.list({ limit: MOST });
    return all.filter(({ updated }) => updated >= from).reverse();
  }

  private start(): void {
    this.timer ??= setInterval(() => void this.look(), this.pollMs).unref();
    void this.look();
  }

  private stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
    this.seen.clear();
  }

  private async look(): Promise<void> {
    if (this.looking) return;
    this.looking = true;
    try {
      const first = this.seen.size === 0;
      for (const told of await this.records.list({ limit: RECENT })) {
        const mark = `${told.updated} ${told.outcome}`;
        if (this.seen.get(told.id) === mark) continue;
        if (first) this.seen.set(told.id, mark);
        else this.tell(told);
      }
    } catch {
      // A store that cannot be reached for a moment is looked at again; requests tell when it stays away.
    } finally {
      this.looking = false;
    }
  }

  private tell(told: Told): void {
    this.seen.set(told.id, `${told.updated} ${told.outcome}`);
    for (const read of this.readers) read(told);
  }
}

const OVERLAP_MS = 60_000;
const MOST = 500;
/** Older ones do not change, unless somebody goes on with them: that is seen once they are asked for. */
const RECENT = 50;

function frameOf({ id, kind, pipeline, through, outcome, updated }: Told): string {
  const data = JSON.stringify({ id, kind, pipeline, through, outcome, updated });
  return `id: ${updated}\nevent: operation\ndata: ${data}\n\n`;
}
