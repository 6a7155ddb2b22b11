/** Colours, or nothing where there shall be none. */
export interface Style {
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly strong: (text: string) => string;
  readonly faint: (text: string) => string;
}

const paint = (code: number) => (text: string) => `\x1b[${code}m${text}\x1b[0m`;
const coloured: Style = { good: paint(32), bad: paint(31), strong: paint(1), faint: paint(2) };
const same = (text: string): string => text;
const plain: Style = { good: same, bad: same, strong: same, faint: same };

/** https://no-color.org: any value of NO_COLOR turns colours off; `--no-color` does too. */
export function styleFor(stream: { readonly isTTY?: boolean }, wanted = true): Style {
  return wanted && stream.isTTY === true && !process.env["NO_COLOR"] ? coloured : plain;
}
