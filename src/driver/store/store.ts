import { HeadwaterError } from "../../model/errors.js";

/** A stored object, and a mark that changes with its bytes. */
export interface Stored {
  readonly bytes: Buffer;
  readonly version: string;
}

/** What an object has to be like for it to be written or removed. */
export type Condition = { readonly version: string } | "absent";

/**
 * What Headwater keeps beside the state backend, for every machine that shares it: releases, records, leases, proofs and
 * ephemeral environments. Few small objects, whole ones; writes may be conditional, so that two writers cannot overwrite
 * each other unseen. Keys are `/`-separated.
 */
export interface Store {
  /** For people: `file:///work/state/.headwater`, `s3://state/.headwater`. */
  readonly url: string;
  get(key: string): Promise<Stored | undefined>;
  /**
   * @returns the new version.
   * @throws StoreConflict when the condition does not hold; nothing was written then.
   */
  put(key: string, bytes: string | Buffer, when?: Condition): Promise<string>;
  /** @throws StoreConflict when there is another version now. Removing what is not there is fine. */
  remove(key: string, when?: { readonly version: string }): Promise<void>;
  /** Keys below a folder (`releases/`), sorted. */
  list(folder: string): Promise<string[]>;
  /** When an object was last written; undefined when there is none. */
  modified(key: string): Promise<Date | undefined>;
  /** Where an object lies, for people. */
  locate(key: string): string;
}

/** Somebody else has written in between. */
export class StoreConflict extends HeadwaterError {
  constructor(where: string, options?: ErrorOptions) {
    super("driver/store-conflict", "somebody else has written this in between", { where }, options);
  }
}

/** A JSON object of the store, read; undefined when there is none. */
export async function getJson<T>(store: Store, key: string): Promise<(Stored & { value: T }) | undefined> {
  const stored = await store.get(key);
  if (stored === undefined) return undefined;
  try {
    return { ...stored, value: JSON.parse(stored.bytes.toString()) as T };
  } catch (error) {
    throw new HeadwaterError(
      "driver/store-damaged",
      "what is stored is not JSON",
      { where: store.locate(key), remedy: "Somebody has written there by hand: mend it or remove it." },
      { cause: error },
    );
  }
}
