import { createServer, request as send, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { expect } from "chai";
import { SandboxFaults } from "../../../src/sandbox/faults/client.js";
import { BACKENDS_PATH, startFront, type Front } from "../../../src/sandbox/faults/front.js";

describe("the sandbox's front", () => {
  let front: Front;
  let faults: SandboxFaults;
  let backend: Server;
  /** What the service behind it was asked, in order. */
  let asked: { method: string; url: string; headers: string[]; body: string }[];
  let held: (() => void)[];

  beforeEach(async () => {
    asked = [];
    held = [];
    backend = createServer((request, response) => {
      let body = "";
      request.setEncoding("utf8").on("data", (text: string) => {
        body += text;
        // An answer that begins before the request has ended.
        if (request.url === "/echo") response.write(text);
      });
      request.on("end", () => {
        asked.push({ method: request.method!, url: request.url!, headers: request.rawHeaders, body });
        if (request.url === "/breaks") request.socket.destroy();
        else if (request.url === "/held") held.push(() => response.end("held"));
        else response.end(request.url === "/echo" ? "" : JSON.stringify({ name: "it" }));
      });
    });
    await new Promise<void>((resolve) => backend.listen(0, "127.0.0.1", resolve));
    const behind = `http://127.0.0.1:${(backend.address() as AddressInfo).port}`;
    front = await startFront({ backends: { workspace: behind } });
    faults = new SandboxFaults(front.urls.workspace);
  });
  afterEach(async () => {
    await front.stop();
    backend.closeAllConnections();
    await new Promise((resolve) => backend.close(resolve));
  });

  const at = (path: string) => `${front.urls.workspace}${path}`;
  const things = "POST /api/things";
  const post = (body: string) => fetch(at("/api/things"), { method: "POST", body });

  it("hands a request on as it is: path, query, host, repeated headers and body", async () => {
    const request = send(at("/a%2Fb?c=d%20e"), { method: "PUT" });
    request.setHeader("x-twice", ["1", "2"]);
    request.end("body");
    const [response] = (await once(request, "response")) as [NodeJS.ReadableStream];
    response.resume();
    const { method, url, headers, body } = asked[0]!;
    expect({ method, url, body }).to.deep.equal({ method: "PUT", url: "/a%2Fb?c=d%20e", body: "body" });
    expect(headers.filter((_, i) => headers[i - 1] === "x-twice")).to.deep.equal(["1", "2"]);
    expect(headers[headers.findIndex((name) => name.toLowerCase() === "host") + 1]).to.equal(
      new URL(front.urls.workspace).host,
    );
  });

  it("streams both ways: the answer may begin before the request has ended", async () => {
    const request = send(at("/echo"), { method: "POST" });
    request.write("first");
    const [response] = (await once(request, "response")) as [NodeJS.ReadableStream];
    const [chunk] = (await once(response, "data")) as [Buffer];
    expect(chunk.toString()).to.equal("first");
    request.end();
    response.resume();
    await once(response, "end");
  });

  it("breaks a line that broke behind it, and answers 503 for what is not started", async () => {
    const error = await fetch(at("/breaks")).catch((caught: unknown) => caught as Error);
    expect((error as Error).message).to.equal("fetch failed");
    expect((await fetch(front.urls.dms)).status).to.equal(503);
  });

  it("is told once what stands behind it: nobody leads its clients elsewhere later", async () => {
    const tell = (service: string) =>
      fetch(at(BACKENDS_PATH), { method: "POST", body: JSON.stringify({ [service]: "http://127.0.0.1:9" }) });
    expect([
      (await tell("dms")).status,
      (await tell("dms")).status,
      (await tell("workspace")).status,
    ]).to.deep.equal(
      [200, 409, 409], // prettier-ignore
    );
  });

  it("loses one answer of two writes at the same time, where it is to lose one", async () => {
    await faults.add({ operation: "POST /held", kind: "crash-after-write" });
    const both = [1, 2].map(async () => (await fetch(at("/held"), { method: "POST" })).text());
    while (held.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    for (const answer of held) answer();
    const outcomes = (await Promise.allSettled(both)).map(({ status }) => status);
    expect(outcomes.sort()).to.deep.equal(["fulfilled", "rejected"]);
  });

  it("strikes calls that hold the text and no others, rule by rule", async () => {
    const words = { kind: "error", code: "NO", status: 403 } as const;
    await faults.add({ operation: things, ...words, message: "first", match: "shop" });
    await faults.add({ operation: "* /api/*", ...words, message: "second", times: 2 });
    const said = async (body: string) => ((await (await post(body)).json()) as { message?: string }).message;
    expect([
      await said("other"),
      await said("a shop"),
      await said("a shop"),
      await said("a shop"),
    ]).to.deep.equal(
      ["second", "first", "second", undefined], // prettier-ignore
    );
    expect(asked).to.have.length(1);
    expect((await faults.list()).map(({ id, struck }) => [id, struck])).to.deep.equal([[1, 1], [2, 2]]); // prettier-ignore
  });

  it("answers truly again once all rules are taken back, also what would still be stale", async () => {
    await faults.add({ operation: things, kind: "stale-read", times: 9 });
    await post(JSON.stringify({ name: "it" }));
    expect((await fetch(at("/api/things/it"))).status).to.equal(404);
    await faults.clear();
    expect((await fetch(at("/api/things/it"))).status).to.equal(200);
    expect(await faults.list()).to.deep.equal([]);
  });
});
