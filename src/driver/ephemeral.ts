import { HeadwaterError } from "../model/errors.js";
import { stackName } from "../model/naming.js";
import type { Pipeline } from "../model/pipeline.js";
import type { Program } from "../settings/program.js";
import { whoami } from "./whoami.js";
import { stackOf, type Known, type LoadedStack } from "./stack-settings.js";
import { getJson, StoreConflict, type Store } from "./store/store.js";

/** What the store holds of an ephemeral environment: all that is needed to destroy it from any machine. */
export interface EphemeralRecord {
  readonly name: string;
  readonly pipeline: string;
  readonly program: string;
  /** The environment it is modelled on. */
  readonly from: string;
  readonly by: string;
  /** ISO times. */
  readonly created: string;
  readonly expires: string;
  /** The configuration the engine is given. */
  readonly config: Readonly<Record<string, unknown>>;
}

/** What an ephemeral environment is made of. */
export interface EphemeralOptions {
  /** `pr-12`: part of the names of everything it makes. */
  readonly name: string;
  /** How long it may live: milliseconds, or `90m`, `2h`, `1d`. After that `reap` destroys it. */
  readonly ttl: number | string;
  /** The environment whose settings it starts from. Default: the first one on the path, else `dev`. */
  readonly from?: string;
  /** The pipeline; may be left out where there is only one. */
  readonly pipeline?: string;
}

const UNITS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
/** What is to stay longer is no ephemeral environment. */
const TTL_MAX = 365 * UNITS.d;

/** Milliseconds of a time as people write it (`90m`, `2h`, `1d`), or given as such; undefined for anything else. */
export function parseTime(time: number | string): number | undefined {
  if (typeof time === "number") return Number.isFinite(time) ? time : undefined;
  const [, count, unit] = /^(\d+(?:\.\d+)?)\s*([smhd])$/.exec(time) ?? [];
  return count === undefined ? undefined : Number(count) * UNITS[unit as keyof typeof UNITS];
}

/** Milliseconds of a time to live. */
export function parseTtl(ttl: number | string): number {
  const ms = parseTime(ttl) ?? 0;
  if (ms > 0 && ms <= TTL_MAX) return ms;
  throw new HeadwaterError("settings/ttl", "not a time to live", {
    field: "ttl",
    found: ttl,
    allowed: "milliseconds above 0, or a number with s, m, h or d: 90m, 2h, 1d; at most 365d",
    remedy: "Say how long it may live before `reap` destroys it.",
  });
}

/** The ephemeral environments that a store knows of. */
export class Ephemerals {
  constructor(private readonly store: Store) {}

  /**
   * Writes it down before anything is made, so that whatever happens later it can be found.
   * @param base the environment it is modelled on.
   * @param by on whose behalf.
   * @throws HeadwaterError `driver/ephemeral-exists`, `driver/no-ephemeral` where the program has no such environments.
   */
  async add(base: LoadedStack, { name, ttl }: EphemeralOptions, by = whoami()): Promise<EphemeralRecord> {
    const { program, pipeline, settings, document, file, environment: from } = base;
    const stack = stackName(pipeline.name, name);
    if (program.ephemeral === undefined) {
      throw new HeadwaterError("driver/no-ephemeral", "the program has no ephemeral environments", {
        where: file,
        field: "headwater:program",
        found: program.name,
        remedy: "Give the program a function `ephemeral`, which makes names and sizes of its own.",
      });
    }
    const secure = Object.entries(document.config).find(([, value]) => isEncrypted(value));
    if (secure !== undefined) {
      throw new HeadwaterError(
        "driver/encrypted-config",
        "an encrypted value cannot be carried over to another stack",
        {
          where: file,
          field: secure[0],
          found: "an encrypted value (not shown)",
          remedy: "Give it by an environment variable of the provider, or by the ARN of a secret.",
        },
      );
    }
    const lifetime = parseTtl(ttl);
    const now = Date.now();
    const record: EphemeralRecord = {
      ...{ name, pipeline: pipeline.name, program: program.name, from, by },
      created: new Date(now).toISOString(),
      expires: new Date(now + lifetime).toISOString(),
      config: { ...document.config, "headwater:settings": program.ephemeral(settings, { name }) },
    };
    // Settings nobody could build are refused before they are written down.
    loadEphemeral(record, { programs: [program], pipelines: [pipeline] });
    try {
      await this.store.put(keyOf(stack), JSON.stringify(record), "absent");
    } catch (error) {
      if (!(error instanceof StoreConflict)) throw error;
      const there = (await this.find(stack)) ?? record;
      throw new HeadwaterError("driver/ephemeral-exists", "there is an ephemeral environment of that name", {
        where: this.store.locate(keyOf(stack)),
        field: "name",
        found: `${name}, by ${there.by} until ${there.expires}`,
        remedy: `Take another name, or destroy it: headwater ephemeral destroy --name ${name}`,
      });
    }
    return record;
  }

