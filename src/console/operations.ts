import { setMaxListeners } from "node:events";
import type { Check } from "../driver/checks/check.js";
import type { PromotionEvent } from "../driver/events.js";
import type { EphemeralStatus, Platform } from "../driver/platform.js";
import type { Promotion } from "../driver/promotion.js";
import type { Release } from "../driver/release.js";
import type { Approval, ApprovalAnswer, StepOptions } from "../driver/step.js";
import type { Gate } from "../driver/gates/gate.js";
import { standardGates } from "../driver/gates/index.js";
import { getJson, StoreConflict } from "../driver/store/store.js";
import { throwIfCancelled } from "../driver/story.js";
import { HeadwaterError } from "../model/errors.js";
import { requireRole, type Person } from "./access.js";
import type { Feed, Followers } from "./follow.js";
import { notFound } from "./problems.js";
import { planOf, Previews } from "./previews.js";
import type { Records, Told } from "./records.js";
import type * as schemas from "./schemas.js";

/** What a console was asked to do: all that is needed to go on with it after a restart. */
interface Order {
  readonly by: string;
  readonly at: string;
  readonly ask: "protected" | "always";
  readonly overrides: readonly {
    readonly rule: string;
    readonly environment?: string;
    readonly reason: string;
  }[];
  readonly checks: boolean;
  readonly onFailure?: "stop" | "rollback";
  readonly whenHeld: "refuse" | "wait";
}

export interface OperationsOptions {
  /** Checks after `up`, by program and pipeline. */
  readonly checks: (about: { readonly program: string; readonly pipeline: string }) => readonly Check[];
  readonly gates: (() => readonly Gate[]) | undefined;
  /** Milliseconds between two looks at the store, for what other servers write there. */
  readonly pollMs: number;
  readonly log: { readonly warn: (about: object, message: string) => void };
}

/** What runs in this process. */
interface Running {
  readonly gentle: AbortController;
  readonly firm: AbortController;
  /** Looks at the store for decisions again. */
  readonly wake: Set<() => void>;
}

type Stepped = Omit<schemas.StartPromotion, "pipeline" | "through" | "release">;

/**
 * Operations that people start here. What is asked, decided and cancelled lies in the store, so that it makes no difference
 * which server is asked, and a server that is started again goes on where the last one was.
 */
export class Operations {
  readonly previews: Previews;
  private readonly running = new Map<string, Running>();
  private readonly timer: NodeJS.Timeout;
  private resuming: NodeJS.Timeout | undefined;
  /** How often it was tried to go on with an operation. */
  private readonly tries = new Map<string, number>();
  private closed = false;

  constructor(
    private readonly platform: Platform,
    private readonly records: Records,
    private readonly followers: Followers,
    private readonly feed: Feed,
    private readonly options: OperationsOptions,
  ) {
    this.previews = new Previews(platform);
    this.timer = setInterval(() => void this.lookForCancellations(), options.pollMs).unref();
  }

  /** How many run in this process. */
  get underWay(): number {
    return this.running.size;
  }

  /** Lets go: what runs is neither cancelled nor ended; its record has no end, and the next server goes on with it. */
  close(): void {
    this.closed = true;
    clearInterval(this.timer);
    clearTimeout(this.resuming);
  }

  /** @returns the id of the promotion, once it is recorded. */
  async promote(
    person: Person,
    { through, pipeline, release: id, ...step }: schemas.StartPromotion,
  ): Promise<string> {
    this.mayStart(person, step);
    const release = await this.release(id, through[0] ?? "", pipeline);
    for (const name of through) await this.require(release.pipeline, name);
    return this.start(person, step, release, (options) =>
      this.platform.promote(release, { through, ...options }),
    );
  }

