import * as databricks from "@pulumi/databricks";
import * as pulumi from "@pulumi/pulumi";

/** A service principal to make, or one that exists. */
export type RunAs =
  | { readonly provision: "create"; readonly name: string }
  | { readonly provision: "existing"; readonly applicationId: string };

export interface JobPrincipalArgs {
  readonly runAs: RunAs;
}

/** The service principal the job runs as: no person's rights, and no person's absence, decide what it can do. */
export class JobPrincipal extends pulumi.ComponentResource {
  /** What Databricks calls it in grants and `run_as`. */
  readonly applicationId: pulumi.Output<string>;

  constructor(name: string, { runAs }: JobPrincipalArgs, opts?: pulumi.ComponentResourceOptions) {
    super("headwater:components:JobPrincipal", name, {}, opts);
    this.applicationId =
      runAs.provision === "existing"
        ? pulumi.output(runAs.applicationId)
        : new databricks.ServicePrincipal(name, { displayName: runAs.name }, { parent: this }).applicationId;
    this.registerOutputs({ applicationId: this.applicationId });
  }
}
