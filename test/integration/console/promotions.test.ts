import { expect } from "chai";
import { Server, makeWorld, type World } from "./support.js";

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
    expect(events.filter(({ event }) => event === "end").map(({ data }) => data["outcome"])).to.deep.equal(["succeeded"]);
    const { body: detail } = await server.ask("vic", "GET", `/operations/${id}`);
    expect(detail).to.include({ outcome: "succeeded", startedBy: "ann" });
    expect(detail.steps.map(({ state }: any) => state)).to.deep.equal(["passed", "passed", "passed"]);
    const prod = detail.parts.find(({ environment }: any) => environment === "prod");
    expect(prod.approvals.map(({ by }: any) => by)).to.deep.equal(["bob"]);
    const { body: environments } = await server.ask("vic", "GET", "/environments");
    expect(environments.map(({ name, deployed }: any) => [name, deployed?.release, deployed?.passed])).to.deep.equal(
      ["dev", "staging", "prod"].map((name) => [name, detail.release, true]),
    );
    const { body: actions } = await server.ask("vic", "GET", "/actions");
    expect(actions.map(({ by, action, status }: any) => `${by} ${action} ${status}`)).to.include.members([
      "ann POST /promotions 202",
      "bob POST /operations/:id/approvals/:environment 200",
    ]);
    const { body: status } = await server.ask("vic", "GET", "/environments/shop/prod");
    expect(status).to.include({ exists: true, program: "things" });
    expect(status.outputs.token).to.equal('"[secret]"');
  });
});
