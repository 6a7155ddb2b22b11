import { fork } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { packageRoot } from "../src/engine/paths.js";
import { openBrowser, openPage } from "../test/integration/console/browser.js";
import { makeWorld, Server } from "../test/integration/console/support.js";

/*
 * `npm run bench:console`: the page's weight, the time to its first view, how long an event takes from the engine to 200 open streams,
 * and whether lists of 1,000 scroll without a stall. Goals stand beside the figures; absolute times are this machine's.
 */

const STREAMS = 200;
const LONG_LIST = 1000;

if (process.argv[2] === "readers") await readers();
else await main();

async function main(): Promise<void> {
  await weight();
  const world = await makeWorld({ requestsPerMinute: 1_000_000 });
  const browser = await openBrowser();
  try {
    await firstView(browser, world.server);
    await latency(world.server);
    for (let index = 0; index < LONG_LIST - 3; index += 1)
      await writeFile(
        world.scene.settingsFile(`e-${index}`),
        "config:\n  headwater:program: things\n  headwater:pipeline: shop\n  headwater:settings: {}\n",
      );
    await lists(browser, world.server);
  } finally {
    await browser.close();
    await world.remove();
  }
}

async function weight(): Promise<void> {
  const built = path.join(packageRoot(), "dist", "src", "console", "page");
  const document = await readFile(path.join(built, "index.html"), "utf8");
  const assets = path.join(built, "assets");
  const files = (await readdir(assets)).filter((name) => name.endsWith(".br"));
  const sizes = await Promise.all(
    files.map(async (name) => [name, (await stat(path.join(assets, name))).size] as const),
  );
  const first = sizes.filter(([name]) => document.includes(name.replace(/\.br$/, "")));
  const kilobytes = (all: readonly (readonly [string, number])[]): string =>
    (all.reduce((sum, [, size]) => sum + size, 0) / 1000).toFixed(1);
  report("page weight, compressed, first view", `${kilobytes(first)} kB`, "200 kB");
  report("page weight, compressed, all views", `${kilobytes(sizes)} kB`, "200 kB");
}

async function firstView(browser: Browser, server: Server): Promise<void> {
  const times: number[] = [];
  for (let run = 0; run < 7; run += 1) {
    // A context of its own each time: nothing is in a cache.
    const { page } = await openPage(browser, server, "vic");
    const shown = await page.evaluate<number>(
      "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? performance.now()",
    );
    times.push(shown);
    await page.context().close();
  }
  report("time to the first view, cold cache, median of 7", `${quantile(times, 0.5).toFixed(0)} ms`);
}

/** Milliseconds from the moment an event has in its record, or in passing, to its arrival at each of the streams. */
async function latency(server: Server): Promise<void> {
  const script = fileURLToPath(import.meta.url);
  const { body } = await server.ask("ann", "POST", "/promotions", {
    through: ["dev", "staging"],
    ask: "always",
  });
  const id = body.id as string;
  // The readers are another process: they must not take the server's time.
  const child = fork(script, ["readers", server.url, server.tokenOf("vic"), id], {
    execArgv: process.execArgv,
  });
  await once(child, "message");
  for (const environment of ["dev", "staging"]) {
    const { plan } = await server.waiting("bob", id, environment);
    await server.ask("bob", "POST", `/operations/${id}/approvals/${environment}`, { approved: true, plan });
  }
  const [{ lags, streams }] = (await once(child, "message")) as [{ lags: number[]; streams: number }];
  const told = [0.5, 0.95, 0.99].map((q) => `p${q * 100} ${quantile(lags, q).toFixed(0)} ms`).join(", ");
  report(`event latency, ${streams} streams, ${lags.length} events`, told, "p95 <= 100 ms");
}

async function readers(): Promise<void> {
  const [, , , url = "", token = "", id = ""] = process.argv;
  const lags: number[] = [];
  let ready = 0;
  let measuring = false;
  const server = { url, tokenOf: () => token } as unknown as Server;
  const read = async (): Promise<void> => {
    let first = true;
    for await (const { data } of Server.prototype.events.call(server, "vic", `/operations/${id}/events`)) {
      if (first) ready += 1;
      first = false;
      if (ready === STREAMS && !measuring) {
        // What was there before is history; a moment later all that comes is new.
        setTimeout(() => {
          measuring = true;
          process.send?.({ ready });
        }, 1000);
        ready += 1;
      }
      if (measuring && typeof data["at"] === "string")
        lags.push(Math.max(0, Date.now() - Date.parse(data["at"])));
    }
  };
  await Promise.all(Array.from({ length: STREAMS }, read));
  process.send?.({ lags, streams: STREAMS });
  process.disconnect?.();
}

async function lists(browser: Browser, server: Server): Promise<void> {
  const started = performance.now();
  const { body } = await server.ask("vic", "GET", "/environments");
  report(
    `GET /environments, ${(body as unknown[]).length} of them`,
    `${(performance.now() - started).toFixed(0)} ms`,
  );
  const { page } = await openPage(browser, server, "vic");
  await page.goto(`${server.url}/environments`);
  await scrolled(page, "environments");
  // The list is what is measured here, and not the services that would be asked for 1,000 tables.
  const table = (index: number) => ({
    ...{
      name: `table_${index}`,
      source: `shop.table_${index}`,
      keys: ["id"],
      scdType: 2,
      waitingFiles: index % 7,
    },
    ...{
      events: index * 31,
      late: 0,
      quarantined: 0,
      unfolded: index % 11,
      lagSeconds: index % 900,
      state: "fresh",
    },
    replication: {
      state: "Table completed",
      loadedRows: index * 17,
      inserts: index,
      updates: index,
      deletes: 0,
    },
  });
  await page.route("**/environments/shop/dev/pipeline", (route) =>
    route.fulfill({
      json: {
        ...{
          at: new Date().toISOString(),
          pipeline: "shop",
          environment: "dev",
          engine: "postgresql",
          promiseSeconds: 900,
        },
        ...{
          landing: { url: "s3://landing/incoming/", waitingFiles: 0 },
          job: { id: 1, trigger: "active", active: 0 },
        },
        ...{ lakehouse: "shop_dev.shop", exports: false, problems: [] },
        tables: Array.from({ length: LONG_LIST }, (_, index) => table(index)),
      },
    }),
  );
  await page.goto(`${server.url}/environments/shop/dev`);
  await scrolled(page, "tables");
}

/** Scrolls through all of a list, a window's height every frame, and reports the frames. */
async function scrolled(page: Page, what: string): Promise<void> {
  await page
    .locator("table.long tbody tr")
    .nth(LONG_LIST - 4)
    .waitFor({ state: "attached" });
  const frames = await page.evaluate<number[]>(`new Promise((resolve) => {
    const gaps = [];
    let last = performance.now();
    const step = (now) => {
      gaps.push(now - last);
      last = now;
      const before = scrollY;
      scrollBy(0, innerHeight / 2);
      if (scrollY === before) resolve(gaps.slice(1));
      else requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  })`);
  const told = `${frames.length} frames, p95 ${quantile(frames, 0.95).toFixed(0)} ms, longest ${Math.max(...frames).toFixed(0)} ms`;
  report(`scrolling through ${LONG_LIST} ${what}`, told, "no frame above 100 ms");
}

function quantile(all: readonly number[], q: number): number {
  const sorted = [...all].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
}

function report(what: string, found: string, goal?: string): void {
  process.stdout.write(`${what.padEnd(52)} ${found}${goal === undefined ? "" : `   (goal: ${goal})`}\n`);
}
