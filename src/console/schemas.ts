import { z } from "zod";
import { ROLES } from "./roles.js";

/*
 * What the API takes and answers. The OpenAPI description is made of these, and an answer is written through them: what no schema
 * names does not leave the server. Nothing but zod and words is imported, so that the page shares the types.
 */

export const time = z.string().describe("ISO time.");
const count = z.int().min(0);

export const Role = z.enum(ROLES);
export type Role = z.output<typeof Role>;

export const Me = z
  .object({
    name: z.string(),
    roles: z.array(Role),
    version: z.string().describe("Headwater's."),
    promiseSeconds: z.number().describe("The promise of freshness, in seconds."),
  })
  .describe("Who asks, and what they may do.");
export type Me = z.output<typeof Me>;

export const Problem = z
  .object({
    title: z.string().describe("What is wrong, as a sentence."),
    status: z.int(),
    code: z.string().describe("Stable, for programs: `console/not-allowed`."),
    where: z.string().optional(),
    field: z.string().optional(),
    found: z.string().optional(),
    allowed: z.string().optional(),
    remedy: z.string().optional().describe("What to do about it."),
  })
  .describe("An error (RFC 9457).");
export type Problem = z.output<typeof Problem>;

const Changes = z
  .record(z.string(), count)
  .describe("How many resources had which operation: `create`, `update`, ..., `same`.");

export const Finding = z.object({ urn: z.string().optional(), message: z.string() });
export const Verdict = z
  .object({
    rule: z.string(),
    verdict: z.enum(["passed", "refused", "overridden"]),
    findings: z.array(Finding),
    reason: z.string().optional().describe("Why it was overridden."),
  })
  .describe("A gate's judgement on a preview.");
export type Verdict = z.output<typeof Verdict>;

export const Phase = z
  .object({
    name: z.string(),
    state: z.enum(["started", "succeeded", "failed", "passed"]),
    at: time,
    elapsedMs: z.number().optional(),
    changes: Changes.optional(),
    message: z.string().optional(),
    error: z.object({ code: z.string(), message: z.string() }).optional(),
  })
  .describe("A phase of a step, or a check, as it stands.");
export type Phase = z.output<typeof Phase>;

export const StepState = z.enum(["pending", "running", "waiting", "passed", "failed", "stopped"]);
export type StepState = z.output<typeof StepState>;

export const Step = z
  .object({
    environment: z.string(),
    state: StepState.describe(
      "`waiting`: for an approval. `stopped`: the operation ended before it was done.",
    ),
    phase: z.string().optional().describe("What is done now, or was done last."),
    changes: Changes.optional().describe("What `up` changed, or else what the preview shows."),
    deployedAt: time.optional(),
  })
  .describe("One environment's part of an operation.");
export type Step = z.output<typeof Step>;

export const Outcome = z.enum(["succeeded", "failed", "cancelled", "running", "interrupted"]);

export const Operation = z
  .object({
    id: z.string(),
    kind: z.enum(["promotion", "destroy", "reload"]),
    at: time,
    startedBy: z.string(),
    release: z.string().optional(),
    program: z.string(),
    pipeline: z.string(),
    through: z.array(z.string()),
    outcome: Outcome.describe("`interrupted`: its process has gone; it can be gone on with."),
    updated: time.describe("When it was last heard of."),
    elapsedMs: z.number().optional(),
    error: z.object({ code: z.string(), message: z.string() }).optional(),
    steps: z.array(Step),
    ownedHere: z.boolean().describe("Started by a console: it can be cancelled and approved here."),
  })
  .describe("Something done, or being done, to environments; its state is the record in the store.");

export type Operation = z.output<typeof Operation>;

export const Approval = z.object({
  at: time,
  by: z.string(),
  approved: z.boolean(),
  reason: z.string().optional(),
});
export type Approval = z.output<typeof Approval>;

export const OperationDetail = Operation.extend({
  parts: z
    .array(
      z.object({
        environment: z.string().optional().describe("Absent: what concerns all of it."),
        phases: z.array(Phase),
        checks: z.array(Phase),
        verdicts: z.array(Verdict),
        settingsDigest: z.string().optional(),
        approvals: z.array(Approval),
      }),
    )
    .describe("What happened, by environment, in order."),
  resumed: z.array(z.object({ at: time, by: z.string() })),
  overrides: z.array(z.object({ rule: z.string(), environment: z.string().optional(), reason: z.string() })),
  hasPreviews: z.array(z.string()).describe("Environments whose preview is kept."),
});
export type OperationDetail = z.output<typeof OperationDetail>;

