import { GetCallerIdentityCommand } from "@aws-sdk/client-sts";
import { HeadwaterError } from "../model/errors.js";
import { stsClient } from "../operations/aws.js";
import type { EnvironmentRules } from "../settings/promotion-rules.js";
import type { EnvironmentClients } from "./clients.js";

/**
 * Asks AWS and Databricks whose credentials are at hand, and compares with the rules of the environment.
 * @returns what was found, as a sentence.
 * @throws HeadwaterError `driver/other-account` or `driver/other-workspace`.
 */
export async function checkIdentity(
  stack: string,
  { awsAccount, workspaceId }: NonNullable<EnvironmentRules["identity"]>,
  clients: EnvironmentClients,
  signal?: AbortSignal,
): Promise<string> {
  const found: string[] = [];
  if (awsAccount !== undefined) {
    const { Account: account = "unknown", Arn: arn = "unknown" } = await askAws(clients, stack, signal);
    if (account !== awsAccount) {
      throw new HeadwaterError(
        "driver/other-account",
        "the credentials at hand belong to another AWS account",
        {
          where: `stack ${stack}`,
          field: "identity.awsAccount",
          found: `${account} (${arn})`,
          allowed: awsAccount,
          remedy: "Take the environment's own profile or role (aws:profile, AWS_PROFILE).",
        },
      );
    }
    found.push(`AWS account ${account}`);
  }
  if (workspaceId !== undefined) {
    const at = await clients.workspace.workspaceId(signal);
    if (at !== workspaceId) {
      throw new HeadwaterError("driver/other-workspace", "the host at hand is another Databricks workspace", {
        where: `stack ${stack}`,
        field: "identity.workspaceId",
        found: at ?? "a workspace that does not tell its id",
        allowed: workspaceId,
        remedy: "Set databricks:host in the stack's file to the environment's own workspace.",
      });
    }
    found.push(`workspace ${at}`);
  }
  return found.join(", ");
}

async function askAws(
  clients: EnvironmentClients,
  stack: string,
  signal: AbortSignal | undefined,
): Promise<{ Account?: string | undefined; Arn?: string | undefined }> {
  const client = stsClient(clients.aws);
  try {
    return await client.send(new GetCallerIdentityCommand({}), { abortSignal: signal });
  } catch (error) {
    throw new HeadwaterError(
      "driver/no-identity",
      "AWS does not tell whose credentials these are",
      {
        where: `stack ${stack}`,
        found: (error as Error).message,
        remedy: "Log in again (aws sso login), or set AWS_PROFILE or the keys of a role.",
      },
      { cause: error },
    );
  } finally {
    client.destroy();
  }
}
