"""The rules that need no Spark: types, shapes of files, places for files, moments, names."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from pyspark.sql.types import (
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    ShortType,
    StringType,
    StructField,
    StructType,
    TimestampNTZType,
    TimestampType,
)

from headwater_history.config import parse_pipeline
from headwater_history.errors import HeadwaterError, brief
from headwater_history.files import DbutilsFiles, File, move_all, new_files
from headwater_history.names import q, spec_of, text
from headwater_history.schema import reconcile, shape_of, widen
from support import RULE, LocalFiles

PIPELINE = parse_pipeline(
    json.dumps(
        {
            "version": 1, "pipeline": "shop", "environment": "dev", "release": "abc",
            "target": {"catalog": "c", "schema": "s"}, "historyColumns": "paper", "latenessSeconds": 1, "export": None,
            "columns": {
                "op": "Op", "commitTime": "tx_commit_time", "changeSeq": "change_seq", "beforeImagePrefix": "BI_",
            },
            "tables": [
                {
                    "source": {"schema": "shop", "table": "customers"}, "name": "customers", "keys": ["id"],
                    "incoming": "/Volumes/c/s/in", "processed": "/Volumes/c/s/out", **RULE,
                }
            ],
        }
    )
)  # fmt: skip
CUSTOMERS = spec_of(PIPELINE, PIPELINE.tables[0])
ADDED = {"Op": StringType(), "tx_commit_time": StringType(), "change_seq": StringType(), "BI_id": LongType()}


def schema(**columns: object) -> StructType:
    return StructType([StructField(name, kind) for name, kind in columns.items()])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("left", "right", "wide"),
    [
        (IntegerType(), IntegerType(), IntegerType()),
        (ShortType(), LongType(), LongType()),
        (FloatType(), DoubleType(), DoubleType()),
        (DecimalType(10, 2), DecimalType(12, 2), DecimalType(12, 2)),
        (DecimalType(10, 2), DecimalType(10, 4), DecimalType(12, 4)),
        (IntegerType(), DecimalType(12, 2), DecimalType(12, 2)),
        (IntegerType(), DecimalType(4, 2), DecimalType(12, 2)),
        (DecimalType(38, 0), DecimalType(38, 10), None),
        (IntegerType(), StringType(), None),
        (LongType(), DoubleType(), None),
        (TimestampType(), TimestampNTZType(), None),
        (DateType(), TimestampType(), None),
    ],
)
def test_types_widen_only_where_no_value_is_lost(left: object, right: object, wide: object) -> None:
    assert widen(left, right) == wide  # type: ignore[arg-type]
    assert widen(right, left) == wide  # type: ignore[arg-type]


def test_the_parts_of_a_file_are_found_in_any_order_and_case() -> None:
    shape = shape_of(
        schema(Name=StringType(), CHANGE_SEQ=StringType(), op=StringType(), bi_ID=LongType(), ID=LongType())
        .add("TX_COMMIT_TIME", StringType()),
        PIPELINE.columns, ["id"], "a file",
    )  # fmt: skip
    assert (shape.op, shape.commit_time, shape.change_seq) == ("op", "TX_COMMIT_TIME", "CHANGE_SEQ")
    assert shape.before_image == {"id": "bi_ID"}
    assert shape.data == {"name": ("Name", StringType()), "id": ("ID", LongType())}


def test_a_file_that_lacks_a_part_is_refused_by_name() -> None:
    with pytest.raises(HeadwaterError, match="file 7: Op: a column is missing\n  found: id, tx_commit_time"):
        shape_of(schema(id=LongType(), tx_commit_time=StringType()), PIPELINE.columns, ["id"], "file 7")
    with pytest.raises(HeadwaterError, match=r"differ in case only\n  found: a, A"):
        shape_of(schema(**ADDED, id=LongType(), a=LongType(), A=LongType()), PIPELINE.columns, ["id"], "x")


def test_columns_are_reconciled_with_the_table() -> None:
    stored = {"id": IntegerType(), "name": StringType(), "gone": DateType()}
    shape = shape_of(
        schema(**ADDED, NAME=StringType(), ID=LongType(), more=DoubleType()), PIPELINE.columns, ["id"], "x"
    )
    assert reconcile(stored, [("x", shape)], CUSTOMERS) == {
        "id": LongType(), "name": StringType(), "gone": DateType(), "more": DoubleType(),
    }  # fmt: skip
    assert list(reconcile({}, [("x", shape)], CUSTOMERS)) == ["NAME", "id", "more"]


@pytest.mark.parametrize(
    ("column", "says"), [("current", "a name that the history needs"), ("name", "type cannot be")]
)
def test_a_column_that_does_not_fit_stops_the_table(column: str, says: str) -> None:
    shape = shape_of(
        schema(**ADDED, id=LongType(), **{column: DateType()}), PIPELINE.columns, ["id"], "incoming/x"
    )
    with pytest.raises(HeadwaterError, match=rf"incoming/x: {column}: .*{says}"):
        reconcile({"id": LongType(), "name": StringType()}, [("incoming/x", shape)], CUSTOMERS)


def test_hidden_files_are_not_changes(tmp_path: Path) -> None:
    for name in ("b.parquet", "a.parquet", "_SUCCESS", ".x.crc", "deep/c.parquet", "_temporary/d.parquet"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    found = new_files(LocalFiles().list(str(tmp_path)))
    assert [file.relative for file in found] == ["a.parquet", "b.parquet", "deep/c.parquet"]


def test_moving_overwrites_nothing_and_leaves_what_was_written_again(tmp_path: Path) -> None:
    incoming, processed = tmp_path / "in", tmp_path / "out"
    incoming.mkdir()
    (incoming / "LOAD1.parquet").write_text("first")
    (incoming / "LOAD2.parquet").write_text("second")
    (processed / "deep").mkdir(parents=True)
    (processed / "LOAD1.parquet").write_text("of an earlier load")
    files, moved = LocalFiles(), []
    listed = new_files(files.list(str(incoming)))
    (incoming / "LOAD2.parquet").write_text("written again by a reload")
    left = move_all(files, str(incoming), [(file, str(processed)) for file in listed], moved.append)
    assert [file.relative for file in left] == ["LOAD2.parquet"]
    assert (incoming / "LOAD2.parquet").read_text() == "written again by a reload"
    assert (processed / "LOAD1.parquet").read_text() == "of an earlier load"
    assert (processed / f"LOAD1-{listed[0].modified}.parquet").read_text() == "first"
    assert [file.relative for file in moved] == ["LOAD1.parquet"]


class FakeFs:
    """dbutils.fs as Databricks has it: folders end in a slash, what is missing raises the JVM's exception."""

    def __init__(self, tree: dict[str, list[str]]) -> None:
        self.tree, self.calls = tree, []

    def ls(self, path: str) -> list[SimpleNamespace]:
        if path not in self.tree:
            raise RuntimeError(f"java.io.FileNotFoundException: No such file or directory {path}")
        return [SimpleNamespace(name=name, size=3, modificationTime=7) for name in self.tree[path]]

    def mkdirs(self, path: str) -> None:
        self.calls.append(("mkdirs", path))

    def mv(self, source: str, target: str) -> None:
        self.calls.append(("mv", source, target))


