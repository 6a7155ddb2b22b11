/** An error as DMS answers it: `__type` is the fault's name, the message is for people. Never holds a secret. */
export class Fault extends Error {
  constructor(
    readonly type: FaultType,
    message: string,
    readonly status = 400,
  ) {
    super(message);
    this.name = type;
  }
}

/** Names from DMS's service model; the last three are AWS's common errors, which DMS gives as well. */
export type FaultType =
  | "AccessDeniedFault"
  | "InvalidResourceStateFault"
  | "InvalidSubnet"
  | "ReplicationSubnetGroupDoesNotCoverEnoughAZs"
  | "ResourceAlreadyExistsFault"
  | "ResourceNotFoundFault"
  | "InvalidParameterValueException"
  | "InvalidParameterCombinationException"
  | "UnknownOperationException"
  | "SerializationException"
  | "InternalFailure";

export const notFound = (message: string): Fault => new Fault("ResourceNotFoundFault", message);
export const badValue = (message: string): Fault => new Fault("InvalidParameterValueException", message);
