import { openPlatform, thingProgram } from "./support.js";

/** Run as a process of its own by failures.test.ts: `host <scene's folder> <environment>`. */
const [, , folder = "", environment = ""] = process.argv;
const platform = await openPlatform(folder, thingProgram());
const release = await platform.release({ program: "things", pipeline: "shop" });
const promotion = platform.promote(release, { through: [environment] });
await promotion.result.catch((error: Error) => {
  console.log(error.message);
  process.exitCode = 3;
});
await platform.close();
console.log("the last line");
