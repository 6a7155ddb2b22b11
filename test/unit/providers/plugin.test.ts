import { spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { credentials } from "@grpc/grpc-js";
import providerService from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import proto, { type CheckResponse } from "@pulumi/pulumi/proto/provider_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import structs from "google-protobuf/google/protobuf/struct_pb.js";
import { expect } from "chai";
import { lightPlugins, type LightPlugin } from "../../../src/sandbox/providers/index.js";

// The entry beside these tests: compiled, or TypeScript where a loader runs the sources.
const self = fileURLToPath(import.meta.url);
const main = path.join(path.dirname(self), "../../../src/sandbox/providers", `main${path.extname(self)}`);

/** Starts a plugin as the engine does. */
async function start({ name, path: folder }: LightPlugin) {
  const child = spawn(path.join(folder, `pulumi-resource-${name}`), ["127.0.0.1:1"], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, HEADWATER_PROVIDERS_MAIN: main, NODE_OPTIONS: process.execArgv.join(" ") },
  });
  const [port] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  const address = `127.0.0.1:${port}`;
  const client = new providerService.ResourceProviderClient(address, credentials.createInsecure());
  return {
    child,
    client,
    stop: async () => {
      client.close();
      const exit = once(child, "exit");
      child.stdin.end();
      return (await exit) as [number | null];
    },
  };
}

describe("light plugins", function () {
  this.timeout(30_000);

  for (const plugin of lightPlugins()) {
    it(`${plugin.name}: is an executable, tells its version, and ends with the engine`, async () => {
      accessSync(path.join(plugin.path, `pulumi-resource-${plugin.name}`), constants.X_OK);
      const { client, stop } = await start(plugin);
      const version = await new Promise<string>((resolve, reject) => {
        client.getPluginInfo(new empty.Empty(), (error, info) =>
          error ? reject(error) : resolve(info.getVersion()),
        );
      });
      expect(version).to.match(/^\d+\.\d+\.\d+$/);
      expect(await stop()).to.deep.equal([0, null]);
    });
  }

  it("refuses a configuration it does not know, by name", async () => {
    const { client, stop } = await start(lightPlugins()[0]!);
    const request = new proto.CheckRequest();
    request.setUrn("urn:pulumi:test::p::pulumi:providers:aws::default");
    const news = {
      region: "eu-west-1",
      endpoints: '[{"s3":"http://127.0.0.1"}]',
      profile: "x",
      s3UsePathStyle: "yes",
    };
    request.setNews(structs.Struct.fromJavaScript(news));
    const response = await new Promise<CheckResponse>((resolve, reject) => {
      client.checkConfig(request, (error, answer) => (error ? reject(error) : resolve(answer)));
    });
    const failures = response.getFailuresList().map((failure) => failure.getReason());
    expect(failures).to.have.length(2);
    expect(failures[0]).to.contain('provider aws does not take "profile"').and.to.contain("s3UsePathStyle");
    expect(failures[1]).to.equal('provider aws takes a boolean for "s3UsePathStyle", but found a string');
    await stop();
  });

  it("explains an unknown type with all it knows", async () => {
    const { client, stop } = await start(lightPlugins()[2]!);
    const request = new proto.DiffRequest();
    request.setUrn("urn:pulumi:test::p::random:index/randomShuffle:RandomShuffle::x");
    const message = await new Promise<string>((resolve) => {
      client.diff(request, (error) => resolve(error?.details ?? "no error"));
    });
    expect(message).to.contain("the sandbox's light random provider has no such resource type");
    expect(message).to.contain("random:index/randomShuffle:RandomShuffle").and.to.contain("randomPassword");
    await stop();
  });
});
