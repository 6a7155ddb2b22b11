"""What tables hold: how a notebook task writes a table as of a moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from pyspark.sql import SparkSession

from . import tables, views
from .config import Pipeline
from .moments import parse_moment
from .names import Spec, spec_of, text


def held_at(spark: SparkSession, spec: Spec, moment: datetime) -> tuple[str, list[str]]:
    """A query for the rows that there were at the moment, and its columns."""
    columns = list(tables.stored_columns(spark, spec))
    return views.as_of_sql(spec, columns, moment), columns


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
        query, columns = held_at(spark, spec, moment)
        comment = text(f"{spec.table.source} as of {moment.isoformat(sep=' ')}")
        mapping = tables.properties(tables.name_mapping(columns))
        target = spec.name("__snapshot")
        spark.sql(f"CREATE OR REPLACE TABLE {target} USING DELTA COMMENT {comment}{mapping} AS {query}")
        # Delta counted the rows as it wrote them; counting them again costs as much as planning a query.
        written = spark.sql(f"DESCRIBE HISTORY {target} LIMIT 1").collect()[0]["operationMetrics"]
        rows = int(written["numOutputRows"])
        return {"table": spec.table.name, "snapshot": f"{spec.table.name}__snapshot", "rows": rows}

    with ThreadPoolExecutor(max_workers=tables.PARALLEL) as pool:
        done = list(pool.map(take, specs))
    return {"asOf": moment.isoformat(), "tables": done, "withoutHistory": missing}
