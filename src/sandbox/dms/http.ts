import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Context } from "./context.js";
import { Fault } from "./faults.js";
import { operations } from "./operations.js";
import type { Input } from "./parameters.js";

const targetPrefix = "AmazonDMSv20160101.";
const mostBytes = 10_000_000;

/** AWS's JSON 1.1 protocol over HTTP; `GET /` tells whether the service is up. Signatures are not checked. */
export function dmsServer(context: Context): Server {
  const server = createServer((request, response) => {
    if (request.method === "GET") {
      answer(response, 200, { service: "dms", clockScale: context.clock.scale });
      return;
    }
    call(context, request).then(
      (result) => answer(response, 200, result),
      (error: unknown) => {
        const fault =
          error instanceof Fault
            ? error
            : new Fault("InternalFailure", `Internal failure: ${(error as Error).message}`, 500);
        if (fault !== error) context.log(`internal failure: ${(error as Error).stack ?? ""}`);
        answer(response, fault.status, { __type: fault.type, message: fault.message }, fault.type);
      },
    );
  });
  // Node's five seconds would close a client's idle connection just when it is used again.
  server.keepAliveTimeout = 120_000;
  return server;
}

async function call(context: Context, request: IncomingMessage): Promise<object> {
  const target = request.headers["x-amz-target"];
  const name =
    typeof target === "string" && target.startsWith(targetPrefix)
      ? target.slice(targetPrefix.length)
      : undefined;
  const operation = operations.get(name ?? "");
  if (operation === undefined) {
    throw new Fault(
      "UnknownOperationException",
      `The operation ${name ?? String(target)} is not supported by this sandbox`,
    );
  }
  return await operation(context, await readBody(request));
}

async function readBody(request: IncomingMessage): Promise<Input> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > mostBytes) throw new Fault("SerializationException", "The request is too large");
    chunks.push(chunk);
  }
  try {
    const body: unknown = JSON.parse(Buffer.concat(chunks).toString("utf8") || "{}");
    if (typeof body === "object" && body !== null && !Array.isArray(body)) return body as Input;
  } catch {
    // Said below; the parser's message would quote the body.
  }
  throw new Fault("SerializationException", "The request is not a JSON object");
}

function answer(response: ServerResponse, status: number, body: object, errorType?: string): void {
  response.writeHead(status, {
    "content-type": "application/x-amz-json-1.1",
    "x-amzn-requestid": randomUUID(),
    ...(errorType === undefined ? {} : { "x-amzn-errortype": errorType }),
  });
  response.end(JSON.stringify(body));
}
