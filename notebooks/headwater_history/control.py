"""The pipeline's records: ledger of files, quarantine, folds, runs. Written for all tables of a run together."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from .config import Pipeline
from .files import File
from .fold import Log
from .names import q, text
from .tables import CONTROL

if TYPE_CHECKING:
    from .run import Outcome


def _schema(pipeline: Pipeline) -> str:
    return f"{q(pipeline.catalog)}.{q(pipeline.schema)}"


def _now() -> int:
    return time.time_ns() // 1000


def _frame(spark: SparkSession, name: str, rows: list[tuple[Any, ...]]) -> DataFrame:
    """Rows for a control table; times come as microseconds since 1970, which no session's time zone can shift."""
    columns = CONTROL[name]
    plain = ", ".join(
        f"`{column}` {'BIGINT' if kind == 'TIMESTAMP' else kind}" for column, kind in columns.items()
    )
    frame = spark.createDataFrame(rows, plain)
    return frame.select(
        *(
            F.timestamp_micros(column).alias(column) if kind == "TIMESTAMP" else F.col(column)
            for column, kind in columns.items()
        )
    )


def _append_new(
    spark: SparkSession,
    pipeline: Pipeline,
    name: str,
    rows: DataFrame,
    identity: Iterable[str],
    since: str = "",
) -> None:
    """Appends the rows whose identity the table does not hold yet: a run that is repeated records nothing twice.
    `since`: a condition that all rows satisfy, so that not the whole table is read."""
    table = f"{_schema(pipeline)}.{name}"
    known = spark.table(table).where(since or "true").alias("known")
    same = [F.col(f"new.{column}").eqNullSafe(F.col(f"known.{column}")) for column in identity]
    rows.alias("new").join(known, same, "left_anti").writeTo(table).append()


def quarantine(spark: SparkSession, pipeline: Pipeline, run_id: str, problems: list[str]) -> None:
    """Keeps what could not be applied. Nothing is written when there is nothing, which is nearly always."""
    if problems:
        found = spark.sql(
            f"SELECT DISTINCT `table`, reason, file, payload, {text(run_id)} AS run_id,"
            f" timestamp_micros({_now()}) AS recorded_at FROM ({' UNION ALL '.join(problems)})"
        )
        _append_new(spark, pipeline, "headwater_quarantine", found, ("table", "reason", "file", "payload"))


def ledger(
    spark: SparkSession, pipeline: Pipeline, run_id: str, done: list[tuple[str, list[File], dict[File, str]]]
) -> None:
    """Records each file with what became of it: `applied`, or `set aside` with the reason."""
    rows: list[tuple[Any, ...]] = []
    for table, applied, aside in done:
        entries = [(file, "applied", None) for file in applied]
        for file, status, reason in [*entries, *((file, "set aside", why) for file, why in aside.items())]:
            rows.append(
                (table, file.relative, file.size, file.modified * 1000, status, reason, run_id, _now())
            )
    if rows:
        frame = _frame(spark, "headwater_files", rows)
        oldest = min(file.modified for _, applied, aside in done for file in (*applied, *aside)) * 1000
        identity = ("table", "file", "size", "modified", "status")
        since = f"modified >= timestamp_micros({oldest})"
        _append_new(spark, pipeline, "headwater_files", frame, identity, since)


def logs(spark: SparkSession, pipeline: Pipeline) -> dict[str, Log]:
    """What runs have recorded of each log. How far a log is folded is never underestimated, and the form of its views is
    unknown after a run that died while it changed either: see `runs`."""
    known = "if(outcome = 'underway', '', form) AS form, base_rows, recent_rows, ended_rows, tail_events, tail_batches, late_events, late_batches"
    rows = spark.sql(
        f"SELECT `table`, unix_micros(max(folded_until)) AS until, max_by(struct({known},"
        f" unix_micros(unfolded_since) / 1e6 AS since), if(form IS NULL, NULL, recorded_at)) AS log"
        f" FROM {_schema(pipeline)}.headwater_runs GROUP BY `table`"
    ).collect()
    logs = {row["table"]: (row["until"], row["log"]) for row in rows if row["until"] is not None}
    return {table: Log(log[0], until, *log[1:]) for table, (until, log) in logs.items()}


def runs(
    spark: SparkSession, pipeline: Pipeline, run_id: str, outcomes: list[Outcome], underway: bool = False
) -> None:
    """One row per table: what came, what was done, how long it took, how far behind the source it is, and what is known
    of the log. `underway`: before logs are folded or their views change form. How far and which is recorded first, so
    that the next run takes no folded event for one that came in order, wherever this one dies."""
    rows: list[tuple[Any, ...]] = []
    now = _now()
    for each in outcomes:
        told, log, way = each.summary(), each.log, each.folded
        rows.append((
            run_id, each.table, pipeline.release, int(each.started * 1e6), now, each.seconds,
            "underway" if underway else told["outcome"], each.error,
            len(each.applied), len(each.aside), each.loads, each.inserts, each.updates, each.deletes, each.late,
            each.quarantined, way.way if way else None, way.reason if way else None, each.newest, told["lagSeconds"],
            *((None,) * 10 if log is None else (
                log.form, log.folded_until, log.base, log.recent, log.ended, log.events, log.batches, log.late,
                log.late_batches, None if log.since is None else int(log.since * 1e6),
            )),
        ))  # fmt: skip
    if rows:
        _frame(spark, "headwater_runs", rows).writeTo(f"{_schema(pipeline)}.headwater_runs").append()
