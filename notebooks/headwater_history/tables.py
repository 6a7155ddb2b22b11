"""Making and changing the tables: event log, history, view of current rows, and the pipeline's control tables."""

from __future__ import annotations

from collections.abc import Iterable

from pyspark.sql import SparkSession
from pyspark.sql.types import DataType

from .names import LOG_COLUMNS, Spec, q, text
from .schema import needs_ntz_feature

Columns = dict[str, DataType]

FILES = {
    "table": "STRING", "file": "STRING", "size": "BIGINT", "modified": "TIMESTAMP", "status": "STRING",
    "reason": "STRING", "run_id": "STRING", "recorded_at": "TIMESTAMP",
}  # fmt: skip
RUNS = {
    "run_id": "STRING", "table": "STRING", "release": "STRING", "started_at": "TIMESTAMP", "seconds": "DOUBLE",
    "outcome": "STRING", "error": "STRING", "files": "BIGINT", "files_set_aside": "BIGINT", "loads": "BIGINT",
    "inserts": "BIGINT", "updates": "BIGINT", "deletes": "BIGINT", "new_events": "BIGINT", "quarantined": "BIGINT",
    "versions_inserted": "BIGINT", "versions_closed": "BIGINT", "versions_removed": "BIGINT",
    "newest_commit": "TIMESTAMP", "lag_seconds": "DOUBLE",
}  # fmt: skip
QUARANTINE = {
    "table": "STRING", "reason": "STRING", "file": "STRING", "payload": "STRING", "run_id": "STRING",
    "recorded_at": "TIMESTAMP",
}  # fmt: skip
# Tables worked on at once, in threads over one session.
PARALLEL = 4
CONTROL = {"headwater_files": FILES, "headwater_runs": RUNS, "headwater_quarantine": QUARANTINE}


def existing(spark: SparkSession, catalog: str, schema: str) -> set[str]:
    """Lower-case names of the schema's tables and views."""
    rows = spark.sql(f"SHOW TABLES IN {q(catalog)}.{q(schema)}").collect()
    return {row["tableName"].lower() for row in rows if not row["isTemporary"]}


def ensure_control(spark: SparkSession, catalog: str, schema: str, there: set[str]) -> None:
    for name, columns in CONTROL.items():
        if name not in there:
            body = ", ".join(f"{q(column)} {kind}" for column, kind in columns.items())
            spark.sql(f"CREATE TABLE IF NOT EXISTS {q(catalog)}.{q(schema)}.{name} ({body}) USING DELTA")


def stored_columns(spark: SparkSession, spec: Spec, there: set[str]) -> tuple[Columns, Columns]:
    """The source's columns in the log and in the history; {} where there is no such table."""

    def columns(suffix: str, own: Iterable[str]) -> Columns:
        if (spec.table.name + suffix).lower() not in there:
            return {}
        fields = spark.table(spec.name(suffix)).schema.fields
        return {field.name: field.dataType for field in fields if field.name not in own}

    return columns("__log", LOG_COLUMNS), columns("", spec.history_columns)


def ensure(
    spark: SparkSession, spec: Spec, there: set[str], wanted: Columns, log: Columns, history: Columns
) -> None:
    """Brings log, history and view to the wanted columns from those that are stored. Each is compared by itself, so a
    run that died between two is completed by the next."""
    own = {spec.current: "BOOLEAN", spec.start: "TIMESTAMP", spec.end: "TIMESTAMP"}
    last = {name: kind for name, kind in own.items() if name is not None}
    if log:
        _alter(spark, spec.log, log, wanted)
    else:
        _create(spark, spec.log, LOG_COLUMNS | _plain(wanted), f"Change events of {spec.table.source}")
    if history:
        _alter(spark, spec.history, history, wanted)
    else:
        _create(spark, spec.history, _plain(wanted) | last, f"History of {spec.table.source}")
    if history != wanted or f"{spec.table.name}_current".lower() not in there:
        columns = ", ".join(q(name) for name in wanted)
        spark.sql(
            f"CREATE OR REPLACE VIEW {spec.name('_current')} AS"
            f" SELECT {columns} FROM {spec.history} WHERE {q(spec.end)} IS NULL"
        )


def _plain(columns: Columns) -> dict[str, str]:
    return {name: kind.simpleString() for name, kind in columns.items()}


def _create(spark: SparkSession, table: str, columns: dict[str, str], comment: str) -> None:
    body = ", ".join(f"{q(name)} {kind}" for name, kind in columns.items())
    spark.sql(
        f"CREATE TABLE IF NOT EXISTS {table} ({body}) USING DELTA COMMENT {text(comment)}{name_mapping(columns)}"
    )


def name_mapping(columns: Iterable[str]) -> str:
    """Delta takes names with these characters only when it maps columns by name."""
    odd = any(set(name) & set(" ,;{}()\n\t=") for name in columns)
    return " TBLPROPERTIES ('delta.columnMapping.mode' = 'name')" if odd else ""


def _alter(spark: SparkSession, table: str, stored: Columns, wanted: Columns) -> None:
    add = {name: kind for name, kind in wanted.items() if name not in stored}
    if needs_ntz_feature(add.values()):
        spark.sql(f"ALTER TABLE {table} SET TBLPROPERTIES ('delta.feature.timestampNtz' = 'supported')")
    if add:
        body = ", ".join(f"{q(name)} {kind}" for name, kind in _plain(add).items())
        spark.sql(f"ALTER TABLE {table} ADD COLUMNS ({body})")
    change = {name: kind for name, kind in wanted.items() if name in stored and kind != stored[name]}
    if change:
        spark.sql(f"ALTER TABLE {table} SET TBLPROPERTIES ('delta.enableTypeWidening' = 'true')")
    for name, kind in _plain(change).items():
        spark.sql(f"ALTER TABLE {table} ALTER COLUMN {q(name)} TYPE {kind}")
