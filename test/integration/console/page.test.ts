import { createRequire } from "node:module";
import { readFile } from "node:fs/promises";
import net from "node:net";
import { expect } from "chai";
import type { Browser, Page } from "playwright-core";
import { describeInBrowser, openBrowser, openPage } from "./browser.js";
import { makeWorld, type Server, type World } from "./support.js";

describeInBrowser("the console's page, in a real browser", function () {
  this.timeout(240_000);
  let world: World;
  let server: Server;
  let browser: Browser;
  before(async () => (browser = await openBrowser()));
  after(() => browser.close());
  beforeEach(async () => {
    world = await makeWorld();
    ({ server } = world);
  });
  afterEach(() => world.remove());

  it("starts a promotion that a gate holds, overrides the gate, has it approved by somebody else, and sees it finish", async () => {
    const ann = await openPage(browser, server, "ann");
    const { page } = ann;
    expect(page.url(), "the token does not stay in the address").to.equal(`${server.url}/`);
    await page.getByRole("link", { name: "Promote", exact: true }).click();
    await page.getByRole("checkbox", { name: /prod/ }).check();
    await page.getByText("another person than you has to approve").waitFor();
    await page.getByRole("button", { name: "Promote through prod" }).click();
    await page.getByText("driver/gate-refused").waitFor({ timeout: 60_000 });
    await page.getByText("proven refused").waitFor();

    await page.getByRole("link", { name: /Promote again, against proven/ }).click();
    await page.getByLabel("Why; it is recorded").fill("agreed with Grace");
    await page.getByRole("button", { name: "Promote through prod" }).click();
    await page.getByRole("link", { name: /Review the preview of prod/ }).click({ timeout: 60_000 });
    await page.getByText("You have started it: somebody else has to decide.").waitFor();
    expect(await page.getByRole("button", { name: "Approve" }).count()).to.equal(0);
    await page.goBack();

    // Bob learns of it without asking, and decides in his own browser.
    const bob = await openPage(browser, server, "bob");
    await bob.page.getByRole("link", { name: /shop prod .*for you/ }).click();
    await bob.page.getByText("Why: agreed with Grace").waitFor();
    await bob.page.getByText("thing", { exact: true }).waitFor();
    await bob.page.getByLabel("Remark").fill("looks right");
    await bob.page.getByRole("button", { name: "Approve and go on" }).click();

    // Ann's page, left open, follows to the end.
    for (const { page: each } of [ann, bob]) {
      await each.locator(".step.passed").waitFor({ timeout: 60_000 });
      await each.locator(".facts").getByText("succeeded").waitFor();
    }
    await page.getByRole("link", { name: "Promotion", exact: true }).click();
    await page.getByRole("article", { name: "prod" }).getByText("passed").waitFor();
    await page.getByRole("link", { name: "History", exact: true }).click();
    await page.getByText("decided about a preview").waitFor();
    for (const { errors, elsewhere } of [ann, bob])
      expect({ errors, elsewhere }).to.deep.equal({ errors: [], elsewhere: [] });
  });

  it("comes back after a dropped connection, and shows what happened meanwhile", async () => {
    const proxy = await Proxy.before(server);
    try {
      const through = {
        ...server,
        url: proxy.url,
        tokenOf: (name: string) => server.tokenOf(name),
      } as unknown as Server;
      const { page } = await openPage(browser, through, "vic");
      await page.getByText("Live", { exact: true }).waitFor();
      const { body } = await server.ask("ann", "POST", "/promotions", { through: ["dev"], ask: "always" });
      const id = body.id as string;
      await page.goto(`${proxy.url}/operations/${id}`);
      await page.getByText("waits for an approval").waitFor({ timeout: 60_000 });
      proxy.drop();
      await page.getByText("Connection lost, trying again").waitFor();
      const { plan } = await server.waiting("bob", id, "dev");
      await server.ask("bob", "POST", `/operations/${id}/approvals/dev`, { approved: true, plan });
      await server.followed("vic", id);
      proxy.restore();
      await page.getByText("Live", { exact: true }).waitFor({ timeout: 30_000 });
      await page.locator(".step.passed").waitFor({ timeout: 30_000 });
    } finally {
      await proxy.close();
    }
  });

  it("is used by keyboard alone", async () => {
    const { page } = await openPage(browser, server, "ann");
    await page.keyboard.press("Tab");
    expect(await focused(page)).to.equal("Skip to the content");
    await page.keyboard.press("Enter");
    expect(await page.evaluate("document.activeElement.id")).to.equal("main");
    await page.keyboard.press("Tab");
    expect(await focused(page)).to.equal("Promote");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Promote a release" }).waitFor();
    expect(await focused(page), "the new view's title has the focus").to.equal("Promote a release");
    for (let presses = 0; (await page.evaluate("document.activeElement.type")) !== "checkbox"; presses += 1) {
      expect(presses).to.be.below(10);
      await page.keyboard.press("Tab");
    }
    await page.keyboard.press("Space");
    await page.keyboard.press("Enter"); // as in any form
    await page.locator(".step").first().waitFor();
    expect(await page.title()).to.equal("Promotion of shop: dev · Headwater");
    await page.getByRole("button", { name: "Cancel" }).focus();
    await page.keyboard.press("Enter");
    // A dialog asks first; Escape leaves it.
    await page.getByRole("dialog").waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    await page.locator(".step.passed").waitFor({ timeout: 60_000 });
  });

  it("has no fault that axe knows of, light and dark, wide and narrow, and never scrolls sideways", async () => {
    const { body: first } = await server.ask("ann", "POST", "/promotions", { through: ["dev", "staging"] });
    await server.followed("ann", first.id as string);
    const { body: second } = await server.ask("ann", "POST", "/promotions", { through: ["prod"] });
    await server.waiting("bob", second.id as string, "prod");
    const { body: raised } = await server.ask("ann", "POST", "/ephemerals", { name: "pr-12", ttl: "1h" });
    await server.followed("ann", raised.id as string);
    const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
    const { body: release } = await server.ask("ann", "GET", "/releases");
    const views = [
      ...["/", "/promote", "/environments", "/ephemerals", "/releases", "/history", "/nowhere"],
      ...["/environments/shop/dev/stack", "/environments/shop/dev/drift", "/environments/shop/dev"],
      ...[`/operations/${second.id}`, `/operations/${second.id}/previews/prod`, `/releases/${release[0].id}`],
    ];
    for (const [width, dark] of [
      [360, false],
      [1280, true],
      [2560, false],
    ] as const) {
      const { page, errors, elsewhere } = await openPage(browser, server, "bob", { width, dark });
      for (const view of views) {
        await page.goto(`${server.url}${view}`);
        await page.getByRole("heading", { level: 1 }).waitFor();
        await page.getByText("Live", { exact: true }).waitFor();
        // All that is asked for has come: answers, or that there is nothing of the kind.
        await server.until("all has come", () =>
          page.evaluate<boolean>('!document.body.innerText.includes("Asking for")'),
        );
        const sideways = await page.evaluate("document.documentElement.scrollWidth - window.innerWidth");
        expect(sideways, `${view} at ${width} pixels`).to.be.at.most(0);
        // The page's own policy lets no script in: axe comes by the debugger, not by the page.
        await page.evaluate(axe);
        const run = 'axe.run(document, { resultTypes: ["violations"] })';
        const { violations } = await page.evaluate<{
          violations: { id: string; nodes: { html: string }[] }[];
        }>(run);
        const found = violations.map(
          ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(" | ")}`,
        );
        expect(found, `${view} at ${width} pixels${dark ? ", dark" : ""}`).to.deep.equal([]);
      }
      expect({ errors, elsewhere }).to.deep.equal({ errors: [], elsewhere: [] });
      await page.context().close();
    }
  });

  it("lets nobody in without a token, and takes one by hand", async () => {
    const page = await browser.newPage();
    await page.goto(`${server.url}/`);
    await page.getByText("Nobody that is known asks").waitFor();
    await page.getByLabel("Token").fill(server.tokenOf("vic"));
    await page.getByRole("button", { name: "Open" }).click();
    await page.getByRole("heading", { name: "Promotion" }).waitFor();
    expect(
      await page.getByRole("link", { name: "Promote", exact: true }).count(),
      "a viewer starts nothing",
    ).to.equal(0);
    await page.close();
  });
});

/** What has the focus, by its text. Expressions are texts: these tests know the browser's types only by name. */
async function focused(page: Page): Promise<string> {
  return page.evaluate<string>("document.activeElement.textContent");
}

/** Stands between browser and server, and can cut what goes through. */
class Proxy {
  private readonly open = new Set<net.Socket>();
  private cut = false;

  private constructor(
    private readonly listener: net.Server,
    readonly url: string,
  ) {}

  static async before(server: Server): Promise<Proxy> {
    const { hostname, port } = new URL(server.url);
    let proxy: Proxy | undefined = undefined as Proxy | undefined;
    const listener = net.createServer((client) => {
      if (proxy?.cut !== false) return void client.destroy();
      const upstream = net.connect(Number(port), hostname);
      for (const [socket, other] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        proxy.open.add(socket);
        socket.on("error", () => undefined);
        socket.on("close", () => other.destroy());
        socket.pipe(other);
      }
    });
    await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
    const own = (listener.address() as net.AddressInfo).port;
    proxy = new Proxy(listener, `http://127.0.0.1:${own}${server.prefix}`);
    return proxy;
  }

  drop(): void {
    this.cut = true;
    for (const socket of this.open) socket.destroy();
    this.open.clear();
  }

  restore(): void {
    this.cut = false;
  }

  async close(): Promise<void> {
    this.drop();
    await new Promise((resolve) => this.listener.close(resolve));
  }
}
