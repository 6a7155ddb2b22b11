import type { AwsClients } from "./aws.js";
import type { Clock } from "./clock.js";
import type { DmsServiceOptions } from "./options.js";
import type { Resources } from "./resources.js";
import type { Document } from "./store.js";

/** What every replication works with. */
export interface Surroundings {
  readonly options: DmsServiceOptions;
  readonly resources: Document<Resources>;
  readonly clients: AwsClients;
  readonly clock: Clock;
  readonly log: (line: string) => void;
  /** Lets work go on behind an answer; failures are logged, closing the service waits for it. */
  readonly background: (work: Promise<void>) => void;
}
