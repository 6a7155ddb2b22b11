"""The pipeline's records: ledger of files, quarantine, runs. Each is written once per run, for all tables together."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from .config import Pipeline
from .files import File
from .names import q, text
from .tables import CONTROL

if TYPE_CHECKING:
    from .run import Outcome


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
    spark: SparkSession, pipeline: Pipeline, name: str, rows: DataFrame, identity: Iterable[str]
) -> None:
    """Appends the rows whose identity the table does not hold yet: a run that is repeated records nothing twice."""
    table = f"{q(pipeline.catalog)}.{q(pipeline.schema)}.{name}"
    known = spark.table(table).alias("known")
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
        _append_new(
            spark, pipeline, "headwater_files", frame, ("table", "file", "size", "modified", "status")
        )


def runs(spark: SparkSession, pipeline: Pipeline, run_id: str, outcomes: list[Outcome]) -> None:
    """One row per table: what came, what was done, how long it took, how far behind the source it is."""
    rows: list[tuple[Any, ...]] = []
    for each in outcomes:
        told = each.summary()
        rows.append((
            run_id, each.table, pipeline.release, int(each.started * 1e6), each.seconds, told["outcome"], each.error,
            len(each.applied), len(each.aside), each.loads, each.inserts, each.updates, each.deletes, each.new_events,
            each.quarantined, each.versions_inserted, each.versions_closed, each.versions_removed, each.newest,
            told["lagSeconds"],
        ))  # fmt: skip
    frame = _frame(spark, "headwater_runs", rows)
    frame.writeTo(f"{q(pipeline.catalog)}.{q(pipeline.schema)}.headwater_runs").append()
