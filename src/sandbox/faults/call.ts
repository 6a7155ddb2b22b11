import { fits, isRead, type Service } from "./rule.js";

/** A request as a rule sees it. */
export interface Call {
  readonly service: Service;
  /** `iam:CreateRole`, `POST /api/2.1/unity-catalog/catalogs`. */
  readonly operation: string;
  /** How the service writes its errors. */
  readonly form: "query" | "ec2" | "s3" | "json" | "databricks";
  readonly method: string;
  /** The kind of thing it is about: `iam:Role`, `/api/2.1/unity-catalog/catalogs`. */
  readonly thing: string;
  /** The names of the thing that the request holds. */
  readonly names: readonly string[];
  /** What `match` is looked for in. */
  readonly text: string;
  /** Tells whether two requests ask the same. */
  readonly key: string;
}

export interface Received {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Empty for an object of S3: that may be of any size. */
  readonly body: Buffer;
}

/** The objects' bodies pass unread, whatever rules there are. */
export function isObjectOfS3({ method, url, headers }: Omit<Received, "body">): boolean {
  return (
    (method === "PUT" || method === "POST") && scopeOf(headers, url) === "s3" && s3Path(url).key !== undefined
  );
}

export function callOf(service: Service, request: Received): Call {
  const { method, url, body } = request;
  const text = body.toString("utf8");
  const common = { service, method, key: `${method} ${url} ${text}` };
  if (service === "workspace") return { ...common, ...workspaceCall(method, url, text) };
  const target = /\.(\w+)$/.exec(one(request.headers["x-amz-target"]) ?? "")?.[1];
  const scope = service === "dms" ? "dms" : (scopeOf(request.headers, url) ?? "unknown");
  if (target !== undefined) {
    const parsed = parsedJson(text);
    return { ...common, ...awsOperation(scope, target), form: "json", names: namesIn(parsed), text };
  }
  if (scope === "s3") {
    const { bucket, key, query } = s3Path(url);
    const operation = s3Operation(
      method,
      key !== undefined,
      query,
      one(request.headers["x-amz-copy-source"]),
    );
    const names = [bucket, key].filter((name) => name !== undefined);
    return {
      ...common,
      ...awsOperation("s3", operation),
      form: "s3",
      names,
      text: `${decoded(url)}\n${text}`,
    };
  }
  const parameters = new URLSearchParams(text.includes("Action=") ? text : url.split("?")[1]);
  const action = parameters.get("Action");
  const form = scope === "ec2" ? "ec2" : "query";
  const said = [...parameters].map(([name, value]) => `${name}=${value}`).join("\n");
  // Services that are plain REST (Lambda) are told by method and path.
  const operation = action ?? `${method} ${url.split("?")[0]}`;
  return {
    ...common,
    ...awsOperation(scope, operation),
    form,
    names: namesIn(Object.fromEntries(parameters)),
    text: said,
  };
}

/**
 * Whether the call asks for the thing that was written, by its name.
 * @param reads the calls that count; without them those that get, describe or head the same kind of thing
 */
export function asksFor(
  read: Call,
  written: Call,
  names: ReadonlySet<string>,
  reads?: readonly string[],
): boolean {
  if (reads !== undefined) {
    const named = read.names.length > 0 ? read.names : [lastPart(read)];
    return reads.some((pattern) => fits(pattern, read.operation)) && named.every((name) => names.has(name));
  }
  if (!isRead(read.operation) || /:List/.test(read.operation)) return false;
  if (read.service !== "workspace") {
    return (
      read.thing === written.thing && read.names.length > 0 && read.names.every((name) => names.has(name))
    );
  }
  const path = pathOf(read.key.split(" ")[1]!);
  // Where something is made, GET lists.
  if (written.method !== "POST" && path === pathOf(written.key.split(" ")[1]!)) return true;
  if (path.startsWith(`${written.thing}/`)) {
    const rest = path.slice(written.thing.length + 1);
    if (names.has(decodeURIComponent(rest))) return true;
  }
  return read.thing === written.thing && read.names.length > 0 && read.names.every((name) => names.has(name));
}

/** `GET /api/2.1/unity-catalog/catalogs/shop` -> `shop`. */
export function lastPart({ operation }: Call): string {
  return decodeURIComponent(operation.split("/").at(-1)!);
}

/** The names that an answer gives to what was written. */
export function namesInAnswer(body: Buffer): string[] {
  const text = body.toString("utf8");
  if (text.trimStart().startsWith("<")) {
    return [...text.matchAll(/<(\w*(?:Name|Id|Identifier|Arn))>([^<]+)</g)].map(([, , value]) => value!);
  }
  return namesIn(parsedJson(text));
}

const VERB =
  /^(Create|Put|Update|Modify|Delete|Attach|Detach|Set|Add|Remove|Register|Start|Stop|Get|Describe|List|Head)/;

