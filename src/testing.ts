import { createHash } from "node:crypto";
import os from "node:os";
import * as pulumi from "@pulumi/pulumi";
import * as pulumiState from "@pulumi/pulumi/runtime/state.js";
import type { Platform } from "./driver/platform.js";
import type { EphemeralEnvironment, WithEphemeralOptions } from "./driver/with-ephemeral.js";
import { HeadwaterError } from "./model/errors.js";

/*
 * For tests of components and programs without an engine: what would be made, with which inputs and options.
 *
 *   const made = await record(() => new LandingZone("landing", { stack: "shop-dev" }));
 *   expect(made.one("aws:s3/bucket:Bucket").inputs.forceDestroy).to.equal(false);
 */

/** A resource as the engine would be asked for it. */
export interface RecordedResource {
  readonly type: string;
  readonly name: string;
  readonly urn: string;
  /** Plain values; secrets are unwrapped, see `secrets`. */
  readonly inputs: Readonly<Record<string, unknown>>;
  /** Inputs that were secret, by name. */
  readonly secrets: readonly string[];
  /** Names of the resources it waits for, through inputs or `dependsOn`. */
  readonly dependsOn: readonly string[];
  readonly parent: string;
  /** Reference of the explicit provider it got, or "". */
  readonly provider: string;
  readonly deleteBeforeReplace: boolean;
  /** Names of its error hooks. */
  readonly errorHooks: readonly string[];
}

export interface Recording<Result> {
  /** What the program returned, resolved. */
  readonly result: pulumi.Unwrap<Result>;
  /** Every resource but the stack itself, in the order they were asked for. */
  readonly resources: readonly RecordedResource[];
  /** Provider functions that were called. */
  readonly calls: readonly pulumi.runtime.MockCallArgs[];
  /** Errors the program logged; an engine would fail the update. */
  readonly errors: readonly string[];
  /** Error hooks that were registered; tests may call them. */
  readonly errorHooks: readonly pulumi.ErrorHook[];
  /** All of a type. */
  of(type: string): RecordedResource[];
  /** The only one of a type, or of a type and name; throws if there is another number of them. */
  one(type: string, name?: string): RecordedResource;
}

export interface RecordOptions {
  /** Pulumi's stack name. Default: shop-dev. */
  readonly stack?: string;
  /** Record a preview: outputs of new resources are unknown. Default: false. */
  readonly preview?: boolean;
  /** Properties the cloud would add to a resource; merged over {@link cloudOutputs}. */
  readonly outputs?: (type: string, inputs: Record<string, unknown>) => Record<string, unknown> | undefined;
  /** Answers of provider functions, by token, merged over {@link cloudAnswers}; undefined makes the function fail. */
  readonly answers?: Readonly<Record<string, Record<string, unknown> | undefined>>;
}

export const TEST_ACCOUNT = "123456789012";
export const TEST_EXTERNAL_ID = "7c0f4f4e-0000-4000-8000-000000000001";

/** What AWS and Databricks fill in for the resources Headwater makes. */
function cloudOutputs(type: string, name: string, inputs: Record<string, unknown>): Record<string, unknown> {
  const text = (key: string) => String(inputs[key]);
  switch (type) {
    case "aws:s3/bucket:Bucket":
      return { arn: `arn:aws:s3:::${text("bucket")}`, region: "eu-west-1" };
    case "aws:iam/role:Role":
      return { arn: `arn:aws:iam::${TEST_ACCOUNT}:role/${text("name")}` };
    case "aws:dms/endpoint:Endpoint":
    case "aws:dms/s3Endpoint:S3Endpoint":
      return { endpointArn: `arn:aws:dms:eu-west-1:${TEST_ACCOUNT}:endpoint:${text("endpointId")}` };
    case "aws:dms/replicationConfig:ReplicationConfig":
      return {
        arn: `arn:aws:dms:eu-west-1:${TEST_ACCOUNT}:replication-config:${text("replicationConfigIdentifier")}`,
      };
    case "random:index/randomString:RandomString":
      return { result: "a".repeat(Number(inputs["length"])) };
    case "databricks:index/storageCredential:StorageCredential":
      return { awsIamRole: { ...(inputs["awsIamRole"] as object), externalId: TEST_EXTERNAL_ID } };
    case "databricks:index/servicePrincipal:ServicePrincipal":
      return { applicationId: "5f3d0000-0000-4000-8000-000000000002" };
    default:
      return { name: inputs["name"] ?? name };
  }
}