def test_dbutils_lists_at_any_depth_and_moves() -> None:
    fs = FakeFs({"/Volumes/v": ["a.parquet", "p1/"], "/Volumes/v/p1": ["b.parquet"], "/Volumes/w/a": ["a"]})
    files = DbutilsFiles(SimpleNamespace(fs=fs))
    assert files.list("/Volumes/v") == [
        File("/Volumes/v/a.parquet", "a.parquet", 3, 7),
        File("/Volumes/v/p1/b.parquet", "p1/b.parquet", 3, 7),
    ]
    assert files.list("/Volumes/not yet there") == []
    assert (files.exists("/Volumes/w/a"), files.exists("/Volumes/w/b")) == (True, False)
    files.move("/Volumes/v/p1/b.parquet", "/Volumes/w/p1/b.parquet")
    assert fs.calls == [
        ("mkdirs", "/Volumes/w/p1"),
        ("mv", "/Volumes/v/p1/b.parquet", "/Volumes/w/p1/b.parquet"),
    ]


def test_any_other_error_of_dbutils_is_not_an_empty_folder() -> None:
    class Refusing(FakeFs):
        def ls(self, path: str) -> list[SimpleNamespace]:
            raise PermissionError(f"no READ VOLUME on {path}")

    with pytest.raises(PermissionError):
        DbutilsFiles(SimpleNamespace(fs=Refusing({}))).list("/Volumes/v")


def test_names_and_texts_are_quoted() -> None:
    assert q("a`b") == "`a``b`"
    assert text("it's \\d") == r"'it\'s \\d'"


def test_long_errors_are_cut_for_the_record() -> None:
    assert brief(ValueError("bad\n\tat org.apache.X\n")) == "bad"
    assert len(brief(ValueError("x" * 5000))) == 600
    assert brief(HeadwaterError("c", "is wrong", where="w", remedy="r")) == "w: is wrong\n  remedy: r"
