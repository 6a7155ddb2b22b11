import { Metadata, status as codes, type ServiceError } from "@grpc/grpc-js";
import providerProto from "@pulumi/pulumi/proto/provider_pb.js";
import statusProto from "@pulumi/pulumi/proto/status_pb.js";
import anyProto from "google-protobuf/google/protobuf/any_pb.js";
import type { Struct } from "google-protobuf/google/protobuf/struct_pb.js";
import type { LightProvider } from "./resource.js";

/** It exists now, but is not what it should be: the engine records it, and says why. */
export class HalfMade extends Error {
  constructor(
    readonly id: string,
    readonly properties: Struct,
    readonly inputs: Struct,
    options: ErrorOptions,
  ) {
    super("the resource was made, but is not ready", options);
  }
}

/** An error as the engine takes it: the explanation, and for a half-made resource what to record of it. */
export function failure<Client>(provider: LightProvider<Client>, error: unknown): Partial<ServiceError> {
  const halfMade = error instanceof HalfMade ? error : undefined;
  const message = provider.explain(halfMade === undefined ? error : halfMade.cause);
  const metadata = new Metadata();
  if (halfMade !== undefined) {
    const detail = new providerProto.ErrorResourceInitFailed();
    detail.setId(halfMade.id);
    detail.setProperties(halfMade.properties);
    detail.setInputs(halfMade.inputs);
    detail.setReasonsList([message]);
    const any = new anyProto.Any();
    any.pack(detail.serializeBinary(), "pulumirpc.ErrorResourceInitFailed");
    const status = new statusProto.Status();
    status.setCode(codes.UNKNOWN);
    status.setMessage(message);
    status.addDetails(any);
    // gRPC's own field for structured details, which grpc-js leaves to its users.
    metadata.add("grpc-status-details-bin", Buffer.from(status.serializeBinary()));
  }
  return { code: codes.UNKNOWN, details: message, metadata };
}
