import { once } from "node:events";
import net from "node:net";
import { expect } from "chai";
import Fastify, { type FastifyInstance } from "fastify";
import { Streams } from "../../../src/console/streams.js";

describe("a stream of events", () => {
  let app: FastifyInstance;
  afterEach(() => app.close());

  /** Serves frames without an end; tells how many were asked for, and whether they are let go. */
  async function serve(stuckMs: number): Promise<{ port: number; state: { asked: number; over: boolean } }> {
    const streams = new Streams(10, stuckMs);
    const state = { asked: 0, over: false };
    app = Fastify({ forceCloseConnections: true });
    app.get("/", (request, reply) =>
      streams.send(request, reply, async function* (signal) {
        try {
          for (; !signal.aborted; state.asked += 1) yield `data: ${"x".repeat(64_000)}\n\n`;
        } finally {
          state.over = true;
        }
      }),
    );
    await app.listen({ host: "127.0.0.1", port: 0 });
    return { port: (app.server.address() as net.AddressInfo).port, state };
  }

  async function letGo(state: { readonly over: boolean }): Promise<void> {
    while (!state.over) await new Promise((resolve) => setTimeout(resolve, 10));
  }

  const ask = (port: number): net.Socket => {
    const socket = net.connect(port, "127.0.0.1");
    socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    return socket;
  };

  it("keeps nothing for a reader that takes nothing, and lets it go", async () => {
    const { port, state } = await serve(300);
    const socket = ask(port);
    await once(socket, "readable");
    await letGo(state);
    socket.destroy();
    // What the two sockets of the system hold, and no more: megabytes, where an unbounded buffer grows by gigabytes.
    expect(state.asked).to.be.below(400);
  });

  it("stops asking when its reader goes away", async () => {
    const { port, state } = await serve(60_000);
    const socket = ask(port);
    await once(socket, "data");
    socket.destroy();
    await letGo(state);
    const { asked } = state;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(state.asked).to.equal(asked);
  });
});
