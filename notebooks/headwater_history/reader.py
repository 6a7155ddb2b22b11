"""Reading a table's new files as one set of rows in the log's shape, and finding the files that cannot be read."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, StringType, TimestampNTZType, TimestampType

from .config import Columns
from .errors import HeadwaterError, brief
from .files import File
from .names import FILE, LOAD, OP, SEQ, TIME, Spec, q, text
from .schema import Shape, shape_of

RAW_TIME = "__raw_commit_time"
BEFORE = "__before_"  # prefix of old key values in the rows below
PROBLEM = "__problem"
_TIME_PATTERN = r"^\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2}(\.\d{1,6})?Z?$"


@dataclass(frozen=True)
class Source:
    """Files of one schema, read together."""

    where: str
    shape: Shape
    rows: DataFrame


def open_files(spark: SparkSession, files: list[File], columns: Columns, spec: Spec) -> list[Source]:
    """Opens all files at once when their schemas merge, and schema by schema when they do not (a type was widened)."""
    paths = [file.path for file in files]
    where = f"{spec.table.incoming}/{files[0].relative}" if len(files) == 1 else spec.table.incoming
    try:
        # Merging the schemas is a job of its own.
        rows = spark.read.option("mergeSchema", len(files) > 1).parquet(*paths)
        return [Source(where, shape_of(rows.schema, columns, spec.keys, where), rows)]
    except HeadwaterError:
        if len(files) == 1:
            raise
    except (
        Exception
    ):  # what hinders the merge is found below, file by file, and raised there if it is an error
        if len(files) == 1:
            raise
    with ThreadPoolExecutor(max_workers=4) as pool:
        schemas = list(pool.map(lambda path: spark.read.parquet(path).schema, paths))
    groups: dict[str, list[str]] = {}
    for path, schema in zip(paths, schemas, strict=True):
        groups.setdefault(schema.json(), []).append(path)
    opened = [(group[0], spark.read.parquet(*group)) for group in groups.values()]
    return [Source(where, shape_of(rows.schema, columns, spec.keys, where), rows) for where, rows in opened]


def rows_of(sources: Iterable[Source], kinds: dict[str, DataType], spec: Spec, oldest: int) -> DataFrame:
    """Every row of the files with the log's columns, the table's columns in the table's types, old key values and
    PROBLEM: why a row cannot be an event, NULL if it can. `oldest`: the horizon, in microseconds since 1970."""
    return reduce(DataFrame.unionByName, (_normalised(source, kinds, spec, oldest) for source in sources))


def _normalised(source: Source, kinds: dict[str, DataType], spec: Spec, oldest: int) -> DataFrame:
    shape = source.shape
    time_kind = source.rows.schema[shape.commit_time].dataType
    seq = f"trim(CAST({q(shape.change_seq)} AS STRING))" if shape.change_seq else "''"

    def data(name: str, kind: DataType) -> str:
        found = shape.data.get(name.lower())
        return f"CAST({q(found[0]) if found else 'NULL'} AS {kind.simpleString()}) AS {q(name)}"

    def before(key: str) -> str:
        name = shape.before_image.get(key)
        return f"CAST({q(name) if name else 'NULL'} AS {kinds[key].simpleString()}) AS {q(BEFORE + key)}"

    rows = source.rows.selectExpr(
        f"upper(trim(CAST({q(shape.op)} AS STRING))) AS {OP}",
        f"CAST({q(shape.commit_time)} AS STRING) AS {RAW_TIME}",
        f"{_time(q(shape.commit_time), time_kind)} AS {TIME}",
        # Digits of another length would sort wrongly as text.
        f"CASE WHEN {seq} RLIKE '^[0-9]{{1,35}}$' THEN lpad({seq}, 35, '0') ELSE coalesce({seq}, '') END AS {SEQ}",
        # The load's rows are known by DMS's name for their files; nothing in the row itself says so.
        f"_metadata.file_name RLIKE '^LOAD[0-9A-Fa-f]+' AS {LOAD}",
        f"_metadata.file_name AS {FILE}",
        *(data(name, kind) for name, kind in kinds.items()),
        *(before(key) for key in spec.keys),
    )
    null_keys = " ".join(
        f"WHEN {q(key)} IS NULL THEN {text(f'key column {key} is NULL')}" for key in spec.keys
    )
    past = f"{TIME} < timestamp_micros({oldest})"
    # DMS gives load rows none; files that lack the column altogether have commit times alone.
    unsequenced = f"NOT {LOAD} AND {SEQ} = ''" if shape.change_seq else "false"
    return rows.withColumn(
        PROBLEM,
        F.expr(
            f"CASE {null_keys}"
            f" WHEN {RAW_TIME} IS NULL THEN 'commit time is NULL'"
            f" WHEN {TIME} IS NULL THEN concat('commit time cannot be read: ', {RAW_TIME})"
            f" WHEN {past} THEN 'older than the lateness horizon'"
            f" WHEN {unsequenced} THEN 'change sequence is NULL'"
            f" WHEN {OP} IS NULL OR {OP} NOT IN ('I', 'U', 'D')"
            f" THEN concat('unknown operation: ', coalesce({OP}, 'NULL')) END"
        ),
    )


def _time(column: str, kind: DataType) -> str:
    """DMS writes UTC without saying so; the zone is added here, so that the session's zone does not matter."""
    if isinstance(kind, TimestampType):
        return column
    if not isinstance(kind, StringType | TimestampNTZType):
        return "CAST(NULL AS TIMESTAMP)"
    value = f"trim(CAST({column} AS STRING))"
    zoned = f"try_cast(concat(trim(TRAILING 'Z' FROM {value}), 'Z') AS TIMESTAMP)"
    return f"CASE WHEN {value} RLIKE {text(_TIME_PATTERN)} THEN {zoned} END"


def unreadable(spark: SparkSession, files: list[File]) -> dict[File, str]:
    """Files whose bytes can be read but are no parquet, with the reason. A file whose bytes cannot be read is not
    judged: a missing permission or a network that fails says nothing about it."""

    def judge(file: File) -> str | None:
        try:
            rows = spark.read.parquet(file.path)
            every = ", ".join(q(name) for name in rows.columns)
            rows.selectExpr(f"bit_xor(xxhash64({every}))").collect()  # decodes every page
            return None
        except Exception as error:
            reason = brief(error)
        try:
            spark.read.format("binaryFile").load(file.path).selectExpr("sum(length(content))").collect()
        except Exception:
            return None
        return reason

    with ThreadPoolExecutor(max_workers=4) as pool:
        reasons = list(pool.map(judge, files))
    return {file: reason for file, reason in zip(files, reasons, strict=True) if reason is not None}
