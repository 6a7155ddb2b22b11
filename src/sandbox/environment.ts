import { MARK } from "./child.js";

/** The emulated account. */
export const REGION = "eu-west-1";
export const ACCOUNT_ID = "123456789012";

// What would lead a child to a real account, or into another installation's libraries.
const FOREIGN =
  /^(AWS_|DATABRICKS_|ARM_|PULUMI_|PG[A-Z]|PYTHON(PATH|HOME|STARTUP)$|SPARK_|PYSPARK_|HADOOP_|MOTO_|MINILAKE_|NODE_OPTIONS$)/;

/**
 * This process' environment for a sandbox's children: without what belongs to real accounts, with the emulated account's
 * credentials (which are no secret) and no proxy between the parts.
 * @param id marks the process and its descendants as that sandbox's
 */
export function childEnvironment(id?: string): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !FOREIGN.test(name));
  return { ...Object.fromEntries(kept), ...awsEnvironment(), ...(id !== undefined && { [MARK]: id }) };
}

/** The variables that point AWS' SDKs at nothing but the emulated account. */
export function awsEnvironment(): Record<string, string> {
  return {
    AWS_ACCESS_KEY_ID: "sandbox",
    AWS_SECRET_ACCESS_KEY: "sandbox",
    AWS_REGION: REGION,
    AWS_DEFAULT_REGION: REGION,
    AWS_CONFIG_FILE: "/dev/null",
    AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
    AWS_EC2_METADATA_DISABLED: "true",
    // Otherwise every process tells, at length, that Node 20 will not be supported for ever.
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
    NO_PROXY: withLocal(process.env["NO_PROXY"]),
    no_proxy: withLocal(process.env["no_proxy"]),
  };
}

function withLocal(list: string | undefined): string {
  return [...(list ? [list] : []), "127.0.0.1", "localhost"].join(",");
}

/** Stack configuration of the providers. Its keys and forms are those of `Pulumi.<stack>.yaml`. */
export type ProviderConfig = Record<string, string | object>;

/** The services moto stands for, by the names of pulumi-aws' `endpoints`. */
const MOTO_SERVICES = [
  ...[
    "cloudwatch",
    "cloudwatchlogs",
    "ec2",
    "events",
    "iam",
    "kms",
    "lambda",
    "rds",
    "resourcegroupstaggingapi",
  ],
  ...["s3", "s3control", "secretsmanager", "sns", "sqs", "ssm", "sts"],
];

/** Points @pulumi/aws and @pulumi/databricks at the sandbox. Credentials come by {@link providerEnvironment}. */
export function providerConfig(urls: { aws: string; dms: string; workspace: string }): ProviderConfig {
  return {
    "aws:region": REGION,
    "aws:endpoints": [
      { ...Object.fromEntries(MOTO_SERVICES.map((name) => [name, urls.aws])), dms: urls.dms },
    ],
    "aws:s3UsePathStyle": "true",
    "aws:skipCredentialsValidation": "true",
    "aws:skipMetadataApiCheck": "true",
    "aws:skipRequestingAccountId": "true",
    "databricks:host": urls.workspace,
  };
}

/** The environment for the engine, its plugins and SDKs: with it they reach the sandbox, and nothing else. */
export function providerEnvironment(workspace: string, token: string): Record<string, string> {
  // Added to the environment of whoever runs the engine, so what leads to a real account is emptied, which SDKs take for unset.
  const real = Object.keys(process.env).filter((name) => /^(AWS|DATABRICKS)_/.test(name));
  return {
    ...Object.fromEntries(real.map((name) => [name, ""])),
    ...awsEnvironment(),
    DATABRICKS_CONFIG_FILE: "/dev/null",
    DATABRICKS_HOST: workspace,
    DATABRICKS_TOKEN: token,
    DATABRICKS_AUTH_TYPE: "pat",
  };
}
