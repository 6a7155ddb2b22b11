/** Names of environment variables whose values are secrets. */
const SECRET_NAME = /PASS|SECRET|TOKEN|PRIVATE|CREDENTIAL|API_?KEY/i;

/**
 * Shorter values are words that would be struck out all over a text (`sandbox`, `test`); a secret that short protects
 * nothing.
 */
const SHORTEST = 8;

/** Strikes known secrets out of texts that are shown or recorded. */
export class Redactor {
  private readonly secrets = new Set<string>();

  /** @param environment variables whose names say that they hold a secret are struck out from the start. */
  constructor(environment: Readonly<Record<string, string | undefined>> = {}) {
    this.learn(environment);
  }

  /** Learns the values whose names say that they are secrets. */
  learn(named: Readonly<Record<string, unknown>>): void {
    for (const [name, value] of Object.entries(named)) if (SECRET_NAME.test(name)) this.add(value);
  }

  /** Learns every string inside a secret value. */
  add(value: unknown): void {
    if (typeof value === "string") {
      if (value.length >= SHORTEST) this.secrets.add(value);
    } else if (typeof value === "object" && value !== null) {
      for (const inner of Object.values(value)) this.add(inner);
    }
  }

  text(text: string): string {
    let clean = text;
    for (const secret of this.secrets) clean = clean.replaceAll(secret, "[secret]");
    return clean;
  }
}

/** Encrypted values say nothing to a reader, and a record is not where secrets belong. */
export function withoutSecrets(value: unknown, redactor: Redactor): unknown {
  if (typeof value === "string") return redactor.text(value);
  if (Array.isArray(value)) return value.map((inner) => withoutSecrets(inner, redactor));
  if (typeof value !== "object" || value === null) return value;
  if ("secure" in value) return "[secret]";
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, withoutSecrets(inner, redactor)]),
  );
}
