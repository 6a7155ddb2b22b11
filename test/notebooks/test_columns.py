"""Columns that come and grow at the source."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from headwater_history import tables
from headwater_history.run import ApplyFailed, apply
from support import Lake, change, write_changes

Make = Callable[..., Lake]


def test_columns_that_come_and_grow_change_no_version_of_before(make_lake: Make) -> None:
    lake = make_lake("autoCdc")
    narrow = {"id": pa.int32(), "price": pa.decimal128(10, 2)}
    first = [change("I", 1, n, id=n, price=Decimal("1.50")) for n in range(3)]
    write_changes(lake.incoming() / "20260301-120001000.parquet", first, narrow)
    apply(lake.spark, lake.files, lake.pipeline())
    wide = {"id": pa.int64(), "price": pa.decimal128(14, 4), "seen": pa.timestamp("us"), "note": pa.string()}
    seen = datetime(2026, 3, 1, 12, 0, 0, 123456, UTC)
    second = [
        change("U", 2, 10, id=0, price=Decimal("1.5001"), seen=seen, note="it's"),
        change("I", 3, 11, id=2**40, price=Decimal("9999999999.9999"), seen=None, note=None),
    ]
    write_changes(lake.incoming() / "20260301-120002000.parquet", second, wide)
    write_changes(lake.incoming() / "20260301-120003000.parquet", first, narrow)  # sent again
    apply(lake.spark, lake.files, lake.pipeline())
    assert lake.history("id, price, note") == [
        (0, Decimal("1.5"), None, 1, 2), (0, Decimal("1.5001"), "it's", 2, None), (1, Decimal("1.5"), None, 1, None),
        (2, Decimal("1.5"), None, 1, None), (2**40, Decimal("9999999999.9999"), None, 3, None),
    ]  # fmt: skip
    columns = {name: kind for name, kind, *_ in lake.rows("DESCRIBE {customers}")}
    assert set(columns) == {"id", "price", "seen", "note", "__START_AT", "__END_AT"}
    assert (columns["id"], columns["price"]) == ("bigint", "decimal(14,4)")
    assert lake.rows("SELECT id, note FROM {customers_current} ORDER BY id") == [
        (0, "it's"), (1, None), (2, None), (2**40, None),
    ]  # fmt: skip


def test_views_that_could_not_be_made_are_made_by_the_next_run(
    make_lake: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log has the new column by then, so that nothing but the record tells that the views lack it."""
    lake = make_lake("autoCdc")
    write_changes(lake.incoming() / "20260301-120001000.parquet", [change("I", 1, 1, id=1)])
    apply(lake.spark, lake.files, lake.pipeline())

    def fail(*_: object) -> None:
        raise RuntimeError("the views cannot be made")

    write_changes(lake.incoming() / "20260301-120002000.parquet", [change("U", 2, 2, id=1, note="new")])
    with monkeypatch.context() as patch:
        patch.setattr(tables, "make_views", fail)
        with pytest.raises(ApplyFailed, match="the views cannot be made"):
            apply(lake.spark, lake.files, lake.pipeline())
    apply(lake.spark, lake.files, lake.pipeline())
    assert lake.history("id, note") == [(1, None, 1, 2), (1, "new", 2, None)]
    assert lake.rows("SELECT id, note FROM {customers_current}") == [(1, "new")]
