import { problemsOfS3Settings } from "../../../model/dms/s3-settings.js";
import type { Context } from "../context.js";
import { problemOfEndpoint } from "../endpoint-test.js";
import { badValue, Fault, notFound } from "../faults.js";
import { page, pageShape } from "../paging.js";
import {
  checkIdentifier,
  checkInput,
  checkOneOf,
  object,
  required,
  text,
  type Input,
} from "../parameters.js";
import { makeArn, type ConnectionRecord, type EndpointRecord } from "../resources.js";
import { tagsOf } from "./tags.js";

/** Settings of a PostgreSQL source that are honoured, or that change nothing here. */
const postgresShape = {
  SecretsManagerSecretId: "text",
  SecretsManagerAccessRoleArn: "text",
  ServerName: "text",
  Port: "integer",
  DatabaseName: "text",
  MapBooleanAsBoolean: "boolean",
  TrimSpaceInChar: "boolean",
  // DMS would make objects in the source for these; logical decoding by pgoutput needs none of them.
  CaptureDdls: "boolean",
  HeartbeatEnable: "boolean",
  HeartbeatFrequency: "integer",
  HeartbeatSchema: "text",
  DdlArtifactsSchema: "text",
  ExecuteTimeout: "integer",
  PluginName: "text",
} as const;

const endpointShape = {
  EndpointType: "text",
  EngineName: "text",
  ServerName: "text",
  Port: "integer",
  DatabaseName: "text",
  SslMode: "text",
  ExtraConnectionAttributes: "text",
  ServiceAccessRoleArn: "text",
  PostgreSQLSettings: "object",
  S3Settings: "object",
} as const;

export function createEndpoint({ resources, options }: Context, input: Input): object {
  checkInput(input, {
    ...endpointShape,
    ...{ EndpointIdentifier: "text!", EndpointType: "text!", EngineName: "text!" },
    ...{ KmsKeyId: "text", ResourceIdentifier: "text", Tags: "objects" },
  });
  const identifier = required(input, "EndpointIdentifier").toLowerCase();
  checkIdentifier("EndpointIdentifier", identifier);
  const tags = tagsOf(input);
  const { endpoints } = resources.value;
  if (Object.values(endpoints).some((endpoint) => endpoint.identifier === identifier)) {
    throw new Fault("ResourceAlreadyExistsFault", `Endpoint ${identifier} already exists`);
  }
  const arn = makeArn(options.aws, "endpoint", text(input, "ResourceIdentifier"));
  if (endpoints[arn] !== undefined)
    throw new Fault("ResourceAlreadyExistsFault", `Endpoint ${arn} already exists`);
  const { region, accountId } = options.aws;
  const endpoint = change(
    {
      ...{ arn, identifier, type: "source", engine: "", sslMode: "none" },
      // What the account's alias/aws/dms stands for.
      kmsKeyId: text(input, "KmsKeyId") ?? `arn:aws:kms:${region}:${accountId}:key/aws-dms-default`,
    },
    input,
  );
  endpoints[arn] = endpoint;
  resources.value.tags[arn] = tags;
  resources.save();
  return { Endpoint: shown(endpoint) };
}

export function modifyEndpoint(context: Context, input: Input): object {
  checkInput(input, {
    ...endpointShape,
    EndpointArn: "text!",
    EndpointIdentifier: "text",
    ExactSettings: "boolean",
  });
  const endpoint = endpointOf(context, required(input, "EndpointArn"));
  for (const { config, state } of context.replications.values()) {
    const uses = config.sourceEndpointArn === endpoint.arn || config.targetEndpointArn === endpoint.arn;
    if (uses && !["created", "stopped", "failed"].includes(state)) {
      const message = `Endpoint ${endpoint.arn} is used by the replication ${config.arn}, which is ${state}`;
      throw new Fault("InvalidResourceStateFault", message);
    }
  }
  const identifier = text(input, "EndpointIdentifier")?.toLowerCase();
  if (identifier !== undefined && identifier !== endpoint.identifier) {
    checkIdentifier("EndpointIdentifier", identifier);
    if (Object.values(context.resources.value.endpoints).some((other) => other.identifier === identifier)) {
      throw new Fault("ResourceAlreadyExistsFault", `Endpoint ${identifier} already exists`);
    }
  }
  const changed = change({ ...endpoint, identifier: identifier ?? endpoint.identifier }, input);
  context.resources.value.endpoints[endpoint.arn] = changed;
  context.resources.save();
  return { Endpoint: shown(changed) };
}

