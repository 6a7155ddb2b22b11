import { randomBytes } from "node:crypto";
import { getJson, type Store } from "../driver/store/store.js";
import type { Person } from "./access.js";
import type { Action } from "./schemas.js";

const FOLDER = "console/actions/";

/** Who asked for what change: one small object each in the store, written before anything is done. */
export class Actions {
  constructor(private readonly store: Store) {}

  /** @returns what notes how it was answered. */
  async begin(person: Person, action: string, target: string): Promise<(status: number) => Promise<void>> {
    const at = new Date().toISOString();
    const key = `${FOLDER}${at.replace(/[-:.]/g, "")}-${randomBytes(4).toString("hex")}.json`;
    const what: Action = { at, by: person.name, roles: [...person.roles], action, target };
    await this.store.put(key, JSON.stringify(what));
    return async (status) => {
      await this.store.put(key, JSON.stringify({ ...what, status } satisfies Action));
    };
  }

  /** Newest first. */
  async list(limit: number, before?: string): Promise<(Action & { readonly id: string })[]> {
    const ids = (await this.store.list(FOLDER))
      .map((key) => key.slice(FOLDER.length).replace(/\.json$/, ""))
      .filter((id) => before === undefined || id < before)
      .reverse()
      .slice(0, limit);
    const all = await Promise.all(
      ids.map(async (id) => [id, await getJson<Action>(this.store, `${FOLDER}${id}.json`)] as const),
    );
    return all.flatMap(([id, found]) => (found === undefined ? [] : [{ ...found.value, id }]));
  }
}
