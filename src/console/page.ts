import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import fastifyStatic from "@fastify/static";
import type { FastifyInstance } from "fastify";

/** The page as `npm run build` makes it, beside this module. */
const BUILT = path.join(import.meta.dirname, "page");

/**
 * The web page: its files, and its only document for every other address, so that each view has one of its own. The files
 * hold nothing of the platform: they are served to anybody, and the page then asks as whoever reads it.
 */
export async function addPage(app: FastifyInstance): Promise<void> {
  const index = path.join(BUILT, "index.html");
  if (!existsSync(index)) {
    // Run from the sources, without a build: the API is there all the same.
    app.get("/", (_request, reply) =>
      reply.code(503).type("text/plain").send("The page is not built: npm run build.\n"),
    );
    return;
  }
  await app.register(fastifyStatic, {
    root: path.join(BUILT, "assets"),
    prefix: "/assets/",
    // Their names change with their content.
    immutable: true,
    maxAge: "365d",
    preCompressed: true,
    index: false,
    decorateReply: false,
  });
  // Addresses in the document are relative, so that it works under any prefix: also that of a proxy which says so.
  const document = readFileSync(index, "utf8").replace("<head>", `<head><base href="${app.prefix}/" />`);
  const send = { schema: { hide: true }, config: { rateLimit: false as const } };
  app.get("/", send, (_request, reply) =>
    reply.type("text/html").header("cache-control", "no-cache").send(document),
  );
  app.get("/*", send, (request, reply) => {
    if ((request.params as { "*": string })["*"].startsWith("api/")) return reply.callNotFound();
    return reply.type("text/html").header("cache-control", "no-cache").send(document);
  });
}
