/**
 * The expressions an added column may have. DMS evaluates them with SQLite; here a part of that language is
 * known, terms joined by `||`, and everything else is refused by name:
 * - `'text'`, `$COLUMN` (a source column), `operation_indicator('D', 'U', 'I')` (on delete, update, insert)
 * - headers: `$AR_H_CHANGE_SEQ`, `$AR_H_STREAM_POSITION`, `$AR_H_TIMESTAMP`, `$AR_H_COMMIT_TIMESTAMP`,
 *   `$AR_H_OPERATION`
 * - metadata: `$AR_M_SOURCE_SCHEMA`, `$AR_M_SOURCE_TABLE_NAME`
 *
 * Sources: AWS DMS user guide, "Using transformation rule expressions to define column content"; the headers'
 * values during full load are those of Qlik Replicate, which DMS is made from (its help, "Headers"): change
 * sequence and stream position are empty, timestamps are the current time, the operation is INSERT.
 */
export const headers = [
  "AR_H_CHANGE_SEQ",
  "AR_H_STREAM_POSITION",
  "AR_H_TIMESTAMP",
  "AR_H_COMMIT_TIMESTAMP",
  "AR_H_OPERATION",
  "AR_M_SOURCE_SCHEMA",
  "AR_M_SOURCE_TABLE_NAME",
] as const;
export type Header = (typeof headers)[number];

export type Term =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "column"; readonly column: string }
  | { readonly kind: "header"; readonly header: Header }
  | {
      readonly kind: "indicator";
      readonly onDelete: string;
      readonly onUpdate: string;
      readonly onInsert: string;
    };

export type Expression = readonly Term[];

const text = String.raw`'((?:[^']|'')*)'`;
const termPattern = new RegExp(
  String.raw`^\s*(?:${text}|\$([A-Za-z_][A-Za-z0-9_]*)|operation_indicator\s*\(\s*${text}\s*,\s*${text}\s*,\s*${text}\s*\))\s*(\|\||$)`,
  "i",
);

/** Parses an expression; a string is the reason why it is refused. */
export function parseExpression(source: string): Expression | string {
  const terms: Term[] = [];
  for (let rest = source, more = true; more;) {
    const found = termPattern.exec(rest);
    if (found === null)
      return `the expression ${JSON.stringify(source)} is not supported here, at ${JSON.stringify(rest)}`;
    const [whole, literal, name, onDelete, onUpdate, onInsert, joint] = found;
    if (literal !== undefined) terms.push({ kind: "text", text: unquote(literal) });
    else if (name !== undefined) {
      const header = headers.find((known) => known === name.toUpperCase());
      if (header !== undefined) terms.push({ kind: "header", header });
      else if (/^AR_[HM]_/i.test(name)) return `the header $${name} is not supported here`;
      else terms.push({ kind: "column", column: name });
    } else {
      terms.push({
        kind: "indicator",
        onDelete: unquote(onDelete ?? ""),
        onUpdate: unquote(onUpdate ?? ""),
        onInsert: unquote(onInsert ?? ""),
      });
    }
    rest = rest.slice(whole.length);
    more = joint === "||";
  }
  return terms;
}

function unquote(literal: string): string {
  return literal.replaceAll("''", "'");
}
