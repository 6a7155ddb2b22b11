import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import {
  DatabaseMigrationServiceClient,
  DescribeEndpointsCommand,
} from "@aws-sdk/client-database-migration-service";
import { expect } from "chai";
import type { Sandbox } from "../../../src/sandbox/sandbox.js";
import { commandLines, leftOf, NOTHING, testPython, TestRegistry, type Traces } from "./setup.js";

const here = fileURLToPath(import.meta.url);
const owner = path.join(path.dirname(here), `owner${path.extname(here)}`);

describe("sandbox: the whole of it, with Spark", function () {
  this.timeout(300_000);
  let runs: TestRegistry;

  before(async function () {
    this.timeout(1_800_000);
    await testPython();
    runs = await TestRegistry.make();
  });
  after(async () => runs.remove());

  it("answers on every URL, and leaves nothing after SIGTERM", async () => {
    const args = [...process.execArgv, owner, runs.folder, JSON.stringify(await testPython()), "whole"];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    try {
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
      const first = await lines.next();
      if (first.done === true) throw new Error("the owner ended early");
      const { urls, token, ...traces } = JSON.parse(first.value) as Traces & {
        urls: Sandbox["urls"];
        token: string;
      };

      const authorized = { headers: { authorization: `Bearer ${token}` } };
      const groups = await fetch(`${urls.workspace}/api/2.0/preview/scim/v2/Groups`, authorized);
      const { Resources } = (await groups.json()) as { Resources: { displayName: string }[] };
      expect(Resources.map(({ displayName }) => displayName)).to.include.members(["readers", "operators"]);
      expect((await fetch(`${urls.workspace}/api/2.0/preview/scim/v2/Groups`)).status).to.equal(401);
      const dms = new DatabaseMigrationServiceClient({
        ...{ endpoint: urls.dms, region: "eu-west-1" },
        credentials: { accessKeyId: "sandbox", secretAccessKey: "sandbox" },
      });
      expect((await dms.send(new DescribeEndpointsCommand({}))).Endpoints).to.deep.equal([]);
      dms.destroy();
      const spark = (await commandLines(traces.id)).filter((line) => /\/java .*[Ss]park/.test(line));
      expect(spark).to.have.length(1);
      // What moto, Spark and the rest were started with names no secret.
      expect((await commandLines(traces.id)).join("\n")).not.to.contain(token);

      child.kill("SIGTERM");
      const [code] = (await once(child, "exit")) as [number | null];
      expect({ code, said: (await lines.next()).value as string }).to.deep.equal({
        code: 7,
        said: "interrupted   found: SIGTERM",
      });
      expect(await leftOf(traces)).to.deep.equal(NOTHING);
      expect(await runs.entries()).to.deep.equal([]);
    } finally {
      child.kill("SIGKILL");
      await runs.registry.cleanUp({ progress: () => undefined });
    }
  });
});