// What is read by another noun than it is written by.
const SAME_THING: Record<string, string> = {
  "iam:AssumeRolePolicy": "iam:Role",
  "secretsmanager:SecretValue": "secretsmanager:Secret",
  "dms:Replication": "dms:ReplicationConfig",
  "s3:Objects": "s3:Bucket",
  "s3:BucketLocation": "s3:Bucket",
};

function awsOperation(scope: string, action: string): { operation: string; thing: string } {
  const noun = action.replace(VERB, "").replace(/s$/, "");
  const thing = `${scope}:${noun}`;
  return { operation: `${scope}:${action}`, thing: SAME_THING[thing] ?? thing };
}

/** `Credential=<key>/<date>/<region>/<service>/aws4_request`, in the header or in a presigned URL. */
function scopeOf(headers: Received["headers"], url: string): string | undefined {
  const credential = /Credential=([^,\s]+)/.exec(one(headers["authorization"]) ?? "")?.[1];
  const presigned = new URLSearchParams(url.split("?")[1]).get("X-Amz-Credential") ?? undefined;
  return (credential ?? presigned)?.split("/")[3];
}

function s3Path(url: string): { bucket?: string; key?: string; query: URLSearchParams } {
  const [bucket, ...rest] = pathOf(url).slice(1).split("/");
  const key = rest.join("/");
  return {
    query: new URLSearchParams(url.split("?")[1]),
    ...(bucket ? { bucket: decodeURIComponent(bucket) } : {}),
    ...(key === "" ? {} : { key: decodeURIComponent(key) }),
  };
}

// S3's operations are told by method and sub-resource (https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations.html).
const OF_BUCKET: Record<string, string> = {
  accelerate: "BucketAccelerateConfiguration",
  acl: "BucketAcl",
  cors: "BucketCors",
  encryption: "BucketEncryption",
  lifecycle: "BucketLifecycleConfiguration",
  location: "BucketLocation",
  logging: "BucketLogging",
  notification: "BucketNotificationConfiguration",
  "object-lock": "ObjectLockConfiguration",
  ownershipControls: "BucketOwnershipControls",
  policy: "BucketPolicy",
  policyStatus: "BucketPolicyStatus",
  publicAccessBlock: "PublicAccessBlock",
  replication: "BucketReplication",
  requestPayment: "BucketRequestPayment",
  tagging: "BucketTagging",
  versioning: "BucketVersioning",
  website: "BucketWebsite",
};
const OF_OBJECT: Record<string, string> = {
  acl: "ObjectAcl",
  tagging: "ObjectTagging",
  attributes: "ObjectAttributes",
};
const VERBS: Record<string, string> = {
  GET: "Get",
  PUT: "Put",
  DELETE: "Delete",
  HEAD: "Head",
  POST: "Post",
};

function s3Operation(
  method: string,
  object: boolean,
  query: URLSearchParams,
  copied: string | undefined,
): string {
  const verb = VERBS[method] ?? method;
  const sub = Object.entries(object ? OF_OBJECT : OF_BUCKET).find(([name]) => query.has(name))?.[1];
  if (sub !== undefined) return verb + sub;
  if (query.has("delete")) return "DeleteObjects";
  if (query.has("uploads")) return method === "POST" ? "CreateMultipartUpload" : "ListMultipartUploads";
  if (query.has("uploadId")) {
    return (
      { PUT: "UploadPart", POST: "CompleteMultipartUpload", DELETE: "AbortMultipartUpload" }[method] ??
      "ListParts"
    );
  }
  if (object) return method === "PUT" && copied !== undefined ? "CopyObject" : `${verb}Object`;
  if (method === "GET") return query.has("list-type") ? "ListObjectsV2" : "ListObjects";
  return method === "PUT" ? "CreateBucket" : `${verb}Bucket`;
}

function workspaceCall(method: string, url: string, text: string) {
  const path = pathOf(url);
  const query = Object.fromEntries(new URLSearchParams(url.split("?")[1]));
  return {
    operation: `${method} ${path}`,
    form: "databricks" as const,
    // Older APIs have the verb in the path: /api/2.1/jobs/create, /api/2.1/jobs/get.
    thing: path.replace(/\/(?:create|get|update|reset|edit|delete|put|set)$/, ""),
    names: [...namesIn(parsedJson(text)), ...namesIn(query)],
    text: `${decoded(url)}\n${text}`,
  };
}

/** The texts below keys that name a thing; filters' values are names as well. */
function namesIn(value: unknown, key = ""): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => namesIn(item, key));
  if (typeof value === "object" && value !== null) {
    if ("Values" in value && "Name" in value) return namesIn(value.Values, "Name");
    return Object.entries(value).flatMap(([name, below]) => namesIn(below, name));
  }
  if (!/(?:name|id|identifier|arn|path)s?$/i.test(key)) return [];
  return typeof value === "string" || typeof value === "number" ? [String(value)] : [];
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function pathOf(url: string): string {
  return url.split("?")[0]!;
}

function decoded(url: string): string {
  try {
    return decodeURIComponent(url);
  } catch {
    return url;
  }
}

function one(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
