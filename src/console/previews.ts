import { differingSettings } from "../driver/difference.js";
import type { PlannedChange } from "../driver/engine-events.js";
import type { Gate, GateContext } from "../driver/gates/gate.js";
import type { Platform } from "../driver/platform.js";
import { getJson } from "../driver/store/store.js";
import { digestOf } from "./keys.js";
import type { Change, Preview } from "./schemas.js";

/** What is kept of a preview. */
export type KeptPreview = Omit<Preview, "verdicts" | "decision">;

/** Properties of a resource that are shown, and characters of a value. */
const MOST_PROPERTIES = 200;
const LONGEST = 4000;

/** Previews of promotions, kept in the store: people look at them after a restart, and after the promotion as well. */
export class Previews {
  constructor(private readonly platform: Platform) {}

  async keep(preview: KeptPreview): Promise<void> {
    await this.platform.store.put(keyOf(preview.operation, preview.environment), JSON.stringify(preview));
  }

  async read(operation: string, environment: string): Promise<KeptPreview | undefined> {
    return (await getJson<KeptPreview>(this.platform.store, keyOf(operation, environment)))?.value;
  }

  /** Environments of an operation whose preview is kept. */
  async of(operation: string): Promise<string[]> {
    const folder = `console/previews/${operation}/`;
    const keys = await this.platform.store.list(folder);
    return keys.map((key) => key.slice(folder.length).replace(/\.json$/, ""));
  }

  /** As people may see it: secrets struck out, the properties that differ. */
  shown(planned: readonly PlannedChange[]): Change[] {
    return planned.map((change) => changeOf(this.platform.shown(change)));
  }

  /** The same gates, the first of which keeps the preview as well: also that of a promotion that no gate lets through. */
  watched(gates: readonly Gate[], keep: (context: GateContext) => Promise<void>): Gate[] {
    const [first, ...rest] = gates;
    if (first === undefined) return [];
    const judge = async (context: GateContext) => {
      if (!context.rollback) await keep(context);
      return first.judge(context);
    };
    return [{ ...first, judge }, ...rest];
  }
}

export function planOf(planned: readonly PlannedChange[]): string {
  return digestOf(planned);
}

function keyOf(operation: string, environment: string): string {
  return `console/previews/${operation}/${environment}.json`;
}

export function changeOf({
  urn,
  type,
  name,
  op,
  replaceKeys,
  changedKeys,
  ...change
}: PlannedChange): Change {
  // A side that is not there is one field without a name.
  const differing = differingSettings(change.old ?? {}, change.new ?? {}).filter(({ field }) => field !== "");
  const named = new Set([...changedKeys, ...replaceKeys]);
  // The engine says which properties differ; values that it does not know yet, or keeps secret, look the same.
  const missing = [...named].filter((key) => !differing.some(({ field }) => isBelow(field, key)));
  const properties = [
    ...differing.map(({ field, one, other }) => ({
      field,
      ...(one === undefined ? {} : { old: jsonOf(one) }),
      ...(other === undefined ? {} : { new: jsonOf(other) }),
      replaces: replaceKeys.some((key) => isBelow(field, key)),
    })),
    ...missing.map((field) => ({ field, replaces: replaceKeys.includes(field) })),
  ].sort((a, b) => Number(b.replaces) - Number(a.replaces));
  return {
    urn,
    type,
    name,
    op,
    properties: properties.slice(0, MOST_PROPERTIES),
    more: Math.max(0, properties.length - MOST_PROPERTIES),
  };
}

function isBelow(field: string, key: string): boolean {
  return field === key || field.startsWith(`${key}.`) || field.startsWith(`${key}[`);
}

function jsonOf(value: unknown): string {
  const text = JSON.stringify(value) ?? "null";
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}...` : text;
}
