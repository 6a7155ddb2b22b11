import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Overlay } from "../driver/stack-settings.js";
import { isRunning, self, type ProcessIdentity } from "../engine/processes.js";
import type { Sandbox } from "../sandbox/sandbox.js";
import { loadStackFile } from "../settings/stack-file.js";

/** All that another process needs to work on a sandbox that is up. */
export interface SandboxLink extends Pick<
  Sandbox,
  "id" | "folder" | "clockScale" | "urls" | "source" | "target" | "foundations" | "plugins"
> {
  readonly owner: ProcessIdentity;
  readonly config: Readonly<Record<string, unknown>>;
  readonly environment: Readonly<Record<string, string>>;
  /** Secrets with the logins of its two databases. */
  readonly secretArns: { readonly source: string; readonly target: string };
}

/** Describes a sandbox of this process; puts the logins of its databases into its Secrets Manager. */
export async function linkTo(sandbox: Sandbox): Promise<SandboxLink> {
  const { id, folder, clockScale, urls, source, target, foundations, plugins } = sandbox;
  const login = ({ user, password, host, port }: Sandbox["source"]) => ({
    username: user,
    password,
    host,
    port,
  });
  const [sourceArn, targetArn] = await Promise.all([
    sandbox.putSecret("headwater/source", login(source)),
    sandbox.putSecret("headwater/target", login(target)),
  ]);
  return {
    ...{ id, folder, clockScale, urls, source, target, foundations, plugins },
    owner: self(),
    config: sandbox.config(),
    environment: sandbox.environment(),
    secretArns: { source: sourceArn, target: targetArn },
  };
}

/** Readable by this user only: it holds the databases' passwords and the workspace's token. */
export function saveLink(workFolder: string, link: SandboxLink): void {
  mkdirSync(workFolder, { recursive: true, mode: 0o700 });
  writeFileSync(fileOf(workFolder), JSON.stringify(link), { mode: 0o600 });
}

export function removeLink(workFolder: string): void {
  rmSync(fileOf(workFolder), { force: true });
}

/** The sandbox that was left up from this work folder; undefined when there is none, or its process is gone. */
export function readLink(workFolder: string): SandboxLink | undefined {
  let link: SandboxLink;
  try {
    link = JSON.parse(readFileSync(fileOf(workFolder), "utf8")) as SandboxLink;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  return isRunning(link.owner) ? link : undefined;
}

/**
 * What exists only in the sandbox, laid over each stack's file: the providers' endpoints, the two databases, the network and
 * the groups. The file stays what it is for the real account.
 */
export function sandboxOverlay(link: SandboxLink, settingsDir: string): Overlay {
  const { source, target, foundations, secretArns } = link;
  const { subnetIds, securityGroupIds, groups } = foundations;
  const place = ({ host, port, database }: SandboxLink["source"]) => ({ host, port, database });
  return (stack) => {
    const { settings } = loadStackFile(path.join(settingsDir, `Pulumi.${stack}.yaml`));
    const { source: own, export: ownExport } = (settings ?? {}) as { source?: unknown; export?: unknown };
    // A program of one's own has settings of its own, and takes of the sandbox what the providers need.
    if (own === undefined) return link.config;
    const exports = ownExport !== undefined;
    const to = { ...place(target), tls: "disable", secretArn: secretArns.target };
    return {
      ...link.config,
      "headwater:settings": {
        source: { ...place(source), secretArn: secretArns.source, tls: { mode: "none" } },
        replication: { network: { subnetIds, securityGroupIds } },
        access: groups,
        ...(exports ? { export: to } : {}),
      },
    };
  };
}

function fileOf(workFolder: string): string {
  return path.join(workFolder, "sandbox.json");
}
