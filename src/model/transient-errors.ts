/**
 * Errors of AWS and Databricks that pass by themselves: one part of a cloud does not know yet what another has just made.
 * Whoever tries again (components' error hooks, the driver) asks here, so that anything else fails at once.
 */
export interface TransientError {
  /** `dms-role-not-ready`; stable, for records and programs. */
  readonly name: string;
  /** On the provider's message. */
  readonly pattern: RegExp;
  /** On the resource's type, where the message alone would say too little: `aws:kms/key:Key`. */
  readonly type?: RegExp;
  /** Counts only where something was made just now: else the thing is really not there. */
  readonly afterCreate?: true;
  /** What is waited for, for people. */
  readonly why: string;
  /** Where the message was seen, or who else tries it again. */
  readonly source: string;
}

/** What is known of an error that passes. */
export interface Transience {
  readonly name: string;
  readonly why: string;
  /** The provider's message. */
  readonly message: string;
}

/** An error as the engine tells it. */
export interface ResourceError {
  readonly urn?: string | undefined;
  readonly message: string;
}

const tf = "https://github.com/hashicorp/terraform-provider-aws";
const databricks = "https://github.com/databricks/terraform-provider-databricks";

/** The first that fits names the error. A message that only says `AccessDenied` is here in none: that may be final. */
export const transientErrors: readonly TransientError[] = [
  {
    name: "dms-role-not-ready",
    pattern: /AccessDeniedFault: .*\bIAM Role \S+ is not configured properly/is,
    why: "DMS does not know the role or its policies yet",
    source: `${tf}/issues/32824, https://github.com/hashicorp/terraform/pull/15163 (the provider retries AccessDeniedFault)`,
  },
  {
    name: "external-location-role-not-ready",
    // "No file available under the location to read" is the same sentence's final form (terraform-provider-databricks#3843).
    pattern:
      /AWS IAM role does not have [A-Z, ]+ permissions? on url(?![\s\S]*No file available under the location)/,
    why: "Unity Catalog cannot use the role yet",
    source: `${databricks}/issues/3069`,
  },
  {
    name: "role-not-assumable",
    pattern: /is not authorized to perform: sts:AssumeRole\b/i,
    why: "the role cannot be assumed yet: its trust policy is not known everywhere",
    source: `https://github.com/terraform-aws-modules/terraform-aws-dms/issues/45, ${tf}/issues/6566 (10 to 30 seconds)`,
  },
  {
    name: "credential-role-not-ready",
    pattern: /Failed credential validation checks: please use a valid cross account IAM role/i,
    why: "Databricks cannot use the role yet",
    source: `${databricks}/issues/1424`,
  },
  {
    name: "trust-policy-principal-unknown",
    pattern: /MalformedPolicyDocument: Invalid principal in policy/i,
    why: "IAM does not know a principal of the trust policy yet",
    source: `${tf}/issues/8905, ${tf}/issues/1388`,
  },
  {
    name: "key-policy-principal-unknown",
    pattern:
      /MalformedPolicyDocumentException: Policy contains a statement with one or more invalid principals/i,
    why: "KMS does not know a principal of the key's policy yet",
    source: `${tf} internal/service/kms/key.go (retries MalformedPolicyDocumentException)`,
  },
  {
    name: "secret-policy-principal-unknown",
    pattern: /MalformedPolicyDocumentException: This resource policy contains an unsupported principal/i,
    why: "Secrets Manager does not know a principal of the secret's policy yet",
    source: `${tf}/issues/14449`,
  },
  {
    name: "bucket-policy-principal-unknown",
    pattern: /MalformedPolicy: Invalid principal in policy/i,
    why: "S3 does not know a principal of the bucket's policy yet",
    source: "https://github.com/hashicorp/terraform/pull/4315",
  },
  {
    name: "bucket-busy",
    pattern: /OperationAborted: A conflicting conditional operation is currently in progress/i,
    why: "S3 is still busy with another setting of the bucket",
    source: `${tf}/issues/7628`,
  },
  {
    name: "replication-modifying",
    pattern:
      /InvalidResourceStateFault: Replication for Replication Config: \S+ is in \w+ state and cannot start/i,
    why: "DMS is still changing the replication",
    source: `${tf}/issues/35650`,
  },
  {
    name: "bucket-not-visible",
    pattern: /NoSuchBucket: The specified bucket does not exist/i,
    afterCreate: true,
    why: "the new bucket is not known everywhere yet",
    source: `${tf}/issues/372, ${tf} internal/service/s3/bucket_policy.go (retries NoSuchBucket)`,
  },
  {
    name: "iam-not-visible",
    pattern:
      /NoSuchEntity(?:Exception)?: The (?:role|user|group|policy|instance profile)\b.*(?:cannot be found|does not exist)/i,
    afterCreate: true,
    why: "the new IAM resource is not known everywhere yet",
    source: `${tf}/pull/18435`,
  },
  {
    name: "dms-not-visible",
    pattern: /ResourceNotFoundFault: /,
    type: /^aws:dms\//,
    afterCreate: true,
    why: "what was made in DMS just now is not known everywhere yet",
    source:
      "https://docs.aws.amazon.com/dms/latest/APIReference/API_DescribeEndpoints.html (ResourceNotFoundFault)",
  },
  {
    name: "workspace-not-visible",
    pattern:
      /RESOURCE_DOES_NOT_EXIST|\b(?:CATALOG|SCHEMA|VOLUME|STORAGE_CREDENTIAL|EXTERNAL_LOCATION)_DOES_NOT_EXIST\b|(?:Catalog|Schema|Volume|Storage Credential|External Location) '[^']*' does not exist/i,
    type: /^databricks:/,
    afterCreate: true,
    why: "what was made in the workspace just now is not known everywhere yet",
    source: "https://docs.databricks.com/api/workspace (RESOURCE_DOES_NOT_EXIST)",
  },
];

/**
 * The transient error that a provider's message tells of.
 * @param about the resource's type (`aws:dms/endpoint:Endpoint`), if known; `created: false` where nothing was made just now
 */
export function transientErrorOf(
  message: string,
  about: { readonly type?: string | undefined; readonly created?: boolean } = {},
): Transience | undefined {
  const { type, created = true } = about;
  const found = transientErrors.find(
    (known) =>
      known.pattern.test(message) &&
      (created || known.afterCreate !== true) &&
      (known.type === undefined || type === undefined || known.type.test(type)),
  );
  return found && { name: found.name, why: found.why, message };
}

/**
 * The transient error behind an operation that failed: only if every error of every resource is one; else undefined, as is
 * no error at all. An error of no resource is the program's or the engine's own and never passes.
 * @param options `created: false` where the operation made nothing: then what is not found is really not there
 */
export function transientErrorIn(
  errors: readonly ResourceError[],
  options: { readonly created?: boolean } = {},
): Transience | undefined {
  const counted = errors.filter(({ message }) => !isEnginesSummary(message));
  const found = counted.map(({ urn, message }) =>
    urn === undefined ? undefined : transientErrorOf(message, { ...options, type: typeOf(urn) }),
  );
  return found.every((one) => one !== undefined) ? found[0] : undefined;
}

/** What the engine says of the stack once a resource has failed. */
function isEnginesSummary(message: string): boolean {
  return /^(?:update|preview|destroy|refresh) (?:failed|canceled)$/.test(message.trim());
}

/** `urn:pulumi:dev::project::parent$aws:iam/role:Role::name` -> `aws:iam/role:Role`. */
function typeOf(urn: string): string | undefined {
  return urn.split("::")[2]?.split("$").at(-1);
}
