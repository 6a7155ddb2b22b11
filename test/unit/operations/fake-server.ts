import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import type { Clock } from "../../../src/operations/wait.js";

export interface FakeRequest {
  readonly method: string;
  /** With the query. */
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: unknown;
}

export type Answer =
  | {
      readonly status?: number;
      readonly json?: unknown;
      readonly text?: string;
      readonly headers?: Record<string, string>;
    }
  /** The line breaks before an answer. */
  | "hang up";

/** A server in this process that answers as told and remembers what it was asked. */
export class FakeServer {
  readonly requests: FakeRequest[] = [];

  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  static async start(answer: (request: FakeRequest, index: number) => Answer): Promise<FakeServer> {
    const server = createServer((message, response) => void handle(message, response));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const fake = new FakeServer(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const handle = async (message: IncomingMessage, response: ServerResponse): Promise<void> => {
      const raw = await text(message);
      const { method = "", url = "", headers } = message;
      const isForm = headers["content-type"]?.includes("form") === true;
      const body: unknown = raw === "" ? undefined : isForm ? raw : JSON.parse(raw);
      const request = { method, url, headers, body };
      fake.requests.push(request);
      const answered = answer(request, fake.requests.length - 1);
      if (answered === "hang up") {
        message.socket.destroy();
        return;
      }
      response.writeHead(answered.status ?? 200, answered.headers);
      response.end(answered.text ?? JSON.stringify(answered.json ?? {}));
    };
    return fake;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

/** A clock on which sleeping takes no time. */
export class FakeClock implements Clock {
  time = 0;
  readonly sleeps: number[] = [];

  now = (): number => this.time;

  sleep = async (ms: number, signal?: AbortSignal): Promise<void> => {
    signal?.throwIfAborted();
    this.sleeps.push(ms);
    this.time += ms;
  };
}
