import { expect } from "chai";
import type { Browser, Page } from "playwright-core";
import { runDemo, type DemoRun } from "../../../demo/run.js";
import { withConnection } from "../../../demo/source/connection.js";
import { storyCustomer } from "../../../demo/source/scenarios.js";
import { ensureEngine } from "../../../src/engine/engine.js";
import { startSandbox, type Sandbox } from "../../../src/sandbox/sandbox.js";
import { describeInBrowser, openBrowser, openPage } from "../../integration/console/browser.js";
import { Server } from "../../integration/console/support.js";

/** The demo's one environment, with changes in its source, in a sandbox: what the console shows of it is compared with the truth. */
describeInBrowser("the console over a whole sandbox", function () {
  this.timeout(900_000);
  let sandbox: Sandbox;
  let run: DemoRun;
  let server: Server;
  let browser: Browser;
  let page: Page;
  const at = "/environments/shop/dev";

  before(async () => {
    const progress = (): void => undefined;
    sandbox = await startSandbox({ progress });
    const options = {
      environments: ["dev"],
      seed: "console",
      clockScale: 60,
      keep: false,
      report: "",
      help: false,
    };
    const context = {
      sandbox,
      engine: await ensureEngine({ progress }),
      print: progress,
      startedAt: Date.now(),
    };
    run = await runDemo(options, { ...context, signal: new AbortController().signal });
    if (run.failure !== undefined) throw run.failure as Error;
    server = await Server.start(run.platform, { requestsPerMinute: 100_000 });
    browser = await openBrowser();
    ({ page } = await openPage(browser, server, "ann"));
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
    await run?.platform.close();
    await sandbox?.stop();
  });

  const rowsInSource = (table: string): Promise<number> =>
    withConnection(run.databases.get("dev")!.source, async (client) => {
      const { rows } = await client.query<{ count: string }>(`SELECT count(*) FROM shop.${table}`);
      return Number(rows[0]!.count);
    });

  it("draws the pipeline from source to history table, with what every station counts", async () => {
    const { body: state } = await server.ask("vic", "GET", `${at}/pipeline`);
    expect(state.problems).to.deep.equal([]);
    expect(state).to.deep.include({ lakehouse: "shop_dev.shop", engine: "postgresql" });
    expect(state.landing.waitingFiles).to.equal(0);
    expect(state.job).to.include({ trigger: "active", active: 0 });
    expect(state.replication.status).to.equal("running");
    for (const table of state.tables) {
      const { loadedRows, inserts, updates, deletes } = table.replication;
      expect(loadedRows + inserts - deletes, `${table.name} in the source`).to.equal(
        await rowsInSource(table.name as string),
      );
      expect(table.events, `${table.name}: every event has arrived`).to.equal(
        loadedRows + inserts + updates + deletes,
      );
      expect(table).to.include({ state: "fresh", quarantined: 0 });
      expect(table.lagSeconds).to.be.within(0, 900);
    }
    await page.goto(`${server.url}${at}`);
    for (const station of ["Source", "Replication", "Landing zone", "Job", "History"])
      await page.getByRole("article", { name: station }).waitFor();
    await page.getByRole("article", { name: "Replication" }).getByText("running").waitFor();
    expect(await page.locator("table.flowing tbody tr").count()).to.equal(4);
    const { body: freshness } = await server.ask("vic", "GET", `${at}/freshness`);
    expect(freshness.tables.map(({ state: its }: any) => its)).to.deep.equal(Array(4).fill("fresh"));
  });

  it("tells a table's history: versions over time, a row's life, current against as-of", async () => {
    const { body: history } = await server.ask("vic", "GET", `${at}/tables/customers`);
    expect(history.current).to.equal(await rowsInSource("customers"));
    expect(history.versions).to.be.above(history.current as number);
    expect(history.began.reduce((sum: number, { versions }: any) => sum + versions, 0)).to.equal(
      history.versions,
    );
    expect(history.runs.length).to.be.at.least(2);

    const key = encodeURIComponent(JSON.stringify({ id: storyCustomer }));
    const { body: life } = await server.ask("vic", "GET", `${at}/tables/customers/life?key=${key}`);
    const expected = run.report.story!.versions;
    expect(life.rows.length, "as many versions as the proof knows").to.equal(expected.length);

    await page.goto(`${server.url}${at}/tables/customers`);
    await page.locator(".chart canvas").waitFor();
    await page.getByLabel("id", { exact: true }).fill(storyCustomer);
    await page.getByRole("button", { name: "Show" }).click();
    await page.locator(".timeline > li").first().waitFor({ timeout: 60_000 });
    expect(await page.locator(".timeline > li:not(.end)").count()).to.equal(expected.length);

    // What it held right before the first change is what was loaded.
    const [first, second] = history.began as { at: string; versions: number }[];
    expect(second).not.to.equal(undefined);
    const moment = encodeURIComponent(
      new Date(Date.parse(first!.at) + history.bucketSeconds * 1000).toISOString(),
    );
    const { body: then } = await server.ask(
      "vic",
      "GET",
      `${at}/tables/customers/rows?limit=500&asOf=${moment}`,
    );
    const { body: now } = await server.ask("vic", "GET", `${at}/tables/customers/rows?limit=500`);
    expect(then.rows).not.to.deep.equal(now.rows);
    expect(then.columns.map(({ name }: any) => name)).to.include.members(
      now.columns.map(({ name }: any) => name),
    );
  });

  it("finds only the row that is asked for, whatever the key holds", async () => {
    for (const [id, found] of [
      ["7' OR '1'='1", 0],
      ["` FROM x; DROP TABLE customers", 0],
      ["not a number", 0],
      [null, 0],
      ["1", 1],
    ] as const) {
      const key = encodeURIComponent(JSON.stringify({ id }));
      const { status, body } = await server.ask("vic", "GET", `${at}/tables/customers/life?key=${key}`);
      expect([status, Math.min(1, body.rows?.length as number)], String(id)).to.deep.equal([200, found]);
    }
    for (const key of ["7", "[]", '{"other":1}', '{"id":{"a":1}}', '{"id":1,"name":"x"}', "{"]) {
      const { status, body } = await server.ask(
        "vic",
        "GET",
        `${at}/tables/customers/life?key=${encodeURIComponent(key)}`,
      );
      expect([status, body.code], key).to.deep.equal([400, "console/bad-key"]);
    }
    const other = await server.ask("vic", "GET", `${at}/tables/headwater_runs/rows`);
    expect([other.status, other.body.code], "only the pipeline's tables").to.deep.equal([
      404,
      "console/not-found",
    ]);
    expect(
      (await server.ask("vic", "GET", `${at}/tables/customers`)).status,
      "the table is still there",
    ).to.equal(200);
  });

  it("shows the job's runs, what each brought, and what its notebooks said", async () => {
    const { body: runs } = await server.ask("vic", "GET", `${at}/runs`);
    expect(runs.length).to.be.at.least(2);
    expect(new Set(runs.map(({ state }: any) => state))).to.deep.equal(new Set(["SUCCESS"]));
    const { body: detail } = await server.ask("vic", "GET", `${at}/runs/${runs.at(-1).run}`);
    expect(detail.tables.map(({ table }: any) => table).sort()).to.deep.equal([
      "customers",
      "order_lines",
      "orders",
      "products",
    ]);
    expect(detail.tables.every(({ outcome }: any) => outcome === "succeeded")).to.equal(true);
    await page.goto(`${server.url}${at}/runs/${runs.at(-1).run}`);
    await page
      .getByRole("heading", { name: /Log of/ })
      .first()
      .waitFor();
    expect((await server.ask("vic", "GET", `${at}/runs/1`)).status).to.equal(404);
  });

  it("promotes the same release again without a change, and finds no drift", async () => {
    const { body } = await server.ask("ann", "POST", "/promotions", { through: ["dev"] });
    const events = await server.followed("vic", body.id as string);
    expect(events.at(-1)!.data, JSON.stringify(events.slice(-4))).to.deep.equal({ outcome: "succeeded" });
    const checks = events.filter(({ event, data }) => event === "check" && data["state"] === "passed");
    expect(checks.map(({ data }) => data["name"])).to.include("fresh");
    await page.goto(`${server.url}${at}/drift`);
    await page.getByRole("button", { name: "Compare now" }).click();
    await page.getByText("no drift").waitFor({ timeout: 120_000 });
  });
});
