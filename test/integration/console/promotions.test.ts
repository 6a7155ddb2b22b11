import { writeFile } from "node:fs/promises";
import { expect } from "chai";
import { makeWorld, type Server, type World } from "./support.js";

describe("the console's promotions, on the real engine", function () {
  this.timeout(240_000);
  let world: World;
  let server: Server;
  beforeEach(async () => {
    world = await makeWorld();
    ({ server } = world);
  });
  afterEach(() => world.remove());

  const start = async (person: string, body: object, headers = {}): Promise<string> => {
    const { status, body: answer } = await server.ask(person, "POST", "/promotions", body, headers);
    expect(status, JSON.stringify(answer)).to.be.oneOf([200, 202]);
    return answer.id as string;
  };

  it("carries a release through dev and staging without a question, and prod once somebody else has agreed", async () => {
    const id = await start("ann", { through: ["dev", "staging", "prod"] });
    const following = server.followed("vic", id);
    const waiting = await server.waiting("ann", id, "prod");
    expect(waiting).to.include({ startedBy: "ann", protected: true, mayApprove: false });
    expect(waiting.why).to.match(/whoever started/);

    const { body: preview } = await server.ask("bob", "GET", `/operations/${id}/previews/prod`);
    expect(preview.changes).to.deep.equal({ create: 2 });
    expect(preview.resources.map(({ op, name }: any) => [op, name])).to.deep.include(["create", "thing"]);
    expect(preview.verdicts.map(({ verdict }: any) => verdict)).to.include("passed");

    const decide = (person: string, plan = preview.plan) =>
      server.ask(person, "POST", `/operations/${id}/approvals/prod`, { approved: true, plan });
    expect((await decide("ann")).status, "of whoever started it").to.equal(403);
    expect((await decide("olga")).status, "without the role").to.equal(403);
    expect((await decide("bob", "0".repeat(64))).body.code).to.equal("console/other-plan");
    const decision = await decide("bob");
    expect(decision.body).to.include({ approved: true, by: "bob" });

    const events = await following;
    expect(events.filter(({ event }) => event === "end").map(({ data }) => data["outcome"])).to.deep.equal([
      "succeeded",
    ]);
    const { body: detail } = await server.ask("vic", "GET", `/operations/${id}`);
    expect(detail).to.include({ outcome: "succeeded", startedBy: "ann" });
    expect(detail.steps.map(({ state }: any) => state)).to.deep.equal(["passed", "passed", "passed"]);
    const prod = detail.parts.find(({ environment }: any) => environment === "prod");
    expect(prod.approvals.map(({ by }: any) => by)).to.deep.equal(["bob"]);
    const { body: environments } = await server.ask("vic", "GET", "/environments");
    expect(
      environments.map(({ name, deployed }: any) => [name, deployed?.release, deployed?.passed]),
    ).to.deep.equal(["dev", "staging", "prod"].map((name) => [name, detail.release, true]));
    const { body: actions } = await server.ask("vic", "GET", "/actions");
    expect(actions.map(({ by, action, status }: any) => `${by} ${action} ${status}`)).to.include.members([
      "ann POST /promotions 202",
      "bob POST /operations/:id/approvals/:environment 200",
    ]);
    const { body: status } = await server.ask("vic", "GET", "/environments/shop/prod");
    expect(status).to.include({ exists: true, program: "things" });
    expect(status.outputs.token).to.equal('"[secret]"');
  });

  it("is stopped by a gate, goes on against it with a reason, and is refused by a person", async () => {
    const held = await start("ann", { through: ["prod"] });
    await server.followed("ann", held);
    const { body: detail } = await server.ask("vic", "GET", `/operations/${held}`);
    expect(detail.error.code).to.equal("driver/gate-refused");
    // What was held against is to be seen, with what would have changed.
    const { body: preview } = await server.ask("vic", "GET", `/operations/${held}/previews/prod`);
    expect(preview.resources.map(({ name }: any) => name)).to.include("thing");
    expect(preview.verdicts.find(({ rule }: any) => rule === "proven").verdict).to.equal("refused");
    const late = await server.ask("bob", "POST", `/operations/${held}/approvals/prod`, {
      approved: true,
      plan: preview.plan,
    });
    expect([late.status, late.body.code]).to.deep.equal([409, "console/not-waiting"]);

    const overrides = [{ rule: "proven", reason: "agreed with Grace" }];
    const body = { through: ["prod"], overrides };
    expect((await server.ask("olga", "POST", "/promotions", body)).status, "no approver overrides").to.equal(
      403,
    );
    const again = await start("ann", body);
    const { plan } = await server.waiting("bob", again, "prod");
    const following = server.followed("vic", again);
    await server.ask("bob", "POST", `/operations/${again}/approvals/prod`, {
      approved: false,
      plan,
      reason: "not on a Friday",
    });
    await following;
    const { body: refused } = await server.ask("vic", "GET", `/operations/${again}`);
    expect(refused).to.include({ outcome: "failed" });
    expect(refused.error.code).to.equal("driver/not-approved");
    expect(refused.error.message, "who refused is in the record").to.contain("bob");
    expect(refused.overrides).to.deep.equal(overrides);
    const { body: asked } = await server.ask("vic", "GET", `/operations/${again}/previews/prod`);
    expect(asked.decision).to.include({ approved: false, by: "bob", reason: "not on a Friday" });
    expect((await world.server.platform.environment("prod").status()).resources).to.equal(0);
  });

  it("lets only the first of two browsers decide", async () => {
    const id = await start("olga", { through: ["dev"], ask: "always" });
    const { plan } = await server.waiting("ann", id, "dev");
    const decide = (person: string, approved: boolean) =>
      server.ask(person, "POST", `/operations/${id}/approvals/dev`, { approved, plan });
    const both = await Promise.all([decide("ann", true), decide("bob", false)]);
    expect(both.map(({ status }) => status).sort()).to.deep.equal([200, 409]);
    const first = both.find(({ status }) => status === 200)!.body;
    const second = both.find(({ status }) => status === 409)!.body;
    expect(second.found).to.equal(`${first.approved ? "approved" : "refused"} by ${first.by}`);
    await server.followed("vic", id);
    const { body: detail } = await server.ask("vic", "GET", `/operations/${id}`);
    expect(detail.outcome).to.equal(first.approved ? "succeeded" : "failed");
  });

  it("starts one promotion, however often the request is sent", async () => {
    const headers = { "idempotency-key": "6e1c1f2a-once" };
    const body = { through: ["dev"] };
    const all = await Promise.all(
      [1, 2, 3].map(() => server.ask("ann", "POST", "/promotions", body, headers)),
    );
    expect(new Set(all.map(({ body: { id } }) => id)).size).to.equal(1);
    expect(all.map(({ status }) => status).sort()).to.deep.equal([200, 200, 202]);
    expect(all[0]!.headers.get("location")).to.equal(`/headwater/api/v1/operations/${all[0]!.body.id}`);
    const other = await server.ask("ann", "POST", "/promotions", { through: ["staging"] }, headers);
    expect([other.status, other.body.code]).to.deep.equal([422, "console/key-reused"]);
    await server.followed("ann", all[0]!.body.id as string);
    const { body: list } = await server.ask("vic", "GET", "/operations");
    expect(list).to.have.length(1);
  });

  it("is cancelled while it waits, and what has passed stays", async () => {
    const id = await start("ann", {
      through: ["dev", "prod"],
      overrides: [{ rule: "proven", reason: "staging is away" }],
    });
    await server.waiting("bob", id, "prod");
    expect((await server.ask("vic", "POST", `/operations/${id}/cancellation`, {})).status).to.equal(403);
    expect((await server.ask("olga", "POST", `/operations/${id}/cancellation`, {})).status).to.equal(202);
    const events = await server.followed("vic", id);
    expect(events.at(-1)!.data["outcome"]).to.equal("cancelled");
    const { body: detail } = await server.ask("vic", "GET", `/operations/${id}`);
    expect(detail.steps.map(({ state }: any) => state)).to.deep.equal(["passed", "stopped"]);
    expect((await server.ask("olga", "POST", `/operations/${id}/cancellation`, {})).body.code).to.equal(
      "console/not-running",
    );
    expect((await server.ask("bob", "GET", "/approvals")).body).to.deep.equal([]);
  });

  it("raises an ephemeral environment, lets it live longer, and destroys it", async () => {
    const raised = await server.ask("olga", "POST", "/ephemerals", { name: "pr-12", ttl: "1h" });
    expect(raised.status).to.equal(202);
    await server.followed("olga", raised.body.id as string);
    const { body: all } = await server.ask("vic", "GET", "/ephemerals");
    expect(all[0]).to.include({ name: "pr-12", from: "dev", by: "olga", expired: false });
    const { body: environments } = await server.ask("vic", "GET", "/environments");
    expect(environments.find(({ name }: any) => name === "pr-12")).to.include({ ephemeral: true });
    const { body: longer } = await server.ask("olga", "PATCH", "/ephemerals/shop/pr-12", { ttl: "1d" });
    expect(Date.parse(longer.expires as string) - Date.now()).to.be.above(86_000_000);

    const destroyed = await server.ask("olga", "DELETE", "/ephemerals/shop/pr-12");
    expect(destroyed.status).to.equal(202);
    const events = await server.followed("vic", destroyed.body.id as string);
    expect(events.at(-1)!.data).to.include({ outcome: "succeeded" });
    expect((await server.ask("vic", "GET", "/ephemerals")).body).to.deep.equal([]);
    const { body: told } = await server.ask("vic", "GET", `/operations/${destroyed.body.id}`);
    expect(told).to.include({ kind: "destroy", startedBy: "olga" });
    expect((await server.ask("olga", "DELETE", "/ephemerals/shop/pr-12")).status).to.equal(404);
  });

  it("looks for drift, once for all who ask, and keeps what was found", async () => {
    const until = `${world.scene.folder}/cloud`;
    await world.scene.write("dev", { value: "as released", until });
    await server.followed("ann", await start("ann", { through: ["dev"] }));
    expect((await server.ask("vic", "GET", "/environments/shop/dev/drift")).body).to.deep.equal({
      state: "never",
    });
    expect((await server.ask("vic", "POST", "/environments/shop/dev/drift")).status).to.equal(403);
    await writeFile(`${until}.changed`, "");
    const [first, second] = await Promise.all(
      ["ann", "olga"].map((person) => server.ask(person, "POST", "/environments/shop/dev/drift")),
    );
    expect([first!.status, second!.body.by]).to.deep.equal([202, first!.body.by]);
    const found = await server.until("drift is known", async () => {
      const { body } = await server.ask("vic", "GET", "/environments/shop/dev/drift");
      return body.state === "looking" ? undefined : (body as Record<string, any>);
    });
    expect(found["state"], JSON.stringify(found)).to.equal("known");
    expect(found["resources"][0].properties).to.deep.include({
      ...{ field: "value", old: '"as released"', new: '"by hand"', replaces: false },
    });
  });
});