export const Property = z.object({
  field: z.string(),
  old: z.string().optional().describe("JSON; absent where there is none. Secret ones read `[secret]`."),
  new: z.string().optional(),
  replaces: z.boolean().describe("Forces a replacement."),
});
export const Change = z
  .object({
    urn: z.string(),
    type: z.string(),
    name: z.string(),
    op: z.string().describe("The engine's word: `create`, `update`, `replace`, `delete`, ..."),
    properties: z.array(Property),
    more: count.describe("How many properties are left out."),
  })
  .describe("What the engine would do to one resource.");
export type Change = z.output<typeof Change>;

export const Preview = z
  .object({
    operation: z.string(),
    environment: z.string(),
    release: z.string(),
    at: time,
    changes: Changes,
    resources: z.array(Change),
    plan: z.string().describe("Digest of the planned changes: an approval is of exactly these."),
    protected: z.boolean(),
    asks: z.boolean().describe("Whether somebody has to approve it."),
    verdicts: z.array(Verdict),
    decision: Approval.optional(),
  })
  .describe("What a promotion would change in an environment, with the gates' verdicts.");
export type Preview = z.output<typeof Preview>;

export const Waiting = z
  .object({
    operation: z.string(),
    pipeline: z.string(),
    environment: z.string(),
    release: z.string(),
    plan: z.string(),
    since: time,
    startedBy: z.string(),
    protected: z.boolean(),
    changes: Changes,
    mayApprove: z.boolean().describe("Whether whoever asks may decide it."),
    why: z.string().optional().describe("Why not."),
  })
  .describe("A preview that waits for an approval.");
export type Waiting = z.output<typeof Waiting>;

export const Deployed = z
  .object({ release: z.string(), at: time, operation: z.string(), passed: z.boolean() })
  .describe("What was deployed last by a promotion; `passed`: every check as well.");

export type Deployed = z.output<typeof Deployed>;

export const EnvironmentSummary = z.object({
  pipeline: z.string(),
  name: z.string(),
  position: count.optional().describe("Place on the path of promotion, from 0."),
  protected: z.boolean(),
  ephemeral: z.boolean(),
  deployed: Deployed.optional(),
  operation: z.string().optional().describe("What is under way here."),
  holder: z.object({ by: z.string(), doing: z.string(), since: time }).optional(),
});
export type EnvironmentSummary = z.output<typeof EnvironmentSummary>;

export const EnvironmentDetail = EnvironmentSummary.extend({
  program: z.string(),
  stack: z.string(),
  exists: z.boolean(),
  resources: count,
  resourcesByType: z.record(z.string(), count),
  pending: z
    .array(z.object({ urn: z.string(), type: z.string() }))
    .describe("Left half-way by an earlier run."),
  last: z
    .object({
      kind: z.string(),
      result: z.string(),
      at: time,
      release: z.string().optional(),
      changes: Changes,
    })
    .optional()
    .describe("The last update, as the backend knows it."),
  outputs: z.record(z.string(), z.string()).describe("JSON by name; secret ones read `[secret]`."),
  rules: z.object({
    maxChanges: z.int().optional(),
    drift: z.string(),
    onFailure: z.string(),
    freeze: z.array(z.string()),
  }),
});
export type EnvironmentDetail = z.output<typeof EnvironmentDetail>;

export const Drift = z
  .object({
    state: z.enum(["never", "looking", "known", "failed", "cancelled"]),
    by: z.string().optional(),
    at: time.optional(),
    elapsedMs: z.number().optional(),
    resources: z.array(Change).optional(),
    error: z.string().optional(),
  })
  .describe("The last comparison of cloud and state.");
export type Drift = z.output<typeof Drift>;

export const Release = z.object({
  id: z.string(),
  program: z.string(),
  pipeline: z.string(),
  parts: z.object({
    code: z.string(),
    pipeline: z.string(),
    notebooks: z.string(),
    providers: z.record(z.string(), z.string()),
  }),
});
export type Release = z.output<typeof Release>;
export const ReleaseSummary = z.object({
  id: z.string(),
  pipeline: z.string().optional().describe("Absent where it was never promoted."),
  firstPromoted: time.optional(),
  environments: z.array(z.string()).describe("Where it is deployed now: `shop/dev`."),
});

export type ReleaseSummary = z.output<typeof ReleaseSummary>;

export const Ephemeral = z.object({
  name: z.string(),
  pipeline: z.string(),
  program: z.string(),
  from: z.string(),
  by: z.string(),
  created: time,
  expires: time,
  expired: z.boolean(),
  holder: z.string().optional(),
});
export type Ephemeral = z.output<typeof Ephemeral>;

export const PipelineTable = z.object({
  name: z.string(),
  source: z.string().describe("`schema.table`"),
  keys: z.array(z.string()),
  scdType: z.int(),
});
export const PipelineDefinition = z.object({
  name: z.string(),
  engine: z.string(),
  latenessHorizonDays: z.int(),
  tables: z.array(PipelineTable),
});
export type PipelineDefinition = z.output<typeof PipelineDefinition>;

