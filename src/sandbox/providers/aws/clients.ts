import { HeadwaterError } from "../../../model/errors.js";
import { flag, list, map, text, type Fields, type Values } from "../fields.js";

/** The provider's own configuration, as far as a sandbox has use for it. */
export const awsConfig: Fields = {
  region: text(),
  /** `[{ s3: "http://127.0.0.1:5000", dms: "http://127.0.0.1:5001" }]` */
  endpoints: list(map()),
  s3UsePathStyle: flag(),
  skipCredentialsValidation: flag(),
  skipMetadataApiCheck: flag(),
  skipRegionValidation: flag(),
  skipRequestingAccountId: flag(),
  accessKey: text({ secret: true }),
  secretKey: text({ secret: true }),
  token: text({ secret: true }),
  version: text(),
  pluginDownloadURL: text(),
};

interface Settings {
  readonly region: string;
  readonly endpoint: string;
  readonly credentials: { accessKeyId: string; secretAccessKey: string; sessionToken?: string };
}

/** The AWS clients of one configured provider; each SDK is loaded when it is first used. */
export class AwsClients {
  readonly region: string;
  readonly #endpoints: Values;
  readonly #credentials: Settings["credentials"];
  readonly #pathStyle: boolean;
  readonly #made = new Map<string, Promise<unknown>>();

  constructor(config: Values, environment: NodeJS.ProcessEnv = process.env) {
    const region = config["region"] ?? environment["AWS_REGION"] ?? environment["AWS_DEFAULT_REGION"];
    const accessKeyId = config["accessKey"] ?? environment["AWS_ACCESS_KEY_ID"];
    const secretAccessKey = config["secretKey"] ?? environment["AWS_SECRET_ACCESS_KEY"];
    const sessionToken = config["token"] ?? environment["AWS_SESSION_TOKEN"];
    this.region = required(region, "aws:region", "set it, or AWS_REGION") as string;
    this.#credentials = {
      accessKeyId: required(accessKeyId, "AWS_ACCESS_KEY_ID", "set it in the engine's environment") as string,
      secretAccessKey: required(
        secretAccessKey,
        "AWS_SECRET_ACCESS_KEY",
        "set it in the engine's environment",
      ) as string,
      ...(sessionToken === undefined ? {} : { sessionToken: sessionToken as string }),
    };
    this.#endpoints = Object.assign({}, ...((config["endpoints"] ?? []) as Values[])) as Values;
    this.#pathStyle = config["s3UsePathStyle"] === true;
  }

  /** `region` is the resource's own property where it has one: the provider's region if that is not given. */
  s3 = (region?: unknown) =>
    this.#client("s3", region, async (settings) => {
      const { S3 } = await import("@aws-sdk/client-s3");
      return new S3({ ...settings, forcePathStyle: this.#pathStyle });
    });
  iam = () =>
    this.#client(
      "iam",
      undefined,
      async (settings) => new (await import("@aws-sdk/client-iam")).IAM(settings),
    );
  sts = () =>
    this.#client(
      "sts",
      undefined,
      async (settings) => new (await import("@aws-sdk/client-sts")).STS(settings),
    );
  kms = (region?: unknown) =>
    this.#client("kms", region, async (settings) => new (await import("@aws-sdk/client-kms")).KMS(settings));
  secretsmanager = (region?: unknown) =>
    this.#client("secretsmanager", region, async (settings) => {
      return new (await import("@aws-sdk/client-secrets-manager")).SecretsManager(settings);
    });
  dms = (region?: unknown) =>
    this.#client("dms", region, async (settings) => {
      const { DatabaseMigrationService } = await import("@aws-sdk/client-database-migration-service");
      return new DatabaseMigrationService(settings);
    });

  #client<T>(service: string, given: unknown, make: (settings: Settings) => Promise<T>): Promise<T> {
    const region = typeof given === "string" ? given : this.region;
    const key = `${service} ${region}`;
    const made = (this.#made.get(key) as Promise<T> | undefined) ?? this.#make(service, region, make);
    this.#made.set(key, made);
    return made;
  }

  /** Without an endpoint the SDK would go to AWS itself, which a sandbox must never do. */
  async #make<T>(service: string, region: string, make: (settings: Settings) => Promise<T>): Promise<T> {
    const endpoint = required(
      this.#endpoints[service],
      `aws:endpoints[0].${service}`,
      "name the sandbox's URL",
    );
    return make({ region, endpoint: endpoint as string, credentials: this.#credentials });
  }
}

function required(value: unknown, field: string, remedy: string): unknown {
  if (value !== undefined && value !== "") return value;
  const summary = "the sandbox's light aws provider is not told enough";
  throw new HeadwaterError("sandbox/provider-config", summary, { field, found: "nothing", remedy });
}
