import { lakehouseOutputs, type LakehouseOutputs } from "../driver/checks/outputs.js";
import type { EnvironmentClients } from "../driver/clients.js";
import type { Environment, EnvironmentStatus } from "../driver/environment.js";
import type { Platform } from "../driver/platform.js";
import { HeadwaterError } from "../model/errors.js";
import { HISTORY_COLUMN_NAMES, type Pipeline, type PipelineTable } from "../model/pipeline.js";
import { hasEnded, type JobRun } from "../operations/jobs.js";
import { listFiles, parseS3Url, type LandedFile } from "../operations/landing.js";
import {
  findWarehouse,
  quoteName,
  Statements,
  type StatementParameters,
  type StatementResult,
} from "../operations/statements.js";
import { Cached, Turns } from "./cached.js";
import { notFound } from "./problems.js";
import type * as schemas from "./schemas.js";

/** Milliseconds a statement may take. */
const STATEMENT_MS = 120_000;
/** Milliseconds that an answer is good for: however many people look, an environment is asked so often. */
const LIVE_MS = 5_000;
const SLOW_MS = 20_000;
const STATUS_MS = 10_000;
/** Runs looked back to for what each table's last ones brought. */
const RUNS = 200;

/** A deployed pipeline: what it takes to ask about it. */
interface Place {
  readonly pipeline: Pipeline;
  readonly outputs: LakehouseOutputs & { readonly exportName?: unknown };
  readonly clients: EnvironmentClients;
  readonly stack: string;
  readonly exports: boolean;
}

/** What is asked of the clouds about a deployed `cdc-lakehouse`. Only reads. */
export class Lakehouse {
  private readonly turns = new Turns(4);

  constructor(
    private readonly platform: Platform,
    private readonly cached: Cached,
    private readonly promiseMs: number,
    private readonly engineTurns: Turns,
  ) {}

  /** From source to history table. What one service does not tell is named in `problems`; the others are told all the same. */
  state(pipeline: string, environment: string): Promise<schemas.PipelineState> {
    return this.cached.get(`state ${pipeline}-${environment}`, LIVE_MS, async () => {
      const place = await this.place(pipeline, environment);
      const { outputs, clients } = place;
      const problems: string[] = [];
      const ask = async <T>(what: string, body: () => Promise<T>, otherwise: T): Promise<T> => {
        try {
          return await this.turns.run(body);
        } catch (error) {
          problems.push(this.problemOf(what, error));
          return otherwise;
        }
      };
      const { replicationConfigArn: arn, jobId } = outputs;
      const [replication, counts, files, job, runs, tables] = await Promise.all([
        ask("replication", () => clients.replications.describe(arn), undefined),
        ask("table statistics", () => clients.replications.tables(arn), []),
        ask("landing zone", () => listFiles(clients.s3, parseS3Url(outputs.incomingUrl)), []),
        ask("job", () => clients.jobs.state(jobId), { exists: false, trigger: "none" as const }),
        ask("runs of the job", () => clients.jobs.runs(jobId, { limit: 25 }), []),
        ask("run table", () => this.tableRows(place), new Map<string, TableRow>()),
      ]);
      const now = Date.now();
      const oldest = oldestOf(files);
      const [last] = runs;
      return {
        at: new Date(now).toISOString(),
        pipeline,
        environment,
        engine: place.pipeline.engine,
        promiseSeconds: this.promiseMs / 1000,
        ...(replication === undefined
          ? {}
          : {
              replication: {
                status: replication.status,
                failures: this.platform.shown([...replication.failureMessages]),
              },
            }),
        landing: {
          url: outputs.incomingUrl,
          waitingFiles: files.length,
          ...(oldest === undefined ? {} : { oldest }),
        },
        job: {
          id: jobId,
          trigger: job.exists ? job.trigger : "missing",
          active: runs.filter((run) => !hasEnded(run)).length,
          ...(last === undefined
            ? {}
            : { last: { run: last.runId, state: stateOf(last), at: isoTime(last.startTime) } }),
        },
        lakehouse: `${outputs.catalog}.${outputs.schema}`,
        exports: place.exports,
        tables: place.pipeline.tables.map((table) => {
          const counted = counts.find(
            (each) => each.schema === table.source.schema && each.table === table.source.table,
          );
          return this.tableState(table, {
            counted,
            files: files.filter(({ key }) => key.includes(`/${table.source.schema}/${table.source.table}/`)),
            row: tables.get(table.name),
            now,
          });
        }),
        problems,
      };
    });
  }

