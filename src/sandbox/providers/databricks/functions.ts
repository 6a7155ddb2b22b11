import { fromApi, snake } from "../api.js";
import { flag, number, text, type Fields, type Values } from "../fields.js";
import type { ProviderFunction } from "../resource.js";
import type { Databricks } from "./client.js";
import { findOne, me } from "./identity.js";

const required = text({ required: true });

/** Unity Catalog's own role in Databricks' AWS account (terraform-provider-databricks aws/constants.go). */
const unityCatalogRole = "arn:aws:iam::414351767826:role/unity-catalog-prod-UCMasterRole-14S5ZJVKOTYTL";

const metastore: Fields = {
  cloud: text(),
  createdAt: number(),
  createdBy: text(),
  defaultDataAccessConfigId: text(),
  globalMetastoreId: text(),
  metastoreId: text(),
  name: text(),
  owner: text(),
  privilegeModelVersion: text(),
  region: text(),
  storageRoot: text(),
  storageRootCredentialId: text(),
  storageRootCredentialName: text(),
  updatedAt: number(),
  updatedBy: text(),
};

/** The other partitions have role names of their own, which nothing here needs. */
function onlyAws(args: Values): void {
  const awsPartition = args["awsPartition"] as string | undefined;
  if (awsPartition === undefined || awsPartition === "aws") return;
  throw new Error(`the light databricks provider knows the AWS partition "aws" only, not "${awsPartition}"`);
}

/** The data sources programs ask. */
export const databricksFunctions: ProviderFunction<Databricks>[] = [
  {
    token: "databricks:index/getAwsUnityCatalogAssumeRolePolicy:getAwsUnityCatalogAssumeRolePolicy",
    inputs: {
      awsAccountId: required,
      externalId: required,
      roleName: required,
      awsPartition: text(),
      unityCatalogIamArn: text(),
    },
    async call(_client, args) {
      onlyAws(args);
      const { awsAccountId: account, externalId, roleName } = args as Record<string, string>;
      const unityCatalogIamArn = args["unityCatalogIamArn"] ?? unityCatalogRole;
      const statement = (Sid: string, AWS: unknown, more: Values) => ({
        Sid,
        Effect: "Allow",
        Action: "sts:AssumeRole",
        Principal: { AWS },
        Condition: { ...more, StringEquals: { "sts:ExternalId": externalId } },
      });
      const self = { ArnLike: { "aws:PrincipalArn": `arn:aws:iam::${account}:role/${roleName}` } };
      const policy = {
        Version: "2012-10-17",
        Statement: [
          statement("UnityCatalogAssumeRole", unityCatalogIamArn, {}),
          statement("ExplicitSelfRoleAssumption", `arn:aws:iam::${account}:root`, self),
        ],
      };
      const id = `${account}-${roleName}-${externalId}`;
      return {
        ...args,
        awsPartition: "aws",
        unityCatalogIamArn,
        id,
        json: JSON.stringify(policy, undefined, 2),
      };
    },
  },
  {
    token: "databricks:index/getAwsUnityCatalogPolicy:getAwsUnityCatalogPolicy",
    inputs: {
      awsAccountId: required,
      bucketName: required,
      roleName: required,
      awsPartition: text(),
      kmsName: text(),
    },
    async call(_client, args) {
      onlyAws(args);
      const { awsAccountId: account, bucketName: bucket, roleName, kmsName } = args as Record<string, string>;
      const policy = unityCatalogPolicy(account!, bucket!, roleName!, kmsName);
      const id = `${bucket}-${account}-${roleName}`;
      return { ...args, awsPartition: "aws", id, json: JSON.stringify(policy, undefined, 2) };
    },
  },
  {
    token: "databricks:index/getCurrentUser:getCurrentUser",
    inputs: {},
    async call(client) {
      const user = await me(client);
      const userName = String(user["userName"]);
      return {
        aclPrincipalId: `users/${userName}`,
        alphanumeric: userName
          .split("@")[0]!
          .toLowerCase()
          .replace(/[^a-z0-9]+/g, "_"),
        externalId: user["externalId"] ?? "",
        home: `/Users/${userName}`,
        id: user["id"],
        repos: `/Repos/${userName}`,
        userName,
        workspaceUrl: client.host,
      };
    },
  },
  {
    token: "databricks:index/getGroup:getGroup",
    inputs: { displayName: required, recursive: flag() },
    async call(client, args) {
      const group = await findOne(client, "Groups", "displayName", args["displayName"] as string);
      const members = (group["members"] ?? []) as { value: string; $ref?: string }[];
      const of = (kind: string) =>
        members.filter((one) => one.$ref?.startsWith(kind)).map(({ value }) => value);
      return {
        aclPrincipalId: `groups/${args["displayName"] as string}`,
        displayName: group["displayName"],
        externalId: group["externalId"] ?? "",
        id: group["id"],
        members: members.map(({ value }) => value),
        users: of("Users"),
        servicePrincipals: of("ServicePrincipals"),
        childGroups: of("Groups"),
        groups: ((group["groups"] ?? []) as { value: string }[]).map(({ value }) => value),
        instanceProfiles: [],
        roles: ((group["roles"] ?? []) as { value: string }[]).map(({ value }) => value),
      };
    },
  },
  {
    token: "databricks:index/getServicePrincipal:getServicePrincipal",
    inputs: { applicationId: text(), displayName: text(), scimId: text() },
    async call(client, args) {
      const [name, attribute] =
        args["applicationId"] !== undefined
          ? ["applicationId", "applicationId"]
          : args["scimId"] !== undefined
            ? ["scimId", "id"]
            : ["displayName", "displayName"];
      const found = await findOne(client, "ServicePrincipals", attribute, args[name] as string);
      const application = found["applicationId"] as string;
      return {
        aclPrincipalId: `servicePrincipals/${application}`,
        active: found["active"] ?? true,
        applicationId: application,
        displayName: found["displayName"],
        externalId: found["externalId"] ?? "",
        home: `/Users/${application}`,
        id: found["id"],
        repos: `/Repos/${application}`,
        scimId: found["id"],
        spId: found["id"],
      };
    },
  },
  {
    token: "databricks:index/getCurrentMetastore:getCurrentMetastore",
    inputs: {},
    async call(client) {
      const live = await client.get("/api/2.1/unity-catalog/metastore_summary");
      return { id: live["metastore_id"], metastoreInfo: fromApi(metastore, live, snake) };
    },
  },
];

