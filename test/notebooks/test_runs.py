"""Whole runs: killed anywhere and started again, with files and rows that are broken, and over changing columns."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from headwater_history.run import ApplyFailed, Summary, apply
from support import Lake, change, write, write_changes

Make = Callable[..., Lake]
TABLE_STEPS = ("listed", "read", "tables", "log", "history")


class Killed(BaseException):
    """Not an Exception, so that nothing of the library handles it: the run ends where it is."""


def run(lake: Lake, step: Callable[[str, str], None] = lambda table, name: None, **changes: Any) -> Summary:
    return apply(lake.spark, lake.files, lake.pipeline(**changes), step=step)


def waiting(lake: Lake) -> list[str]:
    return sorted(
        f"{name}/{f.relative}" for name in lake.tables for f in lake.files.list(str(lake.incoming(name)))
    )


def done(lake: Lake) -> list[str]:
    return sorted(
        f"{name}/{f.relative}" for name in lake.tables for f in lake.files.list(str(lake.processed(name)))
    )


def stop_each_table_at_its_step(lake: Lake) -> None:
    """Table `listed` fails after the step of that name, and so on."""

    def step(table: str, name: str) -> None:
        if table == name:
            raise RuntimeError(f"stopped after {name}")

    with pytest.raises(ApplyFailed) as caught:
        run(lake, step)
    assert [outcome.table for outcome in caught.value.result.failed] == list(TABLE_STEPS)


def test_a_run_that_is_killed_anywhere_is_completed_by_the_next(make_lake: Make) -> None:
    lake = make_lake(**{name: ["id"] for name in TABLE_STEPS})
    for name in TABLE_STEPS:
        load = [change("I", 0, "", id=n, name=f"n{n}") for n in range(3)]
        write_changes(lake.incoming(name) / "LOAD00000001.parquet", load)
    stop_each_table_at_its_step(lake)
    assert waiting(lake) == sorted(f"{name}/LOAD00000001.parquet" for name in TABLE_STEPS)
    run(lake)
    assert waiting(lake) == []

    for name in TABLE_STEPS:
        changes = [
            change("U", 1, 1, id=0, name="new"), change("D", 2, 2, id=1, name="n1"), change("I", 3, 3, id=9, name="x"),
            change("U", 1, 4, id=None, name="no key"),
        ]  # fmt: skip
        write_changes(lake.incoming(name) / "20260301-120001000.parquet", changes)
    stop_each_table_at_its_step(lake)
    for kill_after in ("quarantined", "ledger", "moved", "recorded"):

        def step(table: str, name: str, kill_after: str = kill_after) -> None:
            if name == kill_after:
                raise Killed

        with pytest.raises(Killed):
            run(lake, step)
    run(lake)
    assert waiting(lake) == []
    names = ("20260301-120001000.parquet", "LOAD00000001.parquet")
    assert done(lake) == sorted(f"{name}/{file}" for name in TABLE_STEPS for file in names)
    for name in TABLE_STEPS:
        assert lake.history("id, name", name) == [
            (0, "n0", 0, 1), (0, "new", 1, None), (1, "n1", 0, 2), (2, "n2", 0, None), (9, "x", 3, None),
        ]  # fmt: skip
    once = [(name, file) for name in sorted(TABLE_STEPS) for file in names]
    assert lake.rows("SELECT `table`, file FROM {headwater_files} ORDER BY 1, 2") == once
    assert lake.rows("SELECT `table`, reason FROM {headwater_quarantine} ORDER BY 1") == [
        (name, "key column id is NULL") for name in sorted(TABLE_STEPS)
    ]


def test_what_is_broken_is_set_aside_and_told_and_the_rest_goes_on(make_lake: Make) -> None:
    lake = make_lake(good=["id"], corrupt=["id"], rows=["id"], lacking=["id"], empty=["id"])
    fine = [change("I", 1, 1, id=1, name="a")]
    for name in ("good", "corrupt"):
        write_changes(lake.incoming(name) / "20260301-120001000.parquet", fine)
    whole = write_changes(lake.incoming("corrupt") / "20260301-120002000.parquet", fine).read_bytes()
    (lake.incoming("corrupt") / "20260301-120002000.parquet").write_bytes(whole[: len(whole) // 2])
    (lake.incoming("corrupt") / "20260301-120003000.parquet").write_text("no parquet at all")
    odd = [
        *fine, change("I", 1, 2, id=None, name="no key"), change("X", 1, 3, id=3, name="no such operation"),
        change("I", None, 4, id=4, name="no time"), {**change("I", 1, 5, id=5, name="bad time"), "tx_commit_time": "x"},
    ]  # fmt: skip
    write_changes(lake.incoming("rows") / "20260301-120001000.parquet", odd)
    write(lake.incoming("lacking") / "20260301-120001000.parquet", {"Op": ["I"], "name": ["a"]})

    with pytest.raises(ApplyFailed) as caught:
        run(lake)
    assert "1 of 5 tables failed; their files wait" in str(caught.value)
    assert "20260301-120001000.parquet: tx_commit_time: a column is missing" in str(caught.value)
    told = {table["table"]: table for table in caught.value.result.as_json()["tables"]}
    assert {name: table["outcome"] for name, table in told.items() if name != "lacking"} == dict.fromkeys(
        ("good", "corrupt", "rows", "empty"), "succeeded"
    )
    assert [each["file"] for each in told["corrupt"]["filesSetAside"]] == [
        "20260301-120002000.parquet", "20260301-120003000.parquet",
    ]  # fmt: skip
    assert told["rows"]["quarantined"] == 4
    for name in ("good", "corrupt", "rows"):
        assert lake.history("id, name", name) == [(1, "a", 1, None)]
    assert waiting(lake) == ["lacking/20260301-120001000.parquet"]
    assert done(lake) == [
        "corrupt/20260301-120001000.parquet", "corrupt/_corrupt/20260301-120002000.parquet",
        "corrupt/_corrupt/20260301-120003000.parquet", "good/20260301-120001000.parquet",
        "rows/20260301-120001000.parquet",
    ]  # fmt: skip
    aside = lake.rows(
        "SELECT file, reason IS NOT NULL FROM {headwater_files} WHERE status = 'set aside' ORDER BY 1"
    )
    assert aside == [("20260301-120002000.parquet", True), ("20260301-120003000.parquet", True)]
    assert [reason for (reason,) in lake.rows("SELECT reason FROM {headwater_quarantine} ORDER BY 1")] == [
        "commit time cannot be read: x", "commit time is NULL", "key column id is NULL", "unknown operation: X",
    ]  # fmt: skip
    runs = dict(lake.rows("SELECT `table`, outcome FROM {headwater_runs}"))
    assert (runs["lacking"], runs["good"], len(runs)) == ("failed", "succeeded", 5)


@pytest.mark.parametrize("convention", ["paper", "autoCdc"])
def test_columns_that_come_and_grow_change_no_version_of_before(make_lake: Make, convention: str) -> None:
    lake = make_lake(convention)
    narrow = {"id": pa.int32(), "price": pa.decimal128(10, 2)}
    first = [change("I", 1, n, id=n, price=Decimal("1.50")) for n in range(3)]
    write_changes(lake.incoming() / "20260301-120001000.parquet", first, narrow)
    run(lake)
    wide = {"id": pa.int64(), "price": pa.decimal128(14, 4), "seen": pa.timestamp("us"), "note": pa.string()}
    seen = datetime(2026, 3, 1, 12, 0, 0, 123456, UTC)
    second = [
        change("U", 2, 10, id=0, price=Decimal("1.5001"), seen=seen, note="it's"),
        change("I", 3, 11, id=2**40, price=Decimal("9999999999.9999"), seen=None, note=None),
    ]
    write_changes(lake.incoming() / "20260301-120002000.parquet", second, wide)
    write_changes(lake.incoming() / "20260301-120003000.parquet", first, narrow)  # sent again
    run(lake)
    assert lake.history("id, price, note") == [
        (0, Decimal("1.5"), None, 1, 2), (0, Decimal("1.5001"), "it's", 2, None), (1, Decimal("1.5"), None, 1, None),
        (2, Decimal("1.5"), None, 1, None), (2**40, Decimal("9999999999.9999"), None, 3, None),
    ]  # fmt: skip
    columns = {name: kind for name, kind, *_ in lake.rows("DESCRIBE {customers}")}
    own = {"effective_date", "end_date", "current"} if convention == "paper" else {"__START_AT", "__END_AT"}
    assert set(columns) == {"id", "price", "seen", "note"} | own
    assert (columns["id"], columns["price"]) == ("bigint", "decimal(14,4)")
    assert lake.rows("SELECT id, note FROM {customers_current} ORDER BY id") == [
        (0, "it's"), (1, None), (2, None), (2**40, None),
    ]  # fmt: skip
