import { randomUUID } from "node:crypto";
import { lastPart, type Call } from "./call.js";

/** A whole answer. */
export interface Answer {
  readonly status: number;
  /** Names and values in turn, as they came. */
  readonly headers: readonly string[];
  readonly body: Buffer;
}

/** An error in the words of the service that was called. */
export function errorAnswer(
  call: Call,
  { code, message, status = 400 }: { code: string; message: string; status?: number },
): Answer {
  const id = randomUUID();
  const error = `<Error><Code>${xml(code)}</Code><Message>${xml(message)}</Message>`;
  switch (call.form) {
    case "query": {
      const typed = error.replace("<Error>", `<Error><Type>${status < 500 ? "Sender" : "Receiver"}</Type>`);
      return answer(
        call,
        status,
        "text/xml",
        `<ErrorResponse>${typed}</Error><RequestId>${id}</RequestId></ErrorResponse>`,
      );
    }
    case "ec2":
      return answer(
        call,
        status,
        "text/xml",
        `<Response><Errors>${error}</Error></Errors><RequestID>${id}</RequestID></Response>`,
      );
    case "s3":
      return answer(call, status, "application/xml", `${error}<RequestId>${id}</RequestId></Error>`);
    case "json": {
      const body = JSON.stringify({ __type: code, message });
      return answer(call, status, "application/x-amz-json-1.1", body, ["x-amzn-errortype", code]);
    }
    case "databricks":
      return answer(call, status, "application/json", JSON.stringify({ error_code: code, message }));
  }
}

const OF_S3: Record<string, [string, string]> = {
  Bucket: ["NoSuchBucket", "The specified bucket does not exist"],
  Object: ["NoSuchKey", "The specified key does not exist."],
  BucketPolicy: ["NoSuchBucketPolicy", "The bucket policy does not exist"],
  BucketEncryption: [
    "ServerSideEncryptionConfigurationNotFoundError",
    "The server side encryption configuration was not found",
  ],
  BucketLifecycleConfiguration: [
    "NoSuchLifecycleConfiguration",
    "The lifecycle configuration does not exist",
  ],
  BucketOwnershipControls: ["OwnershipControlsNotFoundError", "The bucket ownership controls were not found"],
  PublicAccessBlock: [
    "NoSuchPublicAccessBlockConfiguration",
    "The public access block configuration was not found",
  ],
  BucketTagging: ["NoSuchTagSet", "The TagSet does not exist"],
};

/** What the service says of a thing that does not exist. */
export function notFoundAnswer(call: Call): Answer {
  const [service = "", noun = ""] = call.thing.split(":");
  const name = call.names[0] ?? "";
  switch (service) {
    case "iam": {
      const words = noun.replace(/(?<=[a-z])(?=[A-Z])/g, " ").toLowerCase();
      return errorAnswer(call, {
        code: "NoSuchEntity",
        message: `The ${words} with name ${name} cannot be found.`,
        status: 404,
      });
    }
    case "s3": {
      const [code, message] = OF_S3[noun] ?? OF_S3["Bucket"]!;
      return errorAnswer(call, { code, message, status: 404 });
    }
    case "dms":
      return errorAnswer(call, {
        code: "ResourceNotFoundFault",
        message: `No ${noun} found matching ${name}`,
      });
    case "kms":
      return errorAnswer(call, { code: "NotFoundException", message: `${noun} '${name}' does not exist` });
    case "ec2":
      return errorAnswer(call, {
        code: `Invalid${noun}ID.NotFound`,
        message: `The ${noun} ID '${name}' does not exist`,
      });
  }
  if (call.form === "databricks") {
    const asked = call.names[0] ?? lastPart(call);
    return errorAnswer(call, {
      code: "RESOURCE_DOES_NOT_EXIST",
      message: `'${asked}' does not exist.`,
      status: 404,
    });
  }
  const message =
    service === "secretsmanager"
      ? "Secrets Manager can't find the specified secret."
      : `${name} was not found`;
  return errorAnswer(call, { code: "ResourceNotFoundException", message });
}

function answer(call: Call, status: number, type: string, body: string, more: string[] = []): Answer {
  const headers = ["content-type", type, "x-amzn-requestid", randomUUID(), ...more];
  // The answer to HEAD has no body; its length may still be told, but SDKs then wait for nothing.
  return { status, headers, body: Buffer.from(call.method === "HEAD" ? "" : body) };
}

function xml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
