import path from "node:path";
import type { Work } from "../engine/progress.js";
import { Child } from "./child.js";
import { childEnvironment } from "./environment.js";
import { freePort } from "./ports.js";

export interface MotoOptions extends Work {
  /** A Python that has `moto[server]`. */
  readonly python: string;
  /** Takes its log. */
  readonly folder: string;
  /** Default: a free one. */
  readonly port?: number;
  /** The environment it runs in. Default: this one's, without what belongs to real accounts. */
  readonly env?: NodeJS.ProcessEnv;
  /** Is told of the process at once, long before it is ready. */
  readonly onStart?: ((child: Child) => void) | undefined;
}

export interface Moto {
  /** `http://127.0.0.1:<port>`, for every AWS service it has. */
  readonly endpoint: string;
  readonly port: number;
  readonly child: Child;
  stop(): Promise<void>;
}

const START_DEADLINE_MS = 90_000;
const FREE_PORT_ATTEMPTS = 3;

// moto does not notice that its parent is gone; this does, by the end of its standard input (read without Python's buffer,
// whose lock would abort an orderly end). moto takes a Deny for granted whatever its conditions say, so that a bucket that asks
// for TLS would refuse everything; the sandbox's loopback stands for TLS.
const PROGRAM = `
import os, sys, threading
threading.Thread(target=lambda: (os.read(0, 1), os._exit(0)), daemon=True).start()
from moto.iam.access_control import IAMPolicyStatement, PermissionResult
judge = IAMPolicyStatement.is_action_permitted
def over_tls(self, *args, **kwargs):
    condition = self._statement.get("Condition", {}).get("Bool", {})
    if self._statement["Effect"] == "Deny" and str(condition.get("aws:SecureTransport")).lower() == "false":
        return PermissionResult.NEUTRAL
    return judge(self, *args, **kwargs)
IAMPolicyStatement.is_action_permitted = over_tls
from moto.server import main
main(["-H", "127.0.0.1", "-p", sys.argv[1]])
`;

/** Starts moto's server: the AWS services but DMS, with AWS' managed policies. */
export async function startMoto(options: MotoOptions): Promise<Moto> {
  for (let attempt = 1; ; attempt++) {
    options.signal?.throwIfAborted();
    const port = options.port ?? (await freePort());
    const endpoint = `http://127.0.0.1:${port}`;
    const child = await Child.start({
      name: "moto",
      command: options.python,
      args: ["-c", PROGRAM, String(port)],
      env: {
        ...(options.env ?? childEnvironment()),
        // Off by default for speed; roles attach some of them.
        MOTO_IAM_LOAD_MANAGED_POLICIES: "true",
        // A second of start for machine images nobody asks for.
        MOTO_EC2_LOAD_DEFAULT_AMIS: "false",
        PYTHONUNBUFFERED: "1",
      },
      cwd: options.folder,
      onStart: options.onStart,
      logFile: path.join(options.folder, "moto.log"),
      // It has nothing but memory, and would take a second to take leave of it.
      stopSignal: "SIGKILL",
    });
    try {
      await child.ready({
        probe: () => answers(endpoint),
        deadlineMs: START_DEADLINE_MS,
        signal: options.signal,
      });
      return { endpoint, port, child, stop: () => child.stop() };
    } catch (error) {
      await child.stop();
      const taken = child
        .lastLines()
        .some((line) => /Address already in use|in use by another program/.test(line));
      if (options.port !== undefined || !taken || attempt === FREE_PORT_ATTEMPTS) throw error;
    }
  }
}

async function answers(endpoint: string): Promise<true | undefined> {
  const response = await fetch(`${endpoint}/moto-api/data.json`, { signal: AbortSignal.timeout(10_000) });
  await response.body?.cancel();
  return response.ok ? true : undefined;
}
