import { randomBytes } from "node:crypto";
import { closeSync, openSync, readSync, rmSync } from "node:fs";
import path from "node:path";
import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";

/** Where one output stream of the engine goes. */
export interface Output {
  /** What the process is given. */
  readonly stdio: "pipe" | number;
  /** Called with the process's stream, where it has one. */
  listen(stream: Readable | null): void;
  /** Everything that was said; once the process has ended, or did not begin. */
  end(): string;
}

/** Over a pipe, whose reader has to live. Nothing of it ever lies on a disk. */
export class PipedOutput implements Output {
  readonly stdio = "pipe";
  private text = "";

  constructor(
    _folder: string,
    private readonly onText?: (text: string) => void,
  ) {}

  listen(stream: Readable | null): void {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      this.text += text;
      this.onText?.(text);
    });
  }

  end(): string {
    return this.text;
  }
}

const LOOK_MS = 100;

/**
 * Into a file without a name: an engine whose driver is gone goes on writing there, where a broken pipe would end it in the
 * middle of a resource; and nothing is left behind, whoever dies.
 */
export class SpooledOutput implements Output {
  readonly stdio: number;
  private readonly decoder = new StringDecoder("utf8");
  private readonly timer: NodeJS.Timeout | undefined;
  private position = 0;
  private text = "";
  private ended = false;

  /** @param folder private, on a disk with room. */
  constructor(
    folder: string,
    private readonly onText?: (text: string) => void,
  ) {
    const file = path.join(folder, `.output-${randomBytes(6).toString("hex")}`);
    this.stdio = openSync(file, "ax+", 0o600);
    rmSync(file);
    if (onText !== undefined) this.timer = setInterval(() => this.look(), LOOK_MS);
  }

  listen(): void {
    // A file has no stream.
  }

  end(): string {
    clearInterval(this.timer);
    if (!this.ended) {
      this.look();
      closeSync(this.stdio);
    }
    this.ended = true;
    return this.text;
  }

  private look(): void {
    const buffer = Buffer.alloc(65_536);
    for (let count: number; (count = readSync(this.stdio, buffer, 0, buffer.length, this.position)) > 0;) {
      this.position += count;
      const text = this.decoder.write(buffer.subarray(0, count));
      this.text += text;
      this.onText?.(text);
    }
  }
}
