import type { Proof } from "./gates/gate.js";
import { getJson, type Store } from "./store/store.js";

/** That releases passed in environments; one small object each, `proofs/<stack>/<release>`. */
export class Proofs {
  constructor(private readonly store: Store) {}

  async write(stack: string, proof: Proof): Promise<void> {
    await this.store.put(keyOf(stack, proof.release), JSON.stringify(proof));
  }

  async read(stack: string, release: string): Promise<Proof | undefined> {
    return (await getJson<Proof>(this.store, keyOf(stack, release)))?.value;
  }

  /** The newest proof of a stack, of another release than this. */
  async newestBut(stack: string, release: string): Promise<Proof | undefined> {
    return (await this.below(`proofs/${stack}/`)).find((proof) => proof.release !== release);
  }

  /** The newest proofs of each stack, at most so many. */
  async newest(count: number): Promise<Map<string, Proof[]>> {
    const keys = await this.store.list("proofs/");
    const stacks = [...new Set(keys.map((key) => key.split("/")[1] ?? ""))];
    const all = stacks.map(async (stack): Promise<[string, Proof[]]> => [
      stack,
      (await this.below(`proofs/${stack}/`)).slice(0, count),
    ]);
    return new Map(await Promise.all(all));
  }

  /** Newest first. */
  private async below(folder: string): Promise<Proof[]> {
    const keys = await this.store.list(folder);
    const all = await Promise.all(keys.map(async (key) => (await getJson<Proof>(this.store, key))?.value));
    return all.filter((proof): proof is Proof => proof !== undefined).sort((a, b) => (a.at < b.at ? 1 : -1));
  }

  /** What was proven of a stack that is gone says nothing of the next one. */
  async forget(stack: string): Promise<void> {
    await Promise.all((await this.store.list(`proofs/${stack}/`)).map((key) => this.store.remove(key)));
  }
}

function keyOf(stack: string, release: string): string {
  return `proofs/${stack}/${release}`;
}
