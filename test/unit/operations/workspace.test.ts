import { expect } from "chai";
import { Jobs } from "../../../src/operations/jobs.js";
import { findWarehouse, Statements } from "../../../src/operations/statements.js";
import { WorkspaceClient, WorkspaceError } from "../../../src/operations/workspace-client.js";
import { errorOf } from "./errors.js";
import { FakeClock, FakeServer, type Answer, type FakeRequest } from "./fake-server.js";

const TOKEN = "dapi-very-secret-token";

describe("the workspace's clients", () => {
  let server: FakeServer | undefined;
  const clock = new FakeClock();
  afterEach(() => server?.stop());

  async function workspace(
    answer: (request: FakeRequest, index: number) => Answer,
  ): Promise<WorkspaceClient> {
    server = await FakeServer.start(answer);
    return new WorkspaceClient({ host: `${server.url}/`, token: TOKEN }, { clock, retries: 3 });
  }

  describe("WorkspaceClient", () => {
    it("sends the token, the query and the body", async () => {
      const client = await workspace(() => ({ json: { fine: true } }));
      await client.get("/a", { query: { b: "c d", none: undefined } });
      await client.post("/e", { f: 1 });
      const [get, post] = server!.requests;
      expect(get).to.include({ method: "GET", url: "/a?b=c+d" });
      expect(get?.headers.authorization).to.equal(`Bearer ${TOKEN}`);
      expect(post?.body).to.deep.equal({ f: 1 });
    });

    it("tries again after 429 and 503, as long as it is asked to wait", async () => {
      clock.sleeps.length = 0;
      const client = await workspace((_, index) =>
        index === 0
          ? { status: 429, headers: { "retry-after": "7" } }
          : index === 1
            ? { status: 503 }
            : { json: { n: 1 } },
      );
      expect(await client.post("/x", {})).to.deep.equal({ n: 1 });
      expect(clock.sleeps).to.deep.equal([7000, 500]);
    });

    it("gives up after the retries, with the workspace's last answer", async () => {
      const client = await workspace(() => ({
        status: 429,
        json: { error_code: "REQUEST_LIMIT_EXCEEDED", message: "slow down" },
      }));
      const error = await errorOf(client.get("/x"));
      expect(error)
        .to.be.instanceOf(WorkspaceError)
        .and.to.include({ status: 429, errorCode: "REQUEST_LIMIT_EXCEEDED" });
      expect(server!.requests).to.have.length(4);
    });

    it("repeats after a broken line only what changes nothing", async () => {
      const client = await workspace((_, index) => (index === 0 ? "hang up" : { json: { n: 2 } }));
      expect(await client.get("/x")).to.deep.equal({ n: 2 });
      await server!.stop();
      const posting = await workspace((_, index) => (index === 0 ? "hang up" : { json: {} }));
      const error = await errorOf(posting.post("/x", {}));
      expect(error).to.include({ status: 0, errorCode: "NO_ANSWER" });
      expect(server!.requests).to.have.length(1);
    });

    it("tells errors in the workspace's words, a proxy's HTML by its first part, and never the token", async () => {
      const client = await workspace(({ url }) =>
        url === "/html"
          ? { status: 502, text: "<html>bad gateway</html>" }
          : { status: 403, json: { error_code: "PERMISSION_DENIED", message: "no CAN_MANAGE" } },
      );
      const denied = await errorOf(client.get("/x"));
      expect(denied.message)
        .to.contain("PERMISSION_DENIED")
        .and.to.contain("no CAN_MANAGE")
        .and.to.contain("remedy");
      const proxy = await errorOf(client.get("/html"));
      expect(proxy.message).to.contain("502").and.to.contain("bad gateway");
      expect(`${denied.message}${proxy.message}`).not.to.contain(TOKEN);
    });

    it("refuses what is no address of a workspace", () => {
      expect(() => new WorkspaceClient({ host: "dbc.example.com", token: TOKEN })).to.throw(
        /not the address of a workspace/,
      );
    });
  });

  describe("Jobs", () => {
    const run = (id: number, life: string, result?: string, more: object = {}) => ({
      run_id: id,
      job_id: 7,
      state: { life_cycle_state: life, result_state: result },
      start_time: id * 1000,
      ...more,
    });

    it("starts a run once although the answer asks to try again", async () => {
      const client = await workspace((_, index) =>
        index === 0 ? { status: 503 } : { json: { run_id: 12 } },
      );
      expect(await new Jobs(client).runNow(7, { tables: "a" })).to.equal(12);
      const [first, second] = server!.requests.map(({ body }) => body as Record<string, unknown>);
      expect(first).to.deep.include({ job_id: 7, job_parameters: { tables: "a" } });
      expect(second?.["idempotency_token"]).to.equal(first?.["idempotency_token"]).and.to.be.a("string");
    });

    it("lists every page, newest first", async () => {
      const client = await workspace(({ url }) =>
        url.includes("page_token=next")
          ? { json: { runs: [run(2, "TERMINATED", "SUCCESS", { trigger: "FILE_ARRIVAL" })] } }
          : { json: { runs: [run(1, "RUNNING")], next_page_token: "next" } },
      );
      const runs = await new Jobs(client).runs(7);
      expect(runs.map(({ runId, trigger }) => [runId, trigger])).to.deep.equal([
        [2, "FILE_ARRIVAL"],
        [1, undefined],
      ]);
    });

    it("awaits a run and reads what its notebook exited with", async () => {
      const states = ["PENDING", "RUNNING", "TERMINATED"];
      const client = await workspace(({ url }, index) =>
        url.startsWith("/api/2.2/jobs/runs/get-output")
          ? { json: { notebook_output: { result: '{"ok":1}' } } }
          : {
              json: run(3, states[index] ?? "TERMINATED", index >= 2 ? "SUCCESS" : undefined, {
                tasks: [{ task_key: "apply", run_id: 31 }],
              }),
            },
      );
      const jobs = new Jobs(client);
      const ended = await jobs.awaitRun(3, { timeoutMs: 60_000, clock });
      expect((await jobs.outputs(ended)).get("apply")).to.deep.equal({ result: '{"ok":1}' });
    });

    it("fails with the notebook's own error, and copes with tasks that never ran", async () => {
      const client = await workspace(({ url }) => {
        if (url.includes("get-output?run_id=31"))
          return { json: { error: "ValueError: bad file", error_trace: "..." } };
        if (url.includes("get-output"))
          return { status: 400, json: { error_code: "INVALID_PARAMETER_VALUE", message: "no output" } };
        const tasks = [
          { task_key: "apply", run_id: 31, state: { result_state: "FAILED" } },
          { task_key: "export", run_id: 32, state: { result_state: "UPSTREAM_FAILED" } },
        ];
        return { json: run(3, "TERMINATED", "FAILED", { tasks, run_page_url: "https://w/run/3" }) };
      });
      const error = await errorOf(new Jobs(client).awaitRun(3, { timeoutMs: 60_000, clock }));
      expect(error.code).to.equal("operations/run-failed");
      expect(error.message).to.contain("apply: ValueError: bad file").and.to.contain("https://w/run/3");
    });
  });

  describe("Statements", () => {
    const wait = { timeoutMs: 60_000, clock };
    const columns = [
      { name: "id", type_text: "BIGINT" },
      { name: "name", type_text: "STRING" },
    ];

    it("sends parameters as values, waits, and reads every chunk", async () => {
      const client = await workspace(({ method, url }, index) => {
        if (method === "POST") return { json: { statement_id: "s1", status: { state: "PENDING" } } };
        if (url.endsWith("/chunks/1"))
          return { json: { data_array: [["3", null]], next_chunk_internal_link: null } };
        if (index < 3) return { json: { statement_id: "s1", status: { state: "RUNNING" } } };
        return {
          json: {
            statement_id: "s1",
            status: { state: "SUCCEEDED" },
            manifest: { schema: { columns }, total_row_count: 3 },
            result: {
              data_array: [
                ["1", "a"],
                ["2", "b"],
              ],
              next_chunk_internal_link: "/api/2.0/sql/statements/s1/chunks/1",
            },
          },
        };
      });
      const text = "SELECT * FROM t WHERE id > :low AND name = :name";
      const result = await new Statements(client, "w1").execute(
        text,
        { low: 0, name: "o'x", none: null },
        wait,
      );
      expect(result.columns).to.deep.equal([
        { name: "id", type: "BIGINT" },
        { name: "name", type: "STRING" },
      ]);
      expect(result.rows).to.deep.equal([
        ["1", "a"],
        ["2", "b"],
        ["3", null],
      ]);
      const sent = server!.requests[0]?.body as Record<string, unknown>;
      expect(sent["statement"]).to.equal(text);
      expect(sent["parameters"]).to.deep.equal([
        { name: "low", value: "0", type: "BIGINT" },
        { name: "name", value: "o'x", type: "STRING" },
        { name: "none" },
      ]);
    });

    it("refuses a result of which a part is missing", async () => {
      const client = await workspace(() => ({
        json: {
          statement_id: "s1",
          status: { state: "SUCCEEDED" },
          manifest: { schema: { columns }, total_row_count: 5 },
          result: { data_array: [["1", "a"]] },
        },
      }));
      const error = await errorOf(new Statements(client, "w").execute("SELECT 1", {}, wait));
      expect(error.message).to.contain("1 of 5 rows");
    });

    it("fails with the warehouse's words, and cancels what it gives up", async () => {
      const failing = await workspace(() => ({
        json: {
          statement_id: "s",
          status: { state: "FAILED", error: { error_code: "BAD_REQUEST", message: "TABLE_NOT_FOUND" } },
        },
      }));
      expect((await errorOf(new Statements(failing, "w").execute("SELECT 1", {}, wait))).message).to.contain(
        "TABLE_NOT_FOUND",
      );
      await server!.stop();
      const slow = await workspace(() => ({ json: { statement_id: "s9", status: { state: "RUNNING" } } }));
      const error = await errorOf(
        new Statements(slow, "w").execute("SELECT 1", {}, { timeoutMs: 10, clock: new FakeClock() }),
      );
      expect(error.code).to.equal("operations/timeout");
      expect(server!.requests.at(-1)).to.include({
        method: "POST",
        url: "/api/2.0/sql/statements/s9/cancel",
      });
    });

    it("finds the named warehouse, else one that runs, and says what there is when there is none", async () => {
      const warehouses = [
        { id: "a", name: "idle", state: "STOPPED" },
        { id: "b", name: "busy", state: "RUNNING" },
      ];
      const client = await workspace(() => ({ json: { warehouses } }));
      expect(await findWarehouse(client)).to.equal("b");
      expect(await findWarehouse(client, "idle")).to.equal("a");
      expect((await errorOf(findWarehouse(client, "other"))).message).to.contain("idle, busy");
    });
  });
});
