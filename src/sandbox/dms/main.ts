/**
 * The DMS service as a process: `node main.js <options.json>`. Prints `{"ready":true,"port":N}` on standard output, lines
 * for people on standard error. Ends on SIGTERM, on SIGINT, and when its standard input closes, so that it does not
 * outlive the process that started it.
 */
import { readFileSync } from "node:fs";
import { startDmsService, type DmsServiceOptions } from "./service.js";

const file = process.argv[2];
if (file === undefined) {
  process.stderr.write("usage: main.js <options.json>\n");
  process.exit(2);
}
const options = JSON.parse(readFileSync(file, "utf8")) as DmsServiceOptions;
const service = await startDmsService({ ...options, log: (line) => process.stderr.write(`${line}\n`) });
let ending = false;
const end = (): void => {
  if (ending) return;
  ending = true;
  service.stop().then(
    () => process.exit(0),
    (error: unknown) => {
      process.stderr.write(`${(error as Error).stack ?? ""}\n`);
      process.exit(1);
    },
  );
};
process.on("SIGTERM", end);
process.on("SIGINT", end);
process.stdin.on("end", end).on("close", end).resume();
process.stdout.write(`${JSON.stringify({ ready: true, port: service.port })}\n`);
