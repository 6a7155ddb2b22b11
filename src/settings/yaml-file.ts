import { readFileSync } from "node:fs";
import { isMap, isPair, isScalar, LineCounter, parseDocument, type Document } from "yaml";
import { HeadwaterError } from "../model/errors.js";

/** A YAML file, read. */
export interface YamlFile {
  readonly content: unknown;
  /** Line of a path, or of the nearest thing above it that is in the file. From 1. */
  readonly lineOf: (path: readonly PropertyKey[], atKey?: boolean) => number;
}

/**
 * @param missing the remedy when there is no such file.
 * @throws HeadwaterError `settings/unreadable`, or `settings/yaml` with the line of what is no YAML.
 */
export function readYamlFile(path: string, missing: string): YamlFile {
  const lines = new LineCounter();
  const document = parseDocument(read(path, missing), { lineCounter: lines });
  const broken = document.errors[0];
  if (broken !== undefined) {
    throw new HeadwaterError("settings/yaml", "is not valid YAML", {
      where: `${path}:${broken.linePos?.[0].line ?? 1}`,
      found: broken.message.split("\n")[0],
      remedy: "Mend the YAML.",
    });
  }
  return { content: document.toJS(), lineOf: (at, atKey = false) => findLine(document, lines, at, atKey) };
}

function read(path: string, missing: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new HeadwaterError(
      "settings/unreadable",
      "the file cannot be read",
      {
        where: path,
        found: (error as NodeJS.ErrnoException).code ?? String(error),
        remedy: missing,
      },
      { cause: error },
    );
  }
}

/** Walks down as far as the file goes. */
function findLine(
  document: Document,
  lines: LineCounter,
  path: readonly PropertyKey[],
  atKey: boolean,
): number {
  let offset = 0;
  let node: unknown = document.contents;
  for (const [index, part] of path.entries()) {
    const pair = isMap(node)
      ? node.items.find(({ key }) => isScalar(key) && String(key.value) === String(part))
      : undefined;
    const next: unknown = pair?.value ?? (node as { items?: unknown[] } | null)?.items?.[part as number];
    if (pair === undefined && (next === undefined || isPair(next))) break;
    const last = index === path.length - 1;
    const shown = (pair !== undefined && (last && !atKey ? (pair.value ?? pair.key) : pair.key)) || next;
    offset = (shown as { range?: [number] } | null)?.range?.[0] ?? offset;
    node = next;
  }
  return lines.linePos(offset).line;
}
