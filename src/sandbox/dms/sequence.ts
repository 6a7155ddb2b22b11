import { formatHundredths } from "./instants.js";

export interface SequenceState {
  /** Latest time part, microseconds, as decimal text (JSON has no bigint). */
  readonly time: string;
  readonly counter: string;
}

/**
 * $AR_H_CHANGE_SEQ: 35 digits, 16 of time (`YYYYMMDDHHmmSShh`) and 19 of a number global to the replication; rises
 * with every change in commit order. Source: DMS user guide ("35-digit unique number"), Qlik Replicate's help for
 * the layout. The time is the commit's, but never runs back. Its state is kept with the confirmed position, so
 * that changes sent again carry the numbers they had.
 */
export class ChangeSequence {
  private time: bigint;
  private counter: bigint;

  constructor(state: SequenceState = { time: "0", counter: "0" }) {
    this.time = BigInt(state.time);
    this.counter = BigInt(state.counter);
  }

  /** `steps`: how many numbers to take; the last is returned. An update takes two, as it may become two rows. */
  next(commitMicros: bigint, steps = 1): ChangeNumber {
    if (commitMicros > this.time) this.time = commitMicros;
    this.counter += BigInt(steps);
    return { time: this.time, counter: this.counter };
  }

  state(): SequenceState {
    return { time: String(this.time), counter: String(this.counter) };
  }
}

export interface ChangeNumber {
  readonly time: bigint;
  readonly counter: bigint;
}

export function formatChangeNumber({ time, counter }: ChangeNumber): string {
  return formatHundredths(time) + String(counter).padStart(19, "0");
}
