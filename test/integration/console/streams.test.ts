import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import net from "node:net";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { makeScene, type Scene } from "../driver/support.js";
import { makeWorld, Server, type Event, type World } from "./support.js";

describe("following operations", function () {
  this.timeout(240_000);
  let world: World;
  let server: Server;
  beforeEach(async () => {
    world = await makeWorld({ maxStreams: 260 });
    ({ server } = world);
  });
  afterEach(() => world.remove());

  const start = async (body: object): Promise<string> =>
    (await server.ask("ann", "POST", "/promotions", body)).body.id as string;
  const recorded = (events: readonly Event[]): string[] =>
    events.filter(({ id }) => id !== undefined).map(({ id, event }) => `${id} ${event}`);

  it("goes on behind the event that was seen last, and tells all to whoever comes late", async () => {
    const id = await start({ through: ["dev"], ask: "always" });
    const { plan } = await server.waiting("bob", id, "dev");
    // The connection drops in the middle.
    const seen: Event[] = [];
    for await (const event of server.events("vic", `/operations/${id}/events`)) {
      seen.push(event);
      if (event.id === "4") break;
    }
    await server.ask("bob", "POST", `/operations/${id}/approvals/dev`, { approved: true, plan });
    const rest: Event[] = [];
    for await (const event of server.events("vic", `/operations/${id}/events`, { lastEventId: "4" }))
      rest.push(event);
    const whole = await server.followed("vic", id);
    expect([...recorded(seen), ...recorded(rest)]).to.deep.equal(recorded(whole));
    expect(recorded(whole)[0]).to.equal("0 head");
    expect(recorded(whole).at(-1)).to.match(/ end$/);
    expect(whole.map(({ id: number }) => Number(number ?? -1)).filter((number) => number >= 0)).to.deep.equal(
      recorded(whole).map((_, index) => index),
    );
    expect(whole.at(-1)!.data, "the last word").to.deep.equal({ outcome: "succeeded" });
  });

  it("serves 200 streams at once, with a slow reader and readers that go away among them", async () => {
    const id = await start({ through: ["dev", "staging"], ask: "always" });
    const gone = new AbortController();
    const abandoned = Array.from({ length: 40 }, () =>
      server.events("vic", `/operations/${id}/events`, { signal: gone.signal }).next(),
    );
    await Promise.all(abandoned);
    // One that asks and never reads.
    const { hostname, port } = new URL(server.url);
    const stuck = net.connect(Number(port), hostname);
    stuck.pause();
    stuck.write(
      `GET ${server.prefix}/api/v1/operations/${id}/events HTTP/1.1\r\nHost: ${hostname}:${port}\r\nAuthorization: Bearer ${server.tokenOf("vic")}\r\n\r\n`,
    );
    const all = Array.from({ length: 200 }, () => server.followed("vic", id));
    for (const environment of ["dev", "staging"]) {
      const { plan } = await server.waiting("bob", id, environment);
      gone.abort();
      await server.ask("bob", "POST", `/operations/${id}/approvals/${environment}`, { approved: true, plan });
    }
    const [first, ...others] = (await Promise.all(all)).map(recorded);
    expect(first!.length).to.be.above(10);
    for (const each of others) expect(each).to.deep.equal(first);
    stuck.destroy();
  });

  it("refuses more streams than are allowed, and has room again when they have gone", async () => {
    const id = await start({ through: ["dev"], ask: "always" });
    const abort = new AbortController();
    const many = Array.from({ length: 260 }, () => server.events("vic", "/events", { signal: abort.signal }));
    await Promise.all(many.map((stream) => stream.next()));
    const refused = await server.ask("vic", "GET", `/operations/${id}/events`);
    expect([refused.status, refused.body.code, refused.headers.get("retry-after")]).to.deep.equal([
      ...[503, "console/too-many-streams", "5"],
    ]);
    abort.abort();
    await server.until("there is room", async () => {
      try {
        const stream = server.events("vic", `/operations/${id}/events`);
        await stream.next();
        await stream.return();
        return true;
      } catch {
        return false;
      }
    });
    await server.ask("ann", "POST", `/operations/${id}/cancellation`, {});
    await server.followed("vic", id);
  });

  it("tells of every operation that changes, also of what was missed", async () => {
    const first: Event[] = [];
    const abort = new AbortController();
    const following = (async () => {
      for await (const event of server.events("vic", "/events", { signal: abort.signal })) first.push(event);
    })().catch(() => undefined);
    await server.until("the feed says hello", async () => first.length > 0);
    const id = await start({ through: ["dev"] });
    await server.followed("vic", id);
    await server.until("the end is told", async () =>
      first.some(({ data }) => data["outcome"] === "succeeded"),
    );
    abort.abort();
    await following;
    expect(
      first.filter(({ event }) => event === "operation").every(({ data }) => data["id"] === id),
    ).to.equal(true);
    const second = await start({ through: ["staging"] });
    await server.followed("vic", second);
    const last = first.at(-1)!.id;
    const missed: unknown[] = [];
    for await (const { event, data } of server.events("vic", "/events", { lastEventId: last! })) {
      if (event === "operation") missed.push(data["id"]);
      if (missed.includes(second)) break;
    }
    expect(missed).to.include(second);
  });
});