const cloudAnswers: Readonly<Record<string, Record<string, unknown>>> = {
  "aws:index/getCallerIdentity:getCallerIdentity": {
    accountId: TEST_ACCOUNT,
    arn: `arn:aws:iam::${TEST_ACCOUNT}:user/tester`,
  },
  "aws:secretsmanager/getSecretVersion:getSecretVersion": {
    secretString: JSON.stringify({ username: "writer", password: "not-a-real-password" }),
  },
};

/** Where Pulumi keeps what calls back into a program; exported by the module, not by its types. */
const internals = pulumiState as unknown as { getStore(): { callbacks: object } };

/** The parts of Pulumi's monitor and its requests that are read here. */
interface RegisterRequest {
  getType(): string;
  getName(): string;
  getParent(): string;
  getProvider(): string;
  getDeletebeforereplace(): boolean;
  getDependenciesList(): string[];
  getObject(): { toJavaScript(): Record<string, unknown> };
  getHooks(): { getOnErrorList(): string[] } | undefined;
}
type Register = (
  request: RegisterRequest,
  callback: (error: unknown, response?: { getUrn(): string }) => void,
) => Promise<void>;

/**
 * Runs a program against mocks and waits until every resource it asked for was registered, including those inside
 * `apply`. Rejects with the program's own error. One recording at a time: Pulumi's mocks are global to a process.
 */
export async function record<Result>(
  program: () => Result | Promise<Result>,
  options: RecordOptions = {},
): Promise<Recording<Result>> {
  const resources: RecordedResource[] = [];
  const calls: pulumi.runtime.MockCallArgs[] = [];
  const errors: string[] = [];
  const errorHooks: pulumi.ErrorHook[] = [];
  const answers = { ...cloudAnswers, ...options.answers };
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs }) => {
        const given = inputs as Record<string, unknown>;
        const state = { ...given, ...cloudOutputs(type, name, given), ...options.outputs?.(type, given) };
        return { id: `${name}-id`, state };
      },
      call: (call) => {
        calls.push(call);
        const answer = answers[call.token];
        if (answer === undefined)
          throw new Error(`no answer for ${call.token}; give one in RecordOptions.answers`);
        return answer;
      },
    },
    "headwater",
    options.stack ?? "shop-dev",
    options.preview ?? false,
  );
  // Mocks speak neither of options nor of hooks: the requests themselves are read, and hooks are kept here.
  const monitor = pulumi.runtime.getMonitor() as unknown as { registerResource: Register };
  const register = monitor.registerResource.bind(monitor);
  monitor.registerResource = (request, callback) =>
    register(request, (error, response) => {
      if (response !== undefined) resources.push(readRequest(request, response.getUrn()));
      callback(error, response);
    });
  internals.getStore().callbacks = {
    registerErrorHook: async (hook: pulumi.ErrorHook) => void errorHooks.push(hook),
    awaitStackRegistrations: async () => undefined,
    shutdown: () => undefined,
  };

  // Without an engine, Pulumi prints what a program logs.
  const { error: print } = console;
  console.error = (...parts: unknown[]) => {
    const text = String(parts[0]);
    if (text.startsWith(LOGGED_ERROR)) errors.push(text.slice(LOGGED_ERROR.length));
    else print(...parts);
  };
  let result: pulumi.Unwrap<Result>;
  try {
    const outputs = (await pulumi.runtime.runInPulumiStack(async () => ({ result: await program() }))) as {
      result: pulumi.Unwrap<Result>;
    };
    result = outputs.result;
  } finally {
    await pulumi.runtime.disconnect();
    console.error = print;
  }
  const made = resources.filter(({ type }) => type !== pulumi.runtime.rootPulumiStackTypeName);
  const of = (type: string) => made.filter((resource) => resource.type === type);
  return {
    result,
    resources: made,
    calls,
    errors,
    errorHooks,
    of,
    one: (type, name) => {
      const found = of(type).filter((resource) => name === undefined || resource.name === name);
      const [only, ...others] = found;
      if (only !== undefined && others.length === 0) return only;
      throw new Error(
        `${found.length} resources of type ${type}${name === undefined ? "" : ` named ${name}`}; ` +
          `there are ${made.map((resource) => `${resource.type} ${resource.name}`).join(", ")}`,
      );
    },
  };
}

const LOGGED_ERROR = "error: [runtime] ";
const SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270";

function readRequest(request: RegisterRequest, urn: string): RecordedResource {
  const wire = request.getObject().toJavaScript();
  return {
    type: request.getType(),
    name: request.getName(),
    urn,
    inputs: Object.fromEntries(Object.entries(wire).map(([key, value]) => [key, unwrap(value)])),
    secrets: Object.keys(wire).filter((key) => isSecret(wire[key])),
    dependsOn: request.getDependenciesList().map(nameOf).sort(),
    parent: nameOf(request.getParent()),
    provider: request.getProvider(),
    deleteBeforeReplace: request.getDeletebeforereplace(),
    errorHooks: request.getHooks()?.getOnErrorList() ?? [],
  };
}

