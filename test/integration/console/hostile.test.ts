import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { expect } from "chai";
import { ensurePython } from "../../../src/engine/python.js";
import { makeWorld, type Server, type World } from "./support.js";

describe("malformed and hostile requests to the console", function () {
  this.timeout(600_000);
  let world: World;
  let server: Server;
  const failures: string[] = [];
  before(async () => {
    world = await makeWorld({
      requestsPerMinute: 1_000_000,
      log: (line) => {
        if (line.includes('"level":50')) failures.push(line);
      },
    });
    ({ server } = world);
  });
  after(() => world.remove());

  it("are never answered by 500, nor by what the description does not name: schemathesis on the OpenAPI description", async () => {
    const { python } = await ensurePython({ progress: () => undefined, dev: true });
    const folder = await mkdtemp(path.join(os.tmpdir(), "headwater-schemathesis-"));
    try {
      const { body: description } = await server.ask("ann", "GET", "/openapi.json");
      const { body: started } = await server.ask("ann", "POST", "/promotions", { through: ["dev"] });
      await server.followed("ann", started.id as string);
      // What only looks is asked of things that are there; what starts and destroys, mostly of things that are not.
      const there: Record<string, string[]> = {
        ...{
          pipeline: ["shop"],
          environment: ["dev", "staging"],
          table: ["customers"],
          id: [started.id as string],
        },
      };
      const paths = Object.fromEntries(
        Object.entries(
          description.paths as Record<string, { get?: { parameters?: { name: string; schema: object }[] } }>,
        )
          // Streams have no end.
          .filter(([name]) => !name.endsWith("/events"))
          .map(([name, { get, ...others }]) => {
            const parameters = get?.parameters?.map((parameter) => {
              const values = there[parameter.name];
              return values === undefined
                ? parameter
                : { ...parameter, schema: { type: "string", enum: values } };
            });
            return [name, { ...others, ...(get && { get: { ...get, ...(parameters && { parameters }) } }) }];
          }),
      );
      const file = path.join(folder, "openapi.json");
      await writeFile(file, JSON.stringify({ ...description, paths }));
      const child = spawn(
        path.join(path.dirname(python), "schemathesis"),
        [
          ...["run", file, "--url", new URL(server.url).origin, "--max-examples", "15", "--seed", "20261128"],
          ...[
            "--checks",
            "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
          ],
          ...[
            "--phases",
            "examples,coverage,fuzzing",
            "--request-timeout",
            "60",
            "--no-color",
            "--max-failures",
            "20",
          ],
          ...["--header", `Authorization: Bearer ${server.tokenOf("ann")}`],
        ],
        { cwd: folder, stdio: ["ignore", "pipe", "pipe"] },
      );
      let output = "";
      for (const stream of [child.stdout, child.stderr])
        stream.setEncoding("utf8").on("data", (text: string) => (output += text));
      const [code] = (await once(child, "exit")) as [number];
      expect(code, output.slice(-6000)).to.equal(0);
      expect(output).to.match(/\d+ generated/);
      expect(failures).to.deep.equal([]);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it("are refused one by one: paths, bodies and headers made to break out", async () => {
    const raw = (path: string, options: RequestInit = {}) =>
      fetch(`${server.url}/api/v1${path}`, {
        ...options,
        headers: { authorization: `Bearer ${server.tokenOf("ann")}`, ...options.headers },
      });
    const json = { "content-type": "application/json" };
    const cases: [string, RequestInit, number[]][] = [
      ["/operations/..%2f..%2fleases%2fshop-dev", {}, [400]],
      ["/operations/%00", {}, [400]],
      ["/environments/shop/dev%27%3Bdrop%20table", {}, [400]],
      ["/environments/__proto__/constructor", {}, [400]],
      [
        "/environments/shop/dev/tables/customers/life?key=" + encodeURIComponent('{"__proto__":{"id":1}}'),
        {},
        [400, 409],
      ],
      ["/operations?limit=1e9", {}, [400]],
      ["/operations?before=" + "1".repeat(10_000), {}, [400]],
      ["/promotions", { method: "POST", headers: json, body: "{" }, [400]],
      ["/promotions", { method: "POST", headers: json, body: "[".repeat(100_000) }, [400]],
      ["/promotions", { method: "POST", headers: json, body: `"${"x".repeat(2_000_000)}"` }, [413]],
      ["/promotions", { method: "POST", headers: json, body: '{"__proto__":{"through":["dev"]}}' }, [400]],
      ["/promotions", { method: "POST", headers: json, body: '{"through":["dev","dev"]}' }, [400]],
      ["/promotions", { method: "POST", headers: json, body: '{"through":["dev"],"constructor":1}' }, [400]],
      ["/promotions", { method: "POST", headers: { "content-type": "text/xml" }, body: "<a/>" }, [415]],
      [
        "/promotions",
        {
          method: "POST",
          headers: { ...json, "idempotency-key": "\u00ff".repeat(20) },
          body: '{"through":["dev"]}',
        },
        [400],
      ],
      ["/ephemerals", { method: "POST", headers: json, body: '{"name":"dev","ttl":"1h"}' }, [409]],
      ["/ephemerals", { method: "POST", headers: json, body: '{"name":"pr-1","ttl":"99999d"}' }, [422]],
    ];
    const { body: before } = await server.ask("ann", "GET", "/operations?limit=500");
    for (const [path, options, allowed] of cases) {
      const response = await raw(path, options);
      const text = await response.text();
      expect(
        response.status,
        `${path.slice(0, 80)} ${JSON.stringify(options.body ?? "").slice(0, 60)}: ${text.slice(0, 200)}`,
      ).to.be.oneOf(allowed);
      expect(text).not.to.match(/node_modules|\.js:\d+/);
    }
    const { body: after } = await server.ask("ann", "GET", "/operations?limit=500");
    expect(after.length, "nothing was started").to.equal(before.length);
  });
});
