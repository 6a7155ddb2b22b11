import { INCOMING } from "./layout.js";

/*
 * IAM policy documents, as values. Components serialize them; nothing here knows Pulumi.
 */

export interface PolicyStatement {
  readonly Sid: string;
  readonly Effect: "Allow" | "Deny";
  readonly Principal?: "*" | { readonly AWS?: string | readonly string[]; readonly Service?: string };
  readonly Action: string | readonly string[];
  readonly Resource?: string | readonly string[];
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;
}

export interface PolicyDocument {
  readonly Version: "2012-10-17";
  readonly Statement: readonly PolicyStatement[];
}

function document(...statements: readonly (PolicyStatement | undefined)[]): PolicyDocument {
  return {
    Version: "2012-10-17",
    Statement: statements.filter((statement) => statement !== undefined),
  };
}

/** Refuses every request to a bucket that does not come over TLS. */
export function tlsOnlyBucketPolicy(bucketArn: string): PolicyDocument {
  return document({
    Sid: "TlsOnly",
    Effect: "Deny",
    Principal: "*",
    Action: "s3:*",
    Resource: [bucketArn, `${bucketArn}/*`],
    Condition: { Bool: { "aws:SecureTransport": "false" } },
  });
}

/** Trust in DMS, for the role its S3 endpoint writes with (DMS guide, CHAP_Target.S3, prerequisites). */
export function dmsTrustPolicy(): PolicyDocument {
  return document(trustService("dms.amazonaws.com"));
}

/** Trust in DMS's regional principal, which alone may read endpoint secrets (security_iam_secretsmanager). */
export function dmsRegionalTrustPolicy(region: string): PolicyDocument {
  return document(trustService(`dms.${region}.amazonaws.com`));
}

/**
 * What DMS needs to write below `incoming/` and nowhere else: the paper's PutObject, DeleteObject, GetObject and
 * ListBucket, with PutObjectTagging, which the DMS guide adds. The KMS key only if the bucket has one.
 */
export function dmsS3AccessPolicy(bucketArn: string, kmsKeyArn?: string): PolicyDocument {
  return document(
    {
      Sid: "WriteIncoming",
      Effect: "Allow",
      Action: ["s3:PutObject", "s3:DeleteObject", "s3:GetObject", "s3:PutObjectTagging"],
      Resource: `${bucketArn}/${INCOMING}/*`,
    },
    {
      Sid: "ListIncoming",
      Effect: "Allow",
      Action: "s3:ListBucket",
      Resource: bucketArn,
      Condition: { StringLike: { "s3:prefix": [INCOMING, `${INCOMING}/*`] } },
    },
    useKey(kmsKeyArn, ["kms:GenerateDataKey", "kms:Decrypt"]),
  );
}

/** Reading one secret, and nothing else; the key only where the secret has a key of the account's own. */
export function dmsSecretAccessPolicy(secretArn: string, kmsKeyArn?: string): PolicyDocument {
  return document(
    { Sid: "ReadSecret", Effect: "Allow", Action: "secretsmanager:GetSecretValue", Resource: secretArn },
    useKey(kmsKeyArn, ["kms:Decrypt", "kms:DescribeKey"]),
  );
}

/** Databricks' own role in the commercial partition, if a storage credential does not name it itself. */
export const UNITY_CATALOG_MASTER_ROLE =
  "arn:aws:iam::414351767826:role/unity-catalog-prod-UCMasterRole-14S5ZJVKOTYTL";

export interface UnityCatalogTrust {
  /** Databricks' role that assumes ours. */
  readonly unityCatalogIamArn: string;
  /** Given by Databricks when the storage credential is made. */
  readonly externalId: string;
  /** ARN of the role this policy is for. */
  readonly roleArn: string;
}

/**
 * Trust in Unity Catalog and in the role itself (self-assuming roles are required since 2024-09). The second
 * statement names the account and narrows it to the role by its ARN, because a role cannot be named as principal
 * before it exists. Same shape as the provider's aws_unity_catalog_assume_role_policy.
 */
export function unityCatalogTrustPolicy(trust: UnityCatalogTrust): PolicyDocument {
  const [, partition, , , account] = trust.roleArn.split(":");
  return document(
    {
      Sid: "UnityCatalog",
      Effect: "Allow",
      Principal: { AWS: trust.unityCatalogIamArn },
      Action: "sts:AssumeRole",
      Condition: { StringEquals: { "sts:ExternalId": trust.externalId } },
    },
    {
      Sid: "Itself",
      Effect: "Allow",
      Principal: { AWS: `arn:${partition}:iam::${account}:root` },
      Action: "sts:AssumeRole",
      Condition: {
        StringEquals: { "sts:ExternalId": trust.externalId },
        ArnLike: { "aws:PrincipalArn": trust.roleArn },
      },
    },
  );
}

/** What Unity Catalog's role may do: read and write the stack's bucket, and assume itself. */
export function unityCatalogAccessPolicy(
  bucketArn: string,
  roleArn: string,
  kmsKeyArn?: string,
): PolicyDocument {
  return document(
    {
      Sid: "Objects",
      Effect: "Allow",
      Action: [
        ...["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
        ...["s3:ListMultipartUploadParts", "s3:AbortMultipartUpload"],
      ],
      Resource: `${bucketArn}/*`,
    },
    {
      Sid: "Bucket",
      Effect: "Allow",
      Action: ["s3:ListBucket", "s3:GetBucketLocation", "s3:ListBucketMultipartUploads"],
      Resource: bucketArn,
    },
    { Sid: "Itself", Effect: "Allow", Action: "sts:AssumeRole", Resource: roleArn },
    useKey(kmsKeyArn, ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"]),
  );
}

function trustService(service: string): PolicyStatement {
  return { Sid: "Dms", Effect: "Allow", Principal: { Service: service }, Action: "sts:AssumeRole" };
}

function useKey(kmsKeyArn: string | undefined, actions: readonly string[]): PolicyStatement | undefined {
  if (kmsKeyArn === undefined) return undefined;
  return { Sid: "Key", Effect: "Allow", Action: actions, Resource: kmsKeyArn };
}
