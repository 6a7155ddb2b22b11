import pg from "pg";
import { HeadwaterError } from "../model/errors.js";
import type { SourceEngine } from "../model/pipeline.js";

interface Dialect {
  readonly identifier: (name: string) => string;
  readonly literal: (text: string) => string;
  /** Longest name, in bytes of UTF-8 or (SQL Server, MySQL) in characters. A longer one would be cut, or refused late. */
  readonly longest: number;
  readonly bytes: boolean;
}

const doubled = (text: string, quote: string): string => text.replaceAll(quote, quote + quote);

const mysql: Dialect = {
  identifier: (name) => `\`${doubled(name, "`")}\``,
  // Holds where backslashes escape, which connections of ours see to; without it no text ends early either.
  literal: (text) => `'${doubled(doubled(text, "\\"), "'")}'`,
  longest: 64,
  bytes: false,
};

const DIALECTS: Record<SourceEngine, Dialect> = {
  postgresql: { identifier: pg.escapeIdentifier, literal: postgresLiteral, longest: 63, bytes: true },
  mysql,
  mariadb: mysql,
  sqlserver: {
    identifier: (name) => `[${doubled(name, "]")}]`,
    literal: (text) => `N'${doubled(text, "'")}'`,
    longest: 128,
    bytes: false,
  },
  oracle: {
    identifier: (name) => `"${name}"`,
    literal: (text) => `'${doubled(text, "'")}'`,
    longest: 128,
    bytes: true,
  },
};

/** pg's own begins a text that holds a backslash with a blank, for texts that are glued together; none is here. */
function postgresLiteral(text: string): string {
  return pg.escapeLiteral(text).trimStart();
}

/**
 * A name as the engine's SQL takes it, in its very spelling.
 * @throws HeadwaterError `source/name` for a name the engine cannot have: empty, too long, with NUL, or (Oracle) a double quote.
 */
export function quoteIdentifier(engine: SourceEngine, name: string): string {
  const { identifier, longest, bytes } = DIALECTS[engine];
  const length = bytes ? Buffer.byteLength(name) : name.length;
  const forbidden = name.includes("\0") || (engine === "oracle" && name.includes('"'));
  if (name === "" || length > longest || forbidden) {
    throw new HeadwaterError("source/name", "no object can have this name", {
      where: engine,
      found: name,
      allowed: `1 to ${longest} ${bytes ? "bytes" : "characters"}, no NUL${engine === "oracle" ? ', no "' : ""}`,
      remedy: "Use another name.",
    });
  }
  return identifier(name);
}

/**
 * A text as a literal of the engine's SQL.
 * @throws HeadwaterError `source/name` for a text with NUL, which no literal can hold everywhere.
 */
export function quoteLiteral(engine: SourceEngine, text: string): string {
  if (text.includes("\0")) {
    throw new HeadwaterError("source/name", "a text with the character NUL cannot be written", {
      where: engine,
      remedy: "Use another text.",
    });
  }
  return DIALECTS[engine].literal(text);
}

/** `schema.table`, both quoted. */
export function quoteTable(
  engine: SourceEngine,
  { schema, table }: { schema: string; table: string },
): string {
  return `${quoteIdentifier(engine, schema)}.${quoteIdentifier(engine, table)}`;
}
