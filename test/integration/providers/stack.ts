import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import * as automation from "@pulumi/pulumi/automation/index.js";
import { ensureEngine } from "../../../src/engine/engine.js";
import { lightPlugins } from "../../../src/sandbox/providers/index.js";

export const PASSPHRASE = "only-for-tests";

export interface TestStack {
  readonly stack: automation.Stack;
  /** Changes what the next operation runs. */
  run(program: automation.PulumiFn): void;
  /** The state file as it lies on the disk. */
  stateFile(): Promise<string>;
  /** What `pulumi stack export` tells everybody, without the passphrase's secrets. */
  exportInClear(): Promise<string>;
  remove(): Promise<void>;
}

/** A stack on the real engine, with the light plugins, in folders of its own. */
export async function testStack(options: {
  config: Record<string, automation.ConfigValue | string>;
  environment?: Record<string, string>;
}): Promise<TestStack> {
  const engine = await ensureEngine({ progress: () => {} });
  const pulumiCommand = await automation.PulumiCommand.get({ root: engine.root });
  const folder = await mkdtemp(path.join(os.tmpdir(), "headwater-providers-"));
  let program: automation.PulumiFn = async () => {};
  const environment = {
    PULUMI_BACKEND_URL: `file://${folder}`,
    PULUMI_CONFIG_PASSPHRASE: PASSPHRASE,
    PULUMI_SKIP_UPDATE_CHECK: "true",
    // Should a plugin not be found, none is to be downloaded.
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
    ...options.environment,
  };
  // The SDK's type does not know `plugins`, which it writes into Pulumi.yaml as it is.
  const projectSettings = {
    name: "providers",
    runtime: "nodejs",
    backend: { url: `file://${folder}` },
    plugins: { providers: lightPlugins() },
  } as automation.ProjectSettings;
  const workDir = path.join(folder, "work");
  await mkdir(workDir);
  const workspace: automation.LocalWorkspaceOptions = {
    pulumiCommand,
    workDir,
    pulumiHome: path.join(folder, "home"),
    envVars: environment,
    projectSettings,
  };
  const args = { stackName: "test", projectName: "providers", program: () => program() };
  const stack = await automation.LocalWorkspace.createStack(args, workspace);
  for (const [key, value] of Object.entries(options.config)) {
    await stack.setConfig(key, typeof value === "string" ? { value } : value);
  }
  return {
    stack,
    run: (next) => (program = next),
    stateFile: () => readFile(path.join(folder, ".pulumi/stacks/providers/test.json"), "utf8"),
    async exportInClear() {
      const { stdout } = await promisify(execFile)(engine.command, ["stack", "export", "--stack", "test"], {
        cwd: stack.workspace.workDir,
        env: { ...process.env, ...environment, PULUMI_HOME: path.join(folder, "home") },
      });
      return stdout;
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** What a preview or an up did, without what stayed the same: `{ create: 3 }`. */
export function changes(summary: automation.OpMap | undefined): Record<string, number> {
  const entries = Object.entries(summary ?? {}).filter(
    ([operation, count]) => operation !== "same" && count > 0,
  );
  return Object.fromEntries(entries);
}

/** moto's default VPC has a subnet per zone; its Query API spares an SDK of its own. */
export async function defaultSubnets(endpoint: string): Promise<string[]> {
  const response = await fetch(endpoint, {
    method: "POST",
    headers: {
      "content-type": "application/x-www-form-urlencoded",
      // moto tells service and region by the credential's scope.
      authorization: `AWS4-HMAC-SHA256 Credential=sandbox/20260101/eu-west-1/ec2/aws4_request, SignedHeaders=host, Signature=x`,
    },
    body: "Action=DescribeSubnets&Version=2016-11-15",
  });
  const ids = [...(await response.text()).matchAll(/<subnetId>(.*?)<\/subnetId>/g)].map(([, id]) => id!);
  return ids.slice(0, 2);
}
