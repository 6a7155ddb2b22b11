/** Major, minor, patch. */
export type Version = readonly [number, number, number];

/** The first `1.2` or `1.2.3` in a text (`go version go1.26.8 linux/amd64`, `v3.259.0-dev`), or undefined. */
export function parseVersion(text: string): Version | undefined {
  const found = /(\d+)\.(\d+)(?:\.(\d+))?/.exec(text);
  return found === null ? undefined : [Number(found[1]), Number(found[2]), Number(found[3] ?? 0)];
}

/** Whether `version` is `minimum` or newer. */
export function atLeast(version: Version, minimum: Version): boolean {
  for (const [index, wanted] of minimum.entries()) {
    const had = version[index] ?? 0;
    if (had !== wanted) return had > wanted;
  }
  return true;
}

/** `3.259.0` */
export function formatVersion(version: Version): string {
  return version.join(".");
}
