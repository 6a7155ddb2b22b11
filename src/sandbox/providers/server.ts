import { fstatSync } from "node:fs";
import { Server, ServerCredentials, type sendUnaryData } from "@grpc/grpc-js";
import providerService from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import { engineOf, type Engine } from "./engine.js";
import type { LightProvider } from "./resource.js";
import { failure } from "./failure.js";

/**
 * Serves a light provider to the engine on a free port of 127.0.0.1 and prints that port, as plugins do. Below the
 * class `@pulumi/pulumi/provider` offers, since that one neither takes configuration and secrets nor gives detailed diffs.
 */
export async function serve<Client>(provider: LightProvider<Client>): Promise<void> {
  const engine: Engine = engineOf(provider);
  // The engine's messages may be as large as a notebook is; the default is 4 MB.
  const unlimited = { "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 };
  const server = new Server(unlimited);
  const methods = Object.entries(engine).map(([name, method]) => [name, unary(provider, method)] as const);
  server.addService(providerService.ResourceProviderService, Object.fromEntries(methods));
  const port = await new Promise<number>((resolve, reject) => {
    const credentials = ServerCredentials.createInsecure();
    server.bindAsync("127.0.0.1:0", credentials, (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  process.stdout.write(`${port}\n`);
  endWithEngine();
}

/** The engine holds a pipe to its plugins' input: when it ends, killed or not, the engine is gone. */
function endWithEngine(): void {
  if (!fstatSync(0).isFIFO() && !fstatSync(0).isSocket()) return;
  process.stdin.on("close", () => process.exit(0)).resume();
}

/** Answers one call with what `method` returns, or with the explanation of what it throws. */
function unary<Client>(provider: LightProvider<Client>, method: (request: never) => unknown) {
  return (call: { request: unknown }, callback: sendUnaryData<unknown>): void => {
    Promise.resolve()
      .then(() => method(call.request as never))
      .then(
        (response) => callback(null, response),
        (error: unknown) => callback(failure(provider, error)),
      );
  };
}
