import {
  GetPolicyCommand,
  GetPolicyVersionCommand,
  GetRoleCommand,
  GetRolePolicyCommand,
  ListAttachedRolePoliciesCommand,
  ListRolePoliciesCommand,
  type IAMClient,
} from "@aws-sdk/client-iam";

interface Statement {
  readonly Effect?: string;
  readonly Action?: string | string[];
  readonly Resource?: string | string[];
  readonly Principal?: string | { readonly Service?: string | string[] };
}

export interface Permission {
  readonly action: string;
  readonly resource: string;
}

/**
 * Why DMS could not act as a role, or undefined: the role must exist, trust one of the service principals with
 * sts:AssumeRole, and its policies must allow what is asked. moto does not simulate policies, so this reads them:
 * Allow and Deny with wildcards; conditions and permission boundaries are not evaluated (they count as met).
 */
export async function problemOfRole(
  iam: IAMClient,
  roleArn: string,
  trusted: readonly string[],
  permissions: readonly Permission[],
): Promise<string | undefined> {
  const name = /^arn:aws[\w-]*:iam::\d{12}:role\/(?:.*\/)?([\w+=,.@-]+)$/.exec(roleArn)?.[1];
  if (name === undefined) return `${roleArn} is not the ARN of an IAM role`;
  let trust: Statement[];
  try {
    const { Role } = await iam.send(new GetRoleCommand({ RoleName: name }));
    if (Role?.Arn !== roleArn) return `The IAM role ${roleArn} does not exist`;
    trust = statements(Role.AssumeRolePolicyDocument);
  } catch (error) {
    if ((error as Error).name !== "NoSuchEntityException" && (error as Error).name !== "NoSuchEntity")
      throw error;
    return `The IAM role ${roleArn} does not exist`;
  }
  const trusts = trust.some(
    ({ Effect, Action, Principal }) =>
      Effect === "Allow" &&
      list(Action).some((pattern) => like(pattern, "sts:AssumeRole")) &&
      (Principal === "*" ||
        list((Principal as { Service?: string | string[] } | undefined)?.Service).some((service) =>
          trusted.includes(service),
        )),
  );
  if (!trusts) return `The IAM role ${roleArn} does not trust ${trusted.join(" or ")}`;
  if (permissions.length === 0) return undefined;
  const granted = await rolePolicies(iam, name);
  const missing = permissions.filter((wanted) => {
    const hits = granted.filter(
      ({ Action, Resource }) =>
        list(Action).some((pattern) => like(pattern, wanted.action)) &&
        list(Resource).some((pattern) => like(pattern, wanted.resource)),
    );
    return !hits.some(({ Effect }) => Effect === "Allow") || hits.some(({ Effect }) => Effect === "Deny");
  });
  if (missing.length === 0) return undefined;
  const wanted = missing.map(({ action, resource }) => `${action} on ${resource}`).join(", ");
  return `The IAM role ${roleArn} does not allow ${wanted}`;
}

/** Names of the managed policies attached to a role, or undefined when the role does not exist. */
export async function attachedPolicies(iam: IAMClient, roleName: string): Promise<string[] | undefined> {
  try {
    const { AttachedPolicies = [] } = await iam.send(
      new ListAttachedRolePoliciesCommand({ RoleName: roleName }),
    );
    return AttachedPolicies.map(({ PolicyName }) => PolicyName ?? "");
  } catch (error) {
    if ((error as Error).name.startsWith("NoSuchEntity")) return undefined;
    throw error;
  }
}

async function rolePolicies(iam: IAMClient, RoleName: string): Promise<Statement[]> {
  const found: Statement[] = [];
  const { PolicyNames = [] } = await iam.send(new ListRolePoliciesCommand({ RoleName }));
  for (const PolicyName of PolicyNames) {
    const { PolicyDocument } = await iam.send(new GetRolePolicyCommand({ RoleName, PolicyName }));
    found.push(...statements(PolicyDocument));
  }
  const { AttachedPolicies = [] } = await iam.send(new ListAttachedRolePoliciesCommand({ RoleName }));
  for (const { PolicyArn } of AttachedPolicies) {
    const { Policy } = await iam.send(new GetPolicyCommand({ PolicyArn }));
    const version = { PolicyArn, VersionId: Policy?.DefaultVersionId };
    const { PolicyVersion } = await iam.send(new GetPolicyVersionCommand(version));
    found.push(...statements(PolicyVersion?.Document));
  }
  return found;
}

/** IAM gives documents URL-encoded. */
function statements(document: string | undefined): Statement[] {
  if (document === undefined) return [];
  const parsed = JSON.parse(decodeURIComponent(document)) as { Statement?: Statement | Statement[] };
  return parsed.Statement === undefined ? [] : list(parsed.Statement);
}

function list<Item>(value: Item | Item[] | undefined): Item[] {
  return value === undefined ? [] : Array.isArray(value) ? value : [value];
}

function like(pattern: string, value: string): boolean {
  const expression = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${expression}$`, "i").test(value);
}
