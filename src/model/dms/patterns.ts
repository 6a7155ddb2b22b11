/**
 * Wildcards in table mappings: `%` any characters, `_` one character, `[_]` a literal underscore, `[ab]` one of a
 * set, `[a-d]` one of a range. Source: AWS DMS user guide, "Wildcards in table mapping". The escape character
 * there exists for Oracle only; `[%]` serves as the literal percent sign. Names are compared case-sensitively,
 * as PostgreSQL's are.
 */
export function matches(pattern: string, name: string): boolean {
  let expression = "";
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern.charAt(at);
    if (character === "%") expression += "[^]*";
    else if (character === "_") expression += "[^]";
    else if (character === "[" && pattern.indexOf("]", at + 2) > 0) {
      const end = pattern.indexOf("]", at + 2);
      expression += `[${pattern.slice(at + 1, end).replace(/[\\^[\]]/g, "\\$&")}]`;
      at = end;
    } else expression += character.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  }
  return new RegExp(`^${expression}$`, "u").test(name);
}

export function hasWildcard(pattern: string): boolean {
  return /[%_[]/.test(pattern);
}
