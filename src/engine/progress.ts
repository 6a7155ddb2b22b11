/** Takes one line at a time about what is being done; never a secret, no line end. */
export type Progress = (line: string) => void;

/** What anything that takes long is given. */
export interface Work {
  readonly progress: Progress;
  /** Aborting it ends the work soon and rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** `4 s`, `1 min 5 s`. */
export function elapsed(sinceMs: number): string {
  const seconds = Math.round((Date.now() - sinceMs) / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
