import proto, {
  type CheckRequest,
  type ConfigureRequest,
  type CreateRequest,
  type DeleteRequest,
  type DiffRequest,
  type InvokeRequest,
  type ReadRequest,
  type UpdateRequest,
} from "@pulumi/pulumi/proto/provider_pb.js";
import pluginProto from "@pulumi/pulumi/proto/plugin_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import { HeadwaterError } from "../../model/errors.js";
import { autoname, check, DEFAULTS } from "./check.js";
import { complete, diff, drift, unknowns } from "./diff.js";
import { HalfMade } from "./failure.js";
import { hasUnknown, isObject, UNKNOWN, type Field, type Fields, type Values } from "./fields.js";
import { checkFailure, checked, diffResponse } from "./messages.js";
import type { LightProvider, ReadCall, ResourceType } from "./resource.js";
import { decode, encode, secret, type Decoded } from "./wire.js";

/** The pauses between them double from 100 ms: 3 seconds in all. */
const READS_AFTER_WRITE = 6;

export type Engine = Record<string, (request: never) => unknown>;

/** The methods of Pulumi's provider protocol (proto/pulumi/provider.proto) over a light provider's tables. */
export function engineOf<Client>(provider: LightProvider<Client>): Engine {
  const types = new Map(provider.types.map((type) => [type.token, type]));
  const functions = new Map(provider.functions.map((one) => [one.token, one]));
  let connected: Client | undefined;

  const client = (): Client => {
    if (connected === undefined)
      throw new Error(`the ${provider.name} provider was used before it was configured`);
    return connected;
  };
  const typeOf = (urn: string): ResourceType<Client> => {
    const token = urn.split("::")[2]!.split("$").at(-1)!;
    return known(types, token, "resource type", provider.name);
  };

  const present = (type: ResourceType<Client>, call: ReadCall<Client>): Promise<Values | undefined> =>
    type.read(call).catch((error: unknown) => {
      if (provider.isMissing(error)) return undefined;
      throw error;
    });

  /** What was just made may be shown late, as in the cloud: the real providers wait for it too. */
  const shown = async (type: ResourceType<Client>, id: string, inputs: Values, state: Values) => {
    for (let attempt = 1; ; attempt++) {
      const live = await present(type, { client: client(), id, inputs, state });
      if (live !== undefined) return live;
      if (attempt === READS_AFTER_WRITE) {
        throw new Error(`${type.token} ${id} is not there right after it was made (read ${attempt} times)`);
      }
      await new Promise((resolve) => setTimeout(resolve, 100 * 2 ** (attempt - 1)));
    }
  };

  /** Reads back what was just made or changed; from here on a failure must not lose it. */
  const settled = async (type: ResourceType<Client>, id: string, given: Decoded, state: Values) => {
    const secrets = secretsOf(type, given);
    const inputs = given.values;
    try {
      await type.settle?.({ client: client(), id, inputs, state });
      const live = await shown(type, id, inputs, state);
      return encode(complete(type.inputs, inputs, live), secrets);
    } catch (cause) {
      const recorded = encode({ ...state, ...withoutEngines(inputs) }, secrets);
      throw new HalfMade(id, recorded, encode(inputs, secrets, given.raw), { cause });
    }
  };

  return {
    handshake: () => {
      const response = new proto.ProviderHandshakeResponse();
      response.setAcceptSecrets(true);
      response.setAcceptResources(false);
      response.setAcceptOutputs(false);
      return response;
    },
    getPluginInfo: () => {
      const response = new pluginProto.PluginInfo();
      response.setVersion(provider.version);
      return response;
    },
    getSchema: () => {
      const response = new proto.GetSchemaResponse();
      response.setSchema(JSON.stringify({ name: provider.name, version: provider.version }));
      return response;
    },
    attach: () => new empty.Empty(),
    cancel: () => new empty.Empty(),
    checkConfig: (request: CheckRequest) => {
      const news = decode(request.getNews());
      const parsed = configOf(provider.config, news.values);
      return checked(news.raw, check(`provider ${provider.name}`, provider.config, parsed));
    },
    // Where the sandbox listens changes with every start of it: never a reason to replace what it holds.
    diffConfig: () => {
      const response = new proto.DiffResponse();
      response.setChanges(proto.DiffResponse.DiffChanges.DIFF_NONE);
      return response;
    },
    configure: (request: ConfigureRequest) => {
      const config = configOf(provider.config, decode(request.getArgs()).values);
      connected = provider.connect(config);
      const response = new proto.ConfigureResponse();
      response.setAcceptsecrets(true);
      response.setSupportspreview(true);
      return response;
    },
    check: (request: CheckRequest) => {
      const type = typeOf(request.getUrn());
      const [news, olds] = [decode(request.getNews()), decode(request.getOlds())];
      const inputs: Values = documentsAsText(type.inputs, news);
      const failures = check(type.token, type.inputs, news.values, type.refused);
      const name = request.getUrn().split("::").at(-1)!;
      const seed = request.getRandomseed_asU8();
      const made = autoname(type, { name, news: news.values, olds: olds.values, seed });
      if (made !== undefined) {
        inputs[made.property] = made.value;
        inputs[DEFAULTS] = [made.property];
        const length = type.autoname!.maxLength;
        if (made.value.length > length) {
          const reason = `the name made up for it, ${made.value}, is longer than ${length} characters`;
          failures.push({ property: made.property, reason });
        }
      }
      return checked(inputs, failures);
    },
    diff: (request: DiffRequest) => {
      const type = typeOf(request.getUrn());
      const olds = decode(request.hasOldInputs() ? request.getOldInputs() : request.getOlds());
      return diffResponse(diff(type, olds.values, decode(request.getNews()).values));
    },
    create: async (request: CreateRequest) => {
      const type = typeOf(request.getUrn());
      const given = decode(request.getProperties());
      const response = new proto.CreateResponse();
      if (request.getPreview()) {
        const later = unknowns(type.inputs, Object.keys(type.outputs ?? {}));
        // What is unknown below an object is so only where the program has that object.
        const open = Object.entries(later).filter(
          ([name, value]) => value === UNKNOWN || name in given.values,
        );
        const planned = complete(type.inputs, given.values, Object.fromEntries(open));
        response.setProperties(encode(planned, secretsOf(type, given)));
        return response;
      }
      const created = await type.create({ client: client(), inputs: given.values });
      const { id, properties } = typeof created === "string" ? { id: created, properties: {} } : created;
      response.setId(id);
      response.setProperties(await settled(type, id, given, properties));
      return response;
    },
    read: async (request: ReadRequest) => {
      const type = typeOf(request.getUrn());
      const [state, inputs] = [decode(request.getProperties()), decode(request.getInputs())];
      const response = new proto.ReadResponse();
      const call = { client: client(), id: request.getId(), inputs: inputs.values, state: state.values };
      const live = await present(type, call);
      if (live === undefined) return response; // no id: it is gone
      const drifted = drift(type.inputs, inputs.values, live);
      const secrets = new Set([...secretsOf(type, inputs), ...state.secrets]);
      const kept = Object.entries(inputs.raw).filter(([name]) => drifted[name] === inputs.values[name]);
      response.setId(request.getId());
      response.setProperties(encode(complete(type.inputs, drifted, live), secrets));
      response.setInputs(encode(drifted, secrets, Object.fromEntries(kept)));
      return response;
    },
    update: async (request: UpdateRequest) => {
      const type = typeOf(request.getUrn());
      const [state, news] = [decode(request.getOlds()), decode(request.getNews())];
      const olds = request.hasOldInputs() ? decode(request.getOldInputs()) : state;
      const response = new proto.UpdateResponse();
      if (request.getPreview()) {
        const remaining = Object.entries(state.values).filter(
          ([name]) => name in news.values || (type.inputs[name]?.computed ?? !(name in type.inputs)),
        );
        const next = complete(type.inputs, news.values, Object.fromEntries(remaining));
        response.setProperties(encode(next, new Set([...secretsOf(type, news), ...state.secrets])));
        return response;
      }
      const id = request.getId();
      const { changed } = diff(type, olds.values, news.values);
      const call = { client: client(), id, inputs: news.values, state: state.values };
      await type.update?.({ ...call, changed, oldInputs: olds.values });
      response.setProperties(await settled(type, id, news, state.values));
      return response;
    },
    delete: async (request: DeleteRequest) => {
      const type = typeOf(request.getUrn());
      const [state, inputs] = [decode(request.getProperties()), decode(request.getOldInputs())];
      const call = { client: client(), id: request.getId(), inputs: inputs.values, state: state.values };
      await type.delete(call).catch((error: unknown) => {
        if (!provider.isMissing(error)) throw error;
      });
      return new empty.Empty();
    },
    invoke: async (request: InvokeRequest) => {
      const one = known(functions, request.getTok(), "function", provider.name);
      const args = decode(request.getArgs());
      const response = new proto.InvokeResponse();
      const failures = check(one.token, one.inputs, args.values);
      if (failures.length > 0) {
        response.setFailuresList(failures.map(checkFailure));
        return response;
      }
      const result = await one.call(client(), args.values);
      // What came of a secret is secret.
      const secrets = args.secrets.size > 0 ? Object.keys(result) : (one.secrets ?? []);
      response.setReturn(encode(result, new Set(secrets)));
      return response;
    },
  };
}