  private tableState(
    table: PipelineTable,
    {
      counted,
      files,
      row,
      now,
    }: {
      readonly counted: Awaited<ReturnType<EnvironmentClients["replications"]["tables"]>>[number] | undefined;
      readonly files: readonly LandedFile[];
      readonly row: TableRow | undefined;
      readonly now: number;
    },
  ): schemas.TableState {
    const oldest = oldestOf(files);
    const waits = oldest !== undefined && now - Date.parse(oldest) > this.promiseMs;
    const behind = row?.lagSeconds !== undefined && row.lagSeconds * 1000 > this.promiseMs;
    const failing = row?.lastRun?.outcome === "failed";
    return {
      ...definitionOf(table),
      ...(counted === undefined
        ? {}
        : {
            replication: {
              state: counted.state,
              loadedRows: counted.loadedRows,
              inserts: counted.inserts,
              updates: counted.updates,
              deletes: counted.deletes,
              ...(counted.updated === undefined ? {} : { updated: counted.updated.toISOString() }),
            },
          }),
      waitingFiles: files.length,
      ...(oldest === undefined ? {} : { oldestWaiting: oldest }),
      ...(row ?? { events: 0, late: 0, quarantined: 0, unfolded: 0 }),
      state: failing ? "failing" : waits || behind ? "late" : row === undefined ? "empty" : "fresh",
    };
  }

  /** The run table, by table. */
  private tableRows(place: Place): Promise<Map<string, TableRow>> {
    return this.cached.get(`runs ${place.stack}`, LIVE_MS, async () => {
      const { rows } = await this.query(
        place,
        `SELECT \`table\`, sum(loads + inserts + updates + deletes), sum(late), sum(quarantined),
           max_by(coalesce(tail_events, 0) + coalesce(late_events, 0), recorded_at),
           max_by(run_id, recorded_at), unix_millis(max(recorded_at)), max_by(outcome, recorded_at),
           max_by(error, recorded_at), max_by(way, recorded_at),
           unix_millis(max(newest_commit)), max_by(lag_seconds, recorded_at) FILTER (WHERE lag_seconds IS NOT NULL),
           unix_millis(max(recorded_at) FILTER (WHERE error IS NOT NULL)),
           max_by(error, recorded_at) FILTER (WHERE error IS NOT NULL)
         FROM ${this.nameOf(place, "headwater_runs")} WHERE outcome <> 'underway' GROUP BY \`table\``,
      );
      return new Map(
        rows.map((row) => {
          const [
            table,
            events,
            late,
            quarantined,
            unfolded,
            run,
            at,
            outcome,
            error,
            way,
            newest,
            lag,
            failedAt,
            failed,
          ] = row;
          const told: TableRow = {
            events: Number(events ?? 0),
            late: Number(late ?? 0),
            quarantined: Number(quarantined ?? 0),
            unfolded: Number(unfolded ?? 0),
            lastRun: {
              run: run ?? "",
              at: isoTime(Number(at)),
              outcome: outcome ?? "",
              ...text("error", error && this.platform.shown(error)),
              ...text("way", way),
            },
            ...(newest == null ? {} : { newestCommit: isoTime(Number(newest)) }),
            ...(lag == null ? {} : { lagSeconds: Math.max(0, Number(lag)) }),
            ...(failed == null
              ? {}
              : { lastError: { at: isoTime(Number(failedAt)), message: this.platform.shown(failed) } }),
          };
          return [table ?? "", told];
        }),
      );
    });
  }

  /** How many rows and versions a table has, when its versions began, and what its runs brought. */
  history(pipeline: string, environment: string, name: string): Promise<schemas.TableHistory> {
    return this.cached.get(`history ${pipeline}-${environment} ${name}`, SLOW_MS, async () => {
      const place = await this.place(pipeline, environment);
      const table = tableOf(place, name);
      const columns = historyColumns(place, table);
      const [counts, runs] = await Promise.all([
        this.counts(place, table, columns),
        this.runsOf(place, name),
      ]);
      return { table: name, keys: [...table.keys], ...columns, ...counts, runs };
    });
  }