describe("a console that is killed in the middle of a promotion", function () {
  this.timeout(240_000);
  let scene: Scene;
  const children: ChildProcess[] = [];
  beforeEach(async () => (scene = await makeScene()));
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
    await scene.remove();
  });

  async function host(): Promise<{
    child: ChildProcess;
    ask: Server["ask"];
    url: string;
    token: (name: string) => string;
  }> {
    const script = path.join(path.dirname(fileURLToPath(import.meta.url)), "host.js");
    const child = spawn(process.execPath, [script, scene.folder], { stdio: ["ignore", "pipe", "inherit"] });
    children.push(child);
    const [line] = (await once(createInterface(child.stdout), "line")) as [string];
    const { url, tokens } = JSON.parse(line) as { url: string; tokens: [string, string][] };
    const known = new Map(tokens);
    const client = { url, tokenOf: (name: string) => known.get(name) ?? "" } as Server;
    return { child, url, token: client.tokenOf.bind(client), ask: Server.prototype.ask.bind(client) };
  }

  it("goes on when it is started again: what was asked is asked again, what was decided counts", async () => {
    const first = await host();
    const { body } = await first.ask("ann", "POST", "/promotions", {
      through: ["dev", "prod"],
      overrides: [{ rule: "proven", reason: "staging is away" }],
    });
    const id = body.id as string;
    const until = Server.prototype.until.bind(undefined);
    const waits = async (ask: Server["ask"]) => {
      const { body: all } = await ask("bob", "GET", "/approvals");
      return (all as { operation: string; plan: string }[]).find(({ operation }) => operation === id);
    };
    const before = await until("prod waits", () => waits(first.ask));
    const { body: seen } = await first.ask("vic", "GET", `/operations/${id}`);
    first.child.kill("SIGKILL");
    await once(first.child, "exit");

    const second = await host();
    const again = await until("prod waits again", () => waits(second.ask));
    expect(again.plan, "the same changes").to.equal(before.plan);
    const own = await second.ask("ann", "POST", `/operations/${id}/approvals/prod`, {
      approved: true,
      plan: again.plan,
    });
    expect(own.status, "who started it is known after the restart").to.equal(403);
    // Decided, and killed again before anything is done of it.
    const decided = await second.ask("bob", "POST", `/operations/${id}/approvals/prod`, {
      approved: true,
      plan: again.plan,
    });
    expect(decided.status, JSON.stringify(decided.body)).to.equal(200);
    second.child.kill("SIGKILL");
    await once(second.child, "exit");

    const third = await host();
    const done = await until("it has ended", async () => {
      const { body: told } = await third.ask("vic", "GET", `/operations/${id}`);
      return ["succeeded", "failed", "cancelled"].includes(told.outcome as string) ? told : undefined;
    });
    expect(done.outcome, JSON.stringify(done.error)).to.equal("succeeded");
    expect(done).to.include({ startedBy: "ann" });
    expect(done.steps[0].deployedAt, "dev was left alone").to.equal(seen.steps[0].deployedAt);
    expect(done.resumed.length).to.be.at.least(1);
    const prod = done.parts.find(({ environment }: any) => environment === "prod");
    expect(prod.approvals.map(({ by }: any) => by)).to.deep.equal(["bob"]);
    // A stream of before the first kill goes on with the third server.
    const client = { url: third.url, tokenOf: third.token } as Server;
    const events: Event[] = [];
    for await (const event of Server.prototype.events.call(client, "vic", `/operations/${id}/events`, {
      lastEventId: "5",
    }))
      events.push(event);
    expect(events[0]!.id).to.equal("6");
    expect(events.some(({ event }) => event === "resumed")).to.equal(true);
  });
});
