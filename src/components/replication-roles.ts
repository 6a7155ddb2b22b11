import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { physicalName } from "../model/naming.js";
import {
  dmsRegionalTrustPolicy,
  dmsS3AccessPolicy,
  dmsSecretAccessPolicy,
  dmsTrustPolicy,
  type PolicyDocument,
} from "../model/policies.js";

export interface ReplicationRolesArgs {
  /** `<pipeline>-<environment>`; names the roles. A change replaces them. */
  readonly stack: string;
  /** ARN of the bucket DMS writes to; access is limited to `incoming/`. */
  readonly bucketArn: pulumi.Input<string>;
  /** Key of the bucket, if it has one of its own. */
  readonly bucketKmsKeyArn?: string;
  /** ARN of the secret with the source's login; DMS must run in the secret's region. */
  readonly sourceSecretArn: string;
  /** Key of the secret, if it has one of its own. */
  readonly sourceSecretKmsKeyArn?: string;
}

/** The two roles DMS takes on in a stack: one writes files to S3, one reads the source's secret. */
export class ReplicationRoles extends pulumi.ComponentResource {
  /** ARN of the role that writes to S3; known only once its policy is attached, so nothing uses it too early. */
  readonly s3RoleArn: pulumi.Output<string>;
  /** ARN of the role that reads the source's secret; likewise. */
  readonly secretsRoleArn: pulumi.Output<string>;

  constructor(name: string, args: ReplicationRolesArgs, opts?: pulumi.ComponentResourceOptions) {
    super("headwater:components:ReplicationRoles", name, {}, opts);
    const region = args.sourceSecretArn.split(":")[3] ?? "";

    this.s3RoleArn = this.role(`${name}-s3`, {
      roleName: physicalName("role", args.stack, "dms-s3"),
      description: "Lets DMS write the files it replicates",
      trust: dmsTrustPolicy(),
      access: pulumi.output(args.bucketArn).apply((arn) => dmsS3AccessPolicy(arn, args.bucketKmsKeyArn)),
    });
    this.secretsRoleArn = this.role(`${name}-secrets`, {
      roleName: physicalName("role", args.stack, "dms-secrets"),
      description: "Lets DMS read the login of the source",
      trust: dmsRegionalTrustPolicy(region),
      access: dmsSecretAccessPolicy(args.sourceSecretArn, args.sourceSecretKmsKeyArn),
    });
    this.registerOutputs({ s3RoleArn: this.s3RoleArn, secretsRoleArn: this.secretsRoleArn });
  }

  private role(
    name: string,
    spec: {
      roleName: string;
      description: string;
      trust: PolicyDocument;
      access: pulumi.Input<PolicyDocument>;
    },
  ): pulumi.Output<string> {
    const role = new aws.iam.Role(
      name,
      { name: spec.roleName, description: spec.description, assumeRolePolicy: JSON.stringify(spec.trust) },
      { parent: this },
    );
    const policy = new aws.iam.RolePolicy(
      name,
      {
        name: "access",
        role: role.name,
        policy: pulumi.output(spec.access).apply((access) => JSON.stringify(access)),
      },
      { parent: this },
    );
    return pulumi.all([role.arn, policy.id]).apply(([arn]) => arn);
  }
}
