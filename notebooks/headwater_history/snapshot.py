"""What tables held: the rows as of a moment or a version, and the notebook task that writes them as a table."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from typing import Any

from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from . import as_of, tables, views
from .config import Pipeline, Rule
from .errors import HeadwaterError
from .moments import parse_moment
from .names import WHOLE, Spec, spec_of, text

_VERSION = re.compile(r"version (\d{1,18})")


def parse_as_of(value: str) -> datetime | int:
    """A moment (see `parse_moment`), or `version <n>`: the state after the commit of that number in a table's log."""
    version = _VERSION.fullmatch(value.strip())
    return int(version[1]) if version else parse_moment(value, also=", or: version 12")


def held_at(spark: SparkSession, spec: Spec, when: datetime | int) -> tuple[str, list[str]]:
    """A query for the rows that there were, and its columns. At a moment: as is known today, late events included. In a
    version of the log: what the current rows were taken to be then.

    Raises HeadwaterError for a version that the log does not have, and for a moment where no history is kept."""
    if isinstance(when, int):
        then = replace(spec, version=when)
        try:
            columns = list(tables.stored_columns(spark, then))
        except AnalysisException as error:
            known = (
                spark.sql(f"DESCRIBE HISTORY {spec.log}").selectExpr("min(version)", "max(version)").first()
            )
            raise HeadwaterError(
                "snapshot/no-version", "the table's log has no such version, or no longer", where="parameter as_of",
                found=f"version {when} of {spec.log}", allowed="{} to {}".format(*known or ("none", "none")),
                remedy=f"DESCRIBE HISTORY {spec.log} lists them",
            ) from error  # fmt: skip
        return views.current_sql(then, columns, WHOLE), columns
    if spec.table.rule.scd_type == 1:
        raise HeadwaterError(
            "snapshot/no-history", "keeps no history (SCD type 1), so nobody knows what it held at a moment",
            where=spec.table.name, remedy="leave it out of the parameter `tables`, or set scdType to 2",
        )  # fmt: skip
    columns = list(tables.stored_columns(spark, spec))
    rule = spec.table.rule
    if rule == Rule() and tables.folded_by(spark, spec) == str(rule) and not tables.has_late(spark, spec):
        return as_of.log_sql(spec, columns, when), columns
    return as_of.view_sql(spec, columns, when), columns


def loaded(spark: SparkSession, pipeline: Pipeline) -> tuple[list[Spec], list[str]]:
    """The pipeline's tables that have a history, and the names of those that no file has been applied to yet."""
    there = tables.existing(spark, pipeline.catalog, pipeline.schema)
    specs = [spec_of(pipeline, table) for table in pipeline.tables if table.name.lower() in there]
    return specs, [table.name for table in pipeline.tables if table.name.lower() not in there]


def take_snapshots(spark: SparkSession, pipeline: Pipeline, moment: str) -> dict[str, Any]:
    """Writes `<table>__snapshot` for every table, in place of an earlier one, and returns what the notebook exits with;
    tables that have no history yet, or keep none, are named and left alone. `moment`: see `parse_as_of`; a version is
    of one table's log, so the pipeline must have been narrowed to one."""
    when = parse_as_of(moment)
    specs, missing = loaded(spark, pipeline)
    told = f"version {when}" if isinstance(when, int) else when.isoformat()
    if isinstance(when, int) and len(pipeline.tables) != 1:
        raise HeadwaterError(
            "snapshot/whose-version", "every table's log counts its own versions", where="parameter as_of", found=told,
            remedy="name one table in the parameter `tables`",
        )  # fmt: skip
    if not isinstance(when, int):
        missing += [spec.table.name for spec in specs if spec.table.rule.scd_type == 1]
        specs = [spec for spec in specs if spec.table.rule.scd_type == 2]

    def take(spec: Spec) -> dict[str, Any]:
        query, columns = held_at(spark, spec, when)
        comment = text(f"{spec.table.source} as of {told}")
        mapping = tables.properties(tables.name_mapping(columns))
        target = spec.name("__snapshot")
        spark.sql(f"CREATE OR REPLACE TABLE {target} USING DELTA COMMENT {comment}{mapping} AS {query}")
        # Delta counted the rows as it wrote them; counting them again costs as much as planning a query.
        written = spark.sql(f"DESCRIBE HISTORY {target} LIMIT 1").collect()[0]["operationMetrics"]
        rows = int(written["numOutputRows"])
        return {"table": spec.table.name, "snapshot": f"{spec.table.name}__snapshot", "rows": rows}

    with ThreadPoolExecutor(max_workers=tables.PARALLEL) as pool:
        done = list(pool.map(take, specs))
    return {"asOf": told, "tables": done, "withoutHistory": missing}
