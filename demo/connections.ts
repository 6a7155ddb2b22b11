import { writeFile } from "node:fs/promises";
import path from "node:path";
import type { Sandbox } from "../src/sandbox/sandbox.js";
import type { DemoDatabases } from "./bootstrap.js";

/**
 * What one needs to look around in a sandbox that is left up: every URL and connection string, and a file to source that
 * holds the credentials, which are not printed.
 */
export async function describeConnections(
  sandbox: Sandbox,
  databases: ReadonlyMap<string, DemoDatabases>,
  engine: Readonly<Record<string, string>>,
): Promise<string> {
  const { urls } = sandbox;
  const passwords = path.join(sandbox.folder, "pgpass");
  const variables = path.join(sandbox.folder, "environment.sh");
  const logins = [sandbox.source, sandbox.target].map(
    ({ host, port, user, password }) => `${host}:${port}:*:${user}:${password}\n`,
  );
  await writeFile(passwords, logins.join(""), { mode: 0o600 });
  const environment = {
    ...sandbox.environment(),
    ...engine,
    AWS_ENDPOINT_URL: urls.aws,
    AWS_ENDPOINT_URL_DATABASE_MIGRATION_SERVICE: urls.dms,
    PGPASSFILE: passwords,
    SPARK_REMOTE: urls.sparkConnect,
  };
  const lines = Object.entries(environment).map(
    ([name, value]) => `export ${name}='${value.replaceAll("'", `'\\''`)}'\n`,
  );
  await writeFile(variables, lines.join(""), { mode: 0o600 });
  const rows: [string, string][] = [
    ["AWS (moto)", urls.aws],
    ["DMS", urls.dms],
    ["Databricks workspace", urls.workspace],
    ["Spark Connect", urls.sparkConnect],
    ...[...databases].flatMap(([environment, { source, target }]): [string, string][] => [
      [`source of ${environment}`, urlOf(source)],
      [`target of ${environment}`, urlOf(target)],
    ]),
    ["logs and state", sandbox.folder],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return [
    "The sandbox is up. In another shell, for the credentials:",
    `  source ${variables}`,
    ...rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`),
    "Ctrl-C stops it and removes all of it.",
  ].join("\n");
}

function urlOf({
  user,
  host,
  port,
  database,
}: {
  user: string;
  host: string;
  port: number;
  database: string;
}): string {
  return `postgresql://${user}@${host}:${port}/${database}`;
}
