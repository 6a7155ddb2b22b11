import { randomUUID } from "node:crypto";
import { HeadwaterError } from "../model/errors.js";
import { waitFor, type WaitOptions } from "./wait.js";
import { WorkspaceError, type WorkspaceClient } from "./workspace-client.js";

/** A run of a job. Times are milliseconds since 1970; the states are Databricks' own words. */
export interface JobRun {
  readonly runId: number;
  readonly jobId: number;
  /** `PENDING`, `QUEUED`, `RUNNING`, `TERMINATED`, `SKIPPED`, `INTERNAL_ERROR`, ... */
  readonly lifeCycleState: string;
  /** `SUCCESS`, `FAILED`, `CANCELED`, ...: only once it has ended. */
  readonly resultState?: string;
  readonly stateMessage?: string;
  /** What started it: `ONE_TIME` (by hand), `PERIODIC`, `FILE_ARRIVAL`, `RETRY`, ... */
  readonly trigger?: string;
  readonly startTime: number;
  readonly endTime?: number;
  readonly url?: string;
  readonly tasks: readonly { readonly key: string; readonly runId: number; readonly resultState?: string }[];
}

/** What a task's notebook left: its exit value, or its error. */
export interface RunOutput {
  /** The argument of `dbutils.notebook.exit`. */
  readonly result?: string;
  readonly error?: string;
  readonly errorTrace?: string;
}

const ENDED = new Set(["TERMINATED", "SKIPPED", "INTERNAL_ERROR"]);

/** Databricks jobs, API 2.2. */
export class Jobs {
  constructor(private readonly workspace: WorkspaceClient) {}

  /** Starts a run by hand. Sent again after a hiccup it is still one run: the request carries a token of its own. */
  async runNow(
    jobId: number,
    parameters: Readonly<Record<string, string>> = {},
    signal?: AbortSignal,
  ): Promise<number> {
    const answer = await this.workspace.post<{ run_id: number }>(
      "/api/2.2/jobs/run-now",
      {
        job_id: jobId,
        idempotency_token: randomUUID(),
        ...(Object.keys(parameters).length === 0 ? {} : { job_parameters: parameters }),
      },
      { signal },
    );
    return answer.run_id;
  }

  /** Whether the job exists, and whether its trigger or schedule (if it has one) waits or is paused. */
  async state(
    jobId: number,
    signal?: AbortSignal,
  ): Promise<{ exists: boolean; trigger: "active" | "paused" | "none" }> {
    try {
      const { settings } = await this.workspace.get<RawJob>("/api/2.2/jobs/get", {
        query: { job_id: jobId },
        ...(signal === undefined ? {} : { signal }),
      });
      const starts = settings?.trigger ?? settings?.schedule ?? settings?.continuous;
      if (starts === undefined) return { exists: true, trigger: "none" };
      return { exists: true, trigger: starts.pause_status === "PAUSED" ? "paused" : "active" };
    } catch (error) {
      if (
        error instanceof WorkspaceError &&
        [400, 404].includes(error.status) &&
        /does not exist/i.test(error.message)
      )
        return { exists: false, trigger: "none" };
      throw error;
    }
  }

  /** The job's runs, newest first. */
  async runs(
    jobId: number,
    options: { readonly limit?: number; readonly signal?: AbortSignal } = {},
  ): Promise<JobRun[]> {
    const { limit = 100, signal } = options;
    const runs: JobRun[] = [];
    let token: string | undefined;
    do {
      const page = await this.workspace.get<{
        runs?: RawRun[];
        has_more?: boolean;
        next_page_token?: string;
      }>("/api/2.2/jobs/runs/list", {
        query: { job_id: jobId, limit: Math.min(limit, 25), expand_tasks: true, page_token: token },
        signal,
      });
      runs.push(...(page.runs ?? []).map(toRun));
      token = page.next_page_token === "" ? undefined : page.next_page_token;
    } while (token !== undefined && runs.length < limit);
    return runs.sort((a, b) => b.startTime - a.startTime || b.runId - a.runId).slice(0, limit);
  }

  async run(runId: number, signal?: AbortSignal): Promise<JobRun> {
    return toRun(
      await this.workspace.get<RawRun>("/api/2.2/jobs/runs/get", { query: { run_id: runId }, signal }),
    );
  }

  /**
   * Waits until the run has ended well.
   * @throws HeadwaterError `operations/run-failed` with the notebook's own error, `operations/timeout`,
   * `operations/cancelled` (the run itself goes on).
   */
  async awaitRun(runId: number, options: WaitOptions): Promise<JobRun> {
    const run = await waitFor(`run ${runId} of the job`, options, async () => {
      const seen = await this.run(runId, options.signal);
      return hasEnded(seen) ? { done: true, value: seen } : { done: false, seen: seen.lifeCycleState };
    });
    if (!hasSucceeded(run)) throw await this.failure(run, options.signal);
    return run;
  }

