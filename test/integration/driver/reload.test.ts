import { expect } from "chai";
import type { NewEvent } from "../../../src/driver/events.js";
import type { HeadwaterError } from "../../../src/model/errors.js";
import { makeScene, thingProgram, type Scene } from "./support.js";

const customers = { schema: "shop", table: "customers" };
const outputs = {
  ...{ bucket: "b", incomingUrl: "s3://b/incoming/", processedUrl: "s3://b/processed/" },
  ...{ replicationConfigArn: "arn:config", jobId: "7", catalog: "c", schema: "s" },
  tables: [{ source: customers, name: "customers", history: "c.s.customers" }],
};

describe("a reload on the real engine", function () {
  this.timeout(120_000);
  let scene: Scene;
  beforeEach(async () => (scene = await makeScene()));
  afterEach(() => scene.remove());

  it("goes by the outputs of what is deployed, starts the job unless told not to, and is recorded", async () => {
    const platform = await scene.open(thingProgram(async () => outputs));
    const missing = await platform.reload("dev").catch((error: unknown) => error as HeadwaterError);
    expect(missing).to.include({ code: "driver/output-missing" });
    const release = await platform.release({ program: "things", pipeline: "shop" });
    await platform.promote(release, { through: ["dev"] }).result;

    const done: string[] = [];
    const loaded = { ...customers, state: "Table completed", loadedRows: 3 };
    const clients = {
      replications: {
        require: async (arn: string) => ({ arn, status: "stopped", stopped: new Date(0) }),
        tables: async () => [],
        stop: async (arn: string) => done.push(`stop ${arn}`),
        start: async (_: string, { type }: { type: string }) => done.push(type),
        load: async () => ({ loaded: [loaded], failed: [], waiting: [], rows: 3 }),
      },
      s3: { send: async ({ input }: { input: { Key: string } }) => done.push(input.Key) },
      jobs: { runNow: async (jobId: number) => (done.push(`run ${jobId}`), 11) },
    };
    Object.defineProperty(platform.environment("dev"), "clients", { value: async () => clients });
    const events: NewEvent[] = [];
    const result = await platform.reload("dev", { emit: (event) => events.push(event) });
    const marker = "incoming/shop/customers/_headwater_reload.json";
    expect(done).to.deep.equal([marker, "stop arn:config", "reload-target", marker, "run 7"]);
    expect(result).to.deep.equal({ after: new Date(0), tables: [loaded], runId: 11 });
    expect(events.map((event) => event.type === "phase" && event.state)).to.deep.equal([
      ...["started", "succeeded", false],
    ]);
    expect((await platform.reload("dev", { ingest: false })).runId).to.equal(undefined);

    const cancelled = platform.reload("dev", { signal: AbortSignal.abort() });
    expect(await cancelled.catch((error: unknown) => error as HeadwaterError)).to.include({
      code: "driver/cancelled",
    });
    const history = (await platform.history()).map(({ head, outcome }) => `${head.kind} ${outcome}`);
    expect(history).to.deep.equal([
      ...["reload cancelled", "reload succeeded", "reload succeeded", "promotion succeeded", "reload failed"],
    ]);
  });
});
