import path from "node:path";
import { text as readAll } from "node:stream/consumers";
import { EnvironmentClients } from "../driver/clients.js";
import { loadStack } from "../driver/stack-settings.js";
import { HeadwaterError } from "../model/errors.js";
import { stackName } from "../model/naming.js";
import type { Pipeline, SourceEngine } from "../model/pipeline.js";
import type { TableOverridesByName } from "../model/table-mappings.js";
import { readSecretLogin } from "../operations/secrets.js";
import type { AwsConnection } from "../operations/aws.js";
import { loadPromotionRules, RULES_FILE, rulesFor } from "../settings/promotion-rules.js";
import type { SourceAddress } from "../source/connection.js";
import type { Hosting } from "../source/statement.js";
import type { CommonOptions } from "./options.js";
import { loadProject } from "./project.js";
import { readLink, sandboxOverlay } from "./sandbox-link.js";
import { pickPipeline } from "./session.js";

/** Where the source is and who connects, as options say it over what the stack's settings say. */
export interface PlaceOptions extends CommonOptions {
  readonly host?: string;
  readonly port?: number;
  readonly database?: string;
  readonly tls?: SourceAddress["tls"];
  readonly ca?: string;
  readonly hosting?: Hosting;
  readonly user?: string;
  readonly admin?: string;
  readonly adminSecret?: string;
  readonly passwordStdin: boolean;
}

export interface Login {
  readonly user: string;
  readonly password: string;
}

/** An environment's source database. */
export interface SourcePlace {
  readonly environment: string;
  readonly pipeline: Pipeline;
  readonly hosting: Hosting;
  readonly database: string;
  /** Whether the rules of promotion call the environment protected. */
  readonly isProtected: boolean;
  /** What somebody has written down in the stack's file; a default is no decision. */
  readonly lobMaxSizeKb: number | undefined;
  readonly tables: TableOverridesByName;
  address(login: Login): SourceAddress;
  /** Name of DMS's user; the secret is read only where no option tells. */
  userName(): Promise<string>;
  /** DMS's own login. */
  dms(): Promise<Login>;
  /** Who prepares; undefined where nobody is named. */
  admin(): Promise<Login | undefined>;
}

/** As much of a stack's settings as describes a source; programs of one's own need not have it. */
interface SourceSettings {
  readonly source?: {
    readonly host?: string;
    readonly port?: number;
    readonly database?: string;
    readonly secretArn?: string;
    readonly tls?: { readonly mode?: SourceAddress["tls"] };
  };
  readonly replication?: { readonly lobMaxSizeKb?: number };
  readonly tables?: TableOverridesByName;
}

const PORTS: Record<SourceEngine, number> = {
  postgresql: 5432,
  mysql: 3306,
  mariadb: 3306,
  sqlserver: 1433,
  oracle: 1521,
};

/** Variables that hold passwords; there is no option for one, as arguments can be seen by everybody on the machine. */
export const PASSWORDS = { connecting: "HEADWATER_SOURCE_PASSWORD", dms: "HEADWATER_DMS_PASSWORD" } as const;

/** Reads the project, the stack's file and the rules; neither engine nor cloud is asked for that. */
export async function sourcePlace(environment: string, options: PlaceOptions): Promise<SourcePlace> {
  const project = await loadProject(options.project);
  const stack = stackName(pickPipeline(project, options.pipeline), environment);
  const settingsDir = path.resolve(options.settings);
  const link = options.sandbox ? readLink(path.resolve(options.workFolder)) : undefined;
  if (options.sandbox && link === undefined) {
    throw new HeadwaterError("cli/no-sandbox", "no sandbox is up here", {
      remedy: "Start one: headwater sandbox.",
    });
  }
  const overlay = link === undefined ? undefined : sandboxOverlay(link, settingsDir);
  const { file, pipeline, settings, document } = await loadStack(settingsDir, stack, project, overlay);
  const { source = {}, tables = {} } = (settings ?? {}) as SourceSettings;
  const written = (document.config["headwater:settings"] ?? {}) as SourceSettings;
  const need = <T>(field: "host" | "database", value: T | undefined): T => {
    if (value !== undefined) return value;
    throw new HeadwaterError("cli/no-source", `the source's ${field} is not known`, {
      ...{ where: file, field: `headwater:settings.source.${field}`, found: "nothing" },
      remedy: `Give --${field}.`,
    });
  };
  const host = need("host", options.host ?? source.host);
  const database = need("database", options.database ?? source.database);
  // Not for `--print` with a user: then no cloud is asked.
  const aws = (): AwsConnection =>
    new EnvironmentClients(stack, document.config, { ...process.env, ...link?.environment }).aws;
  const fromSecret = once(async () => {
    if (source.secretArn === undefined) return undefined;
    const { username: user, password } = await readSecretLogin(aws(), source.secretArn);
    return { user, password };
  });
  const connecting = once(() => connectingPassword(options.passwordStdin));
  return {
    ...{ environment, pipeline, database, tables, lobMaxSizeKb: written.replication?.lobMaxSizeKb },
    // Not by the end of a tunnel.
    hosting:
      options.hosting ?? ((source.host ?? host).endsWith(".rds.amazonaws.com") ? "rds" : "self-managed"),
    isProtected: rulesFor(loadPromotionRules(path.join(settingsDir, RULES_FILE)), environment).protected,
    address: (login) => ({
      ...{ engine: pipeline.engine, host, database, ...login },
      port: options.port ?? source.port ?? PORTS[pipeline.engine],
      tls: options.tls ?? source.tls?.mode ?? "require",
      ...(options.ca === undefined ? {} : { caFile: options.ca }),
    }),
    userName: async () => options.user ?? (await fromSecret())?.user ?? noLogin(file),
    dms: async () => {
      const given = process.env[PASSWORDS.dms];
      if (given)
        return { user: options.user ?? (await fromSecret())?.user ?? noLogin(file), password: given };
      const login = await fromSecret();
      if (login !== undefined && (options.user ?? login.user) === login.user) return login;
      return noLogin(file);
    },
    admin: async () => {
      if (options.adminSecret !== undefined) {
        const { username, password } = await readSecretLogin(aws(), options.adminSecret);
        return { user: username, password };
      }
      if (options.admin !== undefined) return { user: options.admin, password: await connecting() };
      return link?.source;
    },
  };
}

function noLogin(where: string): never {
  throw new HeadwaterError("cli/no-login", "the login of DMS's user is not known", {
    ...{ where, field: "headwater:settings.source.secretArn", found: "no secret with this user's login" },
    remedy: `Give --user, and the password in ${PASSWORDS.dms}.`,
  });
}

async function connectingPassword(fromStdin: boolean): Promise<string> {
  const password = fromStdin
    ? (await readAll(process.stdin)).replace(/\r?\n$/, "")
    : process.env[PASSWORDS.connecting];
  if (password) return password;
  throw new HeadwaterError("cli/no-password", "the password of who connects is not known", {
    ...{ field: PASSWORDS.connecting, found: "nothing" },
    remedy: `Set ${PASSWORDS.connecting}, or say --password-stdin and write it there; or name a secret: --admin-secret.`,
  });
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}
