import type { Cell } from "../tables.js";

/** A row to compare: `identity` tells which row it is, `cells` what it says (the names are the report's). */
export interface Item {
  readonly identity: string;
  readonly cells: Readonly<Record<string, Cell>>;
}

/** One row that is not as it should be: expected only (missing), found only (too many), or both (unlike in `fields`). */
export interface Difference {
  readonly identity: string;
  readonly expected?: Item["cells"];
  readonly found?: Item["cells"];
  readonly fields?: readonly string[];
}

export interface Comparison {
  readonly expected: number;
  readonly found: number;
  readonly missing: number;
  readonly unexpected: number;
  readonly changed: number;
  /** The first few, in the order of their identities. */
  readonly differences: readonly Difference[];
}

/** Compares two bags of rows: every row must be there exactly as often as expected, and say the same. */
export function compareRows(expected: readonly Item[], found: readonly Item[], keep = 5): Comparison {
  const want = group(expected);
  const have = group(found);
  const differences: Difference[] = [];
  let [missing, unexpected, changed] = [0, 0, 0];
  for (const identity of [...new Set([...want.keys(), ...have.keys()])].sort()) {
    const [lacking, surplus] = withoutPairs(want.get(identity) ?? [], have.get(identity) ?? []);
    for (let index = 0; index < Math.max(lacking.length, surplus.length); index++) {
      const [one, other] = [lacking[index]?.cells, surplus[index]?.cells];
      if (one !== undefined && other !== undefined) changed += 1;
      else if (one !== undefined) missing += 1;
      else unexpected += 1;
      if (differences.length < keep) {
        differences.push({
          identity,
          ...(one && { expected: one }),
          ...(other && { found: other }),
          ...(one && other && { fields: unlike(one, other) }),
        });
      }
    }
  }
  return { expected: expected.length, found: found.length, missing, unexpected, changed, differences };
}

export function isEqual({ missing, unexpected, changed }: Comparison): boolean {
  return missing + unexpected + changed === 0;
}

/** The difference as lines for people: what it is, which row, what was expected and found. */
export function describeDifference({ identity, expected, found, fields }: Difference): string {
  const text = (cells: Item["cells"], names: readonly string[]): string =>
    names.map((name) => `${name}=${cells[name] === null ? "NULL" : JSON.stringify(cells[name])}`).join(" ");
  if (expected !== undefined && found !== undefined) {
    return `changed ${identity}: expected ${text(expected, fields ?? [])}, found ${text(found, fields ?? [])}`;
  }
  if (expected !== undefined) return `missing ${identity}: expected ${text(expected, Object.keys(expected))}`;
  return `unexpected ${identity}: found ${text(found ?? {}, Object.keys(found ?? {}))}`;
}

function group(items: readonly Item[]): Map<string, Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const list = groups.get(item.identity);
    if (list === undefined) groups.set(item.identity, [item]);
    else list.push(item);
  }
  return groups;
}

/** What is left of both lists when equal rows are taken out in pairs. */
function withoutPairs(expected: readonly Item[], found: readonly Item[]): [Item[], Item[]] {
  const surplus = [...found];
  const lacking = expected.filter((item) => {
    const index = surplus.findIndex((other) => unlike(item.cells, other.cells).length === 0);
    if (index >= 0) surplus.splice(index, 1);
    return index < 0;
  });
  return [lacking, surplus];
}

function unlike(a: Item["cells"], b: Item["cells"]): string[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].filter((name) => a[name] !== b[name]);
}
