import type {
  CreateEndpointCommandInput,
  DatabaseMigrationService,
  DmsSslModeValue,
  Endpoint,
  ReplicationEndpointTypeValue,
} from "@aws-sdk/client-database-migration-service";
import { fromApi, pascal, toApi, until } from "../api.js";
import { flag, number, object, text, type Field, type Fields, type Values } from "../fields.js";
import { defineType, type ResourceType } from "../resource.js";
import type { AwsClients } from "./clients.js";
import { regionInput, unless } from "./s3.js";
import { liveTags, tagChanges, tagInput, tagList, tagOutput } from "./tags.js";

const postgresSettings: Fields = {
  afterConnectScript: text(),
  authenticationMethod: text({ computed: true }),
  babelfishDatabaseName: text(),
  captureDdls: flag({ computed: true }),
  databaseMode: text(),
  ddlArtifactsSchema: text({ computed: true }),
  executeTimeout: number({ computed: true }),
  failTasksOnLobTruncation: flag({ computed: true }),
  heartbeatEnable: flag({ computed: true }),
  heartbeatFrequency: number({ computed: true }),
  heartbeatSchema: text({ computed: true }),
  mapBooleanAsBoolean: flag({ computed: true }),
  mapJsonbAsClob: flag({ computed: true }),
  mapLongVarcharAs: text({ computed: true }),
  maxFileSize: number({ computed: true }),
  pluginName: text({ computed: true }),
  serviceAccessRoleArn: text(),
  slotName: text(),
};

const mysqlSettings: Fields = {
  afterConnectScript: text(),
  authenticationMethod: text({ computed: true }),
  cleanSourceMetadataOnMismatch: flag({ computed: true }),
  eventsPollInterval: number({ computed: true }),
  executeTimeout: number({ computed: true }),
  maxFileSize: number({ computed: true }),
  parallelLoadThreads: number({ computed: true }),
  serverTimezone: text(),
  serviceAccessRoleArn: text(),
  targetDbType: text({ computed: true }),
};

interface EngineFamily {
  readonly api: "PostgreSQLSettings" | "MySQLSettings" | "MicrosoftSQLServerSettings";
  readonly property?: string;
  readonly fields: Fields;
}

/** Under which name the API keeps the settings of an engine. */
const families: Record<string, EngineFamily> = {
  postgres: { api: "PostgreSQLSettings", property: "postgresSettings", fields: postgresSettings },
  "aurora-postgresql": { api: "PostgreSQLSettings", property: "postgresSettings", fields: postgresSettings },
  mysql: { api: "MySQLSettings", property: "mysqlSettings", fields: mysqlSettings },
  mariadb: { api: "MySQLSettings", property: "mysqlSettings", fields: mysqlSettings },
  aurora: { api: "MySQLSettings", property: "mysqlSettings", fields: mysqlSettings },
  sqlserver: { api: "MicrosoftSQLServerSettings", fields: {} },
};

/** What the API keeps both beside the engine's settings and in them. */
const connection: Record<string, Field> = {
  databaseName: text(),
  serverName: text(),
  port: number(),
  username: text(),
};

export const endpoint: ResourceType<AwsClients> = defineType({
  token: "aws:dms/endpoint:Endpoint",
  source: "terraform-provider-aws internal/service/dms/endpoint.go",
  inputs: {
    certificateArn: text({ computed: true }),
    endpointId: text({ required: true, replaces: true }),
    endpointType: text({ required: true, same: "case" }),
    engineName: text({ required: true }),
    extraConnectionAttributes: text({ computed: true }),
    kmsKeyArn: text({ computed: true, replaces: true }),
    mysqlSettings: object(mysqlSettings, { computed: true }),
    password: text({ secret: true, writeOnly: true }),
    postgresSettings: object(postgresSettings, { computed: true }),
    secretsManagerAccessRoleArn: text(),
    secretsManagerArn: text(),
    sslMode: text({ computed: true }),
    ...connection,
    ...regionInput,
    ...tagInput,
  },
  outputs: { endpointArn: {}, ...tagOutput },
  refused: [
    ...["elasticsearchSettings", "kafkaSettings", "kinesisSettings", "mongodbSettings", "oracleSettings"],
    ...["pauseReplicationTasks", "redisSettings", "redshiftSettings", "serviceAccessRole"],
  ],
  async create({ client, inputs }) {
    const dms = await client.dms(inputs["region"]);
    await dms.createEndpoint({
      EndpointIdentifier: inputs["endpointId"] as string,
      KmsKeyId: inputs["kmsKeyArn"] as string | undefined,
      Tags: tagList(inputs["tags"]),
      ...request(inputs),
    });
    return inputs["endpointId"] as string;
  },
  async read({ client, id, state }) {
    const dms = await client.dms(state["region"]);
    const live = await findEndpoint(dms, id);
    if (live === undefined) return undefined;
    const family = families[live.EngineName ?? ""];
    const settings = (family === undefined ? {} : (live[family.api] ?? {})) as Values;
    const own = fromApi(family?.fields ?? {}, settings, pascal);
    return {
      ...fromApi(connection, settings, pascal),
      ...fromApi(connection, live as Values, pascal),
      ...common(live),
      engineName: live.EngineName,
      secretsManagerAccessRoleArn: settings["SecretsManagerAccessRoleArn"],
      secretsManagerArn: settings["SecretsManagerSecretId"],
      ...(family?.property === undefined ? {} : { [family.property]: own }),
      region: state["region"] ?? client.region,
      ...(await tagsOf(dms, live.EndpointArn!)),
    };
  },
  async update({ client, id, inputs, state, oldInputs, changed }) {
    const dms = await client.dms(inputs["region"]);
    const EndpointArn = await endpointArn(dms, id, state);
    if (changed.size > (changed.has("tags") ? 1 : 0)) {
      await dms.modifyEndpoint({ EndpointArn, EndpointIdentifier: id, ...request(inputs) });
    }
    await retag(dms, EndpointArn, oldInputs["tags"], inputs["tags"]);
  },
  delete: ({ client, id, state }) => deleteEndpoint(client, id, state),
});

