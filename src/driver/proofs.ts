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
    const keys = await this.store.list(`proofs/${stack}/`);
    const all = await Promise.all(keys.map(async (key) => (await getJson<Proof>(this.store, key))?.value));
    return all
      .filter((proof): proof is Proof => proof !== undefined && proof.release !== release)
      .sort((a, b) => (a.at < b.at ? 1 : -1))[0];
  }

  /** What was proven of a stack that is gone says nothing of the next one. */
  async forget(stack: string): Promise<void> {
    await Promise.all((await this.store.list(`proofs/${stack}/`)).map((key) => this.store.remove(key)));
  }
}

function keyOf(stack: string, release: string): string {
  return `proofs/${stack}/${release}`;
}
