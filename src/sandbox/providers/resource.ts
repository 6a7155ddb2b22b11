import type { Fields, Values } from "./fields.js";

/** One resource type of a light provider: what it takes, and the API calls behind it. */
export interface ResourceType<Client> {
  /** `aws:s3/bucket:Bucket` */
  readonly token: string;
  /** Where the classification of the properties is taken from. */
  readonly source: string;
  readonly inputs: Fields;
  /** Properties that only the service sets; `secret` ones never appear in clear. */
  readonly outputs?: Readonly<Record<string, { readonly secret?: boolean }>>;
  /** Properties of the real provider's that the light one does not know how to do, so refuses. */
  readonly refused?: readonly string[];
  readonly autoname?: Autoname;
  /** A replacement would delete what was just created (or clash with it), so the old one goes first. */
  readonly deleteBeforeReplace?: boolean;
  /** Creates it and returns its id, and what only this moment knows of it (handed to `read` as its state). */
  create(call: CreateCall<Client>): Promise<string | { id: string; properties: Values }>;
  /**
   * What remains to be done once it exists (a state to be awaited): a failure here leaves the resource recorded.
   * Also runs after an update.
   */
  settle?(call: Call<Client>): Promise<void>;
  /** Its properties as they are now, or undefined when it is gone. */
  read(call: ReadCall<Client>): Promise<Values | undefined>;
  /** Absent where every property replaces, or where a change means nothing to the service. */
  update?(call: UpdateCall<Client>): Promise<void>;
  delete(call: Call<Client>): Promise<void>;
}

export interface Autoname {
  readonly property: string;
  readonly maxLength: number;
  /** Set in place of the property by those who want it; then no name is made. */
  readonly unless?: string;
  readonly transform?: (name: string) => string;
}

export interface CreateCall<Client> {
  readonly client: Client;
  readonly inputs: Values;
}

export interface ReadCall<Client> extends CreateCall<Client> {
  readonly id: string;
  /** The properties as last recorded, inputs included; empty at an import. */
  readonly state: Values;
}

export type Call<Client> = ReadCall<Client>;

export interface UpdateCall<Client> extends Call<Client> {
  /** The top-level properties that differ between the recorded inputs and the new ones. */
  readonly changed: ReadonlySet<string>;
  readonly oldInputs: Values;
}

/** A function a program invokes (a data source). */
export interface ProviderFunction<Client> {
  readonly token: string;
  readonly inputs: Fields;
  /** Results that are secret. */
  readonly secrets?: readonly string[];
  call(client: Client, args: Values): Promise<Values>;
}

export interface LightProvider<Client = unknown> {
  readonly name: string;
  /** The version of the SDK whose types the tables follow. */
  readonly version: string;
  /** What the provider's own configuration takes. */
  readonly config: Fields;
  readonly types: readonly ResourceType<Client>[];
  readonly functions: readonly ProviderFunction<Client>[];
  connect(config: Values): Client;
  /** Whether an error says that the thing asked for is not there. */
  isMissing(error: unknown): boolean;
  /** What to tell a person of an error. */
  explain(error: unknown): string;
}

/** Keeps a table of types of one client readable: `defineType<AwsClients>({ ... })`. */
export function defineType<Client>(type: ResourceType<Client>): ResourceType<Client> {
  return type;
}
