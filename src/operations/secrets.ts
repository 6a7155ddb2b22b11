import { GetSecretValueCommand } from "@aws-sdk/client-secrets-manager";
import { HeadwaterError } from "../model/errors.js";
import { secretsClient, type AwsConnection } from "./aws.js";

/**
 * A login kept in Secrets Manager as `{"username", "password"}`, as RDS keeps its master user's and DMS asks for its own.
 * @throws HeadwaterError `operations/secret` with AWS's words, never with what the secret holds.
 */
export async function readSecretLogin(
  connection: AwsConnection,
  arn: string,
): Promise<{ readonly username: string; readonly password: string }> {
  const failed = (found: string, remedy: string, cause?: unknown): HeadwaterError =>
    new HeadwaterError(
      "operations/secret",
      "the login could not be read",
      { where: arn, found, remedy },
      { cause },
    );
  const client = secretsClient(connection);
  let stored: string;
  try {
    stored = (await client.send(new GetSecretValueCommand({ SecretId: arn }))).SecretString ?? "";
  } catch (error) {
    throw failed(
      (error as Error).message,
      "The credentials at hand need secretsmanager:GetSecretValue on it.",
      error,
    );
  } finally {
    client.destroy();
  }
  const { username, password } = parsed(stored);
  if (typeof username === "string" && typeof password === "string") return { username, password };
  throw failed("no username and password", 'Store {"username": "...", "password": "..."} in it.');
}

/** What JSON.parse says of a text that is none would quote the secret. */
function parsed(stored: string): { readonly username?: unknown; readonly password?: unknown } {
  try {
    return (JSON.parse(stored) as object | null) ?? {};
  } catch {
    return {};
  }
}
