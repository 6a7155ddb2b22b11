"""A table loaded again: what a complete load did not bring is closed, an incomplete one closes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from headwater_history.run import Summary, apply
from support import Lake, change, mark, write_changes

Make = Callable[..., Lake]
FIRST = [(1, "a", 0, None), (2, "b", 0, None), (3, "c", 0, None)]


def run(lake: Lake) -> Summary:
    return apply(lake.spark, lake.files, lake.pipeline())


def load(lake: Lake, number: int, seconds: float, rows: dict[int, str]) -> None:
    write_changes(
        lake.incoming() / f"LOAD{number:08X}.parquet",
        [change("I", seconds, "", id=key, name=name) for key, name in rows.items()],
    )


def left(lake: Lake) -> list[str]:
    return [file.relative for file in lake.files.list(str(lake.incoming()))]


def test_a_reload_closes_what_it_did_not_bring_once_it_is_complete(make_lake: Make) -> None:
    lake = make_lake()
    load(lake, 1, 0, {1: "a", 2: "b", 3: "c"})
    run(lake)
    load(lake, 1, 100, {1: "a"})
    mark(lake, 100, rows=2)
    assert run(lake).outcomes[0].reload == "not complete: 1 of 2 rows are here; nothing was closed"
    assert left(lake) == ["_headwater_reload.json"]
    assert lake.history("id, name") == FIRST

    load(lake, 2, 100, {2: "B"})
    apply(lake.spark, lake.files, lake.pipeline(), ask="now")
    closed = [(1, "a", 0, None), (2, "b", 0, 100), (2, "B", 100, None), (3, "c", 0, 100)]
    assert lake.history("id, name") == closed
    assert left(lake) == []
    # A change that comes late, of a key that the log did not know: the reload would have brought it.
    write_changes(lake.incoming() / "20260301-120000000.parquet", [change("I", 50, 1, id=9, name="late")])
    run(lake)
    assert lake.history("id, name") == [*closed, (9, "late", 50, 100)]


def test_a_reload_of_an_empty_table_closes_everything(make_lake: Make) -> None:
    lake = make_lake()
    load(lake, 1, 0, {1: "a", 2: "b", 3: "c"})
    run(lake)
    mark(lake, 100.5, rows=0)
    run(lake)
    assert lake.history("id, name") == [(key, name, 0, 100) for key, name, _, _ in FIRST]
    assert lake.rows("SELECT count(*) FROM {customers_current}") == [(0,)]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "is not JSON"),
        (json.dumps({"version": 1, "table": "shop.orders", "markedAt": "now"}), "table: has a value that is not allowed"),
        (
            json.dumps({"version": 1, "table": "shop.customers", "markedAt": "now", "after": "yesterday"}),
            "after: is not a moment",
        ),
    ],
)  # fmt: skip
def test_a_marker_that_is_none_is_set_aside(make_lake: Make, content: str, reason: str) -> None:
    lake = make_lake()
    load(lake, 1, 0, {1: "a", 2: "b", 3: "c"})
    (lake.incoming() / "_headwater_reload.json").write_text(content)
    run(lake)
    assert lake.history("id, name") == FIRST
    assert left(lake) == []
    assert (lake.processed() / "_corrupt" / "_headwater_reload.json").exists()
    told = lake.rows("SELECT reason FROM {headwater_files} WHERE status = 'set aside'")
    assert len(told) == 1 and reason in told[0][0]


def test_a_reload_that_dies_while_it_closes_is_completed_by_the_next_run(make_lake: Make) -> None:
    lake = make_lake()
    load(lake, 1, 0, {1: "a", 2: "b", 3: "c"})
    run(lake)
    load(lake, 1, 100, {1: "a"})
    mark(lake, 100, rows=1)

    class Killed(BaseException):
        pass

    def step(table: str, name: str) -> None:
        if name in ("reloaded", "moved"):
            raise Killed

    for _ in range(2):
        with pytest.raises(Killed):
            apply(lake.spark, lake.files, lake.pipeline(), step=step)
    run(lake)
    assert lake.history("id, name") == [(1, "a", 0, None), (2, "b", 0, 100), (3, "c", 0, 100)]
    assert left(lake) == []
