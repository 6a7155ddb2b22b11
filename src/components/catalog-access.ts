import * as aws from "@pulumi/aws";
import * as databricks from "@pulumi/databricks";
import * as pulumi from "@pulumi/pulumi";
import { setTimeout as sleep } from "node:timers/promises";
import { HeadwaterError } from "../model/errors.js";
import { physicalName } from "../model/naming.js";
import {
  UNITY_CATALOG_MASTER_ROLE,
  unityCatalogAccessPolicy,
  unityCatalogTrustPolicy,
} from "../model/policies.js";
import { transientErrorOf } from "../model/transient-errors.js";

export interface CatalogAccessArgs {
  /** `<pipeline>-<environment>`; names role, credential and location. A change replaces all of them. */
  readonly stack: string;
  /** ARN of the bucket Unity Catalog may use. */
  readonly bucketArn: pulumi.Input<string>;
  /** `s3://bucket/`: the external location. A change replaces it. */
  readonly url: pulumi.Input<string>;
  /** Key of the bucket, if it has one of its own. */
  readonly kmsKeyArn?: string;
  /** Destroy credential and location even if something still uses them. Default: false. */
  readonly forceDestroy?: boolean;
  /** How long to wait for a new role to be known everywhere. Default: 12 tries, 5 seconds apart. */
  readonly propagation?: Propagation;
}

export interface Propagation {
  readonly tries: number;
  readonly delaySeconds: number;
}

/**
 * Unity Catalog's way into the bucket. Databricks gives the external id only when the credential is made, and the role
 * can trust it only then; so the credential comes first, unvalidated, with the ARN the role will have, then the role,
 * then the location, which Databricks validates. A role takes some seconds to be known everywhere, so a location that
 * fails for want of permission is tried again, a bounded number of times; the last error is reported as it came.
 */
export class CatalogAccess extends pulumi.ComponentResource {
  readonly storageCredential: pulumi.Output<string>;
  /** Name of the external location; known once Databricks has validated it. */
  readonly externalLocation: pulumi.Output<string>;
  readonly roleArn: pulumi.Output<string>;

  constructor(name: string, args: CatalogAccessArgs, opts?: pulumi.ComponentResourceOptions) {
    super("headwater:components:CatalogAccess", name, {}, opts);
    const parent = { parent: this };
    const { stack, kmsKeyArn, forceDestroy = false } = args;
    const roleName = physicalName("role", stack, "unity-catalog");

    const roleArn = aws
      .getCallerIdentityOutput({}, parent)
      .apply(({ arn, accountId }) => `arn:${arn.split(":")[1]}:iam::${accountId}:role/${roleName}`);
    const credential = new databricks.StorageCredential(
      name,
      {
        name: physicalName("storageCredential", stack),
        comment: `Files of Headwater stack ${stack}`,
        awsIamRole: { roleArn },
        skipValidation: true,
        forceDestroy,
      },
      parent,
    );
    const role = new aws.iam.Role(
      name,
      {
        name: roleName,
        description: "Lets Unity Catalog use the stack's bucket",
        assumeRolePolicy: pulumi.all([credential.awsIamRole, roleArn]).apply(([given, roleArn]) =>
          JSON.stringify(
            unityCatalogTrustPolicy({
              unityCatalogIamArn: given?.unityCatalogIamArn ?? UNITY_CATALOG_MASTER_ROLE,
              externalId: externalIdOf(stack, given?.externalId, credential),
              roleArn,
            }),
          ),
        ),
      },
      parent,
    );
    const policy = new aws.iam.RolePolicy(
      name,
      {
        name: "access",
        role: role.name,
        policy: pulumi
          .all([args.bucketArn, roleArn])
          .apply(([bucketArn, roleArn]) =>
            JSON.stringify(unityCatalogAccessPolicy(bucketArn, roleArn, kmsKeyArn)),
          ),
      },
      parent,
    );
    const location = new databricks.ExternalLocation(
      name,
      {
        name: physicalName("externalLocation", stack),
        comment: `Bucket of Headwater stack ${stack}`,
        url: args.url,
        credentialName: credential.name,
        forceDestroy,
      },
      {
        ...parent,
        dependsOn: policy,
        // A new location of the same url would overlap the old one.
        deleteBeforeReplace: true,
        hooks: { onError: [waitForRole(name, args.propagation)] },
      },
    );
    this.roleArn = role.arn;
    this.storageCredential = credential.name;
    this.externalLocation = location.name;
    this.registerOutputs({ externalLocation: this.externalLocation, roleArn: this.roleArn });
  }
}

/**
 * The external id the role asks for: without one it would let any Databricks customer in, so where there is none it asks
 * for one nobody has. Only a preview may lack it; else the update fails. (Logged, not thrown: an exception inside
 * `apply` leaves an inline program waiting for ever, pulumi/pulumi#10744.)
 */
export function externalIdOf(stack: string, given: string | undefined, resource: pulumi.Resource): string {
  if (given !== undefined && given !== "") return given;
  if (!pulumi.runtime.isDryRun()) {
    const { message } = new HeadwaterError(
      "catalog/external-id",
      "Databricks gave the credential no external id",
      {
        where: physicalName("storageCredential", stack),
        found: given ?? "nothing",
        allowed: "aws_iam_role.external_id",
        remedy: "Use a workspace with Unity Catalog on AWS.",
      },
    );
    void pulumi.log.error(message, resource);
  }
  return "none-given";
}

/** Tries again while Databricks cannot use the role yet. Names of hooks are unique in a program, as resources' are. */
function waitForRole(name: string, { tries, delaySeconds }: Propagation = { tries: 12, delaySeconds: 5 }) {
  return new pulumi.ErrorHook(`${name}-wait-for-role`, async ({ errors, failedOperation }) => {
    const [latest = ""] = errors;
    if (failedOperation === "delete" || errors.length >= tries || !passes(latest)) return false;
    await sleep(delaySeconds * 1000);
    return true;
  });
}

function passes(message: string): boolean {
  return (
    transientErrorOf(message, { type: "databricks:index/externalLocation:ExternalLocation" }) !== undefined
  );
}
