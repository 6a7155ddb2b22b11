import { createHash } from "node:crypto";
import { HeadwaterError } from "./errors.js";

/*
 * One place for names. A name with no rule here is not used anywhere, and no rule lets two different things share one.
 */

/** No hyphen: a stack's name `<pipeline>-<environment>` must be readable back, and environments may hold hyphens. */
const PIPELINE_NAME = /^[a-z][a-z0-9]{0,19}$/;
const ENVIRONMENT_NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
const ENVIRONMENT_MAX = 20;
/** What is a plain folder name in S3, needs no escape in DMS but `_`, and no quoting in Spark paths. */
const SOURCE_NAME = /^[A-Za-z_][A-Za-z0-9_$-]{0,127}$/;
/** Unity Catalog stores names in lower case and allows 255; the longest suffix we add is `_processed`. */
const TARGET_NAME = /^[a-z_][a-z0-9_]{0,199}$/;
/** Tables the notebooks keep for themselves: headwater_files, headwater_runs, headwater_quarantine. */
const RESERVED_PREFIX = "headwater_";

export function checkPipelineName(name: string): void {
  refuse(PIPELINE_NAME.test(name), "naming/pipeline", "not a pipeline's name", {
    where: `pipeline ${name}`,
    field: "name",
    found: name,
    allowed: "a lower-case letter, then up to 19 lower-case letters and digits",
    remedy: "Shorten it and leave out hyphens: they part pipeline and environment in a stack's name.",
  });
}

export function checkEnvironmentName(name: string): void {
  refuse(
    ENVIRONMENT_NAME.test(name) && name.length <= ENVIRONMENT_MAX,
    "naming/environment",
    "not an environment's name",
    {
      where: `environment ${name}`,
      found: name,
      allowed: `lower-case letters and digits, single hyphens inside, at most ${ENVIRONMENT_MAX} characters`,
      remedy: "Use a name like dev, prod-eu or pr-12.",
    },
  );
}

export function checkSourceName(where: string, field: string, name: string): void {
  refuse(SOURCE_NAME.test(name), "naming/source", "a source name that cannot be a folder in S3", {
    where,
    field,
    found: name,
    allowed: "letters, digits, _, $ and -, beginning with a letter or _, at most 128 characters",
    remedy: "Rename it in the source, or replicate a view of it under a plain name.",
  });
}

export function checkTargetName(where: string, field: string, name: string): void {
  refuse(TARGET_NAME.test(name), "naming/target", "not a table's name in Unity Catalog", {
    where,
    field,
    found: name,
    allowed: "lower-case letters, digits and _, beginning with a letter or _, at most 200 characters",
    remedy: 'Give the table a `name` of its own in the pipeline, for example name: "order_lines".',
  });
  refuse(!name.startsWith(RESERVED_PREFIX), "naming/reserved", "a reserved name", {
    where,
    field,
    found: name,
    allowed: `any name that does not begin with ${RESERVED_PREFIX}`,
    remedy: "Give the table a `name` of its own in the pipeline.",
  });
}

/** `<pipeline>-<environment>`; throws where one of them is no such name. At most 41 characters. */
export function stackName(pipeline: string, environment: string): string {
  checkPipelineName(pipeline);
  checkEnvironmentName(environment);
  return `${pipeline}-${environment}`;
}

/** The inverse of {@link stackName}. */
export function parseStackName(stack: string): { pipeline: string; environment: string } {
  const hyphen = stack.indexOf("-");
  refuse(hyphen > 0, "naming/stack", "not a stack's name", {
    where: `stack ${stack}`,
    found: stack,
    allowed: "<pipeline>-<environment>",
    remedy: "Name the stack after its pipeline and environment, for example shop-dev.",
  });
  const [pipeline, environment] = [stack.slice(0, hyphen), stack.slice(hyphen + 1)];
  stackName(pipeline, environment);
  return { pipeline, environment };
}

/** All that one table makes in the target schema: tables, a view, volumes. */
export function targetNames(table: string) {
  return {
    history: table,
    log: `${table}__log`,
    current: `${table}_current`,
    incomingVolume: `${table}_incoming`,
    processedVolume: `${table}_processed`,
  };
}

interface NameRule {
  readonly max: number;
  readonly separator: "-" | "_";
}

/**
 * Limits of physical names. Sources: S3 and IAM user guides (63, 64); DMS API reference (identifiers of endpoints
 * and subnet groups: letters, digits and hyphens, 255; no two hyphens together, none at the end). DMS documents no
 * limit for a replication config's identifier; a user saw 31 (terraform-provider-aws#35573), so 31 is kept.
 */
const NAME_RULES = {
  bucket: { max: 63, separator: "-" },
  role: { max: 64, separator: "-" },
  endpoint: { max: 255, separator: "-" },
  subnetGroup: { max: 255, separator: "-" },
  replicationConfig: { max: 31, separator: "-" },
  storageCredential: { max: 255, separator: "_" },
  externalLocation: { max: 255, separator: "_" },
  secretScope: { max: 128, separator: "-" },
  job: { max: 255, separator: "-" },
} as const satisfies Record<string, NameRule>;

export type PhysicalKind = keyof typeof NAME_RULES;

/**
 * The name of a physical thing of a stack: `headwater-<stack>[-<part>]`, kept within the kind's limit. A name that is
 * too long is cut and ends in a hash of the whole, so that two long names never meet. `reserve` keeps room for
 * characters the caller appends (the bucket's random suffix).
 */
export function physicalName(kind: PhysicalKind, stack: string, part?: string, reserve = 0): string {
  const { max, separator } = NAME_RULES[kind];
  const name = ["headwater", stack, ...(part === undefined ? [] : [part])]
    .join("-")
    .replaceAll("-", separator);
  return shorten(name, max - reserve, separator);
}

function shorten(name: string, max: number, separator: string): string {
  if (name.length <= max) return name;
  const hash = createHash("sha256").update(name).digest("hex").slice(0, 8);
  const head = name.slice(0, max - hash.length - 1).replace(/[-_]+$/, "");
  return `${head}${separator}${hash}`;
}

function refuse(
  good: boolean,
  code: string,
  summary: string,
  details: ConstructorParameters<typeof HeadwaterError>[2],
): void {
  if (!good) throw new HeadwaterError(code, summary, details);
}
