import { existsSync } from "node:fs";
import { statfs } from "node:fs/promises";
import path from "node:path";
import { HeadwaterError } from "../model/errors.js";

/**
 * Refuses to begin what the disk has no room for.
 * @param folder may not exist yet
 * @param bytes what is about to be written below it, at the most
 * @param variable the environment variable that moves the folder elsewhere
 * @throws HeadwaterError `engine/no-space`
 */
export async function requireSpace(
  folder: string,
  bytes: number,
  purpose: string,
  variable: string,
): Promise<void> {
  let at = path.resolve(folder);
  while (!existsSync(at)) at = path.dirname(at);
  const { bavail, bsize } = await statfs(at);
  const free = bavail * bsize;
  if (free >= bytes) return;
  throw new HeadwaterError("engine/no-space", `there is not enough space on the disk for ${purpose}`, {
    where: folder,
    found: `${gigabytes(free)} free`,
    allowed: `at least ${gigabytes(bytes)}`,
    remedy: `free some, or set ${variable} to a folder on another disk`,
  });
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}
