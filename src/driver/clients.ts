import type { S3Client } from "@aws-sdk/client-s3";
import { HeadwaterError } from "../model/errors.js";
import { assuming, dmsClient, s3Client, type AwsConnection, type RoleToAssume } from "../operations/aws.js";
import { oauthToken } from "../operations/oauth-token.js";
import { Replications } from "../operations/dms.js";
import { Jobs } from "../operations/jobs.js";
import { WorkspaceClient } from "../operations/workspace-client.js";

/**
 * Clients for one environment's AWS account and workspace, made when first asked for. They go where the stack's providers
 * go: region, endpoints and host come from the stack's configuration, credentials from environment variables.
 */
export class EnvironmentClients {
  private made: { replications?: Replications; s3?: S3Client; workspace?: WorkspaceClient } = {};

  constructor(
    private readonly stack: string,
    private readonly config: Readonly<Record<string, unknown>>,
    private readonly environment: Readonly<Record<string, string | undefined>>,
  ) {}

  get replications(): Replications {
    return (this.made.replications ??= new Replications(dmsClient(this.aws)));
  }

  get s3(): S3Client {
    return (this.made.s3 ??= s3Client(this.aws));
  }

  get workspace(): WorkspaceClient {
    return (this.made.workspace ??= new WorkspaceClient({
      host: this.need("databricks:host", "DATABRICKS_HOST"),
      token: this.token(),
    }));
  }

  get jobs(): Jobs {
    return new Jobs(this.workspace);
  }

  /** How to reach AWS, for clients not made here. An empty variable counts as unset, as it does for the SDKs. */
  get aws(): AwsConnection {
    const roles = (this.config["aws:assumeRoles"] ?? []) as RoleToAssume[];
    const byToken = this.config["aws:assumeRoleWithWebIdentity"] as RoleToAssume | undefined;
    return assuming(this.ownAws, byToken === undefined ? roles : [byToken, ...roles]);
  }

  private get ownAws(): AwsConnection {
    const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = this.environment;
    const sessionToken = this.environment["AWS_SESSION_TOKEN"];
    const profile = this.config["aws:profile"] ?? this.environment["AWS_PROFILE"];
    const [endpoints] = (this.config["aws:endpoints"] ?? []) as NonNullable<AwsConnection["endpoints"]>[];
    const common = {
      region: this.need("aws:region", "AWS_REGION"),
      ...(endpoints === undefined ? {} : { endpoints }),
    };
    if (accessKeyId && secretAccessKey) {
      return {
        ...common,
        credentials: { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) },
      };
    }
    // Otherwise the SDK's own chain: default profile, container, instance.
    return typeof profile === "string" && profile !== "" ? { ...common, profile } : common;
  }

  /** A token, or those of a service principal's OAuth (machine to machine), as the Databricks provider takes them. */
  private token(): string | (() => Promise<string>) {
    const { DATABRICKS_CLIENT_ID: id, DATABRICKS_CLIENT_SECRET: clientSecret } = this.environment;
    const clientId = this.config["databricks:clientId"] ?? id;
    const fixed = this.config["databricks:token"] ?? this.environment["DATABRICKS_TOKEN"];
    if (fixed || typeof clientId !== "string" || clientId === "" || !clientSecret)
      return this.need("databricks:token", "DATABRICKS_TOKEN");
    return oauthToken({ host: this.need("databricks:host", "DATABRICKS_HOST"), clientId, clientSecret });
  }

  private need(key: string, variable: string): string {
    const value = this.config[key] ?? this.environment[variable];
    if (typeof value === "string" && value !== "") return value;
    throw new HeadwaterError("driver/no-connection", `${key} is not known`, {
      where: `stack ${this.stack}`,
      field: key,
      found: "nothing",
      remedy: key.endsWith("token")
        ? `Set ${variable}, or DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET.`
        : `Set ${variable}, or ${key} in the stack's file.`,
    });
  }
}
