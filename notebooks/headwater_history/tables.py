"""Making and changing the tables: the log of each table with its views, and the pipeline's control tables."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from pyspark.sql import SparkSession
from pyspark.sql.types import DataType

from . import views
from .history import parts
from .names import END, LATE, LOG_COLUMNS, PARTITIONED_BY, START, TIME, Spec, q, text
from .schema import needs_ntz_feature

Columns = dict[str, DataType]

# One row a table and run; one more, with the outcome `underway`, before a log is folded or its views change form. `ledger`:
# the files, with what became of each (`modified` in milliseconds since 1970). The columns from `form` on tell what is
# known of the table's log after the run: see `fold.Log`.
RUNS = {
    "run_id": "STRING", "table": "STRING", "release": "STRING", "started_at": "TIMESTAMP", "recorded_at": "TIMESTAMP",
    "seconds": "DOUBLE", "outcome": "STRING", "error": "STRING", "files": "BIGINT", "files_set_aside": "BIGINT",
    "loads": "BIGINT", "inserts": "BIGINT", "updates": "BIGINT", "deletes": "BIGINT", "late": "BIGINT",
    "quarantined": "BIGINT", "way": "STRING", "reason": "STRING", "newest_commit": "TIMESTAMP", "lag_seconds": "DOUBLE",
    "reloaded_at": "TIMESTAMP",
    "ledger": "ARRAY<STRUCT<file: STRING, size: BIGINT, modified: BIGINT, status: STRING, reason: STRING>>",
    "form": "STRING", "rule": "STRING", "folded_until": "TIMESTAMP", "forgotten_until": "TIMESTAMP",
    "base_rows": "BIGINT", "recent_rows": "BIGINT", "closed_rows": "BIGINT", "past_rows": "BIGINT", "tail_events": "BIGINT",
    "tail_batches": "BIGINT", "late_events": "BIGINT", "late_batches": "BIGINT", "unfolded_since": "TIMESTAMP",
}  # fmt: skip
QUARANTINE = {
    "table": "STRING", "reason": "STRING", "file": "STRING", "payload": "STRING", "run_id": "STRING",
    "recorded_at": "TIMESTAMP",
}  # fmt: skip
# Tables worked on at once, in threads over one session.
PARALLEL = 4
CONTROL = {"headwater_runs": RUNS, "headwater_quarantine": QUARANTINE}
# Each file once, though a run that died may have been repeated.
_FILES = """SELECT `table`, f.file, f.size, timestamp_millis(f.modified) AS modified, f.status, min_by(f.reason, recorded_at)
  AS reason, min_by(run_id, recorded_at) AS run_id, min(recorded_at) AS recorded_at
  FROM {runs} LATERAL VIEW explode(ledger) each AS f GROUP BY `table`, f.file, f.size, f.modified, f.status"""


def existing(spark: SparkSession, catalog: str, schema: str) -> set[str]:
    """Lower-case names of the schema's tables and views."""
    rows = spark.sql(f"SHOW TABLES IN {q(catalog)}.{q(schema)}").collect()
    return {row["tableName"].lower() for row in rows if not row["isTemporary"]}


def ensure_control(spark: SparkSession, catalog: str, schema: str, there: set[str]) -> None:
    """Makes the pipeline's own tables, and the view of its files."""
    place = f"{q(catalog)}.{q(schema)}"

    def create(name: str) -> None:
        body = ", ".join(f"{q(column)} {kind}" for column, kind in CONTROL[name].items())
        spark.sql(f"CREATE TABLE IF NOT EXISTS {place}.{name} ({body}) USING DELTA")

    with ThreadPoolExecutor(max_workers=PARALLEL) as pool:
        list(pool.map(create, (name for name in CONTROL if name not in there)))
    if "headwater_files" not in there:
        files = _FILES.format(runs=f"{place}.headwater_runs")
        spark.sql(f"CREATE OR REPLACE VIEW {place}.headwater_files AS {files}")


def stored_columns(spark: SparkSession, spec: Spec) -> Columns:
    """The source's columns. Read from the log, since a view has to be analysed as a whole to tell its columns."""
    schema = spark.sql(f"SELECT * FROM {spec.log}").schema
    return {field.name: field.dataType for field in schema.fields if field.name not in LOG_COLUMNS}


def has_late(spark: SparkSession, spec: Spec) -> bool:
    """Whether the log holds late events that are not folded yet, which the plain views do not see."""
    return bool(spark.table(spec.log).where(parts(LATE)).limit(1).collect())


def folded_by(spark: SparkSession, spec: Spec) -> str:
    """The rule by which what is folded of a log was folded; empty while that changes."""
    rows = spark.sql(f"SHOW TBLPROPERTIES {spec.log}").collect()
    return next((row["value"] for row in rows if row["key"] == _RULE), "")


def note_rule(spark: SparkSession, spec: Spec, rule: str) -> None:
    spark.sql(f"ALTER TABLE {spec.log} SET TBLPROPERTIES ({text(_RULE)} = {text(rule)})")


def ensure(spark: SparkSession, spec: Spec, stored: Columns, wanted: Columns, form: str) -> None:
    """Brings log and views to the wanted columns; `stored`: those that the log has, none if there is no log."""
    if stored:
        _alter(spark, spec.log, stored, wanted)
    else:
        _create(spark, spec, wanted)
    make_views(spark, spec, wanted, form)


def make_views(spark: SparkSession, spec: Spec, columns: Iterable[str], form: str) -> None:
    """Makes or changes the views of a table: see `views`."""
    for statement in views.create_sql(spec, list(columns), form):
        spark.sql(statement)


def _plain(columns: Columns) -> dict[str, str]:
    return {name: kind.simpleString() for name, kind in columns.items()}


def _create(spark: SparkSession, spec: Spec, columns: Columns) -> None:
    names = LOG_COLUMNS | _plain(columns)
    body = ", ".join(f"{q(name)} {kind}" for name, kind in names.items())
    spark.sql(
        f"CREATE TABLE IF NOT EXISTS {spec.log} ({body}) USING DELTA PARTITIONED BY ({', '.join(PARTITIONED_BY)})"
        f" COMMENT {text(f'Change events of {spec.table.source}')}"
        f"{properties(_LOG_PROPERTIES | {_RULE: str(spec.table.rule)} | name_mapping(names))}"
    )


# A late event takes the rows of its key out of files of many others: these are marked, and not written anew. Statistics
# are kept of times only, by which reads can skip files: those of every column cost a sixth of a write.
_LOG_PROPERTIES = {
    "delta.enableDeletionVectors": "true",
    "delta.dataSkippingStatsColumns": f"{TIME},{START},{END}",
    "delta.enableChangeDataFeed": "true",  # the export reads which keys events have come for: see `changes`
}


# The rule by which what is folded was folded; readers look at it, where the records of runs would cost them more.
_RULE = "headwater.rule"


def name_mapping(columns: Iterable[str]) -> dict[str, str]:
    """Delta takes names with these characters only when it maps columns by name."""
    odd = any(set(name) & set(" ,;{}()\n\t=") for name in columns)
    return {"delta.columnMapping.mode": "name"} if odd else {}


def properties(values: dict[str, str]) -> str:
    """A table's properties for CREATE TABLE."""
    body = ", ".join(f"{text(name)} = {text(value)}" for name, value in values.items())
    return f" TBLPROPERTIES ({body})" if values else ""


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
