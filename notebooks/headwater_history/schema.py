"""How the columns of files and tables are reconciled: added, missing, widened, in another case. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pyspark.sql.types import (
    ByteType,
    DataType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    ShortType,
    StructType,
    TimestampNTZType,
)

from .config import Columns
from .errors import HeadwaterError
from .names import LOG_COLUMNS, Spec

_INTEGERS: tuple[type[DataType], ...] = (ByteType, ShortType, IntegerType, LongType)
_DIGITS = {ByteType: 3, ShortType: 5, IntegerType: 10, LongType: 20}


def widen(left: DataType, right: DataType) -> DataType | None:
    """The narrowest type that holds every value of both exactly, among those Delta can widen a column to in place
    (docs.delta.io, "Delta type widening"); None when there is none."""
    if left == right:
        return left
    a, b = type(left), type(right)
    if a in _INTEGERS and b in _INTEGERS:
        return left if _INTEGERS.index(a) > _INTEGERS.index(b) else right
    if {a, b} == {FloatType, DoubleType}:
        return DoubleType()
    if isinstance(left, DecimalType) and isinstance(right, DecimalType):
        scale = max(left.scale, right.scale)
        whole = max(left.precision - left.scale, right.precision - right.scale)
        return DecimalType(whole + scale, scale) if whole + scale <= 38 else None
    for integer, other in ((left, right), (right, left)):
        if type(integer) in _INTEGERS and isinstance(other, DecimalType):
            whole = max(_DIGITS[type(integer)], other.precision - other.scale)
            return DecimalType(whole + other.scale, other.scale) if whole + other.scale <= 38 else None
    return None


@dataclass(frozen=True)
class Shape:
    """A file's columns: what plays which part, under the names the file gives them. Cases of names do not matter."""

    op: str
    commit_time: str
    change_seq: str | None
    before_image: dict[str, str]  # key -> the file's column with its old value
    data: dict[str, tuple[str, DataType]]  # lower-case name -> the file's name and type


def shape_of(schema: StructType, columns: Columns, keys: Iterable[str], where: str) -> Shape:
    """Finds the parts in a file's schema; a file without operation, commit time or a key is not for this table."""
    names: dict[str, str] = {}
    for name in schema.names:
        if name.lower() in names:
            raise HeadwaterError(
                "schema/ambiguous-column", "two columns differ in case only", where=where,
                found=f"{names[name.lower()]}, {name}", remedy="rename one of them in the table mapping",
            )  # fmt: skip
        names[name.lower()] = name
    for needed in (columns.op, columns.commit_time, *keys):
        if needed.lower() not in names:
            raise HeadwaterError(
                "schema/missing-column", "a column is missing", where=where, field=needed,
                found=", ".join(schema.names),
                remedy="check the S3 endpoint's settings (includeOpForFullLoad, timestampColumnName) and the table's"
                " keys, or take the file out of the incoming volume; the table waits until then",
            )  # fmt: skip
    before = {key: columns.before_image_prefix + key for key in keys}
    before = {key: names[name.lower()] for key, name in before.items() if name.lower() in names}
    added = {columns.op, columns.commit_time, columns.change_seq, *before.values()}
    added = {name.lower() for name in added}
    return Shape(
        op=names[columns.op.lower()],
        commit_time=names[columns.commit_time.lower()],
        change_seq=names.get(columns.change_seq.lower()),
        before_image=before,
        data={low: (name, schema[name].dataType) for low, name in names.items() if low not in added},
    )


def reconcile(
    stored: dict[str, DataType], shapes: Iterable[tuple[str, Shape]], spec: Spec
) -> dict[str, DataType]:
    """The columns that hold both what is stored (nothing yet: {}) and what the files bring. A column that files lack
    stays and is NULL in their rows; a type that cannot be reconciled stops the table."""
    result = dict(stored)
    cased = {name.lower(): name for name in stored}
    reserved = {name.lower() for name in (*spec.history_columns, *LOG_COLUMNS)}
    keys = {key.lower(): key for key in spec.keys}
    for where, shape in shapes:
        for low, (name, kind) in shape.data.items():
            if low in reserved:
                raise HeadwaterError(
                    "schema/reserved-column", "a column of the source has a name that the history needs", where=where,
                    field=name, remedy="set historyColumns to the other convention, or rename it in the table mapping",
                )  # fmt: skip
            known = cased.setdefault(low, keys.get(low, name))
            common = widen(result.get(known, kind), kind)
            if common is None:
                raise HeadwaterError(
                    "schema/type-conflict", "a column's type cannot be reconciled with the table's", where=where,
                    field=name, found=kind.simpleString(), allowed=f"{result[known].simpleString()} or a wider type",
                    remedy=f"change the source's type back, or keep {spec.history} and {spec.log} under other names and"
                    " load the table again; its files wait in the incoming volume, other tables go on",
                )  # fmt: skip
            result[known] = common
    for name in spec.table.rule.track_history_on or ():
        if name.lower() not in cased:
            raise HeadwaterError(
                "schema/untracked-column", "a column that the history shall track does not exist",
                where=spec.table.source, field=f"trackHistoryOn: {name}", found=", ".join(result),
                remedy="correct trackHistoryOn in the pipeline's definition; the table's files wait in the incoming volume",
            )  # fmt: skip
    return result


def needs_ntz_feature(types: Iterable[DataType]) -> bool:
    """Delta wants its feature named before a TIMESTAMP_NTZ column is added to a table that had none."""
    return any(isinstance(kind, TimestampNTZType) for kind in types)