function nameOf(urn: string): string {
  return urn.split("::").at(-1) ?? "";
}

/** Pulumi marks a secret on the wire with a signature key (sdk/nodejs/runtime/rpc.ts). */
function isSecret(value: unknown): value is { value: unknown } {
  return Object.values(value ?? {}).includes(SECRET_SIGNATURE);
}

function unwrap(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(unwrap);
  if (value === null || typeof value !== "object") return value;
  if (isSecret(value)) return unwrap(value.value);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, unwrap(inner)]));
}

/** What {@link useEphemeralEnvironment} raises for a suite. */
export interface SuiteEnvironmentOptions extends Omit<WithEphemeralOptions, "name" | "ttl"> {
  /** The platform, or what opens it: one that is opened here is closed again after the suite. */
  readonly platform: Platform | (() => Promise<Platform>);
  /** Default: `t-` and 14 characters of its own, of process, machine and suite. */
  readonly name?: string;
  /** How long the suite may take, with the raising; should the process be killed, `reap` destroys it then. Default: `1h`. */
  readonly ttl?: number | string;
  /** Milliseconds the hooks may take, each. Default: 0, which is as long as it takes. */
  readonly hookTimeoutMs?: number;
}

export interface SuiteEnvironment {
  /** The environment; throws outside of the suite's tests and inner hooks. */
  readonly current: EphemeralEnvironment;
}

/**
 * For mocha: an ephemeral environment that is raised before the suite's tests and destroyed after them, also when tests fail,
 * when it came up only half-way, and after SIGINT or SIGTERM. Called where a suite is described:
 *
 *   describe("orders", () => {
 *     const environment = useEphemeralEnvironment({ platform: openPlatform, from: "dev" });
 *     it("has a bucket", () => expect(environment.current.outputs.bucket).to.be.a("string"));
 *   });
 */
export function useEphemeralEnvironment(options: SuiteEnvironmentOptions): SuiteEnvironment {
  const { before, after } = mochaHooks();
  const { platform: given, ttl = "1h", name = uniqueName(), hookTimeoutMs = 0, ...rest } = options;
  let up: EphemeralEnvironment | undefined;
  let run: Promise<void> = Promise.resolve();
  let opened: Platform | undefined;
  let release: () => void = () => undefined;

  before(async function () {
    this.timeout(hookTimeoutMs);
    const platform = typeof given === "function" ? (opened = await given()) : given;
    const over = new Promise<void>((resolve) => (release = resolve));
    await new Promise<void>((resolve, reject) => {
      run = platform.withEphemeral({ ...rest, name, ttl }, async (environment) => {
        up = environment;
        resolve();
        await over;
      });
      // After a failure on the way up, which is told here, there is nothing left to tell in `after`.
      run.catch((error: Error) => {
        if (up === undefined) run = Promise.resolve();
        reject(error);
      });
    });
  });

  after(async function () {
    this.timeout(hookTimeoutMs);
    up = undefined;
    release();
    try {
      await run;
    } finally {
      await opened?.close();
    }
  });

  return {
    get current() {
      if (up === undefined) {
        throw new HeadwaterError("testing/no-environment", "the ephemeral environment is not up", {
          where: `environment ${name}`,
          field: "current",
          remedy: "Read it in tests and hooks of the suite that uses it, not while the suite is described.",
        });
      }
      // Its time is over, or it was asked to end: it is being destroyed.
      up.signal.throwIfAborted();
      return up;
    },
  };
}

interface HookContext {
  timeout(ms: number): unknown;
}
type Hook = (body: (this: HookContext) => Promise<void>) => void;

/** Mocha's own, or of whatever runner calls them so; not imported: users need not have mocha to use the rest. */
function mochaHooks(): { before: Hook; after: Hook } {
  const { before, after } = globalThis as { before?: Hook; after?: Hook };
  if (typeof before === "function" && typeof after === "function") return { before, after };
  throw new HeadwaterError("testing/no-mocha", "there are no hooks to register", {
    field: "globalThis.before, globalThis.after",
    found: `${typeof before}, ${typeof after}`,
    allowed: "mocha's functions",
    remedy: "Run the file by mocha (ui bdd), or use platform.withEphemeral.",
  });
}

let suites = 0;

/** Ten processes on ten machines may run one suite at once. */
function uniqueName(): string {
  suites += 1;
  const about = `${os.hostname()} ${process.pid} ${performance.timeOrigin} ${suites}`;
  return `t-${createHash("sha256").update(about).digest("hex").slice(0, 14)}`;
}
