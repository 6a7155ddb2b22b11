import Fastify, { type FastifyInstance } from "fastify";
import { createParser } from "eventsource-parser";
import { headwaterConsole, tokensFor, type ConsoleOptions, type Person } from "../../../src/console.js";
import type { Platform, PlatformOptions } from "../../../src/driver/platform.js";
import { PromotionRules } from "../../../src/settings/promotion-rules.js";
import type { Program } from "../../../src/settings/program.js";
import { makeScene, type Scene } from "../driver/support.js";

export const PEOPLE: readonly Person[] = [
  { name: "ann", roles: ["operator", "approver"] },
  { name: "bob", roles: ["operator", "approver"] },
  { name: "olga", roles: ["operator"] },
  { name: "vic", roles: ["viewer"] },
];

/** dev and staging are open; prod is protected, and takes what has passed in staging. */
export const RULES = PromotionRules.parse({
  version: 1,
  path: ["dev", "staging", "prod"],
  environments: { prod: { protected: true } },
});

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // What a test looks into is what it claims.
  readonly body: any;
}

export interface Event {
  readonly id: string | undefined;
  readonly event: string;
  readonly data: Record<string, unknown>;
}

/** A console over a platform on a small program and the real engine, served on loopback. */
export class Server {
  readonly url: string;

  private constructor(
    readonly app: FastifyInstance,
    readonly platform: Platform,
    private readonly tokens: ReadonlyMap<string, string>,
    address: string,
    readonly prefix: string,
  ) {
    this.url = `${address}${prefix}`;
  }

  static async start(
    platform: Platform,
    options: Partial<ConsoleOptions> & {
      readonly prefix?: string;
      readonly log?: (line: string) => void;
    } = {},
  ): Promise<Server> {
    const { prefix = "/headwater", log, ...rest } = options;
    const { tokens, authenticate } = tokensFor(PEOPLE);
    const app = Fastify({
      logger: log === undefined ? false : { level: "info", stream: { write: log } },
      forceCloseConnections: true,
    });
    await app.register(headwaterConsole, { prefix, platform, authenticate, pollMs: 200, ...rest });
    const address = await app.listen({ host: "127.0.0.1", port: 0 });
    const byName = new Map(tokens.map(({ person, token }) => [person.name, token]));
    return new Server(app, platform, byName, address, prefix);
  }

  tokenOf(name: string): string {
    return this.tokens.get(name) ?? "";
  }

  async ask(
    person: string,
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    const response = await fetch(`${this.url}/api/v1${path}`, {
      method,
      headers: {
        ...(person === "" ? {} : { authorization: `Bearer ${this.tokenOf(person)}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const json = (response.headers.get("content-type") ?? "").includes("json");
    return { status: response.status, headers: response.headers, body: json ? JSON.parse(text) : text };
  }

  /** Events of a stream as they come, until it ends or `signal` is aborted. */
  async *events(
    person: string,
    path: string,
    options: { readonly lastEventId?: string; readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<Event, void, undefined> {
    const response = await fetch(`${this.url}/api/v1${path}`, {
      headers: {
        authorization: `Bearer ${this.tokenOf(person)}`,
        ...(options.lastEventId === undefined ? {} : { "last-event-id": options.lastEventId }),
      },
      ...(options.signal && { signal: options.signal }),
    });
    if (response.status !== 200 || response.body === null)
      throw new Error(`a stream answered ${response.status}`);
    const found: Event[] = [];
    const parser = createParser({
      onEvent: ({ id, event = "message", data }) =>
        found.push({ id, event, data: JSON.parse(data) as Record<string, unknown> }),
    });
    const decoder = new TextDecoder();
    for await (const chunk of response.body) {
      parser.feed(decoder.decode(chunk, { stream: true }));
      while (found.length > 0) yield found.shift()!;
    }
  }

  /** Follows an operation until it has ended. */
  async followed(person: string, id: string): Promise<Event[]> {
    const all: Event[] = [];
    for await (const event of this.events(person, `/operations/${id}/events`)) all.push(event);
    return all;
  }

  /** Looks until there is something. */
  async until<T>(what: string, look: () => Promise<T | undefined | false>, timeoutMs = 60_000): Promise<T> {
    for (const end = Date.now() + timeoutMs; Date.now() < end;) {
      const found = await look();
      if (found !== undefined && found !== false) return found;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`it did not happen: ${what}`);
  }

  /** The preview of an operation in an environment, once it waits for an approval. */
  waiting(person: string, operation: string, environment: string): Promise<any> {
    return this.until(`${environment} waits for an approval`, async () => {
      const { body } = await this.ask(person, "GET", "/approvals");
      return (body as any[]).find((each) => each.operation === operation && each.environment === environment);
    });
  }

  async stop(): Promise<void> {
    await this.app.close();
  }
}

export interface World {
  readonly scene: Scene;
  readonly server: Server;
  remove(): Promise<void>;
}

export async function makeWorld(
  options: Partial<ConsoleOptions> & { readonly log?: (line: string) => void } = {},
  platformOptions: Partial<PlatformOptions> = {},
  program?: Program,
): Promise<World> {
  const scene = await makeScene();
  const platform = await scene.open(program, { rules: RULES, ...platformOptions });
  const server = await Server.start(platform, options);
  return {
    scene,
    server,
    async remove() {
      await server.stop();
      await scene.remove();
    },
  };
}