export const TableState = PipelineTable.extend({
  replication: z
    .object({
      state: z.string(),
      loadedRows: count,
      inserts: count,
      updates: count,
      deletes: count,
      updated: time.optional(),
    })
    .optional()
    .describe("What DMS counts."),
  waitingFiles: count.describe("In the landing zone, not applied."),
  oldestWaiting: time.optional(),
  events: count.describe("Taken into the log so far."),
  late: count,
  quarantined: count,
  unfolded: count.describe("Events of the log that are not folded yet."),
  lastRun: z
    .object({
      run: z.string(),
      at: time,
      outcome: z.string(),
      error: z.string().optional(),
      way: z.string().optional(),
    })
    .optional(),
  lastError: z.object({ at: time, message: z.string() }).optional(),
  newestCommit: time.optional(),
  lagSeconds: z.number().optional().describe("From the newest commit to the end of the run that took it in."),
  state: z.enum(["fresh", "late", "failing", "empty"]),
});
export type TableState = z.output<typeof TableState>;

export const PipelineState = z
  .object({
    at: time,
    pipeline: z.string(),
    environment: z.string(),
    engine: z.string(),
    promiseSeconds: z.number(),
    replication: z.object({ status: z.string(), failures: z.array(z.string()) }).optional(),
    landing: z.object({ url: z.string(), waitingFiles: count, oldest: time.optional() }),
    job: z.object({
      id: z.number(),
      trigger: z.string(),
      active: count,
      last: z.object({ run: z.number(), state: z.string(), at: time }).optional(),
    }),
    lakehouse: z.string().describe("`catalog.schema`"),
    exports: z.boolean(),
    tables: z.array(TableState),
    problems: z.array(z.string()).describe("What could not be asked, and why."),
  })
  .describe("A pipeline in an environment, from source to history table.");
export type PipelineState = z.output<typeof PipelineState>;

export const Freshness = z.object({
  promiseSeconds: z.number(),
  tables: z.array(
    z.object({
      table: z.string(),
      state: z.string(),
      lagSeconds: z.number().optional(),
      oldestWaiting: time.optional(),
    }),
  ),
});

export const Cell = z.string().nullable();
export const Rows = z
  .object({
    columns: z.array(z.object({ name: z.string(), type: z.string() })),
    rows: z.array(z.array(Cell)).describe("As text; NULL is null."),
    truncated: z.boolean(),
  })
  .describe("Rows of a table.");
export type Rows = z.output<typeof Rows>;

export const TableHistory = z.object({
  table: z.string(),
  keys: z.array(z.string()),
  startColumn: z.string().optional(),
  endColumn: z.string().optional(),
  current: count,
  versions: count.optional().describe("Absent for SCD type 1, which has none."),
  bucketSeconds: z.number().optional(),
  began: z
    .array(z.object({ at: time, versions: count, current: count }))
    .describe("Versions by when they began, and how many of them are current."),
  runs: z.array(
    z.object({
      run: z.string(),
      at: time,
      outcome: z.string(),
      events: count,
      lagSeconds: z.number().optional(),
      way: z.string().optional(),
      error: z.string().optional(),
    }),
  ),
});
export type TableHistory = z.output<typeof TableHistory>;

export const RunSummary = z.object({
  run: z.number(),
  state: z.string(),
  trigger: z.string().optional(),
  start: time,
  end: time.optional(),
  message: z.string().optional(),
});
export type RunSummary = z.output<typeof RunSummary>;

export const RunDetail = RunSummary.extend({
  url: z.string().optional(),
  tasks: z.array(
    z.object({
      key: z.string(),
      state: z.string().optional(),
      output: z.string().optional().describe("What the notebook exited with."),
      error: z.string().optional(),
      trace: z.string().optional(),
    }),
  ),
  tables: z
    .array(
      z.object({
        table: z.string(),
        outcome: z.string(),
        error: z.string().optional(),
        files: count,
        events: count,
        seconds: z.number().optional(),
        way: z.string().optional(),
        reason: z.string().optional(),
      }),
    )
    .describe("Its lines of the run table, where it left any."),
  problem: z.string().optional().describe("Why the run table could not be read."),
});
export type RunDetail = z.output<typeof RunDetail>;

export const Action = z
  .object({
    at: time,
    by: z.string(),
    roles: z.array(Role),
    action: z.string().describe("Method and route."),
    target: z.string(),
    status: z.int().optional().describe("How it was answered; absent where the server died before it was."),
  })
  .describe("That somebody asked for a change.");
