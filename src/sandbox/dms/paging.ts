import { badValue, notFound } from "./faults.js";
import type { Input } from "./parameters.js";

/** Parameters every Describe call takes. */
export const pageShape = { Filters: "objects", MaxRecords: "integer", Marker: "text" } as const;

/**
 * Filters and pages a list as DMS does: values of one filter are alternatives, filters add up; MaxRecords is from
 * 20 to 100 (500 for table statistics), Marker is opaque. `whenNoneMatch` names what was not found if filters were
 * given and nothing passes them; without it the list is just empty.
 */
export function page<Item>(
  input: Input,
  items: readonly Item[],
  filters: Readonly<Record<string, (item: Item) => string>>,
  { most = 100, whenNoneMatch }: { most?: number; whenNoneMatch?: string } = {},
): { items: Item[]; Marker?: string } {
  const given = (input["Filters"] ?? []) as { Name?: unknown; Values?: unknown }[];
  const kept = items.filter((item) =>
    given.every(({ Name, Values }) => {
      const read = typeof Name === "string" ? filters[Name] : undefined;
      if (read === undefined) {
        throw badValue(`Filter ${JSON.stringify(Name)} is not one of ${Object.keys(filters).join(", ")}`);
      }
      if (!Array.isArray(Values) || Values.length === 0)
        throw badValue(`Filter ${String(Name)} has no values`);
      return Values.includes(read(item));
    }),
  );
  if (kept.length === 0 && given.length > 0 && whenNoneMatch !== undefined) throw notFound(whenNoneMatch);
  const size = (input["MaxRecords"] as number | undefined) ?? 100;
  if (size < 20 || size > most) throw badValue(`MaxRecords is ${size}, but takes 20 to ${most}`);
  const marker = input["Marker"];
  const start = typeof marker === "string" && marker !== "" ? offset(marker) : 0;
  const end = start + size;
  return {
    items: kept.slice(start, end),
    ...(end < kept.length ? { Marker: Buffer.from(`from:${end}`).toString("base64") } : {}),
  };
}

function offset(marker: string): number {
  const found = /^from:(\d+)$/.exec(Buffer.from(marker, "base64").toString());
  if (found === null) throw badValue("Marker is not one this service has given");
  return Number(found[1]);
}
