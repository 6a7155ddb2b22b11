import { serve } from "./server.js";

// The entry of every light plugin: `node main.js <provider>`. What one provider needs is loaded for that one only,
// since the engine starts a process per provider and operation, and waits for it.
const providers: Record<string, () => Promise<void>> = {
  aws: async () => serve((await import("./aws/provider.js")).awsProvider),
  databricks: async () => serve((await import("./databricks/provider.js")).databricksProvider),
  random: async () => serve((await import("./random/provider.js")).randomProvider),
};

const name = process.argv[2] ?? "";
const start = providers[name];
if (start === undefined) {
  process.stderr.write(
    `no light provider ${JSON.stringify(name)}; there are: ${Object.keys(providers).join(", ")}\n`,
  );
  process.exit(2);
}
await start();
