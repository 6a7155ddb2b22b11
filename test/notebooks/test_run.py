"""Single runs: each kind of row, file, table and folder that is not as it should be, and a process that is killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from headwater_history.run import ApplyFailed, apply
from support import Lake, at, change, write, write_changes

Make = Callable[..., Lake]
TYPES = {"id": pa.int64(), "name": pa.string()}


def load(lake: Lake, count: int, table: str = "customers", **more: object) -> Path:
    rows = [change("I", 0, None, id=n, name=f"n{n}", **more) for n in range(count)]
    return write_changes(lake.incoming(table) / "LOAD00000001.parquet", rows, TYPES)


def capture(lake: Lake, number: int, *rows: dict[str, object], table: str = "customers") -> Path:
    return write_changes(lake.incoming(table) / f"20260301-1201{number:05}.parquet", list(rows), TYPES)


def in_folder(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_what_cannot_be_an_event_is_quarantined_and_the_rest_goes_on(make_lake: Make) -> None:
    lake = make_lake()
    load(lake, 2)
    capture(
        lake, 1,
        change("U", 1.000001, 1, id=0, name="one microsecond"),
        change("U", 2, 2, id=None, name="no key"),
        change("U", None, 3, id=0, name="no time"),
        change("X", 2, 4, id=0, name="no such operation"),
        {**change("U", 2, 5, id=0, name="no such day"), "tx_commit_time": "2026-02-31 00:00:00.000000"},
        change("U", 3, 6, id=1, name="either"),
        change("U", 3, 6, id=1, name="or"),
        change("U", 9, "7", id=1, name="a short number"),
        change("U", 9, "10", id=1, name="a longer one, so a later one"),
    )  # fmt: skip
    told = apply(lake.spark, lake.files, lake.pipeline(), ask="now").as_json()["tables"][0]
    assert told["quarantined"] == 4 + 2
    assert told["events"] == {"load": 2, "I": 0, "U": 5, "D": 0}
    assert told["folded"]["way"] == "rebuild"
    assert lake.history("id, name") == [
        (0, "n0", 0, 1.000001), (0, "one microsecond", 1.000001, None),
        (1, "n1", 0, 3), (1, "or", 3, 9), (1, "a longer one, so a later one", 9, None),
    ]  # fmt: skip
    assert lake.rows(
        "SELECT reason, get_json_object(payload, '$.name'), file FROM {headwater_quarantine} ORDER BY 1, 2"
    ) == [
        (reason, name, "20260301-120100001.parquet")
        for reason, name in (
            ("commit time cannot be read: 2026-02-31 00:00:00.000000", "no such day"),
            ("commit time is NULL", "no time"),
            ("key column id is NULL", "no key"),
            ("one sequence with different values", "either"),
            ("one sequence with different values", "or"),
            ("unknown operation: X", "no such operation"),
        )
    ]
    assert lake.rows("SELECT * FROM {customers_current} ORDER BY id") == [
        (0, "one microsecond"),
        (1, "a longer one, so a later one"),
    ]
    ran = "SELECT outcome, files, loads, updates, late, quarantined, unix_micros(newest_commit) FROM {headwater_runs} WHERE outcome <> 'underway'"
    assert lake.rows(ran) == [("succeeded", 2, 2, 5, 0, 6, int(at(9).timestamp() * 1e6))]


def test_a_bad_file_or_table_does_not_hold_up_the_others(make_lake: Make) -> None:
    lake = make_lake(customers=["id"], orders=["id"], lines=["id"], nothing=["id"])
    load(lake, 3)
    (lake.incoming() / "20260301-120000001.parquet").write_bytes(b"PAR1 no parquet at all PAR1")
    whole = capture(lake, 2, change("U", 1, 1, id=0, name="x" * 5000)).read_bytes()
    (lake.incoming() / "20260301-120000003.parquet").write_bytes(b"PAR1" + b"\xff" * 200 + whole[204:])
    (lake.incoming() / "20260301-120000004.parquet").write_bytes(b"")
    load(lake, 1, "orders", current=True)
    write(lake.incoming("lines") / "LOAD00000001.parquet", {"id": [1], "Op": ["I"]})
    with pytest.raises(ApplyFailed) as caught:
        apply(lake.spark, lake.files, lake.pipeline())
    assert "2 of 4 tables failed" in str(caught.value)
    assert "current: a column of the source has a name that the history needs" in str(caught.value)
    assert "tx_commit_time: a column is missing\n  found: id, Op" in str(caught.value)
    bad = [f"20260301-12000000{number}.parquet" for number in (1, 3, 4)]
    assert in_folder(lake.processed()) == [
        "20260301-120100002.parquet", "LOAD00000001.parquet", *(f"_corrupt/{name}" for name in bad),
    ]  # fmt: skip
    assert in_folder(lake.incoming()) == []
    assert in_folder(lake.incoming("orders")) == in_folder(lake.incoming("lines")) == ["LOAD00000001.parquet"]
    assert [row[:2] for row in lake.history("id, length(name)")] == [(0, 2), (0, 5000), (1, 2), (2, 2)]
    assert lake.rows(
        "SELECT file FROM {headwater_files} WHERE status = 'set aside' AND reason <> '' ORDER BY 1"
    ) == [(name,) for name in bad]
    assert lake.rows("SELECT `table`, outcome, files, files_set_aside FROM {headwater_runs} ORDER BY 1") == [
        ("customers", "succeeded", 2, 3),
        ("lines", "failed", 0, 0),
        ("nothing", "succeeded", 0, 0),
        ("orders", "failed", 0, 0),
    ]


def test_a_type_that_cannot_be_reconciled_stops_the_table(make_lake: Make) -> None:
    """Before that: a column that is gone, and one whose name is in another case, do not."""
    lake = make_lake("autoCdc")
    load(lake, 1)
    apply(lake.spark, lake.files, lake.pipeline())
    both = [change("U", 1, 1, ID=0, NAME="a")], [change("U", 2, 2, id=0)]
    for number, rows in enumerate(both):
        write_changes(lake.incoming() / f"20260301-12010000{number}.parquet", rows)
    apply(lake.spark, lake.files, lake.pipeline())
    versions = [(0, "n0", 0, 1), (0, "a", 1, 2), (0, None, 2, None)]
    assert lake.history("id, name") == versions
    write_changes(lake.incoming() / "x.parquet", [change("U", 3, 3, id=0, name=None)], {"name": pa.date32()})
    says = r"name: a column's type cannot be reconciled[^\n]*\n  found: date\n  allowed: string"
    with pytest.raises(ApplyFailed, match=says):
        apply(lake.spark, lake.files, lake.pipeline())
    assert in_folder(lake.incoming()) == ["x.parquet"]
    assert lake.history("id, name") == versions


KILLED = """
import json, os, signal, sys
sys.path[:0] = json.loads(sys.argv[1])
from pyspark.sql import SparkSession
from headwater_history.config import parse_pipeline
from headwater_history.run import apply
from support import LocalFiles
spark = SparkSession.builder.remote(sys.argv[2]).getOrCreate()
def step(table, name):
    if name == "log":
        os.kill(os.getpid(), signal.SIGKILL)
