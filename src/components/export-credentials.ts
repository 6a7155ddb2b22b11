import * as aws from "@pulumi/aws";
import * as databricks from "@pulumi/databricks";
import * as pulumi from "@pulumi/pulumi";
import { HeadwaterError } from "../model/errors.js";
import { physicalName } from "../model/naming.js";

/** A database login. */
export interface Login {
  readonly username: string;
  readonly password: string;
}

export interface ExportCredentialsArgs {
  /** `<pipeline>-<environment>`; names the scope. */
  readonly stack: string;
  /** The login, as {@link readLogin} gives it. A secret from here on, whether it is one already or not. */
  readonly login: pulumi.Input<Login>;
  /** Application id of the service principal that may read them. */
  readonly principal: pulumi.Input<string>;
}

/** Keys in the scope. */
export const USER_KEY = "user";
export const PASSWORD_KEY = "password";

/** Name of a stack's secret scope; pipeline.json holds it. */
export function exportScopeName(stack: string): string {
  return physicalName("secretScope", stack);
}

/**
 * The target database's login in a secret scope only the job may read. In the state it is encrypted; read again at every
 * update, a rotated password arrives with the next one.
 */
export class ExportCredentials extends pulumi.ComponentResource {
  readonly scope: pulumi.Output<string>;

  constructor(name: string, args: ExportCredentialsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("headwater:components:ExportCredentials", name, {}, opts);
    const parent = { parent: this };
    // A replacement has the same name in the workspace: made first, it would go with what it replaces.
    const replaced = { parent: this, deleteBeforeReplace: true };

    const login = pulumi.secret(args.login);
    const scope = new databricks.SecretScope(name, { name: exportScopeName(args.stack) }, parent);
    for (const [key, value] of [
      [USER_KEY, login.username],
      [PASSWORD_KEY, login.password],
    ] as const) {
      new databricks.Secret(`${name}-${key}`, { scope: scope.name, key, stringValue: value }, replaced);
    }
    new databricks.SecretAcl(
      name,
      { scope: scope.name, principal: args.principal, permission: "READ" },
      replaced,
    );
    this.scope = scope.name;
    this.registerOutputs({ scope: this.scope });
  }
}

/**
 * Reads `{"username": ..., "password": ...}` from a secret. To be awaited by the program before it makes anything: what
 * fails inside an Output leaves an inline program waiting for ever (pulumi/pulumi#10744).
 * @throws HeadwaterError where the secret cannot be read or holds no login; never with any of its text.
 */
export async function readLogin(secretArn: string, opts?: pulumi.InvokeOptions): Promise<Login> {
  let text: string;
  try {
    text = (await aws.secretsmanager.getSecretVersion({ secretId: secretArn }, opts)).secretString;
  } catch (error) {
    throw new HeadwaterError(
      "export/secret-unreadable",
      "the secret with the export's login cannot be read",
      {
        where: secretArn,
        found: error instanceof Error ? error.message : String(error),
        remedy: "Check that the secret exists in that account and region, and that you may read it.",
      },
      { cause: error },
    );
  }
  return parseLogin(secretArn, text);
}

/** The login in a secret's text; throws without showing any of it. */
export function parseLogin(secretArn: string, text: string): Login {
  let found = "no JSON object";
  try {
    const login = JSON.parse(text) as { username?: unknown; password?: unknown } | null;
    if (typeof login?.username === "string" && typeof login.password === "string") {
      return { username: login.username, password: login.password };
    }
    if (login !== null && typeof login === "object")
      found = `an object with ${Object.keys(login).join(", ")}`;
  } catch {
    // The parser's message quotes the text, which is a secret.
  }
  throw new HeadwaterError("export/secret", "the secret holds no login", {
    where: secretArn,
    found,
    allowed: '{"username": "...", "password": "..."}',
    remedy: "Store the login as JSON with these two keys.",
  });
}
