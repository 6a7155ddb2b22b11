import { once } from "node:events";
import { constants } from "node:os";
import { InvalidArgumentError, Option, type Command } from "commander";
import { LOOPBACK, type Person } from "../console/access.js";
import { ROLES } from "../console/roles.js";
import type { Platform } from "../driver/platform.js";
import { whoami } from "../driver/whoami.js";
import { self } from "../engine/processes.js";
import type { Interrupt } from "./interrupt.js";
import { minutes, withCommonOptions, type CommonOptions } from "./options.js";
import { printJson } from "./output.js";

interface ConsoleFlags extends CommonOptions {
  readonly host: string;
  readonly port: number;
  readonly person?: readonly Person[];
  readonly promise: number;
}

export function addConsole(program: Command, interrupt: Interrupt): void {
  withCommonOptions(program.command("console"))
    .description("the web page and its API on this machine, until Ctrl-C")
    .option("--port <number>", "where it listens; 0: any that is free", port, 7420)
    .addOption(
      new Option("--host <address>", "loopback only; for others embed headwater/console")
        .choices(LOOPBACK)
        .default("127.0.0.1"),
    )
    .option(
      "--person <name=roles>",
      "who may use it, each by an address of their own; roles: viewer, operator, approver; repeatable (default: you, with all)",
      person,
    )
    .option("--promise <minutes>", "the promise of freshness", minutes, 15)
    .addHelpText(
      "after",
      "\nExamples: headwater console --sandbox\n          headwater console --person ann=operator --person bob=approver",
    )
    .action((options: ConsoleFlags) => open(options, interrupt));
}

async function open(flags: ConsoleFlags, interrupt: Interrupt): Promise<void> {
  const [{ withPlatform }, { serveAlone }] = await Promise.all([
    import("./session.js"),
    import("../console/alone.js"),
  ]);
  const { host, port: wanted, json, promise } = flags;
  const people = flags.person ?? [{ name: whoami(), roles: ROLES }];
  // Programs run in processes of their own: none of them can harm the server.
  await withPlatform({ ...flags, isolate: true }, interrupt, () => async ({ platform, tell, signal }) => {
    const { addresses, close } = await serveAlone({
      platform,
      people,
      host,
      port: wanted,
      promiseMs: promise * 60_000,
    });
    for (const { person: who, url } of addresses) {
      if (json) printJson({ type: "console", person: who.name, roles: who.roles, url });
      else
        process.stdout.write(`${people.length > 1 ? `${who.name} (${who.roles.join(", ")}): ` : ""}${url}\n`);
    }
    if (people.filter(({ roles }) => roles.includes("approver")).length < 2) {
      tell(
        "Whoever starts a promotion to a protected environment cannot approve it: let a second one in by --person for these.",
      );
    }
    tell("Ctrl-C stops it.");
    if (!signal.aborted) await once(signal, "abort");
    await close();
    await letGo(platform, interrupt, tell);
  });
}

/** What is under way is neither waited for nor cancelled: the next console goes on with it. */
async function letGo(platform: Platform, interrupt: Interrupt, tell: (line: string) => void): Promise<void> {
  const { pid } = self();
  const all = await platform.history({ limit: 50 });
  const own = all.filter(({ outcome, head, lines }) => {
    const resumed = lines.findLast((line) => line.kind === "resumed");
    return outcome === "running" && (resumed?.kind === "resumed" ? resumed : head).process.pid === pid;
  });
  if (own.length === 0) return;
  tell(
    `${own.length} under way: the next console goes on with ${own.length === 1 ? "it" : "them"}, or \`headwater resume\` does.`,
  );
  // Their engines and leases keep this process alive for as long as they take.
  process.exit(128 + constants.signals[interrupt.by ?? "SIGTERM"]);
}

function port(text: string): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number > 65_535) throw new InvalidArgumentError("A port from 0 to 65535.");
  return number;
}

/** `ann=operator,approver` */
function person(text: string, others: readonly Person[] = []): Person[] {
  const [, name, roles = ""] = /^([^=\s][^=]{0,99})=([a-z,]*)$/.exec(text) ?? [];
  const named = roles.split(",").filter((role) => role !== "");
  const known = ROLES.filter((role) => named.includes(role));
  if (name === undefined || known.length === 0 || known.length !== named.length)
    throw new InvalidArgumentError(`Write name=roles, roles being some of ${ROLES.join(",")}.`);
  if (others.some((other) => other.name === name)) throw new InvalidArgumentError(`${name} is named twice.`);
  return [...others, { name, roles: known }];
}