  private async counts(
    place: Place,
    { name }: PipelineTable,
    columns: { startColumn?: string; endColumn?: string },
  ): Promise<Pick<schemas.TableHistory, "current" | "versions" | "bucketSeconds" | "began">> {
    const { startColumn, endColumn } = columns;
    if (startColumn === undefined || endColumn === undefined) {
      const { rows } = await this.query(place, `SELECT count(*) FROM ${this.nameOf(place, name)}`);
      return { current: Number(rows[0]?.[0] ?? 0), began: [] };
    }
    const [start, end, from] = [quoteName(startColumn), quoteName(endColumn), this.nameOf(place, name)];
    const { rows } = await this.query(
      place,
      `WITH h AS (SELECT unix_millis(${start}) AS t, ${end} IS NULL AS open FROM ${from}),
         b AS (SELECT greatest(1000, ceil((max(t) - min(t)) / ${BUCKETS}.0 / 1000) * 1000) AS width FROM h)
       SELECT CAST(floor(t / width) * width AS BIGINT) AS at, CAST(max(width) AS BIGINT), count(*), count_if(open)
       FROM h CROSS JOIN b GROUP BY 1 ORDER BY 1`,
    );
    const began = rows.map(([at, , versions, current]) => ({
      at: isoTime(Number(at ?? 0)),
      versions: Number(versions),
      current: Number(current),
    }));
    return {
      current: began.reduce((sum, each) => sum + each.current, 0),
      versions: began.reduce((sum, each) => sum + each.versions, 0),
      ...(rows[0] === undefined ? {} : { bucketSeconds: Number(rows[0][1]) / 1000 }),
      began,
    };
  }

  private async runsOf(place: Place, name: string): Promise<schemas.TableHistory["runs"]> {
    const { rows } = await this.query(
      place,
      `SELECT run_id, unix_millis(recorded_at), outcome, loads + inserts + updates + deletes, lag_seconds, way, error
       FROM ${this.nameOf(place, "headwater_runs")} WHERE \`table\` = :table AND outcome <> 'underway'
       ORDER BY recorded_at DESC LIMIT ${RUNS}`,
      { table: name },
    );
    return rows.map(([run, at, outcome, events, lag, way, error]) => ({
      run: run ?? "",
      at: isoTime(Number(at)),
      outcome: outcome ?? "",
      events: Number(events ?? 0),
      ...(lag == null ? {} : { lagSeconds: Number(lag) }),
      ...text("way", way),
      ...text("error", error && this.platform.shown(error)),
    }));
  }

  /** Rows of a table as it is now, or as it was at a moment. */
  async rows(
    pipeline: string,
    environment: string,
    name: string,
    { asOf, limit }: { readonly asOf?: string | undefined; readonly limit: number },
  ): Promise<schemas.Rows> {
    const place = await this.place(pipeline, environment);
    const table = tableOf(place, name);
    const order = table.keys.map((name) => quoteName(name)).join(", ");
    const most = `ORDER BY ${order} LIMIT ${limit + 1}`;
    if (asOf === undefined) {
      const from = this.nameOf(place, `${name}_current`);
      return page(await this.query(place, `SELECT * FROM ${from} ${most}`), limit);
    }
    const { startColumn, endColumn } = historyColumns(place, table);
    if (startColumn === undefined || endColumn === undefined) throw withoutHistory(name);
    const [start, end] = [quoteName(startColumn), quoteName(endColumn)];
    const text =
      `SELECT * FROM ${this.nameOf(place, name)} WHERE ${start} <= CAST(:moment AS TIMESTAMP)` +
      ` AND (${end} IS NULL OR CAST(:moment AS TIMESTAMP) < ${end}) ${most}`;
    return page(await this.query(place, text, { moment: asOf }), limit);
  }

  /** All versions of one row, from the first to the last. */
  async life(pipeline: string, environment: string, name: string, key: string): Promise<schemas.Rows> {
    const place = await this.place(pipeline, environment);
    const table = tableOf(place, name);
    const values = keyValues(table, key);
    const { startColumn } = historyColumns(place, table);
    const types = await this.typesOf(place, table);
    const where = table.keys.map((column, index) => {
      const type = types.get(column.toLowerCase());
      // A value that is none of the column's type is no key that there is.
      const value = type === undefined ? `:k${index}` : `try_cast(:k${index} AS ${type})`;
      return `${type === undefined ? `CAST(${quoteName(column)} AS STRING)` : quoteName(column)} <=> ${value}`;
    });
    const given = Object.fromEntries(values.map((value, index) => [`k${index}`, value]));
    const order = startColumn === undefined ? "" : ` ORDER BY ${quoteName(startColumn)}`;
    const text = `SELECT * FROM ${this.nameOf(place, name)} WHERE ${where.join(" AND ")}${order} LIMIT ${LIVES + 1}`;
    return page(await this.query(place, text, given), LIVES);
  }