  /** Raises an ephemeral environment. @returns the id of the promotion into it. */
  async raise(
    person: Person,
    { name, ttl, from, pipeline, release: id, ...step }: ReturnType<typeof schemas.RaiseEphemeral.parse>,
  ): Promise<string> {
    this.mayStart(person, step);
    const model = from ?? this.platform.rules.path?.[0] ?? "dev";
    const release = await this.release(id, model, pipeline);
    await this.require(release.pipeline, model);
    let raised: Awaited<ReturnType<Platform["raise"]>>;
    const start = async (options: StepOptions): Promise<Promotion> => {
      raised = await this.platform.raise({
        name,
        ttl,
        from: model,
        pipeline: release.pipeline,
        release,
        ...options,
      });
      return raised.promotion;
    };
    return this.start(person, step, release, start);
  }

  /** Destroys an ephemeral environment. @returns the id of the operation. */
  async destroyEphemeral(person: Person, pipeline: string, name: string): Promise<string> {
    requireRole(person, "operator", "to destroy an environment");
    await this.ephemeral(pipeline, name);
    return new Promise<string>((resolve, reject) => {
      let opened: string | undefined;
      const running = makeRunning();
      const ended = this.platform.destroyEphemeral(name, {
        pipeline,
        startedBy: person.name,
        signal: running.gentle.signal,
        firmSignal: running.firm.signal,
        onRecord: (id) => {
          opened = id;
          this.running.set(id, running);
          const order: Order = { ...NO_ORDER, by: person.name, at: new Date().toISOString() };
          this.keepOrder(id, order).then(() => resolve(id), reject);
        },
        emit: (event) => {
          if (opened !== undefined) this.heard(opened, event.type === "phase" && event.state !== "progress");
        },
      });
      ended
        .catch((error: Error) => {
          if (opened === undefined) reject(error); // else told by its record
        })
        .finally(() => {
          if (opened === undefined) return;
          this.running.delete(opened);
          this.heard(opened, true);
        })
        .catch(() => undefined);
    });
  }

  /** An ephemeral environment. @throws HeadwaterError `console/not-found`. */
  async ephemeral(pipeline: string, name: string): Promise<EphemeralStatus> {
    const found = (await this.platform.ephemerals()).find(
      (each) => each.pipeline === pipeline && each.name === name,
    );
    if (found === undefined) throw notFound("ephemeral environment", `${pipeline}/${name}`);
    return found;
  }

  /** Asks for an operation to be stopped, wherever it runs. */
  async cancel(person: Person, id: string, firm: boolean): Promise<void> {
    requireRole(person, "operator", "to cancel an operation");
    const told = await this.records.tell(id);
    const order = await this.order(id);
    if (told.outcome !== "running" || order === undefined) {
      throw new HeadwaterError("console/not-running", "it cannot be cancelled here", {
        where: id,
        found: order === undefined ? "an operation that no console has started" : told.outcome,
        allowed: "an operation that a console has started and that is running",
        remedy: "What runs on a command line is stopped there, by Ctrl-C.",
      });
    }
    const cancellation = { by: person.name, at: new Date().toISOString(), firm };
    await this.platform.store.put(`console/cancellations/${id}.json`, JSON.stringify(cancellation));
    this.stop(id, person.name, firm);
  }

  /** Goes on with a promotion whose process has gone. */
  async resume(person: Person, id: string): Promise<void> {
    requireRole(person, "operator", "to go on with a promotion");
    await this.goOn(
      id,
      (await this.order(id)) ?? { ...NO_ORDER, by: (await this.records.tell(id)).startedBy },
    );
  }

  /**
   * Goes on with all that a console had started and that was interrupted: now, and from time to time, as it may have been another
   * server that was.
   */
  resumeAll(): void {
    const look = async (): Promise<void> => {
      for (const { id, kind, outcome } of await this.records.unfinished()) {
        if (kind !== "promotion" || outcome !== "interrupted" || this.closed || this.running.has(id))
          continue;
        const tries = this.tries.get(id) ?? 0;
        const order = tries < TRIES ? await this.order(id) : undefined;
        if (order === undefined) continue;
        this.tries.set(id, tries + 1);
        await this.goOn(id, order).catch((error: unknown) => {
          // Another server was quicker, most of the time.
          this.options.log.warn({ err: error, id }, "a promotion could not be gone on with");
        });
      }
    };
    const again = async (): Promise<void> => {
      await look().catch((error: unknown) => {
        this.options.log.warn({ err: error }, "interrupted promotions could not be looked for");
      });
      if (!this.closed) this.resuming = setTimeout(() => void again(), this.options.pollMs * 10).unref();
    };
    void again();
  }