  /** What the run's tasks left, by task key; a run of one task without tasks listed answers under "". */
  async outputs(run: JobRun, signal?: AbortSignal): Promise<Map<string, RunOutput>> {
    const tasks = run.tasks.length === 0 ? [{ key: "", runId: run.runId }] : run.tasks;
    const outputs = await Promise.all(
      tasks.map(async ({ key, runId }) => [key, await this.output(runId, signal)] as const),
    );
    return new Map(outputs);
  }

  async cancel(runId: number): Promise<void> {
    await this.workspace.post("/api/2.2/jobs/runs/cancel", { run_id: runId });
  }

  /** The error that tells why a run ended badly, in the notebook's own words where it has any. */
  async failure(run: JobRun, signal?: AbortSignal): Promise<HeadwaterError> {
    const outputs = await this.outputs(run, signal);
    const errors = [...outputs].flatMap(([key, { error }]) =>
      error === undefined ? [] : [key === "" ? error : `${key}: ${error}`],
    );
    const ended = run.resultState ?? run.lifeCycleState;
    return new HeadwaterError(
      "operations/run-failed",
      `run ${run.runId} of job ${run.jobId} ended as ${ended}`,
      {
        where: run.url ?? `run ${run.runId}`,
        found: errors.length > 0 ? errors.join("; ") : (run.stateMessage ?? ended),
        remedy:
          "Mend the cause the notebook names; files it did not get to stay in the landing zone and are taken by the next run.",
      },
    );
  }

  private async output(runId: number, signal?: AbortSignal): Promise<RunOutput> {
    try {
      const raw = await this.workspace.get<RawOutput>("/api/2.2/jobs/runs/get-output", {
        query: { run_id: runId },
        signal,
      });
      return {
        ...(raw.notebook_output?.result === undefined || raw.notebook_output.result === null
          ? {}
          : { result: raw.notebook_output.result }),
        ...(raw.error === undefined || raw.error === null || raw.error === "" ? {} : { error: raw.error }),
        ...(raw.error_trace === undefined || raw.error_trace === null ? {} : { errorTrace: raw.error_trace }),
      };
    } catch (error) {
      // A task that never started (skipped, upstream failed) has no output: Databricks answers 400 or 404.
      if (error instanceof WorkspaceError && (error.status === 400 || error.status === 404)) return {};
      throw error;
    }
  }
}

export function hasEnded(run: JobRun): boolean {
  return ENDED.has(run.lifeCycleState);
}

export function hasSucceeded(run: JobRun): boolean {
  return run.lifeCycleState === "TERMINATED" && run.resultState === "SUCCESS";
}

interface RawState {
  life_cycle_state?: string;
  result_state?: string | null;
  state_message?: string | null;
}

interface RawRun {
  run_id: number;
  job_id?: number | null;
  state?: RawState;
  trigger?: string | null;
  start_time?: number | null;
  end_time?: number | null;
  run_page_url?: string | null;
  tasks?: { task_key: string; run_id?: number | null; state?: RawState | null }[] | null;
}

interface RawOutput {
  notebook_output?: { result?: string | null };
  error?: string | null;
  error_trace?: string | null;
}

function toRun(raw: RawRun): JobRun {
  return {
    runId: raw.run_id,
    jobId: raw.job_id ?? 0,
    lifeCycleState: raw.state?.life_cycle_state ?? "PENDING",
    ...optional("resultState", raw.state?.result_state),
    ...optional("stateMessage", raw.state?.state_message),
    ...optional("trigger", raw.trigger),
    startTime: raw.start_time ?? 0,
    // Databricks answers 0 while the run goes on.
    ...(raw.end_time ? { endTime: raw.end_time } : {}),
    ...optional("url", raw.run_page_url),
    tasks: (raw.tasks ?? []).flatMap(({ task_key: key, run_id: runId, state }) =>
      runId === undefined || runId === null
        ? []
        : [{ key, runId, ...optional("resultState", state?.result_state) }],
    ),
  };
}

function optional<K extends string>(key: K, value: string | null | undefined): { [P in K]?: string } {
  return (value === undefined || value === null || value === "" ? {} : { [key]: value }) as {
    [P in K]?: string;
  };
}

interface RawJob {
  settings?: {
    trigger?: { pause_status?: string };
    schedule?: { pause_status?: string };
    continuous?: { pause_status?: string };
  };
}
