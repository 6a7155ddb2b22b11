import structs, { type JavaScriptValue, type Struct } from "google-protobuf/google/protobuf/struct_pb.js";
import { isObject, UNKNOWN, type Values } from "./fields.js";

// The engine's encoding of values (pulumi/pulumi sdk/nodejs/runtime/rpc.ts).
const SIGNATURE = "4dabf18193072939515e22adb298388d";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";
const UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** What came over the wire: as it came (`raw`), as plain data, and which top-level properties hold a secret. */
export interface Decoded {
  readonly raw: Values;
  readonly values: Values;
  readonly secrets: ReadonlySet<string>;
}

export function decode(message: Struct | undefined): Decoded {
  const raw = (message?.toJavaScript() ?? {}) as Values;
  const secrets = new Set<string>();
  const values: Values = {};
  for (const [name, value] of Object.entries(raw)) {
    values[name] = plain(value, () => secrets.add(name));
  }
  return { raw, values, secrets };
}

function plain(value: unknown, onSecret: () => void): unknown {
  if (value === UNKNOWN_TEXT) return UNKNOWN;
  if (Array.isArray(value)) return value.map((item) => plain(item, onSecret));
  if (!isObject(value)) return value ?? undefined;
  const signature = value[SIGNATURE];
  if (signature === SECRET) {
    onSecret();
    return plain(value["value"], onSecret);
  }
  if (signature !== undefined) {
    throw new Error("the sandbox's light providers take no assets, archives or resource references");
  }
  const entries = Object.entries(value).map(([name, below]) => [name, plain(below, onSecret)] as const);
  return Object.fromEntries(entries.filter(([, below]) => below !== undefined));
}

/** `values` for the wire; the top-level properties in `secrets` are wrapped, `raw` values pass as they came. */
export function encode(values: Values, secrets: ReadonlySet<string>, raw: Values = {}): Struct {
  const encoded: Record<string, JavaScriptValue> = {};
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined) continue;
    if (name in raw) encoded[name] = raw[name] as JavaScriptValue;
    else encoded[name] = (secrets.has(name) ? secret(value) : wired(value)) as JavaScriptValue;
  }
  return structs.Struct.fromJavaScript(encoded);
}

export function secret(value: unknown): Values {
  return { [SIGNATURE]: SECRET, value: wired(value) };
}

function wired(value: unknown): unknown {
  if (value === UNKNOWN) return UNKNOWN_TEXT;
  if (Array.isArray(value)) return value.map(wired);
  if (value instanceof Date) return value.toISOString();
  if (!isObject(value)) return value ?? null;
  const entries = Object.entries(value).filter(([, below]) => below !== undefined);
  return Object.fromEntries(entries.map(([name, below]) => [name, wired(below)]));
}