function known<T>(table: ReadonlyMap<string, T>, token: string, what: string, provider: string): T {
  const found = table.get(token);
  if (found !== undefined) return found;
  throw new HeadwaterError(
    "sandbox/unknown-token",
    `the sandbox's light ${provider} provider has no such ${what}`,
    {
      found: token,
      allowed: [...table.keys()].sort().join(", "),
      remedy: `install the real pulumi-${provider} plugin, or leave it out of what runs in the sandbox`,
    },
  );
}

function secretsOf<Client>(type: ResourceType<Client>, given: Decoded): Set<string> {
  const flagged = Object.entries({ ...type.inputs, ...type.outputs }).filter(
    ([, { secret }]) => secret === true,
  );
  return new Set([...given.secrets, ...flagged.map(([name]) => name)]);
}

/** Without what the engine and the protocol keep beside the properties (`__defaults`). */
function withoutEngines(values: Values): Values {
  return Object.fromEntries(Object.entries(values).filter(([name]) => !name.startsWith("__")));
}

/** The raw inputs, policies given as objects turned into the text that the service takes. */
function documentsAsText(fields: Fields, { raw, values, secrets }: Decoded): Values {
  const result = { ...raw };
  for (const [name, { kind }] of Object.entries(fields)) {
    const value = values[name];
    if ((kind !== "json" && kind !== "policy") || !isObject(value)) continue;
    const document = hasUnknown(value) ? UNKNOWN : JSON.stringify(value);
    result[name] = secrets.has(name)
      ? secret(document)
      : encode({ document }, new Set()).toJavaScript()["document"];
  }
  return result;
}

/** The SDK sends everything but text as JSON: `"true"`, `"[{\"s3\":...}]"`. */
function configOf(fields: Fields, values: Values): Values {
  const parse = (field: Field | undefined, value: unknown): unknown => {
    if (field === undefined || field.kind === "string" || typeof value !== "string") return value;
    try {
      return JSON.parse(value);
    } catch {
      return value; // check() says what is wrong with it
    }
  };
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, parse(fields[name], value)]),
  );
}
