"""The pipeline's records: runs with their ledgers of files, and the quarantine. Written for all tables of a run together."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from .config import Pipeline
from .fold import Log
from .names import q, text
from .outcome import Outcome
from .tables import CONTROL


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


def quarantine(spark: SparkSession, pipeline: Pipeline, run_id: str, problems: list[str]) -> None:
    """Keeps what could not be applied. Nothing is written when there is nothing, which is nearly always."""
    if problems:
        found = spark.sql(
            f"SELECT DISTINCT `table`, reason, file, payload, {text(run_id)} AS run_id,"
            f" timestamp_micros({_now()}) AS recorded_at FROM ({' UNION ALL '.join(problems)})"
        )
        table = f"{_schema(pipeline)}.headwater_quarantine"
        same = " AND ".join(
            f"n.{column} <=> k.{column}" for column in ("`table`", "reason", "file", "payload")
        )
        # A run that is repeated records nothing twice.
        found.alias("n").join(spark.table(table).alias("k"), F.expr(same), "left_anti").writeTo(
            table
        ).append()


def _ledger(outcome: Outcome) -> list[tuple[Any, ...]]:
    if outcome.error is not None:
        return []
    applied = [(file.relative, file.size, file.modified, "applied", None) for file in outcome.applied]
    aside = outcome.aside.items()
    return [*applied, *((file.relative, file.size, file.modified, "set aside", why) for file, why in aside)]


def logs(spark: SparkSession, pipeline: Pipeline) -> dict[str, Log]:
    """What runs have recorded of each log. How far a log is folded is never underestimated, and the form of its views is
    unknown after a run that died while it changed either: see `runs`."""
    known = (
        "if(outcome = 'underway', '', form) AS form, rule, unix_micros(forgotten_until) AS forgotten_until,"
    )
    known += " base_rows AS base, recent_rows AS recent, closed_rows AS closed, past_rows AS past, tail_events AS events,"
    known += " tail_batches AS batches, late_events AS late, late_batches, unix_micros(unfolded_since) / 1e6 AS since"
    rows = spark.sql(
        f"SELECT `table`, unix_micros(max(folded_until)) AS until, collect_set(unix_micros(reloaded_at)) AS reloads, max_by(struct({known}), if(form IS NULL, NULL,"
        f" recorded_at)) AS log FROM {_schema(pipeline)}.headwater_runs GROUP BY `table`"
    ).collect()
    return {
        row["table"]: Log(folded_until=row["until"], reloads=tuple(row["reloads"]), **row["log"].asDict())
        for row in rows
        if row["until"] is not None
    }


def runs(
    spark: SparkSession, pipeline: Pipeline, run_id: str, outcomes: Iterable[Outcome],
    underway: Collection[Outcome] = (), ledger: bool = False,
) -> None:  # fmt: skip
    """One row per table: what came, what was done, how long it took, how far behind the source it is, and what is known
    of the log. `underway`: those whose log is about to be folded, or whose views are to change form. How far and which
    is recorded first, so that the next run takes no folded event for one that came in order, wherever this one dies.
    `ledger`: with the files, and what became of each."""
    rows: list[tuple[Any, ...]] = []
    now = _now()
    for each in outcomes:
        told, log, way = each.summary(), each.log, each.folded
        rows.append((
            run_id, each.table, pipeline.release, int(each.started * 1e6), now, each.seconds,
            "underway" if each in underway else told["outcome"], each.error,
            len(each.applied), len(each.aside), each.loads, each.inserts, each.updates, each.deletes, each.late,
            each.quarantined, way.way if way else None, way.reason if way else None, each.newest, told["lagSeconds"], each.reloaded, _ledger(each) if ledger else [],
            *((None,) * 13 if log is None else (
                log.form, log.rule, log.folded_until, log.forgotten_until, log.base, log.recent, log.closed, log.past,
                log.events, log.batches, log.late, log.late_batches, None if log.since is None else int(log.since * 1e6),
            )),
        ))  # fmt: skip
    if rows:
        _frame(spark, "headwater_runs", rows).writeTo(f"{_schema(pipeline)}.headwater_runs").append()
