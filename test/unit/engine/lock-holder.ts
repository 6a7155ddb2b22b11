// Run as a process of its own: takes the lock, adds one to the number in a file so slowly that two at a time would lose one.
import { readFile, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { withLock } from "../../../src/engine/lock.js";

const [lock, file, how] = process.argv.slice(2) as [string, string, string?];
await withLock(lock, "counting", { progress: () => undefined }, async () => {
  const number = Number(await readFile(file, "utf8"));
  console.log("held");
  if (how === "forever") await sleep(600_000);
  await sleep(30);
  await writeFile(file, String(number + 1));
});
