import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { HeadwaterError } from "../../model/errors.js";
import { s3Client, type AwsConnection } from "../../operations/aws.js";
import { FolderStore } from "./folder-store.js";
import { S3Store } from "./s3-store.js";
import type { Store } from "./store.js";

/** The folder or bucket prefix beside a state backend: `.headwater`, where the engine keeps `.pulumi`. */
const BESIDE = ".headwater";

/**
 * Opens the store at `url`, or the one beside the backend when no URL is given.
 * @param connection how S3 is reached.
 * @throws HeadwaterError `driver/no-store` for a backend beside which nothing can be kept.
 */
export function openStore(backend: string, url: string | undefined, connection: () => AwsConnection): Store {
  const chosen = url ?? besides(backend);
  if (chosen?.startsWith("file://") === true) return new FolderStore(fileURLToPath(chosen));
  if (chosen?.startsWith("s3://") === true) {
    const { hostname: bucket, pathname, searchParams } = new URL(chosen);
    const region = searchParams.get("region");
    const endpoint = searchParams.get("endpoint");
    const aws = connection();
    const client = s3Client({
      ...aws,
      ...(region === null ? {} : { region }),
      ...(endpoint === null
        ? {}
        : { endpoints: { ...aws.endpoints, s3: withScheme(endpoint, searchParams) } }),
    });
    return new S3Store(client, bucket, pathname.replace(/^\/+|\/+$/g, ""));
  }
  throw new HeadwaterError("driver/no-store", "nothing can be kept beside this backend", {
    where: `backend ${backend.replace(/\?.*/, "")}`,
    field: "store",
    found: url ?? "nothing",
    allowed: "file:///folder or s3://bucket/prefix",
    remedy: "Name a store that every machine reaches which promotes: releases, records and leases lie there.",
  });
}

function besides(backend: string): string | undefined {
  if (backend === "file://~") return pathToFileURL(path.join(process.env["HOME"] ?? "/", BESIDE)).href;
  if (!/^(file|s3):\/\//.test(backend)) return undefined;
  const [place = "", query] = backend.split("?", 2);
  // The engine reads file://./state from the current folder; a URL has no such thing.
  const base = place.startsWith("file://.") ? pathToFileURL(place.slice("file://".length)).href : place;
  return `${base.replace(/\/+$/, "")}/${BESIDE}${query === undefined ? "" : `?${query}`}`;
}

/** The engine takes endpoints without a scheme, and `disableSSL` for those without TLS. */
function withScheme(endpoint: string, query: URLSearchParams): string {
  if (/^https?:/.test(endpoint)) return endpoint;
  return `${query.get("disableSSL") === "true" ? "http" : "https"}://${endpoint}`;
}
