import { randomBytes, randomInt } from "node:crypto";

/** What a random text may consist of, as the provider's arguments say it. */
export interface Alphabet {
  readonly length: number;
  readonly lower?: boolean;
  readonly upper?: boolean;
  readonly numeric?: boolean;
  readonly special?: boolean;
  readonly overrideSpecial?: string;
  readonly minLower?: number;
  readonly minUpper?: number;
  readonly minNumeric?: number;
  readonly minSpecial?: number;
}

/** A text of `length` characters with at least the wanted number of each class (terraform-provider-random's CreateString). */
export function randomText(alphabet: Alphabet): string {
  const classes = [
    { on: alphabet.numeric ?? true, least: alphabet.minNumeric ?? 0, characters: "0123456789" },
    { on: alphabet.lower ?? true, least: alphabet.minLower ?? 0, characters: "abcdefghijklmnopqrstuvwxyz" },
    { on: alphabet.upper ?? true, least: alphabet.minUpper ?? 0, characters: "ABCDEFGHIJKLMNOPQRSTUVWXYZ" },
    {
      on: alphabet.special ?? true,
      least: alphabet.minSpecial ?? 0,
      characters: alphabet.overrideSpecial || "!@#$%&*()-_=+[]{}<>:?",
    },
  ];
  const least = classes.reduce((sum, one) => sum + one.least, 0);
  const all = classes.map((one) => (one.on ? one.characters : "")).join("");
  if (alphabet.length < Math.max(1, least) || all === "") {
    throw new Error(
      `length ${alphabet.length} is too short for ${Math.max(1, least)} characters, or no class is allowed`,
    );
  }
  const wanted = classes.flatMap((one) => pick(one.characters, one.least));
  return shuffled([...wanted, ...pick(all, alphabet.length - least)]).join("");
}

/** The forms a random id is given in: hexadecimal, decimal and both alphabets of base64, each behind the prefix. */
export function randomId(
  byteLength: number,
  prefix = "",
): { id: string; hex: string; dec: string; b64Url: string; b64Std: string } {
  const bytes = randomBytes(byteLength);
  const hex = bytes.toString("hex");
  const b64Url = bytes.toString("base64url");
  return {
    id: b64Url,
    hex: prefix + hex,
    dec: prefix + BigInt(`0x${hex}`).toString(),
    b64Url: prefix + b64Url,
    b64Std: prefix + bytes.toString("base64"),
  };
}

function pick(characters: string, count: number): string[] {
  return Array.from({ length: count }, () => characters[randomInt(characters.length)]!);
}

function shuffled<T>(items: T[]): T[] {
  for (let last = items.length - 1; last > 0; last--) {
    const other = randomInt(last + 1);
    [items[last], items[other]] = [items[other]!, items[last]!];
  }
  return items;
}
