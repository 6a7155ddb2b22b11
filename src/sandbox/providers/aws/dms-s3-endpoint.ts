import type {
  DmsSslModeValue,
  ReplicationEndpointTypeValue,
  S3Settings,
} from "@aws-sdk/client-database-migration-service";
import { fromApi, pascal, toApi } from "../api.js";
import { flag, json, number, text, type Fields, type Values } from "../fields.js";
import { defineType, type ResourceType } from "../resource.js";
import type { AwsClients } from "./clients.js";
import { common, deleteEndpoint, endpointArn, findEndpoint, retag, tagsOf } from "./dms-endpoint.js";
import { regionInput } from "./s3.js";
import { tagInput, tagList, tagOutput } from "./tags.js";

/** DMS' S3Settings, which the provider spreads over the endpoint. What has no default here the service fills in. */
const settings: Fields = {
  addColumnName: flag(),
  addTrailingPaddingCharacter: flag(),
  bucketFolder: text(),
  bucketName: text({ required: true }),
  cannedAclForObjects: text({ computed: true, same: "case" }),
  cdcInsertsAndUpdates: flag(),
  cdcInsertsOnly: flag(),
  cdcMaxBatchInterval: number({ computed: true }),
  cdcMinFileSize: number({ computed: true }),
  cdcPath: text(),
  compressionType: text({ default: "NONE", same: "case" }),
  csvDelimiter: text({ default: "," }),
  csvNoSupValue: text(),
  csvNullValue: text({ computed: true }),
  csvRowDelimiter: text({ default: "\\n" }),
  dataFormat: text({ computed: true }),
  dataPageSize: number({ computed: true }),
  datePartitionDelimiter: text({ computed: true, same: "case" }),
  datePartitionEnabled: flag(),
  datePartitionSequence: text({ computed: true, same: "case" }),
  datePartitionTimezone: text(),
  dictPageSizeLimit: number({ computed: true }),
  enableStatistics: flag({ default: true }),
  encodingType: text({ computed: true }),
  encryptionMode: text({ computed: true }),
  expectedBucketOwner: text(),
  externalTableDefinition: json(),
  glueCatalogGeneration: flag(),
  ignoreHeaderRows: number({ computed: true, replaces: true }),
  includeOpForFullLoad: flag(),
  maxFileSize: number({ computed: true }),
  parquetTimestampInMillisecond: flag(),
  parquetVersion: text({ computed: true }),
  preserveTransactions: flag(),
  rfc4180: flag({ default: true }),
  rowGroupLength: number({ computed: true }),
  serverSideEncryptionKmsKeyId: text(),
  serviceAccessRoleArn: text({ required: true }),
  timestampColumnName: text(),
  useCsvNoSupValue: flag(),
  useTaskStartTimeForFullLoadTimestamp: flag(),
};

export const s3Endpoint: ResourceType<AwsClients> = defineType({
  token: "aws:dms/s3Endpoint:S3Endpoint",
  source: "terraform-provider-aws internal/service/dms/s3_endpoint.go",
  inputs: {
    certificateArn: text({ computed: true }),
    endpointId: text({ required: true, replaces: true }),
    endpointType: text({ required: true, same: "case" }),
    kmsKeyArn: text({ computed: true, replaces: true }),
    sslMode: text({ computed: true }),
    ...settings,
    ...regionInput,
    ...tagInput,
  },
  outputs: { endpointArn: {}, engineDisplayName: {}, externalId: {}, status: {}, ...tagOutput },
  refused: ["detachTargetOnLobLookupFailureParquet"],
  async create({ client, inputs }) {
    const dms = await client.dms(inputs["region"]);
    await dms.createEndpoint({
      EndpointIdentifier: inputs["endpointId"] as string,
      EngineName: "s3",
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
    return {
      ...common(live),
      ...fromApi(settings, live.S3Settings as Values | undefined, pascal),
      engineDisplayName: live.EngineDisplayName,
      externalId: live.ExternalId,
      status: live.Status,
      region: state["region"] ?? client.region,
      ...(await tagsOf(dms, live.EndpointArn!)),
    };
  },
  async update({ client, id, inputs, state, oldInputs, changed }) {
    const dms = await client.dms(inputs["region"]);
    const EndpointArn = await endpointArn(dms, id, state);
    if (changed.size > (changed.has("tags") ? 1 : 0)) {
      await dms.modifyEndpoint({ EndpointArn, EndpointIdentifier: id, EngineName: "s3", ...request(inputs) });
    }
    await retag(dms, EndpointArn, oldInputs["tags"], inputs["tags"]);
  },
  delete: ({ client, id, state }) => deleteEndpoint(client, id, state),
});

/** Defaults are sent too, as the provider does: a property taken out of the program goes back to its default. */
function request(inputs: Values) {
  const defaults = Object.entries(settings).filter(([, field]) => field.default !== undefined);
  const values = { ...Object.fromEntries(defaults.map(([name, field]) => [name, field.default])), ...inputs };
  return {
    EndpointType: inputs["endpointType"] as ReplicationEndpointTypeValue,
    CertificateArn: inputs["certificateArn"] as string | undefined,
    SslMode: inputs["sslMode"] as DmsSslModeValue | undefined,
    ServiceAccessRoleArn: inputs["serviceAccessRoleArn"] as string,
    S3Settings: toApi(settings, values, pascal) as S3Settings,
  };
}