export type Action = z.output<typeof Action>;

// What is taken.

const environmentName = z
  .string()
  .max(20)
  .regex(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/)
  .describe("`dev`, `prod-eu`, `pr-12`");
const pipelineName = z
  .string()
  .max(20)
  .regex(/^[a-z][a-z0-9]*$/);
const releaseId = z
  .string()
  .regex(/^[0-9a-f]{6,64}$/)
  .describe("Its id, or the first six hex digits or more.");
const ttl = z
  .string()
  .max(12)
  .regex(/^\d{1,6}(\.\d{1,3})?[smhd]$/)
  .describe("`90m`, `2h`, `1d`");
const reason = z.string().trim().min(1).max(2000);
export const OperationId = z
  .string()
  .max(64)
  .regex(/^[0-9a-f-]+$/);

export const EnvironmentParams = z.object({ pipeline: pipelineName, environment: environmentName });
export const OperationParams = z.object({ id: OperationId });
export const PreviewParams = z.object({ id: OperationId, environment: environmentName });
export const TableParams = EnvironmentParams.extend({
  table: z
    .string()
    .max(200)
    .regex(/^[a-z_][a-z0-9_]*$/),
});
export const RunParams = EnvironmentParams.extend({
  run: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER),
});
export const ReleaseParams = z.object({ release: releaseId });

export const Page = z.object({
  limit: z.coerce.number().int().min(1).max(500).default(50),
  before: z
    .string()
    .max(64)
    .regex(/^[0-9a-zA-Z-]+$/)
    .optional()
    .describe("Only what is older than this."),
});
export const OperationQuery = Page.extend({
  kind: z.enum(["promotion", "destroy", "reload"]).optional(),
  pipeline: pipelineName.optional(),
  environment: environmentName.optional(),
});
const moment = z.iso.datetime({ offset: true });
export const RowsQuery = z.object({
  asOf: moment.optional().describe("What the table held then. Default: what it holds now."),
  limit: z.coerce.number().int().min(1).max(500).default(50),
});
/** A key of a table, column by column; what no column is named is refused. */
export const KeyQuery = z.object({
  key: z.string().max(1000).describe('JSON object of key columns: `{"id":"7"}`'),
});

export const Idempotent = z.object({
  "idempotency-key": z
    .string()
    .min(8)
    .max(128)
    .regex(/^[\x21-\x7e]+$/)
    .optional()
    .describe("Sent again with the same key, a request is carried out once; kept for a day at least."),
});
export const Since = z.object({
  "last-event-id": z.string().max(64).optional().describe("Goes on behind this event."),
});

const stepOptions = {
  ask: z
    .enum(["protected", "always"])
    .default("protected")
    .describe("Whose previews wait for an approval: those of protected environments, or all."),
  overrides: z
    .array(
      z.strictObject({
        rule: z
          .string()
          .max(64)
          .regex(/^[a-z][a-z0-9-]*$/),
        environment: environmentName.optional(),
        reason,
      }),
    )
    .max(50)
    .default([])
    .describe(
      "Gates' rules that are not to stop it, each with the reason; asks for the role `approver` too.",
    ),
  checks: z.boolean().default(true).describe("Whether environments are checked after `up`."),
  onFailure: z.enum(["stop", "rollback"]).optional().describe("Default: the rules'."),
  whenHeld: z
    .enum(["refuse", "wait"])
    .default("refuse")
    .describe("While somebody else works on an environment."),
};
export const StartPromotion = z.strictObject({
  pipeline: pipelineName.optional().describe("Default: the release's, or the only one there is."),
  through: z
    .array(environmentName)
    .min(1)
    .max(50)
    .refine((names) => new Set(names).size === names.length, { error: "each environment once" })
    .describe("The environments, in order."),
  release: releaseId.optional().describe("Default: what is on the server's disk now."),
  ...stepOptions,
});
export type StartPromotion = z.output<typeof StartPromotion>;
export const RaiseEphemeral = z.strictObject({
  name: environmentName,
  ttl,
  from: environmentName.optional(),
  pipeline: pipelineName.optional(),
  release: releaseId.optional(),
  ...stepOptions,
});
export const ExtendEphemeral = z.strictObject({ ttl });
export const MakeRelease = z.strictObject({
  pipeline: pipelineName.optional(),
  environment: environmentName.describe("Whose program it is of."),
});
export const Decide = z.strictObject({
  approved: z.boolean(),
  plan: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .describe("The preview's: what was looked at is what is agreed to."),
  reason: reason.optional(),
});
export const Cancel = z.strictObject({
  firm: z.boolean().default(false).describe("Do not wait for what is in hand."),
});
export const Started = z.object({ id: z.string() }).describe("The operation that was started.");
