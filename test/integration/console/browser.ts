import { chromium, type Browser, type Page } from "playwright-core";
import { findChromium, WITHOUT_BROWSER } from "../../support/chromium.js";
import type { Server } from "./support.js";

/** Describes tests in a real browser; where they are to be left out, says so. */
export function describeInBrowser(what: string, body: (this: Mocha.Suite) => void): void {
  if (process.env[WITHOUT_BROWSER] === "1") console.log(`${what}: left out, ${WITHOUT_BROWSER} is 1`);
  else describe(what, body);
}

export async function openBrowser(): Promise<Browser> {
  const executablePath = findChromium();
  if (executablePath === undefined)
    throw new Error("there is no browser: node dist/test/prepare.js gets one or says how");
  // Root in a container has no sandbox of Chromium's; what is opened is ours.
  return chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ["--no-sandbox"] : [] });
}

/** What a page did that it must not. */
export interface Watched {
  readonly page: Page;
  readonly errors: string[];
  readonly elsewhere: string[];
}

/** A page of its own for a person, as the printed address opens it. Errors and requests to elsewhere are kept. */
export async function openPage(
  browser: Browser,
  server: Server,
  person: string,
  options: {
    readonly path?: string;
    readonly width?: number;
    readonly height?: number;
    readonly dark?: boolean;
  } = {},
): Promise<Watched> {
  const { path = "/", width = 1280, height = 900, dark = false } = options;
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: dark ? "dark" : "light",
    reducedMotion: "reduce",
  });
  const page = await context.newPage();
  const errors: string[] = [];
  const elsewhere: string[] = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => {
    // The browser itself reports every answer above 399; what these say is asserted where it matters.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource"))
      errors.push(message.text());
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(server.url) && !request.url().startsWith("data:"))
      elsewhere.push(request.url());
  });
  await page.goto(`${server.url}${path}#token=${server.tokenOf(person)}`);
  await page.getByRole("heading", { level: 1 }).waitFor();
  return { page, errors, elsewhere };
}