export function deleteEndpoint(context: Context, input: Input): object {
  checkInput(input, { EndpointArn: "text!" });
  const endpoint = endpointOf(context, required(input, "EndpointArn"));
  const { value } = context.resources;
  const user = Object.values(value.configs).find(
    ({ sourceEndpointArn, targetEndpointArn }) =>
      sourceEndpointArn === endpoint.arn || targetEndpointArn === endpoint.arn,
  );
  if (user !== undefined) {
    const message = `Endpoint ${endpoint.arn} is part of one or more Replication Configs: ${user.arn}`;
    throw new Fault("InvalidResourceStateFault", message);
  }
  delete value.endpoints[endpoint.arn];
  delete value.tags[endpoint.arn];
  value.connections = value.connections.filter(({ endpointArn }) => endpointArn !== endpoint.arn);
  context.resources.save();
  return { Endpoint: { ...shown(endpoint), Status: "deleting" } };
}

export function describeEndpoints({ resources }: Context, input: Input): object {
  checkInput(input, pageShape);
  const found = page(
    input,
    Object.values(resources.value.endpoints),
    {
      "endpoint-arn": ({ arn }) => arn,
      "endpoint-id": ({ identifier }) => identifier,
      "endpoint-type": ({ type }) => type,
      "engine-name": ({ engine }) => engine,
    },
    { whenNoneMatch: "No Endpoints found matching provided filters" },
  );
  return { Endpoints: found.items.map(shown), Marker: found.Marker };
}

/**
 * Tests an endpoint, for real. assumed: there are no replication instances here, so any well-formed ARN of one (or
 * of a replication configuration) names a place to test from.
 */
export function testConnection(context: Context, input: Input): object {
  checkInput(input, { ReplicationInstanceArn: "text!", EndpointArn: "text!" });
  const endpoint = endpointOf(context, required(input, "EndpointArn"));
  const instanceArn = required(input, "ReplicationInstanceArn");
  if (!/^arn:aws[\w-]*:dms:[\w-]+:\d{12}:(rep|replication-config):[\w-]+$/.test(instanceArn)) {
    throw notFound(`Replication instance ${instanceArn} not found`);
  }
  const { resources } = context;
  const connection: ConnectionRecord = { endpointArn: endpoint.arn, instanceArn, status: "testing" };
  resources.value.connections = [
    ...resources.value.connections.filter(
      (other) => other.endpointArn !== endpoint.arn || other.instanceArn !== instanceArn,
    ),
    connection,
  ];
  resources.save();
  const test = async (): Promise<void> => {
    const problem = await problemOfEndpoint(endpoint, context, { capture: true });
    connection.status = problem === undefined ? "successful" : "failed";
    if (problem !== undefined) connection.lastFailureMessage = `Test Endpoint failed: ${problem}`;
    resources.save();
  };
  context.background(test());
  return { Connection: shownConnection(context, connection) };
}

export function describeConnections(context: Context, input: Input): object {
  checkInput(input, pageShape);
  const found = page(
    input,
    context.resources.value.connections,
    {
      "endpoint-arn": ({ endpointArn }) => endpointArn,
      "replication-instance-arn": ({ instanceArn }) => instanceArn,
    },
    { whenNoneMatch: "No Connections found matching provided filters" },
  );
  return { Connections: found.items.map((item) => shownConnection(context, item)), Marker: found.Marker };
}

export function deleteConnection(context: Context, input: Input): object {
  checkInput(input, { ReplicationInstanceArn: "text!", EndpointArn: "text!" });
  const { value } = context.resources;
  const connection = value.connections.find(
    ({ endpointArn, instanceArn }) =>
      endpointArn === input["EndpointArn"] && instanceArn === input["ReplicationInstanceArn"],
  );
  if (connection === undefined)
    throw notFound("No connection between that replication instance and that endpoint");
  value.connections = value.connections.filter((other) => other !== connection);
  context.resources.save();
  return { Connection: { ...shownConnection(context, connection), Status: "deleting" } };
}

export function endpointOf({ resources }: Context, arn: string): EndpointRecord {
  const endpoint = resources.value.endpoints[arn];
  if (endpoint === undefined) throw notFound(`Endpoint ${arn} not found`);
  return endpoint;
}

