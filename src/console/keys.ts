import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { canonical } from "../driver/release.js";
import { getJson, StoreConflict, type Store } from "../driver/store/store.js";
import { HeadwaterError } from "../model/errors.js";

interface Kept {
  readonly at: string;
  /** Of the request: another under the same key is refused. */
  readonly request: string;
  /** What it has started; absent while it is being started. */
  readonly id?: string;
}

/** How long a request may take to be started before its key counts as left behind by a server that died. */
const STARTING_MS = 60_000;
const KEPT_MS = 86_400_000;

/**
 * Carries a request out once, however often it is sent, by whatever server and after whatever restart: the key is put into the
 * store, on condition that it is not there, before anything is done.
 * @param start returns the id of what it has started.
 * @throws HeadwaterError `console/key-reused`, `console/starting`.
 */
export async function once(
  store: Store,
  { key, by, request }: { readonly key: string | undefined; readonly by: string; readonly request: unknown },
  start: () => Promise<string>,
): Promise<{ readonly id: string; readonly first: boolean }> {
  if (key === undefined) return { id: await start(), first: true };
  const at = `console/keys/${digestOf([by, key])}.json`;
  const mine: Kept = { at: new Date().toISOString(), request: digestOf(request) };
  const version = await reserve(store, at, mine);
  if (typeof version === "object") return { id: version.id, first: false };
  const id = await start().catch(async (error: unknown) => {
    // Nothing was started: the key may be used again.
    await store.remove(at, { version }).catch(() => undefined);
    throw error;
  });
  await store.put(at, JSON.stringify({ ...mine, id } satisfies Kept), { version });
  return { id, first: true };
}

/** The version of the key that is ours now, or what was started under it. */
async function reserve(store: Store, at: string, mine: Kept): Promise<string | { readonly id: string }> {
  for (let tries = 0; ; tries += 1) {
    const found = await getJson<Kept>(store, at);
    const age = found === undefined ? 0 : Date.now() - Date.parse(found.value.at);
    const over =
      found !== undefined && (age > KEPT_MS || (found.value.id === undefined && age > STARTING_MS));
    if (found !== undefined && !over) {
      const { request, id } = found.value;
      if (request !== mine.request) {
        throw new HeadwaterError("console/key-reused", "the idempotency key was used for another request", {
          field: "idempotency-key",
          allowed: "a new key for each request",
        });
      }
      if (id !== undefined) return { id };
      if (tries >= 40) {
        throw new HeadwaterError("console/starting", "the same request is being started right now", {
          field: "idempotency-key",
          remedy: "Send it again in a moment.",
        });
      }
      await sleep(250);
      continue;
    }
    try {
      return await store.put(
        at,
        JSON.stringify(mine),
        found === undefined ? "absent" : { version: found.version },
      );
    } catch (error) {
      if (!(error instanceof StoreConflict)) throw error; // somebody was quicker: see what they start
    }
  }
}

export function digestOf(value: unknown): string {
  return createHash("sha256").update(canonical(value)).digest("hex");
}
