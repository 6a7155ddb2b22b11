import { createHash, createHmac, pbkdf2Sync, randomBytes } from "node:crypto";
import { HeadwaterError } from "../model/errors.js";
import type { SourceEngine } from "../model/pipeline.js";
import { quoteLiteral } from "./quoting.js";
import { PASSWORD, type Statement } from "./statement.js";

/** PostgreSQL's own number; RFC 7677 asks for as many at least. */
const ITERATIONS = 4096;

/**
 * What PostgreSQL stores of a password (RFC 5803): a server that is sent this never sees the password, nor does its log. The password
 * is printable ASCII: other characters would have to be normalised as SASLprep does it, on both sides alike.
 */
export function scramVerifier(password: string, salt: Buffer = randomBytes(16)): string {
  const salted = pbkdf2Sync(password, salt, ITERATIONS, 32, "sha256");
  const hmac = (text: string): Buffer => createHmac("sha256", salted).update(text).digest();
  const stored = createHash("sha256").update(hmac("Client Key")).digest("base64");
  return `SCRAM-SHA-256$${ITERATIONS}:${salt.toString("base64")}$${stored}:${hmac("Server Key").toString("base64")}`;
}

/** What MariaDB's mysql_native_password stores. */
export function nativeHash(password: string): string {
  const sha1 = (data: Buffer | string): Buffer => createHash("sha1").update(data).digest();
  return `*${sha1(sha1(password)).toString("hex").toUpperCase()}`;
}

/** DMS refuses some characters in passwords, and what is not ASCII means different bytes to different engines. */
const ALLOWED = /^[!-~]{8,128}$/;
/** DMS guide, secrets and endpoints; and " ends a password of Oracle's. */
const REFUSED = /[;.:+"]/;

/** @throws HeadwaterError `source/password`, without the password. */
export function checkPassword(password: string, from: string): void {
  if (ALLOWED.test(password) && !REFUSED.test(password)) return;
  throw new HeadwaterError("source/password", "DMS cannot use this password", {
    where: from,
    allowed: '8 to 128 printable characters of ASCII, without blanks and without ; . : + "',
    remedy: "Generate another one, and store it in the secret that the stack names.",
  });
}

/** The statement as it is sent, and the texts in it that nobody may see. */
export interface Filled {
  readonly sql: string;
  readonly secrets: readonly string[];
}

/** Puts the password where {@link PASSWORD} stands, in the form that shows least of it. */
export function fillPassword(engine: SourceEngine, { sql }: Statement, password: string): Filled {
  const form = FORMS[engine](password);
  return { sql: sql.replaceAll(PASSWORD, () => form), secrets: [password, form] };
}

/** What stands between the quotes. A literal of SQL Server's begins with N. */
const FORMS: Record<SourceEngine, (password: string) => string> = {
  postgresql: (password) => scramVerifier(password),
  mariadb: nativeHash,
  mysql: (password) => quoteLiteral("mysql", password).slice(1, -1),
  sqlserver: (password) => quoteLiteral("sqlserver", password).slice(2, -1),
  oracle: (password) => quoteLiteral("oracle", password).slice(1, -1),
};