/** An endpoint with what a call gives changed; settings are merged unless ExactSettings says otherwise. */
function change(endpoint: EndpointRecord, input: Input): EndpointRecord {
  const exact = input["ExactSettings"] === true;
  const merged = (before: Input | undefined, given: Input | undefined): Input | undefined =>
    given === undefined ? before : exact ? given : { ...before, ...given };
  const type = text(input, "EndpointType")?.toLowerCase() ?? endpoint.type;
  checkOneOf("EndpointType", type, ["source", "target"]);
  const changed: EndpointRecord = {
    ...endpoint,
    type: type as EndpointRecord["type"],
    engine: text(input, "EngineName")?.toLowerCase() ?? endpoint.engine,
    sslMode: text(input, "SslMode") ?? endpoint.sslMode,
  };
  for (const [field, parameter] of [
    ["extraConnectionAttributes", "ExtraConnectionAttributes"],
    ["serverName", "ServerName"],
    ["databaseName", "DatabaseName"],
  ] as const) {
    const value = text(input, parameter);
    if (value !== undefined) changed[field] = value;
  }
  if (typeof input["Port"] === "number") changed.port = input["Port"];
  const postgres = merged(endpoint.postgres, object(input, "PostgreSQLSettings"));
  if (postgres !== undefined) changed.postgres = postgres;
  const role = text(input, "ServiceAccessRoleArn");
  const given = object(input, "S3Settings");
  const s3 = merged(
    endpoint.s3,
    given === undefined || role === undefined ? given : { ServiceAccessRoleArn: role, ...given },
  );
  if (s3 !== undefined) changed.s3 = s3;
  check(changed);
  return changed;
}

function check({ type, engine, sslMode, postgres, s3, extraConnectionAttributes }: EndpointRecord): void {
  if (type === "source" && engine === "postgres") {
    checkInput(postgres ?? {}, postgresShape, "PostgreSQLSettings.");
    for (const name of ["SecretsManagerSecretId", "SecretsManagerAccessRoleArn"]) {
      if (!text(postgres ?? {}, name)) {
        throw badValue(
          `PostgreSQLSettings.${name} is required: this sandbox takes credentials from Secrets Manager only`,
        );
      }
    }
    if (s3 !== undefined) throw combination("S3Settings don't go with the engine postgres");
    checkOneOf("SslMode", sslMode, ["none", "require"]);
    const unknown = (extraConnectionAttributes ?? "")
      .split(";")
      .find((attribute) => attribute !== "" && !/^\s*mapUnboundedNumericAsString\s*=/i.test(attribute));
    if (unknown !== undefined) {
      throw badValue(
        `ExtraConnectionAttributes: ${unknown.split("=")[0] ?? ""} is not supported by this sandbox`,
      );
    }
  } else if (type === "target" && engine === "s3") {
    const problems = problemsOfS3Settings(s3 ?? {});
    if (problems.length > 0) throw badValue(problems.join("; "));
    if (postgres !== undefined) throw combination("PostgreSQLSettings don't go with the engine s3");
    checkOneOf("SslMode", sslMode, ["none"]);
    if (extraConnectionAttributes) {
      throw badValue(
        "ExtraConnectionAttributes of an S3 endpoint are not supported by this sandbox; use S3Settings",
      );
    }
  } else {
    throw badValue(
      `A ${type} endpoint with the engine ${engine} is not supported by this sandbox (source: postgres, target: s3)`,
    );
  }
}

function combination(message: string): Fault {
  return new Fault("InvalidParameterCombinationException", message);
}

/** As DescribeEndpoints shows it; the type comes back in capitals (terraform-provider-aws, s3_endpoint.go). */
function shown(endpoint: EndpointRecord): object {
  return {
    EndpointIdentifier: endpoint.identifier,
    EndpointArn: endpoint.arn,
    EndpointType: endpoint.type.toUpperCase(),
    EngineName: endpoint.engine,
    EngineDisplayName: endpoint.engine === "s3" ? "Amazon S3" : "PostgreSQL",
    ServerName: endpoint.serverName,
    Port: endpoint.port,
    DatabaseName: endpoint.databaseName,
    ExtraConnectionAttributes: endpoint.extraConnectionAttributes,
    Status: "active",
    KmsKeyId: endpoint.kmsKeyId,
    SslMode: endpoint.sslMode,
    ServiceAccessRoleArn: endpoint.s3?.["ServiceAccessRoleArn"],
    PostgreSQLSettings: endpoint.postgres,
    S3Settings: endpoint.s3,
  };
}

function shownConnection({ resources }: Context, connection: ConnectionRecord): object {
  return {
    ReplicationInstanceArn: connection.instanceArn,
    ReplicationInstanceIdentifier: connection.instanceArn.split(":").at(-1)?.toLowerCase(),
    EndpointArn: connection.endpointArn,
    EndpointIdentifier: resources.value.endpoints[connection.endpointArn]?.identifier,
    Status: connection.status,
    LastFailureMessage: connection.lastFailureMessage,
  };
}
