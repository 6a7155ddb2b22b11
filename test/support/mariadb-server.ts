import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import { createConnection } from "mysql2/promise";
import { packageRoot } from "../../src/engine/paths.js";
import { ensurePython } from "../../src/engine/python.js";
import { freePort } from "../../src/sandbox/ports.js";
import { ensureMariaDb } from "./mariadb.js";

export interface MariaDbFixture {
  readonly host: string;
  readonly port: number;
  /** May do everything, and has no password. */
  readonly user: string;
  /** As that user, on a connection of its own. */
  query(sql: string): Promise<Record<string, unknown>[]>;
  stop(): Promise<void>;
}

/** A MariaDB with a database `shop`; the server is that of the tests of the export, which are Python. */
export async function startMariaDb(flags: readonly string[] = []): Promise<MariaDbFixture> {
  const progress = (line: string): void => console.log(line);
  const { python } = await ensurePython({ progress, dev: true });
  const binaries = await ensureMariaDb(python, { progress });
  const [host, port, user] = ["127.0.0.1", await freePort(), "admin"];
  const script = path.join(packageRoot(), "test", "notebooks", "mariadb_server.py");
  const child = spawn(python, [script, binaries, String(port), ...flags], {
    stdio: ["pipe", "pipe", "pipe"],
    // What it shares with the tests of the export imports the notebooks.
    env: { ...process.env, PYTHONPATH: path.join(packageRoot(), "notebooks") },
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  const ended = once(child, "close");
  const ready = once(createInterface(child.stdout), "line");
  await Promise.race([
    ready,
    ended.then(() => {
      throw new Error(`MariaDB did not start:\n${said}`);
    }),
  ]);
  return {
    ...{ host, port, user },
    async query(sql) {
      const connection = await createConnection({ host, port, user, multipleStatements: true });
      try {
        const [rows] = await connection.query(sql);
        return rows as Record<string, unknown>[];
      } finally {
        await connection.end();
      }
    },
    async stop() {
      child.stdin.end();
      await ended;
    },
  };
}
