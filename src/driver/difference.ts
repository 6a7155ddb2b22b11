/** A leaf of the configuration that differs between two environments; undefined where one lacks it. */
export interface SettingDifference {
  /** `headwater:settings.replication.capacity.max` */
  readonly field: string;
  readonly one: unknown;
  readonly other: unknown;
}

/** How many resources of a type there are, where two environments differ. */
export interface ResourceDifference {
  readonly type: string;
  readonly one: number;
  readonly other: number;
}

/** Two environments, side by side; empty lists where they agree. */
export interface EnvironmentDifference {
  readonly settings: readonly SettingDifference[];
  readonly resources: readonly ResourceDifference[];
  /** Ids of the releases they were built with last; absent where none was. */
  readonly releases: { readonly one?: string; readonly other?: string };
  /** What differs between the two releases: `code`, `notebooks`, versions of providers. */
  readonly parts: string;
}

/** Leaves that differ, by field. */
export function differingSettings(one: object, other: object): SettingDifference[] {
  const [a, b] = [leaves(one), leaves(other)];
  return [...new Set([...a.keys(), ...b.keys()])]
    .sort()
    .map((field) => ({ field, one: a.get(field), other: b.get(field) }))
    .filter((pair) => JSON.stringify(pair.one) !== JSON.stringify(pair.other));
}

export function differingResources(
  one: Readonly<Record<string, number>>,
  other: Readonly<Record<string, number>>,
): ResourceDifference[] {
  return [...new Set([...Object.keys(one), ...Object.keys(other)])]
    .sort()
    .map((type) => ({ type, one: one[type] ?? 0, other: other[type] ?? 0 }))
    .filter((pair) => pair.one !== pair.other);
}

function leaves(value: unknown, field = "", found = new Map<string, unknown>()): Map<string, unknown> {
  if (typeof value === "object" && value !== null && Object.keys(value).length > 0) {
    for (const [key, inner] of Object.entries(value)) {
      const step = Array.isArray(value) ? `[${key}]` : field === "" ? key : `.${key}`;
      leaves(inner, field + step, found);
    }
  } else found.set(field, value);
  return found;
}