/** A secret's ARN goes into the engine's settings alone; host, user and password go where the API wants them twice. */
function request(inputs: Values): Omit<CreateEndpointCommandInput, "EndpointIdentifier"> {
  const engine = inputs["engineName"] as string;
  const family = families[engine];
  if (family === undefined) {
    const known = Object.keys(families).join(", ");
    throw new Error(`the light provider does no DMS endpoint for engine "${engine}"; it does: ${known}`);
  }
  const own = family.property === undefined ? {} : ((inputs[family.property] ?? {}) as Values);
  const settings = toApi(family.fields, own, pascal);
  const secret = inputs["secretsManagerArn"] as string | undefined;
  const direct = { ...toApi(connection, inputs, pascal), ...given({ Password: inputs["password"] }) };
  if (secret === undefined) {
    Object.assign(settings, direct);
  } else {
    settings["SecretsManagerSecretId"] = secret;
    settings["SecretsManagerAccessRoleArn"] = inputs["secretsManagerAccessRoleArn"];
    Object.assign(settings, given({ DatabaseName: inputs["databaseName"] }));
  }
  return {
    EndpointType: inputs["endpointType"] as ReplicationEndpointTypeValue,
    EngineName: engine,
    CertificateArn: inputs["certificateArn"] as string | undefined,
    ExtraConnectionAttributes: inputs["extraConnectionAttributes"] as string | undefined,
    SslMode: inputs["sslMode"] as DmsSslModeValue | undefined,
    ...(secret === undefined ? direct : given({ DatabaseName: inputs["databaseName"] })),
    [family.api]: settings,
  };
}

function given(values: Values): Values {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

/** What endpoints of every engine have in common. */
export function common(live: Endpoint): Values {
  return given({
    endpointArn: live.EndpointArn,
    endpointId: live.EndpointIdentifier,
    endpointType: live.EndpointType?.toLowerCase(),
    certificateArn: live.CertificateArn,
    extraConnectionAttributes: live.ExtraConnectionAttributes,
    kmsKeyArn: live.KmsKeyId,
    sslMode: live.SslMode,
  });
}

export async function findEndpoint(dms: DatabaseMigrationService, id: string): Promise<Endpoint | undefined> {
  const Filters = [{ Name: "endpoint-id", Values: [id] }];
  const found = await dms.describeEndpoints({ Filters }).catch(unless("ResourceNotFoundFault"));
  return found?.Endpoints?.[0];
}

/** Its ARN, which is not recorded of an endpoint that could not be read back after it was made. */
export async function endpointArn(dms: DatabaseMigrationService, id: string, state: Values): Promise<string> {
  const arn = (state["endpointArn"] as string | undefined) ?? (await findEndpoint(dms, id))?.EndpointArn;
  if (arn !== undefined) return arn;
  throw Object.assign(new Error(`there is no DMS endpoint ${id}`), { name: "ResourceNotFoundFault" });
}

export async function deleteEndpoint(client: AwsClients, id: string, state: Values): Promise<void> {
  const dms = await client.dms(state["region"]);
  await dms.deleteEndpoint({ EndpointArn: await endpointArn(dms, id, state) });
  await until(
    `the deletion of DMS endpoint ${id}`,
    5,
    async () => (await findEndpoint(dms, id)) === undefined,
  );
}

export async function tagsOf(dms: DatabaseMigrationService, ResourceArn: string): Promise<Values> {
  return liveTags((await dms.listTagsForResource({ ResourceArn })).TagList);
}

export async function retag(
  dms: DatabaseMigrationService,
  ResourceArn: string,
  olds: unknown,
  news: unknown,
): Promise<void> {
  const { add, remove } = tagChanges(olds, news);
  if (add.length > 0) await dms.addTagsToResource({ ResourceArn, Tags: add });
  if (remove.length > 0) await dms.removeTagsFromResource({ ResourceArn, TagKeys: remove });
}
