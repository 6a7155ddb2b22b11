import { expect } from "chai";
import { makeWorld, type Server, type World } from "./support.js";

const SECRET = "hunter2-hunter2-hunter2";

describe("access to the console", function () {
  this.timeout(120_000);
  let world: World;
  let server: Server;
  const log: string[] = [];
  before(async () => {
    log.length = 0;
    world = await makeWorld(
      { requestsPerMinute: 3000, log: (line) => void log.push(line) },
      { environment: { PULUMI_CONFIG_PASSPHRASE: "a passphrase nobody may see", SHOP_TOKEN: SECRET } },
    );
    ({ server } = world);
  });
  after(() => world.remove());

  interface Route {
    readonly method: string;
    readonly path: string;
  }

  async function routes(): Promise<Route[]> {
    const { body } = await server.ask("vic", "GET", "/openapi.json");
    expect(body.openapi).to.equal("3.1.0");
    return Object.entries(body.paths as Record<string, object>).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => ({
        method: method.toUpperCase(),
        path: path
          .replace(/^\/headwater\/api\/v1/, "")
          .replace("{id}", "20260101-000000000-abcdef")
          .replace("{pipeline}", "shop")
          .replace("{environment}", "dev")
          .replace("{table}", "customers")
          .replace("{run}", "1")
          .replace("{release}", "abcdef"),
      })),
    );
  }

  it("asks who asks on every route there is", async () => {
    const all = await routes();
    expect(all.length).to.be.above(25);
    for (const { method, path } of [...all, { method: "GET", path: "/openapi.json" }]) {
      const body = ["POST", "PATCH"].includes(method) ? {} : undefined;
      const { status, body: problem } = await server.ask("", method, path, body);
      expect([status, problem.code], `${method} ${path}`).to.be.deep.oneOf([
        [401, "console/not-known"],
        [429, "console/too-many-requests"],
      ]);
    }
  });

  it("lets a viewer look, and change nothing", async () => {
    for (const { method, path } of await routes()) {
      if (method === "GET") continue;
      const { status, body } = await server.ask(
        "vic",
        method,
        path,
        ["POST", "PATCH"].includes(method) ? {} : undefined,
      );
      expect([status, body.code], `${method} ${path}`).to.deep.equal([403, "console/not-allowed"]);
    }
    expect((await server.ask("vic", "GET", "/me")).body).to.deep.include({ name: "vic", roles: ["viewer"] });
  });

  it("refuses what pages of other origins ask for", async () => {
    const from = (headers: Record<string, string>) =>
      server.ask("ann", "POST", "/promotions", { through: ["dev"] }, headers);
    expect((await from({ origin: "https://evil.example" })).body.code).to.equal("console/other-origin");
    expect((await from({ "sec-fetch-site": "cross-site" })).body.code).to.equal("console/other-origin");
    expect((await server.ask("vic", "GET", "/operations")).body, "nothing was started").to.deep.equal([]);
    const { headers } = await server.ask("vic", "GET", "/me");
    expect(headers.get("access-control-allow-origin")).to.equal(null);
  });

  it("sends headers that keep the page to itself", async () => {
    for (const path of ["/", "/api/v1/me", "/operations/1"]) {
      const { headers } = await fetch(`${server.url}${path}`, {
        headers: { authorization: `Bearer ${server.tokenOf("vic")}` },
      });
      const policy = headers.get("content-security-policy");
      expect(policy, path)
        .to.contain("default-src 'none'")
        .and.contain("script-src 'self'")
        .and.contain("frame-ancestors 'none'");
      expect(policy).not.to.contain("unsafe");
      expect(headers.get("x-content-type-options")).to.equal("nosniff");
      expect(headers.get("referrer-policy")).to.equal("no-referrer");
      expect(headers.get("x-frame-options")).to.equal("DENY");
    }
    expect((await server.ask("vic", "GET", "/me")).headers.get("cache-control")).to.equal("no-store");
    const page = await (await fetch(`${server.url}/`)).text();
    expect(page, "nothing is loaded from elsewhere").not.to.match(/(src|href)="(https?:)?\/\//);
  });

  it("answers for what is not there as for what is: in problems, never in traces", async () => {
    for (const [path, code] of [
      ["/operations/20260101-000000000-abcdef", "driver/no-record"],
      ["/environments/shop/nowhere", "console/not-found"],
      ["/environments/nothing/dev", "console/not-found"],
      ["/releases/abcdef", "driver/no-release"],
      ["/nothing", "console/not-found"],
    ] as const) {
      const { status, body, headers } = await server.ask("vic", "GET", path);
      expect([status, body.code], path).to.deep.equal([404, code]);
      expect(headers.get("content-type")).to.contain("application/problem+json");
    }
    const undeployed = await server.ask("vic", "GET", "/environments/shop/dev/pipeline");
    expect([undeployed.status, undeployed.body.code]).to.deep.equal([409, "driver/output-missing"]);
  });

  it("never lets a secret out: not in answers, not in streams, not in its log", async () => {
    await world.scene.write("dev", { behaviour: "fail", value: `the token is ${SECRET}` });
    const { body } = await server.ask("ann", "POST", "/promotions", { through: ["dev"], ask: "always" });
    const id = body.id as string;
    const { plan } = await server.waiting("bob", id, "dev");
    const following = server.followed("vic", id);
    const preview = await server.ask("vic", "GET", `/operations/${id}/previews/dev`);
    expect(JSON.stringify(preview.body)).to.contain("the token is [secret]");
    await server.ask("bob", "POST", `/operations/${id}/approvals/dev`, { approved: true, plan });
    const events = JSON.stringify(await following);
    expect(events).to.contain("the probe was told to fail with the token is [secret]");
    const answers = await Promise.all(
      [
        "/operations",
        `/operations/${id}`,
        "/environments",
        "/environments/shop/dev",
        "/actions",
        "/ephemerals",
        "/approvals",
      ].map(async (path) => JSON.stringify((await server.ask("vic", "GET", path)).body)),
    );
    for (const text of [events, JSON.stringify(preview.body), ...answers, ...log]) {
      expect(text).not.to.contain(SECRET);
      expect(text).not.to.contain("a passphrase nobody may see");
      for (const name of ["ann", "bob", "vic"]) expect(text).not.to.contain(server.tokenOf(name));
    }
  });

  it("slows down who asks too often, by person and not by address", async () => {
    const busy = await makeWorld({ requestsPerMinute: 20 });
    try {
      const all = await Promise.all(Array.from({ length: 25 }, () => busy.server.ask("vic", "GET", "/me")));
      expect(all.filter(({ status }) => status === 429)).to.have.length(5);
      expect(all.find(({ status }) => status === 429)!.body.code).to.equal("console/too-many-requests");
      expect((await busy.server.ask("ann", "GET", "/me")).status).to.equal(200);
      const changes = [1, 2, 3].map(() => busy.server.ask("ann", "DELETE", "/ephemerals/shop/none"));
      expect((await Promise.all(changes)).map(({ status }) => status).sort()).to.deep.equal([404, 404, 429]);
      const strangers = await Promise.all(
        Array.from({ length: 70 }, () => busy.server.ask("", "GET", "/me")),
      );
      expect(new Set(strangers.map(({ status }) => status))).to.deep.equal(new Set([401, 429]));
    } finally {
      await busy.remove();
    }
  });
});
