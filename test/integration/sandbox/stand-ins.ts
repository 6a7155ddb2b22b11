import path from "node:path";
import { Child } from "../../../src/sandbox/child.js";
import type { ServiceOptions, Services } from "../../../src/sandbox/services.js";

// Answers every request with 201, and has a child of its own in a process group of its own, as the workspace has notebooks.
const PROGRAM = `
const { createServer } = require("node:http");
const { spawn } = require("node:child_process");
process.stdin.resume().on("end", () => process.exit(0));
const [port, dies] = process.argv.slice(1);
spawn("sleep", ["600"], { detached: true, stdio: "ignore" });
const server = createServer((request, response) => request.resume().on("end", () => response.writeHead(201).end("{}")));
server.listen(Number(port), "127.0.0.1", () => {
  if (dies) { console.error("cannot go on: " + dies); process.exit(3); }
  console.log(JSON.stringify({ ready: true, port: server.address().port }));
});
`;

async function start(name: string, options: ServiceOptions): Promise<{ child: Child; port: number }> {
  const dies = options.more["dies"];
  const child = await Child.start({
    name,
    command: process.execPath,
    args: ["-e", PROGRAM, String(options.port), ...(typeof dies === "string" ? [dies] : [])],
    env: options.env,
    cwd: options.folder,
    logFile: path.join(options.folder, "stand-in.log"),
    onStart: options.onStart,
  });
  const ready = await child.ready({
    probe: async () => child.readyLine(),
    deadlineMs: 30_000,
    signal: options.signal,
  });
  return { child, port: Number(ready["port"]) };
}

/** Stand in for the DMS service and the workspace, where it is the supervisor that is tested: no Spark, up in a moment. */
export const standIns: Services = {
  async dms(options) {
    const { port } = await start("the DMS service", options);
    return { url: `http://127.0.0.1:${port}` };
  },
  async workspace(options) {
    const { port } = await start("the workspace", options);
    return {
      url: `http://127.0.0.1:${port}`,
      sparkConnect: `sc://127.0.0.1:${port}`,
      token: "dapi-stand-in",
    };
  },
};
