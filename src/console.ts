/* The HTTP API and the web page over a platform, for a server of your own. */
export type { Authenticate, Person } from "./console/access.js";
export { serveAlone, type Alone, type AloneOptions } from "./console/alone.js";
export { headwaterConsole, type ConsoleOptions } from "./console/plugin.js";
export type { Role } from "./console/schemas.js";
export { tokensFor } from "./console/tokens.js";
