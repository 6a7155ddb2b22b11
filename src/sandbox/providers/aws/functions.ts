import { map, text } from "../fields.js";
import type { ProviderFunction } from "../resource.js";
import type { AwsClients } from "./clients.js";
import { document, policyDocumentInputs } from "./policy-document.js";
import { secretIdOf } from "./secrets.js";
import { liveTags } from "./tags.js";

/** The data sources programs ask. */
export const awsFunctions: ProviderFunction<AwsClients>[] = [
  {
    token: "aws:index/getCallerIdentity:getCallerIdentity",
    inputs: { id: text() },
    async call(client) {
      const identity = await (await client.sts()).getCallerIdentity({});
      return {
        accountId: identity.Account,
        arn: identity.Arn,
        id: identity.Account,
        userId: identity.UserId,
      };
    },
  },
  {
    token: "aws:index/getRegion:getRegion",
    inputs: { region: text(), name: text(), endpoint: text(), id: text() },
    async call(client, args) {
      const region = (args["region"] ?? args["name"] ?? client.region) as string;
      return {
        region,
        name: region,
        id: region,
        endpoint: `ec2.${region}.amazonaws.com`,
        description: region,
      };
    },
  },
  {
    token: "aws:index/getPartition:getPartition",
    inputs: { id: text() },
    call: async () => ({
      id: "aws",
      partition: "aws",
      dnsSuffix: "amazonaws.com",
      reverseDnsPrefix: "com.amazonaws",
    }),
  },
  {
    token: "aws:iam/getPolicyDocument:getPolicyDocument",
    inputs: policyDocumentInputs,
    call: async (_client, args) => document(args),
  },
  {
    token: "aws:secretsmanager/getSecret:getSecret",
    inputs: { arn: text(), name: text(), region: text(), tags: map() },
    async call(client, args) {
      const service = await client.secretsmanager(args["region"]);
      const live = await service.describeSecret({ SecretId: secretIdOf(args) });
      const { tagsAll } = liveTags(live.Tags);
      return {
        arn: live.ARN,
        id: live.ARN,
        name: live.Name,
        description: live.Description ?? "",
        kmsKeyId: live.KmsKeyId ?? "",
        createdDate: live.CreatedDate ?? "",
        lastChangedDate: live.LastChangedDate ?? live.CreatedDate ?? "",
        policy: (await service.getResourcePolicy({ SecretId: live.ARN })).ResourcePolicy ?? "",
        region: args["region"] ?? client.region,
        tags: tagsAll,
        type: "",
      };
    },
  },
  {
    token: "aws:secretsmanager/getSecretVersion:getSecretVersion",
    inputs: { secretId: text({ required: true }), versionId: text(), versionStage: text(), region: text() },
    secrets: ["secretString", "secretBinary"],
    async call(client, args) {
      const service = await client.secretsmanager(args["region"]);
      const stage = (args["versionStage"] ?? "AWSCURRENT") as string;
      const live = await service.getSecretValue({
        SecretId: args["secretId"] as string,
        ...(args["versionId"] === undefined
          ? { VersionStage: stage }
          : { VersionId: args["versionId"] as string }),
      });
      return {
        arn: live.ARN,
        secretArn: live.ARN,
        id: `${args["secretId"] as string}|${(args["versionId"] as string | undefined) ?? stage}`,
        secretId: args["secretId"],
        secretString: live.SecretString ?? "",
        secretBinary: live.SecretBinary === undefined ? "" : Buffer.from(live.SecretBinary).toString("utf8"),
        versionId: live.VersionId,
        versionStage: args["versionStage"],
        versionStages: live.VersionStages ?? [],
        createdDate: live.CreatedDate ?? "",
        region: args["region"] ?? client.region,
      };
    },
  },
];
