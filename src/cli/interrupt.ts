const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Ctrl-C and SIGTERM, as commands hear them: the first asks (`signal`), the second does not ask any more (`firmSignal`).
 */
export class Interrupt {
  private readonly gentle = new AbortController();
  private readonly firm = new AbortController();
  /** The first signal that came. */
  by: NodeJS.Signals | undefined;

  /** @param tell may be another while something else writes on the terminal. */
  constructor(public tell: (line: string) => void) {
    for (const name of SIGNALS) process.on(name, this.hear);
  }

  get signal(): AbortSignal {
    return this.gentle.signal;
  }

  get firmSignal(): AbortSignal {
    return this.firm.signal;
  }

  /** Whether an error is nothing but the interruption itself, of which has been told. */
  caused(error: unknown): boolean {
    return [this.signal, this.firmSignal].some(({ aborted, reason }) => aborted && reason === error);
  }

  dispose(): void {
    for (const name of SIGNALS) process.off(name, this.hear);
  }

  private readonly hear = (name: NodeJS.Signals): void => {
    if (this.by !== undefined) {
      this.firm.abort(new Error(name));
      return;
    }
    this.by = name;
    this.tell(`${name}: stopping as soon as what is in hand is done; once more to stop at once`);
    this.gentle.abort(new Error(name));
  };
}
