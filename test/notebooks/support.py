"""What the tests share: a local file system for the library, files as DMS writes them, and reading tables back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from headwater_history.config import Pipeline, parse_pipeline
from headwater_history.files import File

EPOCH = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


RULE: dict[str, Any] = {"scdType": 2, "trackHistoryOn": None, "deletePolicy": "close"}


def at(seconds: float) -> datetime:
    """A moment so many seconds after the tests' beginning of time."""
    return EPOCH + timedelta(seconds=seconds)


def dms_time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")


class LocalFiles:
    """The library's view of a file system, on local folders."""

    def list(self, folder: str) -> list[File]:
        root = Path(folder)
        found = [path for path in root.rglob("*") if path.is_file()]
        return [
            File(
                str(path),
                path.relative_to(root).as_posix(),
                path.stat().st_size,
                path.stat().st_mtime_ns // 1_000_000,
            )
            for path in found
        ]

    def exists(self, path: str) -> bool:
        return Path(path).is_file()

    def read(self, path: str) -> str:
        return Path(path).read_text()

    def move(self, source: str, target: str) -> None:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(source, target)


@dataclass
class Lake:
    """A schema of its own, folders of its own, and the pipeline that joins them."""

    spark: SparkSession
    schema: str
    root: Path
    tables: dict[str, list[str]]
    history_columns: str = "paper"
    rule: dict[str, Any] = field(default_factory=dict)
    files: LocalFiles = field(default_factory=LocalFiles)

    def __post_init__(self) -> None:
        for name in self.tables:
            self.incoming(name).mkdir(parents=True)
        self.spark.sql(f"CREATE SCHEMA spark_catalog.{self.schema}")

    def incoming(self, table: str = "customers") -> Path:
        return self.root / "incoming" / table

    def processed(self, table: str = "customers") -> Path:
        return self.root / "processed" / table

    def config(self, **changes: Any) -> dict[str, Any]:
        tables = [
            {
                "source": {"schema": "shop", "table": name}, "name": name, "keys": keys,
                "incoming": str(self.incoming(name)), "processed": str(self.processed(name)), **RULE, **self.rule,
            }
            for name, keys in self.tables.items()
        ]  # fmt: skip
        return {
            "version": 1, "pipeline": "shop", "environment": "dev", "release": "abc123",
            "target": {"catalog": "spark_catalog", "schema": self.schema},
            "columns": {
                "op": "Op", "commitTime": "tx_commit_time", "changeSeq": "change_seq", "beforeImagePrefix": "BI_",
            },
            "historyColumns": self.history_columns, "latenessSeconds": 604_800, "tables": tables, "export": None, **changes,
        }  # fmt: skip

    def pipeline(self, **changes: Any) -> Pipeline:
        return parse_pipeline(json.dumps(self.config(**changes)))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """A query's rows; `{name}` is a table. Times are read as texts in UTC."""
        names = {name: f"spark_catalog.{self.schema}.{name}" for name in self._names()}
        return [tuple(row) for row in self.spark.sql(query.format(**names)).collect()]

    def _names(self) -> list[str]:
        control = ["headwater_files", "headwater_runs", "headwater_quarantine"]
        suffixes = ["", "__log", "_current", "__snapshot"]
        return control + [name + suffix for name in self.tables for suffix in suffixes]

    def history(self, columns: str, table: str = "customers") -> list[tuple[Any, ...]]:
        """Columns, start and end (seconds after EPOCH, None while current) of every version, sorted by key and start."""
        base = int(EPOCH.timestamp() * 1_000_000)
        start, end = (
            ("effective_date", "end_date") if self.history_columns == "paper" else ("__START_AT", "__END_AT")
        )
        return self.rows(
            f"SELECT {columns}, (unix_micros({start}) - {base}) / 1e6 AS s, (unix_micros({end}) - {base}) / 1e6 AS e"
            f" FROM {{{table}}} ORDER BY {', '.join(self.tables[table])}, s"
        )


def write(
    path: Path, columns: Mapping[str, Iterable[Any]], types: Mapping[str, pa.DataType] | None = None
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    known = types or {}
    arrays = {name: pa.array(list(values), type=known.get(name)) for name, values in columns.items()}
    pq.write_table(pa.table(arrays), path)
    return path


def change(op: str, seconds: float | None, seq: int | str | None, **values: Any) -> dict[str, Any]:
    """One row of a file as DMS writes it."""
    digits = f"{seq:035d}" if isinstance(seq, int) else seq
    stamp = None if seconds is None else dms_time(at(seconds))
    return {"Op": op, "tx_commit_time": stamp, "change_seq": digits, **values}


def write_changes(
    path: Path, changes: list[dict[str, Any]], types: Mapping[str, pa.DataType] | None = None
) -> Path:
    names = list(dict.fromkeys(name for each in changes for name in each))
    texts = dict.fromkeys(("Op", "tx_commit_time", "change_seq"), pa.string())
    return write(
        path, {name: [each.get(name) for each in changes] for name in names}, {**texts, **(types or {})}
    )


def mark(lake: Lake, seconds: float, rows: int, table: str = "customers") -> None:
    """Marks a reload that began at the moment as complete, as `headwater reload` does."""
    content = {
        "version": 1, "table": f"shop.{table}", "after": at(seconds - 0.5).isoformat(),
        "until": at(seconds + 30).isoformat(), "rows": rows,
        "markedAt": at(seconds + 60).isoformat(),
    }  # fmt: skip
    (lake.incoming(table) / "_headwater_reload.json").write_text(json.dumps(content))


class Dbutils:
    """What the notebooks ask of `dbutils`: `widgets`, `secrets` by (scope, key), `notebook.exit`."""

    def __init__(
        self, widgets: dict[str, str] | None = None, secrets: dict[tuple[str, str], str] | None = None
    ) -> None:
        self.widgets = self.notebook = self.secrets = self
        self.given, self.known = dict(widgets or {}), secrets or {}
        self.exits: list[Any] = []

    def text(self, name: str, default: str) -> None:
        self.given.setdefault(name, default)

    def get(self, name: str = "", *, scope: str = "", key: str = "") -> str:
        return self.known[scope, key] if key else self.given[name]

    def exit(self, value: str) -> None:
        self.exits.append(json.loads(value))
