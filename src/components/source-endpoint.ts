import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { HeadwaterError } from "../model/errors.js";
import { physicalName } from "../model/naming.js";
import type { SourceEngine } from "../model/pipeline.js";

/** DMS's ssl modes; the two that verify need the certificate of the authority, imported into DMS. */
export type SourceTls =
  | { readonly mode: "none" | "require" }
  | { readonly mode: "verify-ca" | "verify-full"; readonly certificateArn: string };

export interface SourceEndpointArgs {
  /** `<pipeline>-<environment>`; names the endpoint. */
  readonly stack: string;
  /** Engine of the source database. A change replaces the endpoint. */
  readonly engine: SourceEngine;
  /** The database to read. */
  readonly database: string;
  /** ARN of the secret with `username`, `password`, `host` and `port`. There is no way to give a login in clear. */
  readonly secretArn: string;
  /** ARN of the role DMS reads the secret with. */
  readonly secretsRoleArn: pulumi.Input<string>;
  /** Encryption of the connection. */
  readonly tls: SourceTls;
}

/** What DMS calls an engine, and its settings. One entry per engine, so that a new one cannot be forgotten. */
const ENGINES: Record<
  SourceEngine,
  Pick<aws.dms.EndpointArgs, "engineName" | "postgresSettings"> | undefined
> = {
  postgresql: {
    engineName: "postgres",
    postgresSettings: {
      // Without it DMS turns booleans into text.
      mapBooleanAsBoolean: true,
      // An idle database would otherwise keep its log for ever, because the slot does not move.
      heartbeatEnable: true,
    },
  },
  mysql: undefined,
  mariadb: undefined,
  sqlserver: undefined,
  oracle: undefined,
};

/** The engines a source endpoint can be made for. */
export const SUPPORTED_ENGINES = Object.entries(ENGINES).flatMap(([engine, dms]) =>
  dms === undefined ? [] : engine,
);

/** Throws where no source endpoint can be made for an engine yet. */
export function checkSourceEngine(engine: SourceEngine): void {
  if (ENGINES[engine] !== undefined) return;
  throw new HeadwaterError("source/engine", "this engine cannot be a source yet", {
    field: "engine",
    found: engine,
    allowed: SUPPORTED_ENGINES.join(", "),
    remedy:
      "Use a PostgreSQL source, or build the source endpoint yourself and pass its ARN to ServerlessReplication.",
  });
}

/** DMS's view of a source database that exists: where its login is kept and how to connect. */
export class SourceEndpoint extends pulumi.ComponentResource {
  readonly endpointArn: pulumi.Output<string>;

  constructor(name: string, args: SourceEndpointArgs, opts?: pulumi.ComponentResourceOptions) {
    checkSourceEngine(args.engine);
    super("headwater:components:SourceEndpoint", name, {}, opts);

    const endpoint = new aws.dms.Endpoint(
      name,
      {
        endpointId: physicalName("endpoint", args.stack, "source"),
        endpointType: "source",
        ...ENGINES[args.engine]!,
        databaseName: args.database,
        // DMS takes host and port from the secret, and refuses them beside it.
        secretsManagerArn: args.secretArn,
        secretsManagerAccessRoleArn: args.secretsRoleArn,
        sslMode: args.tls.mode,
        ...("certificateArn" in args.tls ? { certificateArn: args.tls.certificateArn } : {}),
      },
      { parent: this },
    );
    this.endpointArn = endpoint.endpointArn;
    this.registerOutputs({ endpointArn: this.endpointArn });
  }
}
