import { expect } from "chai";
import { startPostgres, type PostgresFixture } from "../../support/postgres.js";
import { headwater, type Ended } from "../../unit/cli/command.js";

const PASSWORD = "never-shown-1";

describe("headwater source", function () {
  this.timeout(120_000);
  let server: PostgresFixture;
  before(async () => {
    server = await startPostgres();
    await server.query(`CREATE SCHEMA shop; CREATE TABLE shop.customers (id int PRIMARY KEY); CREATE TABLE shop.orders (id int PRIMARY KEY);
      CREATE TABLE shop.order_lines (order_id int, line_no int, PRIMARY KEY (order_id, line_no)); CREATE TABLE shop.products (sku varchar(20) PRIMARY KEY)`);
  });
  after(() => server?.stop());

  /** On this project's own pipeline and settings, with the database of this test. */
  const source = (command: string, ...more: string[]): Promise<Ended> =>
    headwater(
      [
        ...[
          "source",
          command,
          "dev",
          "--host",
          server.host,
          "--port",
          String(server.port),
          "--database",
          server.database,
        ],
        ...["--tls", "none", "--user", "headwater_shop", ...more],
      ],
      { env: { HEADWATER_SOURCE_PASSWORD: server.password, HEADWATER_DMS_PASSWORD: PASSWORD } },
    );
  const admin = (): string[] => ["--admin", server.user];

  it("prints, checks, prepares, checks, and takes back", async () => {
    const printed = await source("prepare", "--print");
    expect(printed.code).to.equal(0);
    expect(printed.stdout).to.contain('CREATE PUBLICATION "headwater_shop"').and.not.contain(PASSWORD);

    const before = await source("check", ...admin());
    expect(before.code).to.equal(1);
    expect(before.stdout).to.contain("there is no user headwater_shop");
    expect(before.stderr).to.contain("source/not-ready");

    const prepared = await source("prepare", "--yes", ...admin());
    expect(prepared.stderr).to.contain("a user of DMS's own");
    expect(prepared.code, prepared.stderr).to.equal(0);
    // Now as DMS's user itself.
    const after = await source("check");
    expect(after.stdout).to.equal("dev: nothing in the way of DMS\n");
    expect(after.code).to.equal(0);

    const undone = await source("prepare", "--undo", "--yes", "--json", ...admin());
    expect(undone.code, undone.stderr).to.equal(0);
    expect(JSON.parse(undone.stdout)).to.deep.include({ type: "undone", environment: "dev" });
    const json = await source("check", "--json");
    expect(json.code).to.equal(1);
    const [first] = json.stdout.trim().split("\n");
    expect(
      (JSON.parse(first ?? "") as { findings: { code: string }[] }).findings.map(({ code }) => code),
    ).to.deep.equal(["source/login"]);
    for (const { stdout, stderr } of [printed, before, prepared, after, undone, json]) {
      expect(stdout + stderr).not.to.contain(PASSWORD);
      expect(stdout + stderr).not.to.contain(server.password);
    }
  });

  it("ends with 2, and touches nothing, where the input is wrong", async () => {
    const wrong: [string[], string][] = [
      [["prepare", ...admin()], "nobody is there to be asked"],
      [["prepare", "--yes"], "nobody is named who may prepare"],
      [["prepare", "--print", "--publication", "theirs"], "begins with headwater_"],
      [["prepare", "--print", "--hosting", "moon"], "Allowed choices are rds, self-managed"],
      [["check", "--sandbox", "--work-folder", "/nonexistent"], "no sandbox is up"],
    ];
    for (const [[command = "", ...options], message] of wrong) {
      const { code, stderr } = await source(command, ...options);
      expect(stderr).to.contain(message);
      expect(code, message).to.equal(2);
    }
    expect(await server.query("SELECT 1 FROM pg_publication")).to.deep.equal([]);
  });
});
