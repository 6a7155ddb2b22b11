import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream } from "node:stream/web";
import type { Work } from "./progress.js";

/** A download that did not work; the message is one short sentence. */
export class DownloadError extends Error {
  override readonly name = "DownloadError";
}

const ANSWER_MS = 10_000;
const STALL_MS = 20_000;

/** The text behind a URL. Does not try twice, and gives up when there is no answer within 10 seconds. */
export async function fetchText(url: string, work: Work): Promise<string> {
  return guarded(url, work, async (response) => response.text());
}

/** Stores what is behind a URL as a file, telling progress every 10 %. Gives up when nothing arrives for 20 seconds. */
export async function fetchFile(url: string, file: string, what: string, work: Work): Promise<void> {
  await guarded(url, work, async (response, alive) => {
    const total = Number(response.headers.get("content-length") ?? 0);
    let sofar = 0;
    let told = 0;
    const watch = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        alive();
        sofar += chunk.length;
        const tenth = total === 0 ? 0 : Math.floor((10 * sofar) / total);
        if (tenth > told) {
          told = tenth;
          work.progress(`downloading ${what}: ${tenth * 10} % of ${Math.round(total / 1_000_000)} MB`);
        }
        done(null, chunk);
      },
    });
    await pipeline(Readable.fromWeb(response.body as ReadableStream), watch, createWriteStream(file));
  });
}

/** The SHA-256 of a file, in hexadecimal. */
export async function sha256(file: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(file))
    .digest("hex");
}

async function guarded<T>(
  url: string,
  { signal }: Work,
  body: (response: Response, alive: () => void) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const stalled = new AbortController();
  const giveUp = (): void => stalled.abort(new DownloadError("no answer in time"));
  let timer = setTimeout(giveUp, ANSWER_MS);
  const alive = (): void => {
    clearTimeout(timer);
    timer = setTimeout(giveUp, STALL_MS);
  };
  try {
    const response = await fetch(url, {
      signal: AbortSignal.any([stalled.signal, ...(signal ? [signal] : [])]),
    });
    if (!response.ok) {
      await response.body?.cancel();
      throw new DownloadError(`answered ${response.status} ${response.statusText}`.trim());
    }
    alive();
    return await body(response, alive);
  } catch (error) {
    signal?.throwIfAborted();
    throw new DownloadError(`${url}: ${reasonOf(error)}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/** fetch hides what happened ("fetch failed") in its cause. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error && cause.message !== "" ? cause.message : message;
}
