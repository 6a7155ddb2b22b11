import pg from "pg";

/** How to reach a PostgreSQL database. */
export interface Connection {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

/** Connects with the session's time zone at UTC, so that a time's text is the same wherever this runs. */
export async function connect(connection: Connection): Promise<pg.Client> {
  const client = new pg.Client({ ...connection, application_name: "headwater-demo" });
  // A lost connection rejects the query in flight; without a listener the event would end the process as well.
  client.on("error", () => undefined);
  await client.connect();
  await client.query("SET timezone = 'UTC'");
  return client;
}

/** Runs `use` with a connection of its own and closes it afterwards. */
export async function withConnection<T>(
  connection: Connection,
  use: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = await connect(connection);
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

/** A quoted SQL identifier, in PostgreSQL's way. */
export function identifier(...parts: readonly string[]): string {
  return parts.map((part) => `"${part.replaceAll('"', '""')}"`).join(".");
}

/** A quoted SQL text. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
