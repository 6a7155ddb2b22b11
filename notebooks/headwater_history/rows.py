"""Rows on their way from Spark into a database: one text each, which Spark makes; the driver only hands on bytes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

_ROWS = 10_000


class Chunk(NamedTuple):
    """The texts of so many rows, one after the other, in UTF-8."""

    rows: int
    text: bytes


class MissingText(Exception):
    """Some row's text is NULL."""


def chunks(frame: DataFrame, limit: int) -> Iterator[Chunk]:
    """The one column of a frame, in pieces of at most `limit` bytes (or one row that is larger). A result need not fit
    into the driver's memory."""
    for array in _arrays(frame):
        if array.null_count:
            raise MissingText
        _, ends, data = array.buffers()
        width = np.int64 if pa.types.is_large_string(array.type) else np.int32
        ends = np.frombuffer(ends, width)[array.offset : array.offset + len(array) + 1] if len(array) else []
        start = 0
        while start < len(array):
            stop = max(start + 1, int(np.searchsorted(ends, ends[start] + limit, "right")) - 1)
            yield Chunk(stop - start, data[int(ends[start]) : int(ends[stop])].to_pybytes())
            start = stop


def _arrays(frame: DataFrame) -> Iterator[Any]:
    """Spark Connect sends Arrow, of which `toLocalIterator` makes a Row each: more work for the driver than all the rest.
    No public method hands it out piece by piece; where this one is not there, rows it is."""
    client = getattr(getattr(frame, "_session", None), "client", None)
    if hasattr(client, "to_table_as_iterator"):
        for table in client.to_table_as_iterator(frame._plan.to_proto(client), {}):
            if isinstance(table, pa.Table):
                yield from table.column(0).chunks
        return
    rows = iter(frame.toLocalIterator(prefetchPartitions=True))
    while batch := [row[0] for row in islice(rows, _ROWS)]:
        yield pa.array(batch, pa.large_string())