  /** What waits for an approval, and whether this person may give it. */
  async waiting(person: Person): Promise<schemas.Waiting[]> {
    const found: schemas.Waiting[] = [];
    for (const told of await this.records.unfinished()) {
      const step = told.steps.find(({ state }) => state === "waiting");
      if (step === undefined || (await this.order(told.id)) === undefined) continue;
      const preview = await this.previews.read(told.id, step.environment);
      if (preview === undefined || !preview.asks) continue;
      if ((await this.decision(told.id, preview)) !== undefined) continue;
      const why = this.whyNot(person, told, preview.protected);
      found.push({
        operation: told.id,
        pipeline: told.pipeline,
        environment: step.environment,
        release: preview.release,
        plan: preview.plan,
        since: preview.at,
        startedBy: told.startedBy,
        protected: preview.protected,
        changes: preview.changes,
        mayApprove: why === undefined,
        ...(why === undefined ? {} : { why }),
      });
    }
    return found;
  }

  /** Decides about a preview. The first one to decide has decided. */
  async decide(
    person: Person,
    id: string,
    environment: string,
    { approved, plan, reason }: ReturnType<typeof schemas.Decide.parse>,
  ): Promise<schemas.Approval> {
    const told = await this.records.tell(id);
    const preview = await this.previews.read(id, environment);
    const step = told.steps.find((each) => each.environment === environment);
    if (preview === undefined || step?.state !== "waiting" || !preview.asks) {
      throw new HeadwaterError("console/not-waiting", "no preview waits for an approval there", {
        where: `${id}, environment ${environment}`,
        found: step?.state ?? "no such environment",
        allowed: "waiting",
      });
    }
    const why = this.whyNot(person, told, preview.protected);
    if (why !== undefined)
      throw new HeadwaterError("console/not-allowed", why, {
        where: `${id}, environment ${environment}`,
        found: person.name,
      });
    if (plan !== preview.plan) {
      throw new HeadwaterError("console/other-plan", "the preview has changed since it was looked at", {
        where: `${id}, environment ${environment}`,
        field: "plan",
        found: plan,
        allowed: preview.plan,
        remedy: "Look at the preview again.",
      });
    }
    const decision = {
      approved,
      by: person.name,
      at: new Date().toISOString(),
      ...(reason === undefined ? {} : { reason }),
    };
    try {
      await this.platform.store.put(decisionKey(id, environment, plan), JSON.stringify(decision), "absent");
    } catch (error) {
      if (!(error instanceof StoreConflict)) throw error;
      const first = await this.decision(id, preview);
      throw new HeadwaterError("console/decided", "somebody has decided already", {
        where: `${id}, environment ${environment}`,
        found:
          first === undefined ? "a decision" : `${first.approved ? "approved" : "refused"} by ${first.by}`,
      });
    }
    for (const wake of this.running.get(id)?.wake ?? []) wake();
    void this.feed.changed(id).catch(() => undefined);
    return decision;
  }

  async decision(id: string, preview: { readonly environment: string; readonly plan: string }) {
    const key = decisionKey(id, preview.environment, preview.plan);
    return (await getJson<schemas.Approval>(this.platform.store, key))?.value;
  }

  async order(id: string): Promise<Order | undefined> {
    return (await getJson<Order>(this.platform.store, orderKey(id)))?.value;
  }

