import { expect } from "chai";
import { transientErrorIn, transientErrorOf, transientErrors } from "../../../src/model/transient-errors.js";

const urn = (type: string, name = "it") =>
  `urn:pulumi:shop-dev::headwater::headwater:components:X$${type}::${name}`;

// As people have met them, most in the issues of the providers.
const seen: Record<string, string> = {
  "dms-role-not-ready":
    "creating DMS Replication Subnet Group (x): operation error Database Migration Service: CreateReplicationSubnetGroup, " +
    "https response error StatusCode: 400, RequestID: 1, AccessDeniedFault: The IAM Role arn:aws:iam::1:role/dms-vpc-role is not " +
    "configured properly.",
  "external-location-role-not-ready":
    "cannot create external location: AWS IAM role does not have READ permissions on url s3://bucket/. Please contact your " +
    "account admin to update the storage credential. PERMISSION_DENIED: Access denied. Cause: AccessDeniedException error",
  "role-not-assumable":
    "User: arn:aws:sts::1:assumed-role/dms-engine-role-v9/DMS_ENGINE_ROLE is not authorized to perform: sts:AssumeRole on " +
    "resource: arn:aws:iam::1:role/dms-access-for-endpoint",
  "credential-role-not-ready":
    "MALFORMED_REQUEST: Failed credential validation checks: please use a valid cross account IAM role with permissions",
  "trust-policy-principal-unknown":
    'Error Updating IAM Role (t) Assume Role Policy: MalformedPolicyDocument: Invalid principal in policy: "AWS":"arn:x"',
  "key-policy-principal-unknown":
    "creating KMS Key: operation error KMS: CreateKey, https response error StatusCode: 400, RequestID: a, " +
    "MalformedPolicyDocumentException: Policy contains a statement with one or more invalid principals.",
  "secret-policy-principal-unknown":
    "MalformedPolicyDocumentException: This resource policy contains an unsupported principal.",
  "bucket-policy-principal-unknown":
    "putting S3 Bucket (b) Policy: api error MalformedPolicy: Invalid principal in policy",
  "bucket-busy":
    "creating S3 Bucket (b) Public Access Block: api error OperationAborted: A conflicting conditional operation is currently " +
    "in progress against this resource. Please try again.",
  "replication-modifying":
    "starting DMS Serverless Replication (arn:aws:dms:x): InvalidResourceStateFault: Replication for Replication Config: " +
    "arn:aws:dms:x is in MODIFYING state and cannot start",
  "bucket-not-visible": "putting S3 lifecycle: NoSuchBucket: The specified bucket does not exist",
  "iam-not-visible": "api error NoSuchEntity: The role with name headwater-x cannot be found.",
  "dms-not-visible": "ResourceNotFoundFault: No endpoint found matching the given identifier",
  "workspace-not-visible": "cannot create external location: Storage Credential 'shop' does not exist.",
};

describe("transient errors", () => {
  it("names every error in its table by what people have met", () => {
    expect(Object.keys(seen)).to.deep.equal(transientErrors.map(({ name }) => name));
    for (const [name, message] of Object.entries(seen)) {
      expect(transientErrorOf(message), message).to.deep.include({ name, message });
    }
  });

  it("lets pass nothing that waiting does not mend", () => {
    const final = [
      "AccessDenied: User: arn:aws:iam::1:user/me is not authorized to perform: iam:CreateRole on resource: x",
      "AccessDeniedFault: User is not authorized to perform dms:CreateEndpoint",
      "AWS IAM role does not have READ permissions on url s3://b. Please contact your account admin. No file available under " +
        "the location to read.",
      "User does not have CREATE EXTERNAL LOCATION on Metastore 'm'.",
      "MalformedPolicyDocument: Policy document should not specify a principal.",
      "InvalidResourceStateFault: Replication Task cannot be modified while it is running state",
      "Input path url 's3://b/' overlaps with an existing external location",
      "EntityAlreadyExists: Role with name x already exists.",
    ];
    for (const message of final) expect(transientErrorOf(message), message).to.equal(undefined);
  });

  it("takes 'not found' for a delay only where something was made", () => {
    const message = seen["iam-not-visible"]!;
    const errors = [{ urn: urn("aws:iam/rolePolicy:RolePolicy"), message }];
    expect(transientErrorIn(errors)?.name).to.equal("iam-not-visible");
    expect(transientErrorIn(errors, { created: true })?.name).to.equal("iam-not-visible");
    expect(transientErrorIn(errors, { created: false })).to.equal(undefined);
  });

  it("takes DMS's word for what is missing from DMS's resources only", () => {
    const message = seen["dms-not-visible"]!;
    expect(transientErrorIn([{ urn: urn("aws:dms/endpoint:Endpoint"), message }])?.name).to.equal(
      "dms-not-visible",
    );
    expect(transientErrorIn([{ urn: urn("aws:rds/instance:Instance"), message }])).to.equal(undefined);
  });

  it("tries again only if every resource that failed may pass", () => {
    const busy = { urn: urn("aws:s3/bucketPolicy:BucketPolicy"), message: seen["bucket-busy"]! };
    const role = { urn: urn("aws:dms/s3Endpoint:S3Endpoint"), message: seen["dms-role-not-ready"]! };
    const final = {
      urn: urn("aws:iam/role:Role"),
      message: "EntityAlreadyExists: Role with name x already exists.",
    };
    expect(transientErrorIn([busy, role])).to.deep.include({ name: "bucket-busy", message: busy.message });
    expect(transientErrorIn([busy, final])).to.equal(undefined);
    expect(transientErrorIn([final, busy])).to.equal(undefined);
  });

  it("never tries again for an error of no resource, nor for none; what the engine adds at the end counts as none", () => {
    const busy = { urn: urn("aws:s3/bucketPolicy:BucketPolicy"), message: seen["bucket-busy"]! };
    expect(transientErrorIn([busy, { message: "update failed" }])?.name).to.equal("bucket-busy");
    expect(transientErrorIn([busy, { message: "the program failed: OperationAborted" }])).to.equal(undefined);
    expect(transientErrorIn([{ message: seen["bucket-busy"]! }])).to.equal(undefined);
    expect(transientErrorIn([{ message: "update failed" }])).to.equal(undefined);
    expect(transientErrorIn([])).to.equal(undefined);
  });
});
