"""The semantics of one table, case by case: seed scenarios and the defects of the paper's statements."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from headwater_history.run import apply
from support import Lake, change, write_changes

Make = Callable[..., Lake]


def run(lake: Lake) -> dict:
    return apply(lake.spark, lake.files, lake.pipeline()).as_json()


def test_the_first_load_and_changes_become_versions(make_lake: Make) -> None:
    lake = make_lake()
    load = [change("I", 0, "", id=n, name=f"n{n}", BI_id=None) for n in range(3)]
    write_changes(lake.incoming() / "LOAD00000001.parquet", load)
    told = run(lake)
    print(told)
    assert lake.history("id, name") == [(n, f"n{n}", 0, None) for n in range(3)]
