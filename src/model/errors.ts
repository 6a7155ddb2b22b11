/** What a person needs in order to mend an error. Every field that is known is filled. */
export interface ErrorDetails {
  /** The file or thing at fault: `stacks/Pulumi.shop-dev.yaml`, `port 5432`, `s3://bucket/key`. */
  readonly where?: string;
  /** The field inside it: `headwater:settings.replication.capacity.max`. */
  readonly field?: string;
  /** What was found there. Never a secret. */
  readonly found?: unknown;
  /** What is allowed there. */
  readonly allowed?: string;
  /** What to do about it, as a sentence. */
  readonly remedy?: string;
}

const BRAND = Symbol.for("headwater.HeadwaterError");

/**
 * The only error the SDK throws on purpose. `code` is stable and meant for programs (`settings/unknown-key`);
 * the message is meant for people and holds the details as well.
 */
export class HeadwaterError extends Error {
  override readonly name = "HeadwaterError";
  readonly [BRAND] = true;

  /** A release runs its own copy of this module beside the driver's: an error of either is one for both. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    if (this !== HeadwaterError) return Function.prototype[Symbol.hasInstance].call(this, value);
    return typeof value === "object" && value !== null && BRAND in value;
  }

  constructor(
    readonly code: string,
    readonly summary: string,
    readonly details: ErrorDetails = {},
    options?: ErrorOptions,
  ) {
    super(render(summary, details), options);
  }
}

function render(summary: string, { where, field, found, allowed, remedy }: ErrorDetails): string {
  const place = [where, field].filter((part) => part !== undefined).join(": ");
  return [
    place === "" ? summary : `${place}: ${summary}`,
    ...(found === undefined ? [] : [`  found: ${typeof found === "string" ? found : JSON.stringify(found)}`]),
    ...(allowed === undefined ? [] : [`  allowed: ${allowed}`]),
    ...(remedy === undefined ? [] : [`  remedy: ${remedy}`]),
  ].join("\n");
}
