"""A run that stops anywhere, and the next one: nothing is lost, nothing is recorded twice, no file is left."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from headwater_history.run import ApplyFailed, Summary, apply
from support import Lake, change, write_changes

Make = Callable[..., Lake]
TABLE_STEPS = ("tables", "log", "views")


class Killed(BaseException):
    """Not an Exception, so that nothing of the library handles it: the run ends where it is."""


def run(
    lake: Lake, step: Callable[[str, str], None] = lambda table, name: None, ask: str = "auto"
) -> Summary:
    return apply(lake.spark, lake.files, lake.pipeline(), ask=ask, step=step)


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
    run(lake)
    assert waiting(lake) == []

    for name in TABLE_STEPS:
        changes = [
            change("U", 1, 1, id=0, name="new"), change("D", 2, 2, id=1, name="n1"), change("I", 3, 3, id=9, name="x"),
            change("U", 1, 4, id=None, name="no key"),
        ]  # fmt: skip
        write_changes(lake.incoming(name) / "20260301-120001000.parquet", changes)
    stop_each_table_at_its_step(lake)
    for kill_after in ("quarantined", "recorded", "moved", "folded", "ended"):

        def step(table: str, name: str, kill_after: str = kill_after) -> None:
            if name == kill_after:
                raise Killed

        with pytest.raises(Killed):
            run(lake, step, "now")
    run(lake, ask="now")
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
