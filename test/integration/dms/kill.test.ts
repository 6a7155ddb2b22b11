import { expect } from "chai";
import fc from "fast-check";
import pg from "pg";
import type { DmsServiceOptions } from "../../../src/sandbox/dms/service.js";
import { DmsChild } from "./child.js";
import { eventually, headwaterRules, include, World } from "./world.js";

/** What a transaction does to a small table; keys are few, so that they meet again. */
type Step =
  | { kind: "put"; id: number }
  | { kind: "remove"; id: number }
  | { kind: "move"; id: number; to: number }
  | { kind: "kill" };

const id = fc.integer({ min: 1, max: 4 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("put" as const), id }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("remove" as const), id }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("move" as const), id, to: id }) },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: "kill" }) },
);
const transactions = fc.array(
  fc.record({
    steps: fc.array(step, { minLength: 1, maxLength: 6 }),
    rollback: fc.boolean(),
    pause: fc.nat(60),
  }),
  { minLength: 5, maxLength: 25 },
);

/** A change as text: op, key, value, key before. Values are used once, so every change differs from every other. */
type Event = string;
const event = (op: string, id: unknown, value: unknown, before: unknown): Event =>
  JSON.stringify(
    [op, id, value, before].map((part) => (typeof part === "bigint" ? Number(part) : (part ?? null))),
  );

describe("DMS service: killed in the middle", function () {
  this.timeout(180_000);
  let world: World;
  before(async () => (world = await World.create()));
  after(async () => await world?.destroy());

  for (const options of [
    {},
    { keyChange: "deleteInsert", resend: "lastBatch" },
    { resend: "lastBatch", resentChangeSeq: "fresh" },
  ] satisfies Partial<DmsServiceOptions>[]) {
    it(`no committed change is lost, none is invented, their order stays: ${JSON.stringify(options)}`, async () => {
      await fc.assert(
        fc.asyncProperty(transactions, fc.boolean(), async (plan, killWhileLoading) => {
          await check(plan, killWhileLoading, options);
        }),
        { numRuns: 3, endOnFailure: true },
      );
    });
  }

  async function check(
    plan: { steps: Step[]; rollback: boolean; pause: number }[],
    killWhileLoading: boolean,
    options: Partial<DmsServiceOptions>,
  ): Promise<void> {
    const schema = world.name("s").replace("-", "");
    await world.source.query(`create schema ${schema}; create table ${schema}.t (id int primary key, v int);
      alter table ${schema}.t replica identity full; insert into ${schema}.t values (1, -1), (2, -2)`);
    const serviceOptions = world.serviceOptions({ clockScale: 200, ...options });
    let child = await DmsChild.start(serviceOptions);
    const restart = async (): Promise<void> => {
      await child.kill();
      child = await DmsChild.start(serviceOptions);
    };
    const client = await world.source.connect();
    try {
      let replication = await world.replication(world.client(child.url), {
        rules: [include(schema, "t"), ...headwaterRules],
      });
      await replication.start();
      if (killWhileLoading) await restart();
      replication = replication.through(world.client(child.url));
      await replication.reaches("running");
      await replication.loaded("t");

      const model = new Map([
        [1, -1],
        [2, -2],
      ]);
      const expected: Event[] = [];
      let next = 0;
      for (const { steps, rollback, pause } of plan) {
        const before = new Map(model);
        const events: Event[] = [];
        await client.query("begin");
        for (const step of steps) {
          if (step.kind === "kill") await restart();
          else
            events.push(
              ...(await perform(client, schema, model, step, ++next, options.keyChange ?? "update")),
            );
        }
        await client.query(rollback ? "rollback" : "commit");
        if (rollback) {
          model.clear();
          before.forEach((value, key) => model.set(key, value));
        } else expected.push(...events);
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
      await restart();

      const found = replication.through(world.client(child.url));
      const rows = await eventually(async () => {
        const files = await found.files(schema, "t");
        const changes = files.filter(({ name }) => !name.startsWith("LOAD")).flatMap((file) => file.rows);
        return new Set(changes.map(eventOf)).size >= new Set(expected).size ? changes : undefined;
      }, `${expected.length} changes`);

      const sequence = (row: Record<string, unknown>) => String(row["change_seq"]);
      const ordered = [...rows].sort((a, b) => (sequence(a) < sequence(b) ? -1 : 1));
      expect(
        [...new Set(ordered.map(eventOf))],
        "events in the order of their change sequence",
      ).to.deep.equal(expected);
      if (options.resentChangeSeq !== "fresh") {
        const known = new Map(rows.map((row) => [sequence(row), eventOf(row)]));
        expect(known.size, "a change that comes again has the number it had").to.equal(expected.length);
      }
      for (const [key, value] of model) {
        const last = ordered
          .map(eventOf)
          .filter((text) => (JSON.parse(text) as unknown[])[1] === key)
          .at(-1);
        if (last !== undefined) expect((JSON.parse(last) as unknown[])[2]).to.equal(value);
      }
      const load = await found.loadRows(schema, "t");
      expect(load.map((row) => row["v"]).sort()).to.deep.equal([-1, -2]);
    } finally {
      await client.end();
      await child.kill();
    }
  }

  it("ends with its standard input and with SIGTERM, and says when its port is taken", async () => {
    const one = await DmsChild.start(world.serviceOptions());
    const taken = await DmsChild.start(world.serviceOptions({ port: one.port })).then(
      () => "started",
      (error: Error) => error.message,
    );
    expect(taken).to.include("EADDRINUSE");
    expect(await one.closeInput()).to.equal(0);
    const two = await DmsChild.start(world.serviceOptions());
    expect(await two.terminate()).to.equal(0);
  });
});

function eventOf({ Op, id, v, BI_id }: Record<string, unknown>): Event {
  return event(String(Op), id, v, BI_id);
}

async function perform(
  client: pg.Client,
  schema: string,
  model: Map<number, number>,
  step: Exclude<Step, { kind: "kill" }>,
  value: number,
  keyChange: "update" | "deleteInsert",
): Promise<Event[]> {
  const old = model.get(step.id);
  if (step.kind === "put") {
    model.set(step.id, value);
    if (old === undefined) {
      await client.query(`insert into ${schema}.t values ($1, $2)`, [step.id, value]);
      return [event("I", step.id, value, null)];
    }
    await client.query(`update ${schema}.t set v = $2 where id = $1`, [step.id, value]);
    return [event("U", step.id, value, step.id)];
  }
  if (old === undefined) return [];
  if (step.kind === "remove") {
    model.delete(step.id);
    await client.query(`delete from ${schema}.t where id = $1`, [step.id]);
    return [event("D", step.id, old, step.id)];
  }
  if (model.has(step.to)) return [];
  model.delete(step.id);
  model.set(step.to, value);
  await client.query(`update ${schema}.t set id = $2, v = $3 where id = $1`, [step.id, step.to, value]);
  return keyChange === "update"
    ? [event("U", step.to, value, step.id)]
    : [event("D", step.id, old, step.id), event("I", step.to, value, null)];
}
