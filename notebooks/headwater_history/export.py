"""The current rows of every table, pushed into a database: what is new or differs is written, what is gone is deleted. The
driver talks to the database, Spark only delivers the rows, in pieces."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from . import book, changes, tables
from .config import Export, Pipeline
from .errors import HeadwaterError, brief
from .mysql import MariaDb, MySql
from .names import Spec, q
from .postgresql import PostgreSql
from .rows import Chunk, MissingText, chunks
from .snapshot import loaded
from .sqlserver import SqlServer
from .target import Target
from .wanted import Credentials, Wanted

KINDS: dict[str, type[Target]] = {
    "postgresql": PostgreSql, "mysql": MySql, "mariadb": MariaDb, "sqlserver": SqlServer,
}  # fmt: skip


@dataclass(frozen=True)
class Exported:
    """What became of one table. `way`: `changes`, `snapshot` or `replace`; `reason`: why it was not `changes` where these
    were asked for. `error`: what went wrong; None if nothing did."""

    table: str
    way: str = ""
    reason: str | None = None
    rows: int = 0
    upserted: int = 0
    deleted: int = 0
    seconds: float = 0.0
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        told = {name: value for name, value in self.__dict__.items() if name != "error" and value is not None}
        return told | {"seconds": round(self.seconds, 3)}


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


class _Unreadable(Exception):
    """What has changed cannot be told; the text says why."""


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
    """Makes the target's tables equal the current rows, `numConnections` tables at a time, each with one session. Returns
    what the notebook exits with; tables that have no history yet are named and left alone.

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

    with _utc(spark), ThreadPoolExecutor(max_workers=target.num_connections) as pool:
        results = list(pool.map(run, specs))
    if any(result.error is not None for result in results):
        raise ExportFailed(results)
    return {
        "target": target.place,
        "schema": target.schema,
        "tables": [result.as_json() for result in results],
        "withoutHistory": missing,
    }


@contextmanager
def _utc(spark: SparkSession) -> Iterator[None]:
    """A session whose texts of times are in UTC: with a format that names the zone they cost Spark twice as much."""
    name = "spark.sql.session.timeZone"
    usual = spark.conf.get(name)
    spark.conf.set(name, "UTC")
    try:
        yield
    finally:
        spark.conf.set(name, str(usual))


def _export(
    spark: SparkSession, spec: Spec, export: Export, credentials: Credentials, owner: str, lost: str | None = None
) -> Exported:  # fmt: skip
    """Exports one table. `lost`: why what has changed cannot be told, if that was tried before."""
    name = spec.table.name
    wanted = Wanted(export, name, owner, tables.stored_columns(spark, spec), spec.keys)
    changing = export.mode == "changes"
    # Only changes are told from a version to the next: the others are spared the look-ups.
    now = changes.position(spark, spec) if changing else None
    try:
        with _connected(wanted, credentials) as target:
            if changing:
                book.make(target)
            target.prepare()
            if now is None:
                way = "replace" if export.mode == "replace" else "snapshot"
                return Exported(
                    name, way, None, *_push(target, spark.table(spec.name("_current")), False, None)
                )
            before, source = book.last(target), changes.current(spark, spec, wanted.columns)
            reason = lost or _why_all(target, before, now)
            if before is None or reason:
                return Exported(name, "snapshot", reason, *_push(target, source, False, now))
            if before.position == now:
                target.commit()
                return Exported(name, "changes")
            source = changes.since(spark, spec, source, before.position, now)
            return Exported(name, "changes", None, *_push(target, source, True, now))
    except _Unreadable as why:
        return _export(spark, spec, export, credentials, owner, str(why))


def _why_all(target: Target, before: book.Mark | None, now: changes.Position) -> str | None:
    """Why it is not enough to push what has changed; None if it is."""
    if target.new:
        return "the table was not there"
    if before is None:
        return "no earlier export is noted"
    if before.position.log != now.log or before.position.version > now.version:
        return "the table's log is another one than that exported before"
    if before.deletes != target.wanted.export.deletes:
        return "rows that are gone were kept until now, or are from now on"
    return None


def _push(
    target: Target, source: DataFrame, some: bool, now: changes.Position | None
) -> tuple[int, int, int]:
    """Fills in the rows of a frame and brings the table in line, in one transaction where the database can."""
    target.open(some)

    def pieces() -> Iterator[Chunk]:
        try:
            yield from chunks(source.selectExpr(target.texts(some)), target.piece)
        except MissingText:
            raise
        except Exception as error:  # Spark's, of whatever class its client has
            if not some:
                raise
            raise _Unreadable(f"the log's change feed cannot be read: {brief(error, 200)}") from error

    try:
        rows = target.fill(pieces(), some)
    except MissingText:
        raise _refused(target, source) from None
    if rows == 0 and some:
        upserted = deleted = 0
    else:
        upserted, deleted = target.finish(some, rows)
    if now is None:
        book.forget(target)
    else:
        book.note(target, now)
    target.commit()
    return rows, upserted, deleted


def _refused(target: Target, source: DataFrame) -> HeadwaterError:
    """Names a row that the database cannot hold by its key, and the column, but not its value."""
    for column, condition, why in target.refusals():
        keys = (f"CAST({q(key)} AS STRING) AS {q(key)}" for key in target.keys)
        found = source.where(condition).selectExpr(*keys).limit(1).collect()
        if found:
            told = ", ".join(f"{key} = {value!r}" for key, value in found[0].asDict().items())
            return HeadwaterError(
                "export/value", why, where=target.where, field=column, found=told,
                remedy=f"change it at the source; {target.state}",
            )  # fmt: skip
    return HeadwaterError("export/value", "a row has a value that cannot be stored", where=target.where)


@contextmanager
def _connected(wanted: Wanted, credentials: Credentials) -> Iterator[Target]:
    """A session with the database, whose errors are told without their details, which quote rows. Whatever the error,
    closing the connection undoes all that was not committed."""
    kind = KINDS[wanted.export.kind]
    with closing(_connect(kind, wanted, credentials)) as connection:
        state = "the table is as it was"
        try:
            target = kind(connection, wanted)
            try:
                yield target
                return
            finally:
                state = target.state
        except kind.driver_error() as error:
            found = kind.told(error)
    raise HeadwaterError(
        "export/database", f"the database refused or broke off; {state}", where=wanted.where, found=found,
        remedy=f"the user needs {kind.needs}; then run the export again: it writes what differs"
        + ("; nothing may depend on a table that is replaced" if wanted.export.mode == "replace" else ""),
    )  # fmt: skip


def _connect(kind: type[Target], wanted: Wanted, credentials: Credentials) -> Any:
    """A connection to the target. The drivers' own errors name host, port and user, never the password."""
    try:
        return kind.connect(wanted.export, credentials, f"headwater {wanted.owner}")
    except kind.driver_error() as error:
        found = credentials.scrub(str(error).strip())
    # Outside the handler, so that nothing of the driver's error is chained to this one.
    raise HeadwaterError(
        "export/connection", "the target database cannot be connected to", where=wanted.export.place, found=found,
        remedy="check that host, port, database and tls are right in the stack's settings, that the network lets"
        " this job through, and that the secret of the export holds a valid login",
    )  # fmt: skip
