import { openPlatform, thingProgram } from "./support.js";

/** Run as a process of its own by releases.test.ts: `killed-host <folder> <phase> <environment>...`; kills itself in that phase. */
const [, , folder = "", phase = "", ...through] = process.argv;
const die = (): never => {
  process.kill(process.pid, "SIGKILL");
  throw new Error("still alive");
};
const platform = await openPlatform(folder, thingProgram());
const release = await platform.release({ program: "things", pipeline: "shop" });
const promotion = platform.promote(release, {
  through,
  approve: () => (phase === "approve" ? die() : true),
  checks: [{ name: "dies", run: async () => die() }],
});
for await (const event of promotion.events) {
  // In `up` the engine is at work by then; elsewhere the phase has just begun.
  if (event.type === "resource" && event.phase === phase && phase === "up") die();
  if (event.type === "phase" && event.phase === phase && phase !== "up" && event.state === "started") die();
}
