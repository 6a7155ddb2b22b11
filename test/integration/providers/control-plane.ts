import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { packageRoot } from "../../../src/engine/paths.js";
import { testPython } from "../../support/moto.js";

export interface ControlPlane {
  readonly host: string;
  readonly token: string;
  call(method: string, path: string, body?: object): Promise<Record<string, unknown>>;
  stop(): Promise<void>;
}

// The sandbox's workspace with all its routers, but with nothing behind its schemas: Spark would take most of the time.
const program = `
import asyncio, json, os, socket, sys, threading
from pathlib import Path
import uvicorn
from headwater_workspace.options import Options
from headwater_workspace.server import make_app, make_workspace

class NoSpark:
    def __init__(self): self.made = {}
    def create_schema(self, catalog, name, location): self.made.setdefault(catalog["name"], set()).add(name)
    def drop_schema(self, catalog, name): self.made[catalog["name"]].discard(name)
    def schemas(self, catalog): return sorted(self.made.get(catalog["name"], ()))
    def tables(self, catalog, schema): return []
    def table_exists(self, full_name): return False
    def close(self): pass

given = json.loads(sys.argv[1])
listener = socket.create_server(("127.0.0.1", 0))
port = listener.getsockname()[1]
here = make_workspace(Options(token=os.environ["TOKEN"], state_dir=Path(given["folder"]), aws_endpoint=given["aws"],
                              aws_region="eu-west-1", spark_jars=Path(given["folder"]), port=port))
here.admin = NoSpark()
threading.Thread(target=lambda: (os.read(0, 1), os._exit(0)), daemon=True).start()
server = uvicorn.Server(uvicorn.Config(make_app(here), log_level="warning"))
async def main():
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started: await asyncio.sleep(0.02)
    print(port, flush=True)
    await serving
asyncio.run(main())
`;

/** The control plane of the sandbox's workspace, on a free port; ends with this process. */
export async function startControlPlane(aws: string): Promise<ControlPlane> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "headwater-workspace-"));
  const token = "dapi-for-tests";
  const child = spawn(testPython(), ["-c", program, JSON.stringify({ folder, aws })], {
    stdio: ["pipe", "pipe", "pipe"],
    env: {
      ...process.env,
      ...{ AWS_ACCESS_KEY_ID: "sandbox", AWS_SECRET_ACCESS_KEY: "sandbox", TOKEN: token },
      PYTHONPATH: path.join(packageRoot(), "src", "sandbox", "python"),
      PYTHONDONTWRITEBYTECODE: "1",
    },
  });
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (log = (log + text).slice(-20_000)));
  const ended = once(child, "exit");
  const first = once(createInterface({ input: child.stdout }), "line") as Promise<[string]>;
  const port = await Promise.race([first.then(([line]) => line), ended.then(() => undefined)]);
  if (port === undefined) {
    await rm(folder, { recursive: true, force: true });
    throw new Error(`the workspace did not start:\n${log}`);
  }
  const host = `http://127.0.0.1:${port}`;
  return {
    host,
    token,
    async call(method, target, body) {
      const response = await fetch(`${host}${target}`, {
        method,
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { status: response.status, ...((await response.json()) as object) };
    },
    async stop() {
      child.kill("SIGKILL");
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
