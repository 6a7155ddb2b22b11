import {
  createServer,
  request as send,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { HeadwaterError } from "../../model/errors.js";
import type { Answer } from "./answer.js";
import { FaultBook, type Verdict } from "./book.js";
import { callOf, isObjectOfS3 } from "./call.js";
import { SERVICES, type FaultRule, type Service } from "./rule.js";

/** Where rules are added, listed and cleared, on each of the addresses: no service has a path like it. */
export const FAULTS_PATH = "/_headwater/faults";
/** Where the front is told, once a service, what stands behind it. */
export const BACKENDS_PATH = "/_headwater/backends";

export interface FrontOptions {
  /** Default: free ones. */
  readonly ports?: Partial<Readonly<Record<Service, number>>>;
  /** The services themselves; those that are started later are told by {@link Front.stand}. */
  readonly backends?: Partial<Readonly<Record<Service, string>>>;
}

export interface Front {
  /** What clients are given in place of the services' own addresses. */
  readonly urls: Readonly<Record<Service, string>>;
  readonly ports: Readonly<Record<Service, number>>;
  /** @param backend the service's own address, `http://127.0.0.1:<port>` */
  stand(service: Service, backend: string): void;
  stop(): Promise<void>;
}

/**
 * Stands in front of the three services of a sandbox: hands requests on as they are, and does what the rules say to those that
 * they are about. Without rules nothing is looked at.
 */
export async function startFront(options: FrontOptions = {}): Promise<Front> {
  const book = new FaultBook();
  const backends = new Map<Service, URL>();
  const stand = (service: Service, backend: string): void => void backends.set(service, new URL(backend));
  for (const service of SERVICES) {
    const backend = options.backends?.[service];
    if (backend !== undefined) stand(service, backend);
  }
  const servers = SERVICES.map((service) => {
    const server = createServer((request, response) => {
      // A line that broke behind the front breaks before it.
      handle({ book, backends, stand }, service, request, response).catch(() => response.destroy());
    });
    // Node's own limits are for servers that face the world: clients here keep connections, and uploads take their time.
    server.keepAliveTimeout = 120_000;
    server.requestTimeout = 0;
    return server;
  });
  try {
    await Promise.all(servers.map((server, at) => listen(server, options.ports?.[SERVICES[at]!] ?? 0)));
  } catch (error) {
    for (const server of servers) server.close();
    throw error;
  }
  const ports = Object.fromEntries(
    servers.map((server, at) => [SERVICES[at]!, (server.address() as AddressInfo).port]),
  ) as Record<Service, number>;
  const urls = Object.fromEntries(
    SERVICES.map((service) => [service, `http://127.0.0.1:${ports[service]}`]),
  ) as Record<Service, string>;
  return {
    urls,
    ports,
    stand,
    stop: async () => {
      const closed = servers.map((server) => new Promise((resolve) => server.close(resolve)));
      for (const server of servers) server.closeAllConnections();
      await Promise.all(closed);
    },
  };
}

interface State {
  readonly book: FaultBook;
  readonly backends: ReadonlyMap<Service, URL>;
  readonly stand: Front["stand"];
}

async function handle(
  state: State,
  service: Service,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { method = "GET", url = "/", headers } = request;
  if (url === FAULTS_PATH || url === BACKENDS_PATH) return reply(response, await control(state, request));
  const backend = state.backends.get(service);
  if (backend === undefined) return reply(response, plainAnswer(503, { message: "not started yet" }));
  if (!state.book.concerns(service)) return pass(backend, request, response);
  const streamed = isObjectOfS3({ method, url, headers });
  const body = streamed ? Buffer.alloc(0) : await readAll(request);
  const verdict = state.book.judge(callOf(service, { method, url, headers, body }));
  if (verdict.answer !== undefined) {
    request.resume();
    return reply(response, verdict.answer);
  }
  return pass(backend, request, response, { ...(streamed ? {} : { body }), verdict });
}

/** Adds, lists and clears rules; takes the addresses of the services. */
async function control({ book, backends, stand }: State, request: IncomingMessage): Promise<Answer> {
  const text = (await readAll(request)).toString("utf8");
  try {
    if (request.url === BACKENDS_PATH && request.method === "POST") {
      // Once each: whoever reaches this port must not lead the sandbox's clients elsewhere.
      const given = Object.entries(JSON.parse(text) as Record<Service, string>) as [Service, string][];
      if (given.some(([service]) => backends.has(service)))
        return plainAnswer(409, { message: "told already" });
      for (const [service, backend] of given) stand(service, backend);
      return plainAnswer(200, {});
    }
    if (request.url === FAULTS_PATH) {
      if (request.method === "GET") return plainAnswer(200, book.list());
      if (request.method === "POST") return plainAnswer(200, book.add(JSON.parse(text) as FaultRule));
      if (request.method === "DELETE") {
        book.clear();
        return plainAnswer(200, {});
      }
    }
  } catch (error) {
    if (error instanceof HeadwaterError || error instanceof SyntaxError) {
      return plainAnswer(400, { message: error.message });
    }
    throw error;
  }
  return plainAnswer(405, { message: "GET, POST or DELETE" });
}

// Each concerns one connection only. `expect` was answered by this server already.
const HOP = new Set([
  ...["connection", "expect", "keep-alive", "proxy-authorization", "proxy-connection"],
  ...["te", "trailer", "transfer-encoding", "upgrade"],
]);

function pass(
  backend: URL,
  request: IncomingMessage,
  response: ServerResponse,
  { body, verdict = {} }: { body?: Buffer; verdict?: Verdict } = {},
): Promise<void> {
  return new Promise((resolve, reject) => {
    // A connection each: one kept could be closed by the service just when a write is sent on it.
    const onward = send({
      ...{ host: backend.hostname, port: backend.port, agent: false },
      ...{ method: request.method, path: request.url },
      // The Host too: services write addresses with it, and signatures cover it.
      headers: withoutHops(request.rawHeaders),
    });
    onward.on("error", reject);
    onward.on("response", (real) => {
      real.on("error", reject);
      const headers = withoutHops(real.rawHeaders);
      const { after } = verdict;
      if (after === undefined) {
        response.writeHead(real.statusCode ?? 502, headers);
        real.pipe(response);
        real.on("end", resolve);
        return;
      }
      readAll(real)
        .then((whole) => {
          const outcome = after({ status: real.statusCode ?? 502, headers, body: whole });
          if (outcome === "hang up") response.destroy();
          else reply(response, outcome);
        })
        .then(resolve, reject);
    });
    // A caller that gives up is no longer served.
    response.on("close", () => {
      if (!response.writableFinished) onward.destroy();
      resolve();
    });
    if (body === undefined) request.pipe(onward);
    else onward.end(body);
  });
}

function withoutHops(raw: readonly string[]): string[] {
  const kept: string[] = [];
  for (let at = 0; at < raw.length; at += 2) {
    if (!HOP.has(raw[at]!.toLowerCase())) kept.push(raw[at]!, raw[at + 1]!);
  }
  return kept;
}

function reply(response: ServerResponse, { status, headers, body }: Answer): void {
  const told = headers.some((name, at) => at % 2 === 0 && name.toLowerCase() === "content-length");
  response.writeHead(status, [...headers, ...(told ? [] : ["content-length", String(body.length)])]);
  response.end(body);
}

function plainAnswer(status: number, value: unknown): Answer {
  return { status, headers: ["content-type", "application/json"], body: Buffer.from(JSON.stringify(value)) };
}

async function readAll(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
}
