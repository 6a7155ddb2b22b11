import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

/**
 * A JSON document on disk that is whole at every moment: written beside, then renamed over. After kill -9 the last
 * saved version is there. Values must be JSON as they are (no bigints, no undefined elements).
 */
export class Document<Value> {
  value: Value;

  constructor(
    private readonly file: string,
    initial: Value,
  ) {
    mkdirSync(path.dirname(file), { recursive: true });
    this.value = read<Value>(file) ?? initial;
  }

  save(): void {
    const aside = `${this.file}.new`;
    writeFileSync(aside, JSON.stringify(this.value), { mode: 0o600 });
    renameSync(aside, this.file);
  }

  remove(): void {
    rmSync(this.file, { force: true });
  }
}

function read<Value>(file: string): Value | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Value;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new Error(`${file} holds the DMS service's state but cannot be read`, { cause: error });
  }
}
