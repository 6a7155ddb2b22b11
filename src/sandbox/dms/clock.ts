/** The sandbox's clock: waiting runs `scale` times as fast as it would in AWS; timestamps are never scaled. */
export class Clock {
  constructor(readonly scale: number) {}

  /** Real milliseconds for so many seconds of AWS's time. */
  millis(seconds: number): number {
    return (seconds * 1000) / this.scale;
  }

  /** Rejects with the signal's reason when it is aborted. */
  async wait(millis: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const done = (): void => {
        signal.removeEventListener("abort", aborted);
        resolve();
      };
      const timer = setTimeout(done, millis);
      const aborted = (): void => {
        clearTimeout(timer);
        reject(signal.reason as Error);
      };
      signal.addEventListener("abort", aborted, { once: true });
    });
  }
}
