/** A position in PostgreSQL's log as a number; `16/B374D848` in text. */
export function parseLsn(text: string): bigint {
  const found = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text);
  if (found === null) throw new Error(`${JSON.stringify(text)} is no position in PostgreSQL's log`);
  return (BigInt(`0x${found[1]}`) << 32n) | BigInt(`0x${found[2]}`);
}

export function formatLsn(lsn: bigint): string {
  const half = (value: bigint) => value.toString(16).toUpperCase().padStart(8, "0");
  return `${half(lsn >> 32n)}/${half(lsn & 0xffffffffn)}`;
}
