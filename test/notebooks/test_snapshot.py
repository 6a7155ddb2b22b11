"""Snapshots: which moments are understood, and which rows each moment holds."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from headwater_history.errors import HeadwaterError
from headwater_history.moments import parse_moment
from headwater_history.names import spec_of
from headwater_history.run import apply
from headwater_history.snapshot import held_at, take_snapshots
from support import Dbutils, Lake, at, change, write_changes

Make = Callable[..., Lake]
NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-03-01 12:00:00", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ("2026-03-01 12:00:00.5", datetime(2026, 3, 1, 12, 0, 0, 500_000, UTC)),
        (" 2026-03-01 12:00:00.000001 ", datetime(2026, 3, 1, 12, 0, 0, 1, UTC)),
        ("2026-03-01T12:00:00Z", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ("2026-03-01T12:00:00.25-03:30", datetime(2026, 3, 1, 15, 30, 0, 250_000, UTC)),
        ("2026-03-01 12:00:00+02:00", datetime(2026, 3, 1, 10, tzinfo=UTC)),
    ],
)
def test_moments_that_are_understood(written: str, meant: datetime) -> None:
    assert parse_moment(written) == meant


@pytest.mark.parametrize(
    "written",
    [
        "", "today", "2026-03-01", "2026-03-01T12:00:00", "2026-03-01 12:00", "2026-02-30 12:00:00", "1772366400",
        "2026-03-01 24:00:01", "2026-03-01 12:00:00.1234567", "2026-03-01T12:00:00+99:00", "0001-01-01T00:00:00+05:00",
        "2026-03-01 12:00:00 UTC", "٢٠٢٦-03-01 12:00:00",
    ],
)  # fmt: skip
def test_moments_that_could_be_misunderstood_are_refused(written: str) -> None:
    with pytest.raises(HeadwaterError, match="parameter as_of: is not a moment"):
        parse_moment(written)


@pytest.mark.parametrize("convention", ["paper", "autoCdc"])
def test_a_version_holds_its_start_and_not_its_end(
    make_lake: Make, convention: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = make_lake(convention, customers=["id"], later=["id"])
    name = "full name"
    first = [change("I", 10, 1, id=1, **{name: "a"})]
    second = [
        change("U", 20, 2, id=1, **{name: "b"}), change("I", 20, 3, id=2, **{name: "c"}),
        change("D", 30, 4, id=2, **{name: "c"}),
    ]  # fmt: skip
    microsecond, spec = 0.000001, spec_of(lake.pipeline(), lake.pipeline().tables[0])
    held: list[list[tuple[int, str]]] = [
        [], [(1, "a")], [(1, "a")], [(1, "b"), (2, "c")], [(1, "b"), (2, "c")], [(1, "b")],
    ]  # fmt: skip
    moments = [10 - microsecond, 10, 20 - microsecond, 20, 30 - microsecond, 30]
    for number, (batch, ask) in enumerate([(first, "auto"), (second, "auto"), ([], "now")]):
        if batch:
            write_changes(lake.incoming() / f"2026030{number}-120000000.parquet", batch)
        apply(lake.spark, lake.files, lake.pipeline(), ask=ask)
        if number > 0:  # first unfolded, then folded
            asked = (
                f"SELECT {n} AS n, * FROM ({held_at(lake.spark, spec, at(when))[0]})"
                for n, when in enumerate(moments)
            )
            found = lake.rows(" UNION ALL ".join(asked) + " ORDER BY n, id")
            assert found == [(n, *row) for n, rows in enumerate(held) for row in rows]

    versions = {}
    for version in range(1, 4):  # 0 made the table
        query, _ = held_at(lake.spark, spec, version)
        versions[version] = lake.rows(f"SELECT * FROM ({query}) ORDER BY id")
    assert versions == {1: [(1, "a")], 2: [(1, "b")], 3: [(1, "b")]}
    with pytest.raises(HeadwaterError, match="found: version 99 of .*\n  allowed: 0 to 3\n"):
        held_at(lake.spark, spec, 99)
    with pytest.raises(HeadwaterError, match="name one table"):
        take_snapshots(lake.spark, lake.pipeline(), "version 1")

    # An earlier snapshot of other columns is replaced.
    lake.spark.sql(f"CREATE TABLE spark_catalog.{lake.schema}.customers__snapshot (old INT) USING DELTA")
    assert take_snapshots(lake.spark, lake.pipeline(), at(20).isoformat()) == {
        "asOf": at(20).isoformat(),
        "tables": [{"table": "customers", "snapshot": "customers__snapshot", "rows": 2}],
        "withoutHistory": ["later"],
    }
    assert lake.rows("SELECT * FROM {customers__snapshot} ORDER BY id") == [(1, "b"), (2, "c")]

    (tmp_path / "pipeline.json").write_text(json.dumps(lake.config()))
    monkeypatch.chdir(tmp_path)
    for as_of in ("2026-03-01 12:00:10", "version 2"):
        dbutils = Dbutils({"as_of": as_of, "tables": "customers"})
        runpy.run_path(str(NOTEBOOKS / "snapshot.py"), {"spark": lake.spark, "dbutils": dbutils})
        assert dbutils.exits[0]["withoutHistory"] == [] and dbutils.exits[0]["tables"][0]["rows"] == 1

    lake.rule = {"scdType": 1, "deletePolicy": "remove"}  # the same log, now without a history
    apply(lake.spark, lake.files, lake.pipeline())
    assert lake.rows("SELECT * FROM {customers}") == [(1, "b")]
    assert take_snapshots(lake.spark, lake.pipeline(), at(20).isoformat())["withoutHistory"] == [
        "later",
        "customers",
    ]