  /** An environment that is there. @throws HeadwaterError `console/not-found`. */
  async require(pipeline: string, name: string): Promise<void> {
    if (!this.platform.pipelines.some((each) => each.name === pipeline)) throw notFound("pipeline", pipeline);
    if ((await this.platform.environmentNames(pipeline)).includes(name)) return;
    if ((await this.platform.ephemerals()).some((each) => each.pipeline === pipeline && each.name === name))
      return;
    throw notFound("environment", `${pipeline}/${name}`);
  }

  /** A stored release, or what is on disk now, for the program of that environment. */
  async release(id: string | undefined, environment: string, pipeline: string | undefined): Promise<Release> {
    if (id !== undefined) {
      const release = await this.platform.storedRelease(id);
      if (pipeline === undefined || release.pipeline === pipeline) return release;
      throw new HeadwaterError("console/other-pipeline", "the release is another pipeline's", {
        field: "pipeline",
        found: pipeline,
        allowed: release.pipeline,
      });
    }
    const [only, ...others] = this.platform.pipelines;
    const owner = pipeline ?? (others.length === 0 ? only?.name : undefined);
    if (owner === undefined)
      throw new HeadwaterError("settings/which-pipeline", "there are several pipelines", {
        field: "pipeline",
        found: "nothing",
        allowed: this.platform.pipelines.map(({ name }) => name).join(", "),
      });
    await this.require(owner, environment);
    const { program } = await (await this.platform.findEnvironment(environment, owner)).settings();
    return this.platform.release({ program: program.name, pipeline: owner });
  }

  private mayStart(person: Person, { overrides }: Pick<Stepped, "overrides">): void {
    requireRole(person, "operator", "to start a promotion");
    if (overrides.length > 0) requireRole(person, "approver", "to override a gate");
  }

  private whyNot(person: Person, { startedBy }: Told, isProtected: boolean): string | undefined {
    if (!person.roles.includes("approver")) return "to decide about a preview takes the role approver";
    return isProtected && person.name === startedBy
      ? "whoever started a promotion to a protected environment cannot approve it"
      : undefined;
  }

  private start(
    person: Person,
    step: Stepped,
    release: Release,
    begin: (options: StepOptions) => Promotion | Promise<Promotion>,
  ): Promise<string> {
    const { ask, overrides, checks, onFailure, whenHeld } = step;
    const order: Order = {
      ...{ by: person.name, at: new Date().toISOString(), ask, checks, whenHeld },
      overrides: overrides.map(({ environment, ...rest }) => ({
        ...rest,
        ...(environment === undefined ? {} : { environment }),
      })),
      ...(onFailure === undefined ? {} : { onFailure }),
    };
    return this.carry(order, release, begin);
  }

  private async goOn(id: string, order: Order): Promise<void> {
    const { release: of } = await this.records.tell(id);
    const release = await this.platform.storedRelease(of ?? "");
    await this.carry(order, release, (options) => this.platform.resume({ ...options, id }));
  }

  /** Runs a promotion and tells of it. Resolves once it is recorded, with what it takes to go on with it. */
  private async carry(
    order: Order,
    release: Release,
    begin: (options: StepOptions) => Promotion | Promise<Promotion>,
  ): Promise<string> {
    const running = makeRunning();
    let id = "";
    const gates = this.options.gates?.() ?? standardGates();
    const { by, overrides, checks, onFailure, whenHeld } = order;
    const promotion = await begin({
      startedBy: by,
      signal: running.gentle.signal,
      firmSignal: running.firm.signal,
      overrides,
      whenHeld,
      checks: checks ? this.options.checks(release) : [],
      ...(onFailure === undefined ? {} : { onFailure }),
      gates: this.previews.watched(gates, async ({ environment, planned, changes, rules }) =>
        this.previews.keep({
          ...{ operation: id, environment, release: release.id, at: new Date().toISOString(), changes },
          ...{ resources: this.previews.shown(planned), plan: planOf(planned) },
          ...{ protected: rules.protected, asks: false },
        }),
      ),
      approve: (approval) => this.approve(id, order, running, approval),
    });
    const events = promotion.events[Symbol.asyncIterator]();
    const first = await events.next();
    if (first.done === true || first.value.type !== "started") {
      await promotion.result; // tells why there is no record
      throw new Error("a promotion ended without having begun");
    }
    ({ id } = first.value);
    this.running.set(id, running);
    void this.follow(id, events);
    await this.keepOrder(id, order);
    return id;
  }