  async find(stack: string): Promise<EphemeralRecord | undefined> {
    return (await getJson<EphemeralRecord>(this.store, keyOf(stack)))?.value;
  }

  /** All there are, those that expire first in front. */
  async all(): Promise<EphemeralRecord[]> {
    const keys = await this.store.list("ephemeral/");
    const all = await Promise.all(
      keys.map(async (key) => (await getJson<EphemeralRecord>(this.store, key))?.value),
    );
    return all
      .filter((record): record is EphemeralRecord => record !== undefined)
      .sort((a, b) => (a.expires < b.expires ? -1 : 1));
  }

  /** Lets one live for a while from now. */
  async extend(stack: string, ttl: number | string): Promise<EphemeralRecord> {
    const lifetime = parseTtl(ttl);
    for (;;) {
      const found = await getJson<EphemeralRecord>(this.store, keyOf(stack));
      if (found === undefined) throw this.unknown(stack);
      const record = { ...found.value, expires: new Date(Date.now() + lifetime).toISOString() };
      try {
        await this.store.put(keyOf(stack), JSON.stringify(record), { version: found.version });
        return record;
      } catch (error) {
        if (!(error instanceof StoreConflict)) throw error; // else extended by another, or gone: see again
      }
    }
  }

  forget(stack: string): Promise<void> {
    return this.store.remove(keyOf(stack));
  }

  unknown(stack: string): HeadwaterError {
    return new HeadwaterError("driver/no-such-ephemeral", "there is no such ephemeral environment", {
      where: this.store.locate(keyOf(stack)),
      remedy: "`headwater ephemeral list` shows what there is.",
    });
  }
}

/** What an ephemeral environment is built with, as a stack's file would say it. */
export function loadEphemeral(record: EphemeralRecord, known: Known): LoadedStack {
  const { name, config } = record;
  return stackOf(`ephemeral environment ${name}`, name, record, { config }, known);
}

/**
 * What it takes to destroy one: the configuration it was built with. Programs and pipelines may have changed since, or be
 * unknown to whoever reaps; nothing of them is run.
 */
export function bareEphemeral(record: EphemeralRecord): LoadedStack {
  const { name, config, pipeline, program } = record;
  const unknown = {
    safeParse: (data: unknown) => ({ success: true, data }),
  } as unknown as Program["settings"];
  return {
    stack: stackName(pipeline, name),
    environment: name,
    file: `ephemeral environment ${name}`,
    program: { name: program, settings: unknown, run: async () => ({}) },
    pipeline: { name: pipeline } as Pipeline,
    settings: config["headwater:settings"],
    document: { config },
  };
}

function isEncrypted(value: unknown): boolean {
  return typeof value === "object" && value !== null && "secure" in value;
}

function keyOf(stack: string): string {
  return `ephemeral/${stack}.json`;
}
