/**
 * The sandbox's front as a process: `node main.js <options.json>`. Prints `{"ready":true,"ports":{...}}` on standard output.
 * Ends on SIGTERM, on SIGINT, and when its standard input closes, so that it does not outlive the process that started it.
 * A process of its own, because its parent may run a program that waits, blocked, for an answer of the sandbox.
 */
import { readFileSync } from "node:fs";
import { startFront, type FrontOptions } from "./front.js";

const file = process.argv[2];
if (file === undefined) {
  process.stderr.write("usage: main.js <options.json>\n");
  process.exit(2);
}
const front = await startFront(JSON.parse(readFileSync(file, "utf8")) as FrontOptions);
const end = (): void => process.exit(0);
process.on("SIGTERM", end);
process.on("SIGINT", end);
process.stdin.on("end", end).on("close", end).resume();
process.stdout.write(`${JSON.stringify({ ready: true, ports: front.ports })}\n`);
