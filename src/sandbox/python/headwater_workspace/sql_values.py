"""Values of the SQL statements API: every one a string or null, as JSON_ARRAY has them."""

from __future__ import annotations

import base64
import datetime
import decimal
import json
import math
from typing import Any

import pyarrow as pa
from pyspark.sql import types as spark

from .errors import invalid


def text(value: Any, data_type: spark.DataType) -> str | None:
    """A Python value (as pyarrow gives it) in Databricks' spelling."""
    if value is None:
        return None
    if isinstance(data_type, spark.BooleanType):
        return "true" if value else "false"
    if isinstance(data_type, spark.DecimalType):
        return format(value, "f")
    if isinstance(data_type, spark.TimestampType):
        return _instant(value) + "Z"
    if isinstance(data_type, spark.TimestampNTZType):
        return _instant(value)
    if isinstance(data_type, spark.DateType):
        return str(value.isoformat())
    if isinstance(data_type, spark.BinaryType):
        return base64.b64encode(value).decode()
    if isinstance(data_type, (spark.FloatType, spark.DoubleType)):
        return _floating(value)
    if isinstance(data_type, (spark.ArrayType, spark.MapType, spark.StructType)):
        return json.dumps(_nested(value, data_type), ensure_ascii=False, separators=(",", ":"))
    return str(value)


def _instant(value: datetime.datetime) -> str:
    if value.tzinfo is not None:
        value = value.astimezone(datetime.UTC).replace(tzinfo=None)
    exact = value.microsecond % 1000 != 0
    return value.isoformat(timespec="microseconds" if exact else "milliseconds")


def _floating(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(float(value))
    mantissa, _, exponent = f"{decimal.Decimal(repr(float(value))).normalize():E}".partition("E")
    if "." not in mantissa:
        mantissa += ".0"
    return f"{mantissa}E{int(exponent)}"


def _nested(value: Any, data_type: spark.DataType) -> Any:
    if value is None:
        return None
    if isinstance(data_type, spark.ArrayType):
        return [_nested(one, data_type.elementType) for one in value]
    if isinstance(data_type, spark.MapType):
        return {str(text(key, data_type.keyType)): _nested(one, data_type.valueType) for key, one in value}
    if isinstance(data_type, spark.StructType):
        return {field.name: _nested(value[field.name], field.dataType) for field in data_type.fields}
    return text(value, data_type)


def rows(table: pa.Table, schema: spark.StructType) -> list[list[str | None]]:
    """The table by rows."""
    columns = [
        [text(value, field.dataType) for value in table.column(position).to_pylist()]
        for position, field in enumerate(schema.fields)
    ]
    return [list(row) for row in zip(*columns, strict=True)]


def parameter(item: dict[str, Any]) -> Any:
    """A named parameter's value as Spark takes it. Types: those of the statements API's examples."""
    value, kind = item.get("value"), str(item.get("type") or "STRING").upper()
    if value is None:
        return None
    value = str(value)
    base = kind.partition("(")[0]
    try:
        if base in ("INT", "INTEGER", "BIGINT", "LONG", "SMALLINT", "SHORT", "TINYINT", "BYTE"):
            return int(value)
        if base in ("DECIMAL", "NUMERIC", "DEC"):
            return decimal.Decimal(value)
        if base in ("DOUBLE", "FLOAT"):
            return float(value)
        if base == "BOOLEAN":
            return {"true": True, "false": False}[value.lower()]
        if base == "DATE":
            return datetime.date.fromisoformat(value)
        if base in ("TIMESTAMP", "TIMESTAMP_NTZ"):
            moment = datetime.datetime.fromisoformat(value)
            return moment if moment.tzinfo or base == "TIMESTAMP_NTZ" else moment.replace(tzinfo=datetime.UTC)
    except (ValueError, KeyError, decimal.InvalidOperation) as error:
        raise invalid(f"Parameter '{item.get('name')}': '{value}' is not a {kind}") from error
    if base != "STRING":
        raise invalid(f"Parameter '{item.get('name')}': the sandbox does not take the type {kind}")
    return value