  /** Spark's types of a table's keys, as far as they are plain ones. */
  private typesOf(place: Place, { name, keys }: PipelineTable): Promise<Map<string, string>> {
    return this.cached.get(`types ${place.stack} ${name}`, 300_000, async () => {
      const text = `SELECT ${keys.map((name) => quoteName(name)).join(", ")} FROM ${this.nameOf(place, name)} LIMIT 0`;
      const { columns } = await this.query(place, text);
      return new Map(
        columns
          .filter(({ type }) => /^[A-Z_]+(\(\d+(, ?\d+)?\))?$/i.test(type))
          .map((column) => [column.name.toLowerCase(), column.type]),
      );
    });
  }

  /** Runs of the ingestion job, newest first. */
  runs(pipeline: string, environment: string, limit: number): Promise<schemas.RunSummary[]> {
    return this.cached.get(`jobs ${pipeline}-${environment} ${limit}`, LIVE_MS, async () => {
      const { clients, outputs } = await this.place(pipeline, environment);
      return (await this.turns.run(() => clients.jobs.runs(outputs.jobId, { limit }))).map((run) =>
        this.runSummary(run),
      );
    });
  }

  /** One run: what its notebooks said, and its lines of the run table. */
  run(pipeline: string, environment: string, id: number): Promise<schemas.RunDetail> {
    return this.cached.get(`job ${pipeline}-${environment} ${id}`, LIVE_MS, async () => {
      const place = await this.place(pipeline, environment);
      const { clients, outputs } = place;
      const runs = await clients.jobs.runs(outputs.jobId, { limit: 500 });
      const run = runs.find(({ runId }) => runId === id);
      // Runs of other jobs are none of this environment's.
      if (run === undefined) throw notFound("run of the job", String(id));
      const left = await clients.jobs.outputs(run);
      const states = new Map(run.tasks.map(({ key, resultState }) => [key, resultState]));
      const shown = (value: string | undefined) =>
        value === undefined ? undefined : this.platform.shown(value);
      let [tables, problem]: [schemas.RunDetail["tables"], string | undefined] = [[], undefined];
      try {
        tables = await this.tablesOfRun(place, run);
      } catch (error) {
        problem = this.problemOf("run table", error); // what its notebooks said is told all the same
      }
      return {
        ...this.runSummary(run),
        ...text("url", run.url),
        tasks: [...left].map(([key, { result, error, errorTrace }]) => ({
          key,
          ...text("state", states.get(key)),
          ...text("output", shown(result)),
          ...text("error", shown(error)),
          ...text("trace", shown(errorTrace)),
        })),
        tables,
        ...text("problem", problem),
      };
    });
  }

  /** What is shown of a service that could not be asked. */
  private problemOf(what: string, error: unknown): string {
    const why = error instanceof HeadwaterError ? error.message : (error as Error).name;
    return this.platform.shown(`${what}: ${why}`);
  }

  private runSummary(run: JobRun): schemas.RunSummary {
    return {
      run: run.runId,
      state: stateOf(run),
      ...text("trigger", run.trigger),
      start: isoTime(run.startTime),
      ...(run.endTime === undefined ? {} : { end: isoTime(run.endTime) }),
      ...text("message", run.stateMessage && this.platform.shown(run.stateMessage)),
    };
  }

  private async tablesOfRun(place: Place, run: JobRun): Promise<schemas.RunDetail["tables"]> {
    // The notebooks name a run by an id of their own, which a failed one does not tell. One run goes at a time: its rows are
    // those recorded while it ran.
    const { rows } = await this.query(
      place,
      `SELECT \`table\`, outcome, error, files, loads + inserts + updates + deletes, seconds, way, reason
       FROM ${this.nameOf(place, "headwater_runs")}
       WHERE outcome <> 'underway' AND recorded_at BETWEEN timestamp_millis(:start) AND timestamp_millis(:end)
       ORDER BY recorded_at LIMIT 1000`,
      { start: run.startTime, end: run.endTime ?? Date.now() },
    );
    return rows.map(([table, outcome, error, files, events, seconds, way, reason]) => ({
      table: table ?? "",
      outcome: outcome ?? "",
      ...text("error", error && this.platform.shown(error)),
      files: Number(files ?? 0),
      events: Number(events ?? 0),
      ...(seconds == null ? {} : { seconds: Number(seconds) }),
      ...text("way", way),
      ...text("reason", reason),
    }));
  }