apply(spark, LocalFiles(), parse_pipeline(sys.stdin.read()), step=step)
"""


def test_a_process_that_is_killed_for_good_loses_nothing(make_lake: Make, remote: str) -> None:
    lake = make_lake()
    load(lake, 2)
    ways = json.dumps([path for path in sys.path if path.endswith("notebooks")])
    command = [sys.executable, "-c", KILLED, ways, remote]
    died = subprocess.run(
        command, input=json.dumps(lake.config()), text=True, check=False, capture_output=True
    )
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert lake.rows("SELECT count(*) FROM {customers__log}") == [(2,)]
    assert lake.rows("SELECT count(*) FROM {customers}") == [(2,)]
    apply(lake.spark, lake.files, lake.pipeline())
    assert lake.history("id, name") == [(0, "n0", 0, None), (1, "n1", 0, None)]


def test_a_table_that_cannot_be_recorded_says_so(make_lake: Make) -> None:
    lake = make_lake()
    load(lake, 1)

    def refuse(source: str, target: str) -> None:
        raise PermissionError("no WRITE VOLUME on customers_processed")

    lake.files.move = refuse  # type: ignore[method-assign]
    with pytest.raises(ApplyFailed, match="applied, but not all files could be moved.*no WRITE VOLUME"):
        apply(lake.spark, lake.files, lake.pipeline())
    assert in_folder(lake.incoming()) == ["LOAD00000001.parquet"]
    assert lake.history("id, name") == [(0, "n0", 0, None)]
    told = lake.rows("SELECT outcome, loads FROM {headwater_runs} ORDER BY recorded_at")
    assert told == [("succeeded", 1), ("failed", 0)]  # recorded before the move, and again with its failure
