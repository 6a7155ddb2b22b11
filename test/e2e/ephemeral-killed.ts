import { once } from "node:events";
import { pipelines } from "../../pipelines/index.js";
import { programs } from "../../programs/all.js";
import { Platform, type PlatformOptions } from "../../src/driver/platform.js";

/** What ephemeral.test.ts sends: how to open the platform, and in the middle of which kind of resource to die. */
export interface KilledRequest {
  readonly options: Omit<PlatformOptions, "programs" | "pipelines" | "overlay">;
  readonly config: Readonly<Record<string, unknown>>;
  readonly name: string;
  readonly type: string;
}

/** Run as a process of its own: raises an ephemeral environment, and kills itself while the resource is being made. */
const [{ options, config, name, type }] = (await once(process, "message")) as [KilledRequest];
const platform = await Platform.open({ ...options, programs, pipelines, overlay: () => config });
const { promotion } = await platform.raise({ name, ttl: "15m", checks: [] });
for await (const event of promotion.events)
  if (event.type === "resource" && event.phase === "up" && event.resourceType === type)
    process.kill(process.pid, "SIGKILL");
await promotion.result;
