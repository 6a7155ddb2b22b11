/**
 * What to do about errors that providers report without a remedy. Only what their words leave no doubt about; the words are
 * those of AWS' error codes, of pulumi-aws and of the Databricks provider.
 */
const REMEDIES: readonly (readonly [RegExp, string])[] = [
  [
    /ExpiredToken|token (included in the request )?(is|has) expired/i,
    "Log in again: the credentials have expired.",
  ],
  [
    /cannot configure default credentials/i,
    "Set databricks:host in the stack's file and DATABRICKS_CLIENT_ID with DATABRICKS_CLIENT_SECRET (or DATABRICKS_TOKEN).",
  ],
  [
    /AccessDenied|UnauthorizedOperation|is not authorized to perform/i,
    "Give the principal that deploys the permission the message names, or use the environment's own role.",
  ],
  [
    /BucketAlreadyExists|BucketAlreadyOwnedByYou/,
    "Another account or stack has a bucket of that name: name another.",
  ],
  [
    /BucketNotEmpty/,
    "The bucket holds files: empty it, or set forceDestroy where its data may be lost, run `up`, then again.",
  ],
  [
    /LimitExceeded|ResourceQuotaExceeded|QuotaExceeded|limit exceeded/i,
    "Raise the quota of the account or workspace, or take away what is not needed any more.",
  ],
  [
    /dms-vpc-role.*(not configured|does not exist)|The IAM Role .*dms-vpc-role/i,
    "Make the account's role dms-vpc-role with AmazonDMSVPCManagementRole, once per account (see the README).",
  ],
  [
    /MODIFYING state|cannot (be )?(start|modif)/i,
    "The replication is being changed: wait until it rests (`headwater status`), then run again.",
  ],
  [
    /does not have READ permissions|cannot assume|sts:AssumeRole/i,
    "The role may not have reached Databricks yet: run again in a minute. If it stays, look at the role's trust policy.",
  ],
  [
    /overlaps with (other|an existing) (external location|managed storage|volume)/i,
    "Another external location or volume covers the path: give this stack a bucket or prefix of its own.",
  ],
  [
    /already exists/i,
    "Import it into the stack, or delete it where it was left behind by a run that was killed.",
  ],
];

/** The remedy for a provider's message, where one is known. */
export function remedyFor(message: string): string | undefined {
  return REMEDIES.find(([pattern]) => pattern.test(message))?.[1];
}
