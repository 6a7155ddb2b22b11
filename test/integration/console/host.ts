import { openPlatform, thingProgram } from "../driver/support.js";
import { PEOPLE, RULES, Server } from "./support.js";

// A console of its own process on a scene that exists, for tests that kill it: `host.js <folder>`; prints its address and the tokens.
const platform = await openPlatform(process.argv[2]!, thingProgram(), { rules: RULES });
const server = await Server.start(platform);
process.stdout.write(
  `${JSON.stringify({ url: server.url, tokens: PEOPLE.map(({ name }) => [name, server.tokenOf(name)]) })}\n`,
);
