import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { Authenticate, Person } from "./access.js";

/** A secret for each person, and what tells who has sent one. For a console that runs alone. */
export function tokensFor(people: readonly Person[]): {
  readonly tokens: readonly { readonly person: Person; readonly token: string }[];
  readonly authenticate: Authenticate;
} {
  const tokens = people.map((person) => ({ person, token: randomBytes(32).toString("base64url") }));
  const known = tokens.map(({ person, token }) => ({ person, digest: digestOf(token) }));
  return {
    tokens,
    authenticate: ({ headers }) => {
      const [, sent] = /^Bearer ([A-Za-z0-9_-]{1,200})$/.exec(headers.authorization ?? "") ?? [];
      if (sent === undefined) return undefined;
      // All are compared, each in the same time.
      const digest = digestOf(sent);
      return known.filter((each) => timingSafeEqual(each.digest, digest))[0]?.person;
    },
  };
}

function digestOf(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}
