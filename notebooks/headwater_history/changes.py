"""What has changed in a table since it was exported, by the change data feed of its log.

Every event is appended to the log as a row of the part `tail` or `late`; folding only moves rows. So the keys of these
appended rows, between two versions of the log, are the keys whose rows may have changed, and what `<table>_current`
says of them now is what the target is to hold: it may know even more, and a row that is pushed twice is the same row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from . import tables, views
from .history import parts
from .names import LATE, TAIL, WITH_LATE, Spec, q

# Which keys have no row any more.
GONE = "headwater_gone"


class Position(NamedTuple):
    """A version of a table's log; `log` tells the log from one that had this name before."""

    log: str
    version: int


def position(spark: SparkSession, spec: Spec) -> Position:
    version = spark.sql(f"DESCRIBE HISTORY {spec.log} LIMIT 1").collect()[0]["version"]
    return Position(spark.sql(f"DESCRIBE DETAIL {spec.log}").collect()[0]["id"], version)


def current(spark: SparkSession, spec: Spec, columns: Iterable[str]) -> DataFrame:
    """The rows there are. While there are late events the view may not see them yet, as a run shows them after it has
    appended them; what is exported now is not looked at again by the next export of changes."""
    if tables.has_late(spark, spec):
        return spark.sql(views.current_sql(spec, list(columns), WITH_LATE))
    return spark.table(spec.name("_current"))


def since(spark: SparkSession, spec: Spec, rows: DataFrame, before: Position, now: Position) -> DataFrame:
    """The current rows, of `rows`, of every key that an event has come for; keys that have none with GONE.

    The feed is read when the frame is; what is no longer there, or was not written then, is an error of Spark's."""
    feed = (
        spark.read.option("readChangeFeed", "true")
        .option("startingVersion", before.version + 1)
        .option("endingVersion", now.version)
        .table(spec.log)
    )
    events = feed.where(f"_change_type = 'insert' AND {parts(TAIL, LATE)}")
    keys = list(spec.keys)
    touched = events.select(*map(q, keys)).distinct()
    found = rows.join(touched, keys, "left_semi").withColumn("__there", F.lit(True))
    every = touched.join(found, keys, "left")
    return every.selectExpr(*map(q, rows.columns), f"__there IS NULL AS {GONE}")
