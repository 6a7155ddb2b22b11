/** Answers of what is costly to ask: asked once for all who wait, and kept for a while. */
export class Cached {
  private readonly kept = new Map<string, { readonly until: number; readonly value: Promise<unknown> }>();

  /**
   * @param ttlMs milliseconds from the answer on. What failed is not kept.
   */
  get<T>(key: string, ttlMs: number, ask: () => Promise<T>): Promise<T> {
    const known = this.kept.get(key);
    if (known !== undefined && known.until > Date.now()) return known.value as Promise<T>;
    const value = ask();
    this.keep(key, { until: Infinity, value });
    value.then(
      () => {
        if (this.kept.get(key)?.value === value) this.keep(key, { until: Date.now() + ttlMs, value });
      },
      () => {
        if (this.kept.get(key)?.value === value) this.kept.delete(key);
      },
    );
    return value;
  }

  private keep(key: string, entry: { until: number; value: Promise<unknown> }): void {
    this.kept.delete(key);
    this.kept.set(key, entry);
    // Keys of requests come from outside: the oldest make room.
    for (const old of this.kept.keys()) {
      if (this.kept.size <= MOST) break;
      this.kept.delete(old);
    }
  }
}

const MOST = 2000;

/** At most so many of a kind at a time; the others wait their turn. */
export class Turns {
  private free: number;
  private readonly waiting: (() => void)[] = [];

  constructor(atOnce: number) {
    this.free = atOnce;
  }

  async run<T>(body: () => Promise<T>): Promise<T> {
    if (this.free > 0) this.free -= 1;
    else await new Promise<void>((resolve) => this.waiting.push(resolve));
    try {
      return await body();
    } finally {
      const next = this.waiting.shift();
      if (next === undefined) this.free += 1;
      else next();
    }
  }
}
