/** Text that is markup already. Only `html` and `raw` make it, so that no other text reaches a page unescaped. */
export class Html {
  constructor(readonly markup: string) {}
}

type Part = Html | string | number | undefined | readonly Part[];

/** A template whose every value is escaped, lists are joined, and undefined is nothing: html`<p>${text}</p>`. */
export function html(strings: TemplateStringsArray, ...values: readonly Part[]): Html {
  return new Html(
    strings.map((string, index) => (index === 0 ? "" : markup(values[index - 1])) + string).join(""),
  );
}

/** Markup of our own, such as a style sheet. Never text that came from data. */
export function raw(markup: string): Html {
  return new Html(markup);
}

function markup(part: Part): string {
  if (part === undefined) return "";
  if (part instanceof Html) return part.markup;
  if (typeof part === "object") return part.map(markup).join("");
  return escapeHtml(String(part));
}

/** Safe in text and in quoted attributes. Control characters, which HTML may not hold, are shown as symbols. */
export function escapeHtml(text: string): string {
  return text
    .replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`)
    .replace(/[^\P{Cc}\t\n\r]/gu, (char) => symbol(char.charCodeAt(0)));
}

/** Unicode has pictures for the first 32 control characters. */
function symbol(code: number): string {
  return code < 0x20 ? String.fromCharCode(0x2400 + code) : "\ufffd";
}
