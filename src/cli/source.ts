import { type Command, Option } from "commander";
import type { Finding } from "../source/check/facts.js";
import { HeadwaterError } from "../model/errors.js";
import { CAPTURE_METHODS, HOSTINGS, type CaptureMethod } from "../source/statement.js";
import { agreed, requirePerson } from "./confirm.js";
import type { Interrupt } from "./interrupt.js";
import { count, environmentName, withAskingOptions, withCommonOptions } from "./options.js";
import { printJson } from "./output.js";
import type { PlaceOptions, SourcePlace } from "./source-place.js";
import { styleFor } from "./style.js";

interface CheckFlags extends PlaceOptions {
  readonly fullLoad: boolean;
  readonly retentionHours?: number;
  readonly publication?: string;
  readonly method?: CaptureMethod;
}

interface PrepareFlags extends PlaceOptions {
  readonly yes: boolean;
  readonly print: boolean;
  readonly undo: boolean;
  readonly retentionHours?: number;
  readonly beforeImages: boolean;
  readonly publication?: string;
  readonly slot?: string;
  readonly method?: CaptureMethod;
  readonly sysadmin: boolean;
  readonly pollingSeconds?: number;
  readonly multiAz: boolean;
}

export function addSource(program: Command, interrupt: Interrupt): void {
  const source = program
    .command("source")
    .description("get a source database ready for DMS, and tell what would break");
  withPlace(withAskingOptions(source.command("prepare")))
    .description("run what a source needs before DMS can read it; again, it changes nothing")
    .option("--print", "print the script instead of running it; the password is not in it", false)
    .option(
      "--undo",
      "take back what bears Headwater's name; what is shared is named, to be run by hand",
      false,
    )
    .option(
      "--before-images",
      "PostgreSQL: log all old values with each change (REPLICA IDENTITY FULL)",
      false,
    )
    .option("--slot <name>", "PostgreSQL: make a replication slot; the server keeps its log until it is read")
    .option(
      "--sysadmin",
      "SQL Server, ms-replication: DMS's user is sysadmin and makes the publication",
      false,
    )
    .option(
      "--polling-seconds <n>",
      "SQL Server, ms-cdc: how often the capture job reads (default: 3599)",
      count,
    )
    .option("--multi-az", "SQL Server on RDS: the instance has a standby", false)
    .addHelpText(
      "after",
      `${PASSWORD_HELP}\n\nExample: headwater source prepare dev --print --user headwater_shop`,
    )
    .action((environment: string, options: PrepareFlags) => prepare(environment, options, interrupt));
  withPlace(withCommonOptions(source.command("check")))
    .description(
      "look for what will break before DMS finds out; reads only, and ends with 1 where something will",
    )
    .option("--full-load", "changes will not be captured", false)
    .addHelpText("after", `${PASSWORD_HELP}\n\nExample: headwater source check dev`)
    .action((environment: string, options: CheckFlags) => check(environment, options));
}

const PASSWORD_HELP =
  "\nPasswords come from the stack's secret (DMS's user), from HEADWATER_DMS_PASSWORD (DMS's user) and\n" +
  "HEADWATER_SOURCE_PASSWORD or standard input (--admin), never from the command line.";

function withPlace(command: Command): Command {
  return command
    .argument("<environment>", "the environment", environmentName)
    .option("--host <name>", "where the source answers from here, if not as the settings say: a tunnel's end")
    .option("--port <n>", "its port", count)
    .option("--database <name>", "the database; Oracle's service")
    .addOption(
      new Option("--tls <mode>", "encryption from here").choices([
        "none",
        "require",
        "verify-ca",
        "verify-full",
      ]),
    )
    .option("--ca <file>", "certificates of authorities (PEM), to verify by")
    .addOption(
      new Option("--hosting <kind>", "where it runs (default: by the host's name)").choices([...HOSTINGS]),
    )
    .option("--user <name>", "DMS's own user (default: the one in the stack's secret)")
    .option("--admin <name>", "who connects: may prepare, and sees more in a check than DMS's user")
    .option("--admin-secret <arn>", "the same, from a secret: RDS's of the master user")
    .option("--password-stdin", "read the password of --admin from standard input", false)
    .option("--retention-hours <n>", "how long the source keeps its log (default: 24)", count)
    .option("--publication <name>", "PostgreSQL (default: headwater_<pipeline>)")
    .addOption(new Option("--method <name>", "SQL Server (default: ms-cdc)").choices([...CAPTURE_METHODS]));
}

