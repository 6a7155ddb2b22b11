import { IAMClient } from "@aws-sdk/client-iam";
import { S3Client } from "@aws-sdk/client-s3";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";

/** Where the rest of AWS is (moto), and as whom the service acts. */
export interface AwsSurroundings {
  readonly endpoint: string;
  readonly region: string;
  readonly accountId: string;
}

export interface AwsClients {
  readonly s3: S3Client;
  readonly iam: IAMClient;
  readonly secrets: SecretsManagerClient;
  subnets(ids: readonly string[]): Promise<Subnet[]>;
  close(): void;
}

export interface Subnet {
  readonly id: string;
  readonly vpcId: string;
  readonly zone: string;
}

/** Whatever the emulated cloud is asked with; never a secret. */
const credentials = { accessKeyId: "sandbox", secretAccessKey: "sandbox" };

export function awsClients({ endpoint, region }: AwsSurroundings): AwsClients {
  const common = { endpoint, region, credentials, maxAttempts: 2 };
  const s3 = new S3Client({ ...common, forcePathStyle: true });
  const iam = new IAMClient(common);
  const secrets = new SecretsManagerClient(common);
  return {
    s3,
    iam,
    secrets,
    subnets: (ids) => describeSubnets(endpoint, region, ids),
    close: () => [s3, iam, secrets].forEach((client) => client.destroy()),
  };
}

/** One call of EC2's query protocol, for which a client library of some megabytes would be a poor bargain. */
async function describeSubnets(endpoint: string, region: string, ids: readonly string[]): Promise<Subnet[]> {
  const body = new URLSearchParams({ Action: "DescribeSubnets", Version: "2016-11-15" });
  ids.forEach((id, index) => body.set(`SubnetId.${index + 1}`, id));
  const scope = `Credential=${credentials.accessKeyId}/20260101/${region}/ec2/aws4_request`;
  const answer = await fetch(endpoint, {
    method: "POST",
    headers: { authorization: `AWS4-HMAC-SHA256 ${scope}, SignedHeaders=host, Signature=none` },
    body,
  });
  const xml = await answer.text();
  if (!answer.ok) {
    if (xml.includes("InvalidSubnetID.NotFound")) return [];
    throw new Error(`DescribeSubnets at ${endpoint} failed with HTTP ${answer.status}`);
  }
  // Each subnet begins with its id; its other fields follow.
  return xml
    .split("<subnetId>")
    .slice(1)
    .flatMap((subnet) => {
      const id = subnet.slice(0, subnet.indexOf("<"));
      const field = (name: string) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(subnet)?.[1];
      const [vpcId, zone] = [field("vpcId"), field("availabilityZone")];
      return vpcId === undefined || zone === undefined ? [] : [{ id, vpcId, zone }];
    });
}