/** terraform-provider-databricks aws/data_aws_unity_catalog_policy.go */
function unityCatalogPolicy(
  account: string,
  bucket: string,
  roleName: string,
  kmsName: string | undefined,
): Values {
  const actions = (service: string, names: string[]) => names.map((name) => `${service}:${name}`);
  const queues = [`arn:aws:sqs:*:${account}:csms-*`, `arn:aws:sns:*:${account}:csms-*`];
  const allow = (Action: string[], Resource: string[], Sid?: string) => ({
    ...(Sid === undefined ? {} : { Sid }),
    Effect: "Allow",
    Action,
    Resource,
  });
  const objects = ["GetObject", "PutObject", "DeleteObject", "ListBucket", "GetBucketLocation"];
  const uploads = ["ListBucketMultipartUploads", "ListMultipartUploadParts", "AbortMultipartUpload"];
  const topics = ["ListSubscriptionsByTopic", "GetTopicAttributes", "SetTopicAttributes", "CreateTopic"];
  const messages = ["CreateQueue", "DeleteMessage", "ReceiveMessage", "SendMessage", "GetQueueUrl"];
  const attributes = [
    "GetQueueAttributes",
    "SetQueueAttributes",
    "TagQueue",
    "ChangeMessageVisibility",
    "PurgeQueue",
  ];
  const key = kmsName?.startsWith("arn:aws") === true ? kmsName : `arn:aws:kms:${kmsName}`;
  return {
    Version: "2012-10-17",
    Statement: [
      allow(actions("s3", [...objects, ...uploads]), [`arn:aws:s3:::${bucket}/*`, `arn:aws:s3:::${bucket}`]),
      allow(["sts:AssumeRole"], [`arn:aws:iam::${account}:role/${roleName}`]),
      ...(kmsName === undefined
        ? []
        : [allow(actions("kms", ["Decrypt", "Encrypt", "GenerateDataKey*"]), [key])]),
      allow(
        [
          ...actions("s3", ["GetBucketNotification", "PutBucketNotification"]),
          ...actions("sns", [...topics, "TagResource", "Publish", "Subscribe"]),
          ...actions("sqs", [...messages, ...attributes]),
        ],
        [`arn:aws:s3:::${bucket}`, ...queues],
        "ManagedFileEventsSetupStatement",
      ),
      allow(
        ["sqs:ListQueues", "sqs:ListQueueTags", "sns:ListTopics"],
        queues,
        "ManagedFileEventsListStatement",
      ),
      allow(
        ["sns:Unsubscribe", "sns:DeleteTopic", "sqs:DeleteQueue"],
        queues,
        "ManagedFileEventsTeardownStatement",
      ),
    ],
  };
}