async function prepare(environment: string, options: PrepareFlags, interrupt: Interrupt): Promise<void> {
  const { print, undo, yes, json } = options;
  if (!print && !yes) requirePerson();
  const { sourcePlace } = await import("./source-place.js");
  const { preparation } = await import("../source/preparation.js");
  const place = await sourcePlace(environment, options);
  const { pipeline, hosting, database } = place;
  const { retentionHours, beforeImages, publication, slot, method, sysadmin, pollingSeconds, multiAz } =
    options;
  const user = await place.userName();
  const statements = preparation(pipeline, {
    ...{ hosting, database, user, beforeImages, sysadmin, multiAz },
    ...defined({ retentionHours, publication, slot, method, pollingSeconds }),
  });
  if (print) {
    const { printScript, printUndo } = await import("../source/statement.js");
    if (json) for (const statement of statements) printJson({ type: "statement", ...statement });
    else process.stdout.write((undo ? printUndo : printScript)(pipeline.engine, statements));
    return;
  }
  const { connectSource } = await import("../source/connection.js");
  const { runPreparation, runUndo } = await import("../source/run.js");
  const admin = await place.admin();
  if (admin === undefined) {
    throw new HeadwaterError("cli/no-login", "nobody is named who may prepare the source", {
      field: "--admin",
      found: "nothing",
      remedy:
        "Name a user (--admin, on RDS the master user) or a secret (--admin-secret); or --print, and run it by other means.",
    });
  }
  // Before anybody is asked: it may be missing.
  const password = undo ? "" : (await place.dms()).password;
  const address = place.address(admin);
  const asked = question(place, `${address.host}:${address.port}`, undo);
  await agreed(options, asked, interrupt.signal, "nothing was changed");
  const tell = (line: string): void => void (json || process.stderr.write(`${line}\n`));
  const connection = await connectSource(address);
  try {
    const run = { progress: tell, signal: interrupt.signal };
    if (!undo) {
      await runPreparation(connection, statements, { ...run, password });
      answer(json, `${environment}: ${statements.length} statements run; the source is prepared`, {
        ...{ type: "prepared", environment, statements: statements.length, user },
      });
      return;
    }
    const left = await runUndo(connection, statements, run);
    const lines = left.map(({ why, undo: sql = "" }) => `-- it was: ${why}\n${sql};`);
    answer(
      json,
      [
        `${environment}: what bears Headwater's name is taken back${left.length > 0 ? "; by hand, if nobody else needs it:" : ""}`,
        ...lines,
      ].join("\n"),
      {
        ...{ type: "undone", environment, byHand: left.map(({ undo: sql }) => sql) },
      },
    );
  } finally {
    await connection.close();
  }
}

function question(
  { environment, pipeline, database, isProtected }: SourcePlace,
  where: string,
  undo: boolean,
): string {
  const mark = isProtected ? ", which is protected" : "";
  return `${undo ? "Undo the preparation of" : "Prepare"} ${pipeline.engine} ${database} at ${where} for ${environment}${mark}?`;
}

async function check(environment: string, options: CheckFlags): Promise<void> {
  const { sourcePlace } = await import("./source-place.js");
  const { checkSource } = await import("../source/check.js");
  const place = await sourcePlace(environment, options);
  const { pipeline, hosting, database, tables, lobMaxSizeKb } = place;
  const login = (await place.admin()) ?? (await place.dms());
  const { retentionHours, publication, method } = options;
  const findings = await checkSource(place.address(login), pipeline, {
    ...{ hosting, database, tables, user: await place.userName() },
    load: options.fullLoad ? "full-load" : "cdc",
    ...defined({ lobMaxSizeKb, retentionHours, publication, method }),
  });
  const style = styleFor(process.stdout, options.color);
  const marks = { error: style.bad("error  "), warning: "warning", note: style.faint("note   ") };
  const errors = findings.filter(({ severity }) => severity === "error").length;
  const end =
    findings.length === 0
      ? "nothing in the way of DMS"
      : `${errors} errors among ${findings.length} findings`;
  answer(
    options.json,
    [...findings.map((finding) => describe(finding, marks[finding.severity])), `${environment}: ${end}`].join(
      "\n",
    ),
    {
      ...{ type: "source-check", environment, findings },
    },
  );
  if (errors === 0) return;
  throw new HeadwaterError("source/not-ready", "DMS would fail on this source, or lose data", {
    where: `environment ${environment}`,
    found: `${errors} errors`,
    remedy: "Mend what is listed above, and check again.",
  });
}

function describe({ code, table, column, found, allowed, remedy }: Finding, mark: string): string {
  const at = [table, column].filter((part) => part !== undefined).join(".");
  return `${mark} ${at === "" ? "" : `${at}: `}${found} (${code})\n        allowed: ${allowed}\n        remedy: ${remedy}`;
}

function answer(json: boolean, text: string, object: object): void {
  if (json) printJson(object);
  else process.stdout.write(`${text}\n`);
}

/** Options without a value keep their defaults elsewhere. */
function defined<T extends object>(options: T): { [Name in keyof T]?: NonNullable<T[Name]> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never;
}
