import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

/** One property of an args interface of a Pulumi SDK, as its declaration says. */
export interface Declared {
  readonly required: boolean;
  /** The interface of `types/input.d.ts` it refers to. */
  readonly input?: string;
  readonly comment: string;
}

const require = createRequire(import.meta.url);
const sources = new Map<string, string>();

/** The properties of `aws:s3/bucket:Bucket`'s `BucketArgs`, from the SDK's own declarations. */
export function declaredArgs(token: string): Map<string, Declared> {
  const [sdk, module, type] = token.split(":") as [string, string, string];
  const [namespace, file] = module.split("/") as [string, string];
  const folder = namespace === "index" ? "" : namespace;
  // `dms/s3Endpoint` is declared in s3endpoint.d.ts.
  const names = [file, file.toLowerCase()];
  const text = names.map((name) => source(sdk, path.join(folder, `${name}.d.ts`))).find((one) => one !== "");
  return properties(text ?? "", `${type}Args`);
}

/** The properties of an interface of `types/input.d.ts`: `s3.BucketCorsRule`, or `JobTask` where there are no namespaces. */
export function declaredInput(sdk: string, name: string): Map<string, Declared> {
  const text = source(sdk, "types/input.d.ts");
  const [namespace, type] = name.includes(".") ? (name.split(".") as [string, string]) : ["", name];
  const from = namespace === "" ? 0 : text.indexOf(`export declare namespace ${namespace} {`);
  return properties(text.slice(from), type);
}

function properties(text: string, name: string): Map<string, Declared> {
  const start = new RegExp(`^( *)(?:export )?interface ${name} \\{\\n`, "m").exec(text);
  if (start === null) throw new Error(`the SDK declares no ${name}`);
  const from = start.index + start[0].length;
  const body = text.slice(from, text.indexOf(`\n${start[1]}}`, from));
  const declared = new Map<string, Declared>();
  const property = /(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*)?\b(\w+)(\??): (pulumi\.Input<[^;]*|[^;]*);/g;
  for (const [, comment = "", key, optional, type] of body.matchAll(property)) {
    const input = /inputs\.([\w.]+)/.exec(type!)?.[1];
    declared.set(key!, { required: optional !== "?", comment, ...(input === undefined ? {} : { input }) });
  }
  return declared;
}

function source(sdk: string, file: string): string {
  const full = path.join(path.dirname(require.resolve(`@pulumi/${sdk}/package.json`)), file);
  if (!sources.has(full)) {
    try {
      sources.set(full, readFileSync(full, "utf8"));
    } catch {
      sources.set(full, "");
    }
  }
  return sources.get(full)!;
}