  private async query(
    place: Place,
    text: string,
    parameters: StatementParameters = {},
  ): Promise<StatementResult> {
    const { workspace } = place.clients;
    const warehouse = await this.cached.get(`warehouse ${place.stack}`, 300_000, () =>
      findWarehouse(workspace),
    );
    return this.turns.run(() =>
      new Statements(workspace, warehouse).execute(text, parameters, {
        timeoutMs: STATEMENT_MS,
        intervalMs: 100,
        maxIntervalMs: 1000,
      }),
    );
  }

  private nameOf({ outputs }: Place, name: string): string {
    return quoteName(outputs.catalog, outputs.schema, name);
  }

  private place(pipeline: string, environment: string): Promise<Place> {
    return this.cached.get(`place ${pipeline}-${environment}`, SLOW_MS, async () => {
      const found = await this.platform.findEnvironment(environment, pipeline);
      const [{ pipeline: definition, settings }, { outputs }, clients] = await Promise.all([
        found.settings(),
        statusOf(found, this.cached, this.engineTurns),
        found.clients(),
      ]);
      return {
        pipeline: definition,
        outputs: lakehouseOutputs(found.stackName, outputs),
        clients,
        stack: found.stackName,
        exports: (settings as { export?: unknown } | undefined)?.export !== undefined,
      };
    });
  }
}

/** What the engine says of a stack; asked once for all who look, a few stacks at a time. */
export function statusOf(environment: Environment, cached: Cached, turns: Turns): Promise<EnvironmentStatus> {
  return cached.get(`status ${environment.stackName}`, STATUS_MS, () =>
    turns.run(() => environment.status()),
  );
}

type TableRow = Pick<
  schemas.TableState,
  "events" | "late" | "quarantined" | "unfolded" | "lastRun" | "newestCommit" | "lagSeconds" | "lastError"
>;

const BUCKETS = 60;
/** Versions of a row that are shown. */
const LIVES = 500;

export function definitionOf({ name, source, keys, rule }: PipelineTable) {
  return { name, source: `${source.schema}.${source.table}`, keys: [...keys], scdType: rule.scdType };
}

function tableOf({ pipeline }: Place, name: string): PipelineTable {
  const found = pipeline.tables.find((table) => table.name === name);
  if (found === undefined) throw notFound("table of the pipeline", name);
  return found;
}

function historyColumns(
  { pipeline }: Place,
  { rule }: PipelineTable,
): { startColumn?: string; endColumn?: string } {
  if (rule.scdType === 1) return {};
  const { start: startColumn, end: endColumn } = HISTORY_COLUMN_NAMES[pipeline.historyColumns];
  return { startColumn, endColumn };
}

/** The values of a key, in the order of its columns. @throws HeadwaterError `console/bad-key`. */
function keyValues({ keys }: PipelineTable, key: string): (string | null)[] {
  let given: unknown;
  try {
    given = JSON.parse(key);
  } catch {
    given = undefined;
  }
  const named =
    typeof given === "object" && given !== null && !Array.isArray(given)
      ? (given as Record<string, unknown>)
      : {};
  const values = keys.map((column) => (Object.hasOwn(named, column) ? named[column] : undefined));
  if (Object.keys(named).length === keys.length && values.every(isPlain))
    return values.map((value) => (value === null ? null : String(value)));
  throw new HeadwaterError("console/bad-key", "not a key of the table", {
    field: "key",
    found: key.slice(0, 200),
    allowed: `a JSON object of ${keys.join(", ")}, each a text, a number or null`,
  });
}

function isPlain(value: unknown): value is string | number | boolean | null {
  return value === null || ["string", "number", "boolean"].includes(typeof value);
}

function withoutHistory(name: string): HeadwaterError {
  return new HeadwaterError("console/no-history", "the table keeps no history", {
    where: `table ${name}`,
    found: "SCD type 1",
    allowed: "a table of SCD type 2",
  });
}

function page({ columns, rows }: StatementResult, limit: number): schemas.Rows {
  return {
    columns: columns.map(({ name, type }) => ({ name, type })),
    rows: rows.slice(0, limit).map((row) => [...row]),
    truncated: rows.length > limit,
  };
}

function oldestOf(files: readonly LandedFile[]): string | undefined {
  const oldest = Math.min(...files.map(({ modified }) => modified.getTime()));
  return Number.isFinite(oldest) ? isoTime(oldest) : undefined;
}

function stateOf({ lifeCycleState, resultState }: JobRun): string {
  return resultState ?? lifeCycleState;
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

function text<K extends string>(key: K, value: string | null | undefined): { [P in K]?: string } {
  return (value === undefined || value === null || value === "" ? {} : { [key]: value }) as {
    [P in K]?: string;
  };
}
