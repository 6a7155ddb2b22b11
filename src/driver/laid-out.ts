import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { withLock } from "../engine/lock.js";
import { isRunning, self, type ProcessIdentity } from "../engine/processes.js";
import { HeadwaterError } from "../model/errors.js";

/** What a platform writes down beside the releases it uses, so that no other takes them away. */
interface User {
  readonly process: ProcessIdentity;
  /** Ids of releases. */
  readonly uses: readonly string[];
}

/**
 * Releases laid out as files, to be run: each in a folder of its own, for as long as a platform of a living process uses it. What
 * nobody uses any more is removed with the next that is laid out, or when a platform is closed.
 */
export class LaidOut {
  private readonly users: string;
  private readonly mine: string;
  private uses: string[] = [];

  /**
   * @param folder where they go. Absolute.
   * @param packages the folder whose installed packages they use.
   */
  constructor(
    private readonly folder: string,
    private readonly packages: string,
  ) {
    this.users = path.join(folder, ".users");
    this.mine = path.join(this.users, `${process.pid}-${randomBytes(4).toString("hex")}`);
  }

  /**
   * Lays a release out, complete or not at all, beside a link to the installed packages.
   * @param files base64 by path.
   * @returns its folder.
   */
  layOut(id: string, files: Readonly<Record<string, string>>): Promise<string> {
    return this.alone("laying a release out", async () => {
      this.uses = [...new Set([...this.uses, id])];
      await mkdir(this.users, { recursive: true, mode: 0o700 });
      await writeFile(this.mine, JSON.stringify({ process: self(), uses: this.uses } satisfies User));
      await this.sweep();
      const folder = path.join(this.folder, id);
      // Somebody may have edited what was laid out: what runs is what is stored.
      if (existsSync(folder) && (await holds(folder, files))) return folder;
      const draft = path.join(this.folder, `.draft-${id}`);
      for (const [file, base64] of Object.entries(files)) {
        const at = path.join(draft, file);
        await mkdir(path.dirname(at), { recursive: true, mode: 0o700 });
        await writeFile(at, Buffer.from(base64, "base64"));
      }
      // A second copy of the SDK in one process would break it: the link leads to the very copies this process uses.
      await symlink(nearestModules(this.packages), path.join(draft, "node_modules"));
      await rm(folder, { recursive: true, force: true });
      await rename(draft, folder);
      return folder;
    });
  }

  /** Uses none of them any more. */
  async close(): Promise<void> {
    if (this.uses.length === 0) return;
    this.uses = [];
    await this.alone("removing releases laid out", async () => {
      await rm(this.mine, { force: true });
      await this.sweep();
    });
  }

  private alone<T>(doing: string, body: () => Promise<T>): Promise<T> {
    return withLock(path.join(this.folder, ".lock"), doing, { progress: () => undefined }, body);
  }

  /** Under the lock, nobody else is making anything: a draft is a dead process's. */
  private async sweep(): Promise<void> {
    const used = new Set<string>();
    for (const name of await readdir(this.users)) {
      const file = path.join(this.users, name);
      const { process, uses } = JSON.parse(await readFile(file, "utf8")) as User;
      if (isRunning(process)) for (const id of uses) used.add(id);
      else await rm(file, { force: true });
    }
    for (const entry of await readdir(this.folder)) {
      const unused = !entry.startsWith(".") && !used.has(entry);
      if (unused || entry.startsWith(".draft-"))
        await rm(path.join(this.folder, entry), { recursive: true, force: true });
    }
  }
}

async function holds(folder: string, files: Readonly<Record<string, string>>): Promise<boolean> {
  for (const [file, base64] of Object.entries(files)) {
    const bytes = await readFile(path.join(folder, file)).catch(() => undefined);
    if (bytes?.toString("base64") !== base64) return false;
  }
  return true;
}

function nearestModules(start: string): string {
  for (let folder = path.resolve(start); ; folder = path.dirname(folder)) {
    const modules = path.join(folder, "node_modules");
    if (existsSync(modules)) return modules;
    if (folder === path.dirname(folder)) {
      throw new HeadwaterError("driver/no-modules", "no packages are installed here", {
        where: start,
        remedy: "Install them: npm ci.",
      });
    }
  }
}
