import path from "node:path";
import type { Command } from "commander";
import type { SandboxPorts } from "../sandbox/sandbox.js";
import { HeadwaterError } from "../model/errors.js";
import type { Interrupt } from "./interrupt.js";
import { linkTo, readLink, removeLink, saveLink, type SandboxLink } from "./sandbox-link.js";
import { printJson } from "./output.js";

interface StartOptions {
  readonly workFolder: string;
  readonly clockScale?: number;
  readonly port: Readonly<Record<string, number>>;
  readonly keep: boolean;
  readonly json: boolean;
}

const PORTS = ["aws", "dms", "workspace", "source", "target"] as const satisfies (keyof SandboxPorts)[];

export function addSandbox(program: Command, interrupt: Interrupt): void {
  const folder = ["--work-folder <folder>", "where other commands find it", ".headwater"] as const;
  const sandbox = program
    .command("sandbox")
    .description("the local cloud: starts it and keeps it up until Ctrl-C")
    .option(...folder)
    .option(
      "--clock-scale <factor>",
      "how many times faster than the cloud's its clock goes (default: 60)",
      Number,
    )
    .option("--port <part=port>", `fix a port; parts: ${PORTS.join(", ")}`, addPort, {})
    .option("--keep", "leave its folder (data and logs) behind", false)
    .option("--json", "the connections as one line of JSON", false)
    .addHelpText("after", "\nExample: headwater sandbox --port source=5433")
    .action((options: StartOptions) => start(options, interrupt));
  sandbox
    .command("status")
    .description("show the sandbox that is up")
    .option(...folder)
    .option("--json", "as one line of JSON", false)
    .action((_: unknown, command: Command) => show(command.optsWithGlobals()));
  sandbox
    .command("clean")
    .description("end what sandboxes left whose process was killed, and remove their folders")
    .action(async () => {
      const { RunRegistry } = await import("../sandbox/registry.js");
      await new RunRegistry().cleanUp({ progress: say });
    });
}

async function start(options: StartOptions, interrupt: Interrupt): Promise<void> {
  const { clockScale, port: ports, keep } = options;
  const workFolder = path.resolve(options.workFolder);
  const other = readLink(workFolder);
  if (other !== undefined) {
    throw new HeadwaterError("cli/sandbox-up", "a sandbox is up already", {
      where: other.folder,
      found: `process ${other.owner.pid}`,
      remedy: "Use it (`headwater sandbox status`), stop it, or give this one another --work-folder.",
    });
  }
  const { withSandbox } = await import("../sandbox/with-sandbox.js");
  let stopped = false;
  const up = withSandbox(
    {
      progress: say,
      signal: interrupt.signal,
      ports,
      keep,
      ...(clockScale === undefined ? {} : { clockScale }),
    },
    async (sandbox, signal) => {
      const link = await linkTo(sandbox);
      saveLink(workFolder, link);
      try {
        print(link, options.json);
        if (!options.json) say("Ctrl-C stops it.");
        await new Promise<void>((resolve) => {
          if (signal.aborted) resolve();
          signal.addEventListener("abort", () => resolve());
        });
        stopped = interrupt.signal.aborted;
      } finally {
        removeLink(workFolder);
      }
    },
  );
  await up.catch((error: unknown) => {
    // Being interrupted is how it is meant to end, once it is up.
    if (!stopped) throw error;
  });
}

function show(options: { readonly workFolder: string; readonly json: boolean }): void {
  const link = readLink(path.resolve(options.workFolder));
  if (link === undefined) {
    throw new HeadwaterError("cli/no-sandbox", "no sandbox is up here", {
      where: path.resolve(options.workFolder),
      remedy: "Start one with `headwater sandbox`.",
    });
  }
  print(link, options.json);
}

function print(link: SandboxLink, json: boolean): void {
  const { id, folder, clockScale, urls, source, target, environment, foundations } = link;
  if (json) {
    printJson({ type: "sandbox", id, folder, clockScale, urls, source, target, environment, foundations });
    return;
  }
  const lines = [
    ["sandbox", `${id}, clock ${clockScale} times as fast as the cloud's`],
    ["folder", folder],
    ["AWS", urls.aws],
    ["DMS", urls.dms],
    ["workspace", `${urls.workspace}  (token: ${environment["DATABRICKS_TOKEN"] ?? ""})`],
    ["Spark Connect", urls.sparkConnect],
    ["source", connection(source)],
    ["target", connection(target)],
  ] as const;
  process.stdout.write(lines.map(([name, value]) => `${name.padEnd(14)} ${value}\n`).join(""));
}

/** With the password: it protects nothing but made-up data on this machine. */
function connection({ user, password, host, port, database }: SandboxLink["source"]): string {
  return `postgresql://${user}:${encodeURIComponent(password)}@${host}:${port}/${database}`;
}

function addPort(text: string, ports: Readonly<Record<string, number>>): Record<string, number> {
  const [part = "", value = ""] = text.split("=");
  const port = Number(value);
  if (PORTS.some((name) => name === part) && Number.isInteger(port) && port > 0 && port < 65_536) {
    return { ...ports, [part]: port };
  }
  throw new HeadwaterError("cli/port", "not a port of the sandbox", {
    field: "--port",
    found: text,
    allowed: `<part>=<1 to 65535>, where part is one of ${PORTS.join(", ")}`,
  });
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
