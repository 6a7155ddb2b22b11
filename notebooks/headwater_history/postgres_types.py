"""How a column of a Delta table becomes a column of PostgreSQL: its type there, and its values as COPY reads them."""

from __future__ import annotations

import re

from pyspark.sql.types import (
    BinaryType,
    BooleanType,
    ByteType,
    DataType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    ShortType,
    StringType,
    TimestampNTZType,
    TimestampType,
)

from .errors import HeadwaterError
from .names import q

# As format_type() spells them, so that they compare with what a table has.
_TYPES: dict[type[DataType], str] = {
    BinaryType: "bytea",
    BooleanType: "boolean",
    ByteType: "smallint",
    DateType: "date",
    DoubleType: "double precision",
    FloatType: "real",
    IntegerType: "integer",
    LongType: "bigint",
    ShortType: "smallint",
    StringType: "text",
    TimestampNTZType: "timestamp without time zone",
    TimestampType: "timestamp with time zone",
}
_GROWING = (("smallint", "integer", "bigint"), ("real", "double precision"))
_NUMERIC = re.compile(r"numeric\((\d+),(\d+)\)")


def type_name(kind: DataType, where: str, column: str) -> str:
    """PostgreSQL's type for one of Spark's."""
    if isinstance(kind, DecimalType):
        return f"numeric({kind.precision},{kind.scale})"
    name = _TYPES.get(type(kind))
    if name is None:
        raise HeadwaterError(
            "export/unsupported-type", "a column's type has no counterpart in PostgreSQL", where=where,
            field=column, found=kind.simpleString(), allowed="numbers, text, binary, boolean, dates and times",
        )  # fmt: skip
    return name


def as_text(kind: DataType, column: str) -> str:
    """A Spark expression for a column's values as PostgreSQL reads them: exact, and the same in every session zone."""
    name = q(column)
    if isinstance(kind, TimestampType):  # five X: zones had seconds in their offsets once
        return f"date_format({name}, 'yyyy-MM-dd HH:mm:ss.SSSSSSXXXXX') AS {name}"
    if isinstance(kind, BinaryType):
        return f"concat('\\\\x', hex({name})) AS {name}"
    return f"CAST({name} AS STRING) AS {name}"


def holds(has: str, wanted: str) -> bool:
    """Whether a column of type `has` keeps every value of type `wanted` as it is."""
    if has == wanted or (has == "numeric" and wanted.startswith("numeric(")):
        return True
    for types in _GROWING:
        if has in types and wanted in types:
            return types.index(has) > types.index(wanted)
    left, right = _NUMERIC.fullmatch(has), _NUMERIC.fullmatch(wanted)
    if left and right:
        (p, s), (p2, s2) = map(int, left.groups()), map(int, right.groups())
        return s >= s2 and p - s >= p2 - s2
    return False
