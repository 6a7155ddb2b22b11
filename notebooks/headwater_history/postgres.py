"""The current rows of every table, pushed into a PostgreSQL database: what is new or differs is written, what is gone
is deleted, one transaction per table. The driver talks to the database, Spark only delivers the rows, in pieces."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

from pyspark.sql import SparkSession

from .config import Export, Pipeline
from .errors import HeadwaterError, brief
from .names import Spec
from .postgres_target import Target
from .postgres_types import as_text
from .snapshot import loaded

CONNECT_SECONDS = 15


@dataclass(frozen=True)
class Credentials:
    """Never part of a text: repr, which tracebacks with locals show, leaves them out."""

    user: str = field(repr=False)
    password: str = field(repr=False)

    def scrub(self, text: str) -> str:
        return text.replace(self.password, "[REDACTED]") if self.password else text


@dataclass(frozen=True)
class Exported:
    """What became of one table. `error`: what went wrong; None if nothing did."""

    table: str
    rows: int = 0
    upserted: int = 0
    deleted: int = 0
    seconds: float = 0.0
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "table": self.table,
            "rows": self.rows,
            "upserted": self.upserted,
            "deleted": self.deleted,
            "seconds": round(self.seconds, 3),
        }


class ExportFailed(HeadwaterError):
    """Some tables failed and are as they were in the target; the others are exported."""

    def __init__(self, results: list[Exported]) -> None:
        self.results = results
        failed = [result for result in results if result.error is not None]
        done = ", ".join(result.table for result in results if result.error is None) or "none"
        super().__init__(
            "export/tables-failed",
            f"{len(failed)} of {len(results)} tables were not exported (done: {done}):\n"
            + "\n".join(f"{result.table}: {result.error}" for result in failed),
        )


def _export_of(pipeline: Pipeline) -> Export:
    if pipeline.export is None:
        raise HeadwaterError(
            "export/not-configured", "the pipeline has no export", where="pipeline.json", field="export",
            found="null", remedy="add `export` to the stack's settings and deploy it again",
        )  # fmt: skip
    return pipeline.export


def read_credentials(dbutils: Any, pipeline: Pipeline) -> Credentials:
    """The target's user and password from the secret scope that pipeline.json names."""
    export = _export_of(pipeline)

    def read(key: str) -> str:
        try:
            return str(dbutils.secrets.get(scope=export.secret_scope, key=key))
        except Exception as error:
            raise HeadwaterError(
                "export/secret", "the target database's login cannot be read",
                where=f"secret scope {export.secret_scope}", field=key, found=brief(error),
                remedy="deploy the stack again: it writes the scope and lets the job read it",
            ) from error  # fmt: skip

    return Credentials(read(export.user_key), read(export.password_key))


def export(spark: SparkSession, pipeline: Pipeline, credentials: Credentials) -> dict[str, Any]:
    """Makes the target's tables equal the current rows, `numConnections` tables at a time. Returns what the notebook
    exits with; tables that have no history yet are named and left alone.

    Raises ExportFailed at the end when a table failed; the others are exported by then."""
    target, owner = _export_of(pipeline), f"{pipeline.pipeline}-{pipeline.environment}"
    specs, missing = loaded(spark, pipeline)

    def run(spec: Spec) -> Exported:
        started = time.time()
        try:
            result = _export(spark, spec, target, credentials, owner)
        except Exception as error:  # recorded, and raised at the end; the other tables go on
            result = Exported(spec.table.name, error=credentials.scrub(brief(error, 2000)))
        return replace(result, seconds=time.time() - started)

    with ThreadPoolExecutor(max_workers=target.num_connections) as pool:
        results = list(pool.map(run, specs))
    if any(result.error is not None for result in results):
        raise ExportFailed(results)
    return {
        "target": place(target),
        "schema": target.schema,
        "tables": [result.as_json() for result in results],
        "withoutHistory": missing,
    }


def connect(export: Export, credentials: Credentials, application: str) -> Any:
    """A connection to the target. The driver's own errors name host, port and user, never the password."""
    import psycopg  # only the job that exports has it

    # `system`: the certificates this machine trusts. A database with a private authority names its file in
    # PGSSLROOTCERT.
    tls = {"sslmode": export.tls}
    if export.tls == "verify-full":
        tls["sslrootcert"] = os.environ.get("PGSSLROOTCERT") or "system"
    try:
        return psycopg.connect(
            host=export.host, port=export.port, dbname=export.database, user=credentials.user,
            password=credentials.password, connect_timeout=CONNECT_SECONDS, application_name=application,
            options="-c TimeZone=UTC -c DateStyle=ISO -c lock_timeout=60s", **tls,
        )  # fmt: skip
    except psycopg.Error as error:
        found = credentials.scrub(str(error).strip())
    # Outside the handler, so that nothing of the driver's error is chained to this one.
    raise HeadwaterError(
        "export/connection", "the target database cannot be connected to", where=place(export), found=found,
        remedy="check that host, port, database and tls are right in the stack's settings, that the network lets"
        " this job through, and that the secret of the export holds a valid login",
    )  # fmt: skip


def place(export: Export) -> str:
    return f"postgresql://{export.host}:{export.port}/{export.database}"


def _export(
    spark: SparkSession, spec: Spec, export: Export, credentials: Credentials, owner: str
) -> Exported:  # fmt: skip
    snapshot = spark.table(spec.name("_current"))
    columns = {each.name: each.dataType for each in snapshot.schema.fields}
    # Every value as a text that PostgreSQL reads; in pieces, as a snapshot need not fit into the driver's memory.
    texts = snapshot.selectExpr(*(as_text(kind, name) for name, kind in columns.items()))
    where = f"{place(export)} {export.schema}.{spec.table.name}"
    with closing(connect(export, credentials, f"headwater {owner}")) as connection:
        target = Target(connection, export.schema, spec.table.name, owner, columns, spec.keys, where)

        def push() -> Exported:
            target.prepare()
            rows = target.stage(map(tuple, texts.toLocalIterator(prefetchPartitions=True)))
            return Exported(spec.table.name, rows, *target.finish())

        return _guarded(push, target)


def _guarded(work: Callable[[], Exported], target: Target) -> Exported:
    """The database's errors, told without its details, which quote rows. Whatever the error, closing the connection
    undoes all that was not committed."""
    import psycopg

    try:
        return work()
    except psycopg.Error as error:
        said = error.diag.message_primary or str(error).strip() or type(error).__name__
        found = f"{said} (SQLSTATE {error.sqlstate})" if error.sqlstate else said
    state = "the commit's answer was lost: the table is as it was, or complete"
    raise HeadwaterError(
        "export/database",
        f"the database refused or broke off; {state if target.committing else 'the table is as it was'}",
        where=target.where, found=found,
        remedy="the user needs CONNECT and TEMPORARY on the database, USAGE and CREATE on the schema, and to own the"
        " table; then run the export again: it writes what differs",
    )  # fmt: skip
