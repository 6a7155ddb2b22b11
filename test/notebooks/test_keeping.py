"""What a table keeps: its rule, a change of its rule, and what is forgotten behind the horizon."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from headwater_history import fold
from headwater_history.config import Rule
from headwater_history.fold import Log, decide
from headwater_history.run import ApplyFailed, Summary, apply
from support import Lake, change, write_changes

Make = Callable[..., Lake]
DAY = 86_400.0


def bring(lake: Lake, *changes: dict[str, Any], **options: Any) -> Summary:
    """One file of changes, applied; none: a run without files."""
    lake.batch = getattr(lake, "batch", 0) + 1  # type: ignore[attr-defined]
    if changes:
        write_changes(lake.incoming() / f"20260301-12{lake.batch:07}.parquet", list(changes))  # type: ignore[attr-defined]
    return apply(lake.spark, lake.files, lake.pipeline(**options))


def test_another_rule_derives_the_history_anew(make_lake: Make) -> None:
    lake = make_lake()
    bring(lake, change("I", 0, 1, id=1, name="a", score=1), change("U", 1, 2, id=1, name="a", score=2))
    bring(lake, change("U", 2, 3, id=1, name="b", score=2))
    every = [(1, "a", 1, 0, 1), (1, "a", 2, 1, 2), (1, "b", 2, 2, None)]
    assert lake.history("id, name, score") == every

    lake.rule = {"trackHistoryOn": ["name"]}
    decision = bring(lake).outcomes[0].folded
    assert decision is not None and decision.way == "rebuild"
    assert decision.reason == "folded by another rule: SCD type 2, close; now: SCD type 2, close, tracks name"
    assert lake.history("id, name, score") == [(1, "a", 2, 0, 2), (1, "b", 2, 2, None)]
    assert bring(lake).outcomes[0].folded is None

    lake.rule = {"scdType": 1, "deletePolicy": "remove"}
    bring(lake, change("U", 3, 4, id=1, name="c", score=3))
    assert lake.rows("SELECT * FROM {customers}") == [(1, "c", 3)]
    lake.rule = {}
    bring(lake)
    assert lake.history("id, name, score") == [*every[:2], (1, "b", 2, 2, 3), (1, "c", 3, 3, None)]


def test_a_column_to_track_that_does_not_exist_stops_the_table(make_lake: Make) -> None:
    lake = make_lake()
    lake.rule = {"trackHistoryOn": ["nmae"]}
    with pytest.raises(
        ApplyFailed, match="(?s)shop.customers: trackHistoryOn: nmae: .*does not exist.*found: id, name"
    ):
        bring(lake, change("I", 0, 1, id=1, name="a"))
    lake.rule = {"trackHistoryOn": ["NAME"]}
    bring(lake)
    assert lake.history("id, name") == [(1, "a", 0, None)]


@pytest.mark.parametrize("large", [False, True])
def test_a_removed_row_leaves_no_value_behind_the_horizon(
    make_lake: Make, monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    if large:
        for name, value in {
            "SMALL": -1,
            "MIN_EVENTS": 1,
            "MAX_SHARE": 0,
            "MAX_PAST": 0,
            "MAX_LATE": 1,
        }.items():
            monkeypatch.setattr(fold, name, value)
        monkeypatch.setattr(fold, "MAX_LATE_BATCHES", 1)
    lake = make_lake()
    lake.rule = {"deletePolicy": "remove"}
    bring(lake, change("I", 0, 1, id=1, name="secret"), change("I", 0, 2, id=2, name="kept"))
    bring(lake, change("U", 1, 3, id=1, name="secret, too"), change("U", 1, 4, id=2, name="kept, too"))
    bring(lake, change("D", 2, 5, id=1, name="secret, too"))
    assert lake.history("id, name") == [(2, "kept", 0, 1), (2, "kept, too", 1, None)]
    # Later than the horizon allows for anything about the row to come.
    for number in range(4):
        bring(lake, change("I", 10 * DAY * (number + 1), 10 + number, id=10 + number, name="new"))
        if not large:
            apply(lake.spark, lake.files, lake.pipeline(), ask="now")
    bring(lake)  # with nothing to fold there is time to forget
    told = lake.rows("SELECT name FROM {customers__log} WHERE name IS NOT NULL ORDER BY 1")
    assert told == [("kept",), ("kept, too",), *[("new",)] * 4]
    assert lake.rows("SELECT __op, name FROM {customers__log} WHERE id = 1") == [("D", None)]
    assert ("forget" in {way for (way,) in lake.rows("SELECT way FROM {headwater_runs}")}) is large
    bring(lake, change("I", 41 * DAY, 99, id=1, name="back"))
    assert lake.history("id, name")[0] == (1, "back", 41 * DAY, None)


RULE, WEEK = Rule(), 604_800
HELD = Log(rule=str(RULE), base=1_000_000, folded_until=10**15, forgotten_until=10**15 - WEEK * 10**6)


@pytest.mark.parametrize(
    ("log", "ask", "way"),
    [
        ({}, "now", None),
        ({"events": 1000, "batches": 1, "since": 0.0}, "auto", None),
        ({"events": 1000, "batches": 1, "since": -DAY}, "auto", "extend"),
        ({"events": 1000, "batches": 50, "since": 0.0}, "auto", "extend"),
        ({"events": 99_000, "batches": 2, "since": 0.0}, "auto", None),
        ({"events": 100_000, "batches": 2, "since": 0.0}, "auto", "extend"),
        ({"events": 1000, "batches": 1, "since": 0.0}, "now", "extend"),
        ({"events": 10_000, "batches": 1, "recent": 500_000, "since": 0.0}, "now", "rewrite"),
        ({"late": 10, "late_batches": 4, "since": 0.0}, "auto", None),
        ({"late": 10, "late_batches": 5, "since": 0.0}, "auto", "merge"),
        ({"late": 200_000, "late_batches": 5, "since": 0.0}, "auto", "rebuild"),
        ({"base": 10, "events": 10, "batches": 1, "since": 0.0}, "now", "rebuild"),
        ({"rule": "SCD type 1, remove"}, "auto", "rebuild"),
        ({"past": 900_000}, "auto", None),  # the horizon has not moved far enough to make them needless
        ({"past": 900_000, "forgotten_until": 0}, "auto", "forget"),
        ({"past": 90_000, "forgotten_until": 0}, "auto", None),
    ],
)
def test_when_and_how_a_log_is_folded(log: dict[str, Any], ask: str, way: str | None) -> None:
    decision = decide(Log(**{**HELD.__dict__, **log}), RULE, WEEK, 0.0, ask)
    assert (decision.way if decision else None) == way
