import { execFile } from "node:child_process";
import { readFile, readdir, readlink } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { promisify } from "node:util";
import { HeadwaterError } from "../model/errors.js";

/** A TCP port of 127.0.0.1 that was free a moment ago. Whoever binds it must be ready to find it taken. */
export async function freePort(): Promise<number> {
  return listenOnce(0);
}

/**
 * Refuses a port the user fixed that is taken.
 * @param option what the user wrote to fix it (`--port-dms`, `ports.dms`)
 * @throws HeadwaterError `sandbox/port-taken` with the holder, if that can be seen
 */
export async function requireFree(port: number, option: string): Promise<void> {
  try {
    await listenOnce(port);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === "EACCES") {
      throw new HeadwaterError(
        "sandbox/port-forbidden",
        "this user may not listen on that port",
        { where: `port ${port}`, field: option, remedy: "choose a port above 1023, or leave the option out" },
        { cause },
      );
    }
    if (code !== "EADDRINUSE") throw cause;
    const holder = await holderOf(port);
    throw new HeadwaterError(
      "sandbox/port-taken",
      "the port is already taken",
      {
        where: `port ${port}`,
        field: option,
        found: holder ?? "a listener of another user or container",
        remedy: "stop what listens there, choose another port, or leave the option out to get a free one",
      },
      { cause },
    );
  }
}

/**
 * Whether something accepts connections on that port of 127.0.0.1. Asks by connecting: a port that cannot be bound may as well
 * be the near end of somebody's outgoing connection.
 */
export async function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    const answer = (listening: boolean): void => {
      socket.destroy();
      resolve(listening);
    };
    socket.once("connect", () => answer(true)).once("error", () => answer(false));
  });
}

async function listenOnce(port: number): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, host: "127.0.0.1", exclusive: true }, resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("the probe listened on no TCP port");
  return address.port;
}

/** `process 4711 (node server.js)`, or undefined when it cannot be seen. */
async function holderOf(port: number): Promise<string | undefined> {
  const pid = process.platform === "linux" ? await holderOnLinux(port) : await holderByLsof(port);
  if (pid === undefined) return undefined;
  // The program's name only: its arguments may hold secrets.
  const { stdout } = await promisify(execFile)("ps", ["-o", "comm=", "-p", String(pid)]).catch(() => ({
    stdout: "",
  }));
  return stdout.trim() === "" ? `process ${pid}` : `process ${pid} (${stdout.trim()})`;
}

async function holderOnLinux(port: number): Promise<number | undefined> {
  const inodes = new Set<string>();
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    for (const line of (await readFile(table, "latin1").catch(() => "")).split("\n")) {
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
      const hex = port.toString(16).toUpperCase().padStart(4, "0");
      // 0A is LISTEN (proc_net_tcp).
      if (state === "0A" && local?.endsWith(`:${hex}`) && inode !== undefined)
        inodes.add(`socket:[${inode}]`);
    }
  }
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    // Other users' processes cannot be looked into, and processes come and go.
    for (const descriptor of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
      if (inodes.has(await readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => ""))) return Number(pid);
    }
  }
  return undefined;
}

async function holderByLsof(port: number): Promise<number | undefined> {
  const lsof = promisify(execFile)("lsof", ["-nP", "-t", `-iTCP:${port}`, "-sTCP:LISTEN"]);
  const { stdout } = await lsof.catch(() => ({ stdout: "" }));
  return Number(stdout.trim().split("\n")[0]) || undefined;
}
