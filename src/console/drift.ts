import type { Platform } from "../driver/platform.js";
import { getJson } from "../driver/store/store.js";
import { HeadwaterError } from "../model/errors.js";
import type { Person } from "./access.js";
import { changeOf } from "./previews.js";
import type { Drift } from "./schemas.js";

/** Looks for differences between cloud and state; the last result of each stack is kept in the store. */
export class Drifts {
  private readonly looking = new Map<
    string,
    { readonly abort: AbortController; readonly by: string; readonly at: string }
  >();

  constructor(private readonly platform: Platform) {}

  async read(stack: string): Promise<Drift> {
    const now = this.looking.get(stack);
    const kept = (await getJson<Drift>(this.platform.store, keyOf(stack)))?.value;
    if (now === undefined) return kept ?? { state: "never" };
    return { ...kept, state: "looking", by: now.by, at: now.at };
  }

  /** Starts to look; whoever asks while it goes on gets the same one. */
  async start(person: Person, pipeline: string, name: string): Promise<Drift> {
    const environment = await this.platform.findEnvironment(name, pipeline);
    const stack = environment.stackName;
    if (!this.looking.has(stack)) {
      const abort = new AbortController();
      const at = new Date().toISOString();
      this.looking.set(stack, { abort, by: person.name, at });
      const started = performance.now();
      const about = { by: person.name, at };
      const elapsedMs = (): number => Math.round(performance.now() - started);
      environment
        .drift({ signal: abort.signal })
        .then<Drift, Drift>(
          (found) => ({
            ...{ ...about, state: "known", elapsedMs: elapsedMs() },
            resources: found.map((change) => changeOf(this.platform.shown(change))),
          }),
          (error: unknown) => ({
            ...{ ...about, elapsedMs: elapsedMs() },
            ...(abort.signal.aborted
              ? { state: "cancelled" as const }
              : { state: "failed" as const, error: this.platform.shown(messageOf(error)) }),
          }),
        )
        .then((result) => this.platform.store.put(keyOf(stack), JSON.stringify(result)))
        .finally(() => this.looking.delete(stack))
        .catch(() => undefined); // the store cannot be reached: what was known before is what is known
    }
    return this.read(stack);
  }

  cancel(stack: string): void {
    const now = this.looking.get(stack);
    if (now === undefined)
      throw new HeadwaterError("console/not-running", "nobody looks for drift there", {
        where: `stack ${stack}`,
      });
    now.abort.abort();
  }
}

function messageOf(error: unknown): string {
  return error instanceof HeadwaterError ? error.message : "the server failed";
}

function keyOf(stack: string): string {
  return `console/drift/${stack}.json`;
}