  private async follow(id: string, events: AsyncIterator<PromotionEvent>): Promise<void> {
    this.heard(id, true);
    for (let next = await events.next(); next.done !== true; next = await events.next()) {
      const event = next.value;
      const recorded =
        event.type === "gate" ||
        event.type === "done" ||
        ((event.type === "phase" || event.type === "check") && event.state !== "progress");
      if (!recorded) this.followers.passing(id, event);
      this.heard(id, recorded);
    }
    this.running.delete(id);
    this.heard(id, true);
  }

  private heard(id: string, recorded: boolean): void {
    if (!recorded) return;
    this.followers.changed(id);
    void this.feed.changed(id).catch(() => undefined);
  }

  /** Waits for somebody to decide; without a need to ask, whoever started it has. */
  private async approve(
    id: string,
    order: Order,
    running: Running,
    approval: Approval,
  ): Promise<ApprovalAnswer> {
    const { environment, release, changes, planned, signal } = approval;
    const asks = approval.protected || order.ask === "always";
    const plan = planOf(planned);
    const preview = {
      ...{
        operation: id,
        environment,
        release: release.id,
        at: new Date().toISOString(),
        changes,
        plan,
        asks,
      },
      ...{ resources: this.previews.shown(planned), protected: approval.protected },
    };
    await this.previews.keep(preview);
    if (!asks) return { approved: true, by: order.by };
    // The phase was told of before the preview was kept: whoever looked then has to look again.
    void this.feed.changed(id).catch(() => undefined);
    for (;;) {
      throwIfCancelled(signal, environment);
      const decision = await this.decision(id, preview).catch(() => undefined);
      if (decision !== undefined) return { approved: decision.approved, by: decision.by };
      await new Promise<void>((resolve) => {
        const done = (): void => {
          clearTimeout(timer);
          running.wake.delete(done);
          signal?.removeEventListener("abort", done);
          resolve();
        };
        const timer = setTimeout(done, this.options.pollMs).unref();
        running.wake.add(done);
        signal?.addEventListener("abort", done);
      });
    }
  }

  private keepOrder(id: string, order: Order): Promise<string> {
    return this.platform.store.put(orderKey(id), JSON.stringify(order));
  }

  private stop(id: string, by: string, firm: boolean): void {
    const running = this.running.get(id);
    running?.gentle.abort(new Error(`cancelled by ${by}`));
    if (firm) running?.firm.abort(new Error(`cancelled by ${by}`));
  }

  private async lookForCancellations(): Promise<void> {
    for (const id of this.running.keys()) {
      const found = await getJson<{ by: string; firm: boolean }>(
        this.platform.store,
        `console/cancellations/${id}.json`,
      ).catch(
        () => undefined, // looked at again in a moment
      );
      if (found !== undefined) this.stop(id, found.value.by, found.value.firm);
    }
  }
}

/** What could not be gone on with so often is left to somebody who looks. */
const TRIES = 5;
const NO_ORDER: Order = { by: "", at: "", ask: "protected", overrides: [], checks: true, whenHeld: "refuse" };

function makeRunning(): Running {
  const running = { gentle: new AbortController(), firm: new AbortController(), wake: new Set<() => void>() };
  setMaxListeners(0, running.gentle.signal, running.firm.signal);
  return running;
}

function orderKey(id: string): string {
  return `console/orders/${id}.json`;
}

function decisionKey(id: string, environment: string, plan: string): string {
  return `console/decisions/${id}/${environment}/${plan.slice(0, 16)}.json`;
}
