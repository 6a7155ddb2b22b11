import { createRequire } from "node:module";

/** The installed version of an SDK (`@pulumi/aws`), read without loading the SDK itself. */
export function versionOf(sdk: string): string {
  return (createRequire(import.meta.url)(`${sdk}/package.json`) as { version: string }).version;
}
