"""What tables held at a moment: the versions whose half-open interval, start <= moment < end, holds it."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

from pyspark.sql import SparkSession

from . import tables
from .config import Pipeline
from .errors import HeadwaterError
from .names import Spec, q, spec_of, text

_MOMENT = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?)(Z|[+-]\d{2}:\d{2})|"
    r" (\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?))"
)


def parse_moment(value: str) -> datetime:
    """A moment from `yyyy-MM-dd HH:mm:ss[.ffffff]`, which is UTC as DMS writes it, or from ISO 8601 with a zone
    (`2026-03-01T12:00:00+02:00`, `...Z`). Raises HeadwaterError for anything else: a wrong guess is a wrong answer."""
    match = _MOMENT.fullmatch(value.strip())
    try:
        if match:
            day, clock, zone, plain = match.groups()
            return datetime.fromisoformat(f"{day}T{clock or plain}{zone or 'Z'}").astimezone(UTC)
    except (ValueError, OverflowError):
        pass  # a month 13: told below
    raise HeadwaterError(
        "snapshot/invalid-moment", "is not a moment", where="parameter as_of", found=value or "nothing",
        allowed="2026-03-01 12:00:00.123456 (UTC), or 2026-03-01T12:00:00+02:00",
    )  # fmt: skip


def micros(moment: datetime) -> int:
    """Microseconds since 1970, exactly."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def snapshot_sql(spec: Spec, moment: datetime | None = None) -> str:
    """The source's columns of the rows that there were at the moment; None: of the current ones."""
    start, end = q(spec.start), q(spec.end)
    held = f"{end} IS NULL"
    if moment is not None:
        at = f"timestamp_micros({micros(moment)})"
        held = f"{start} <= {at} AND ({at} < {end} OR {held})"
    own = ", ".join(q(name) for name in spec.history_columns)
    return f"SELECT * EXCEPT ({own}) FROM {spec.history} WHERE {held}"


def loaded(spark: SparkSession, pipeline: Pipeline) -> tuple[list[Spec], list[str]]:
    """The pipeline's tables that have a history, and the names of those that no file has been applied to yet."""
    there = tables.existing(spark, pipeline.catalog, pipeline.schema)
    specs = [spec_of(pipeline, table) for table in pipeline.tables if table.name.lower() in there]
    return specs, [table.name for table in pipeline.tables if table.name.lower() not in there]


def take_snapshots(spark: SparkSession, pipeline: Pipeline, as_of: str) -> dict[str, Any]:
    """Writes `<table>__snapshot` for every table, in place of an earlier one, and returns what the notebook exits with;
    tables that have no history yet are named and left alone."""
    moment = parse_moment(as_of)
    specs, missing = loaded(spark, pipeline)

    def take(spec: Spec) -> dict[str, Any]:
        query = snapshot_sql(spec, moment)
        comment = text(f"{spec.table.source} as of {moment.isoformat(sep=' ')}")
        mapping = tables.name_mapping(spark.sql(query).columns)
        target = spec.name("__snapshot")
        spark.sql(f"CREATE OR REPLACE TABLE {target} USING DELTA COMMENT {comment}{mapping} AS {query}")
        rows = spark.sql(f"SELECT count(*) AS rows FROM {target}").collect()[0]["rows"]
        return {"table": spec.table.name, "snapshot": f"{spec.table.name}__snapshot", "rows": rows}

    with ThreadPoolExecutor(max_workers=tables.PARALLEL) as pool:
        done = list(pool.map(take, specs))
    return {"asOf": moment.isoformat(), "tables": done, "withoutHistory": missing}
