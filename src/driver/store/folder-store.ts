import { createHash } from "node:crypto";
import { chmod, mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { hostname } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { withLock } from "../../engine/lock.js";
import { StoreConflict, type Condition, type Store, type Stored } from "./store.js";

/** A store in a folder, for this user only (0700). Writers on one machine exclude each other by a lock file. */
export class FolderStore implements Store {
  readonly url: string;

  constructor(private readonly folder: string) {
    this.url = pathToFileURL(folder).href;
  }

  async get(key: string): Promise<Stored | undefined> {
    try {
      const bytes = await readFile(this.locate(key));
      return { bytes, version: versionOf(bytes) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }

  async put(key: string, data: string | Buffer, when?: Condition): Promise<string> {
    const bytes = Buffer.from(data);
    await this.change(key, when, async (file) => {
      // Whole or not at all, also when the machine stops: a reader never sees half an object. Under the lock nobody else on
      // this machine writes, so a writer that was killed leaves one draft, which the next takes.
      const draft = path.join(this.folder, `.draft-${hostname()}`);
      try {
        const handle = await open(draft, "w", 0o600);
        try {
          await handle.writeFile(bytes);
          await handle.sync();
        } finally {
          await handle.close();
        }
        await rename(draft, file);
      } catch (error) {
        await rm(draft, { force: true });
        throw error;
      }
    });
    return versionOf(bytes);
  }

  remove(key: string, when?: { readonly version: string }): Promise<void> {
    return this.change(key, when, (file) => rm(file, { force: true }));
  }

  async list(folder: string): Promise<string[]> {
    const below = path.join(this.folder, folder);
    const entries = await readdir(below, { recursive: true, withFileTypes: true }).catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return [];
        throw error;
      },
    );
    return entries
      .filter((entry) => entry.isFile() && !entry.name.startsWith("."))
      .map(({ parentPath, name }) =>
        path.relative(this.folder, path.join(parentPath, name)).split(path.sep).join("/"),
      )
      .sort();
  }

  async modified(key: string): Promise<Date | undefined> {
    try {
      return (await stat(this.locate(key))).mtime;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }

  locate(key: string): string {
    return path.join(this.folder, key);
  }

  private async change(
    key: string,
    when: Condition | undefined,
    body: (file: string) => Promise<void>,
  ): Promise<void> {
    const file = this.locate(key);
    await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
    await chmod(this.folder, 0o700);
    const lock = path.join(this.folder, ".lock");
    await withLock(lock, `writing ${file}`, { progress: () => undefined }, async () => {
      const now = when === undefined ? undefined : await this.get(key);
      if (when === "absent" ? now !== undefined : when !== undefined && now?.version !== when.version)
        throw new StoreConflict(file);
      await body(file);
    });
  }
}

function versionOf(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
