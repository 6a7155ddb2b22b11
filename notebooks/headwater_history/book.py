"""What the exports of changes wrote last: for each table, the version of its log. Kept in the target database, so that rows and version
change in one transaction."""

from __future__ import annotations

from threading import Lock
from typing import NamedTuple

from pyspark.sql.types import DataType, LongType, StringType, TimestampType

from .changes import Position
from .target import Target
from .wanted import q, text

NAME = "headwater_exports"
_KEYS = ("owner", "table_name")
_COLUMNS: dict[str, DataType] = {
    "owner": StringType(), "table_name": StringType(), "log": StringType(), "version": LongType(),
    "deletes": StringType(), "exported_at": TimestampType(),
}  # fmt: skip
_making = Lock()


class Mark(NamedTuple):
    """What the last export of a table noted; `deletes`: whether rows that were gone were deleted."""

    position: Position
    deletes: str


def make(target: Target) -> None:
    """Makes the book if it is missing. Committed at once, since all tables of an export share it."""
    with _making:
        if target.find(NAME) is None:
            half = target.longest_key // 2
            columns = (
                f"{q(name)} {target.type_name(kind, half if name in _KEYS else None)} NOT NULL"
                for name, kind in _COLUMNS.items()
            )
            body = f"{', '.join(columns)}, PRIMARY KEY ({target.listed(_KEYS)})"
            target.run(f"CREATE TABLE {target.named(NAME)} ({body})")
        target.connection.commit()


def _ours(target: Target) -> dict[str, str]:
    values = {"owner": target.wanted.owner, "table_name": target.wanted.name}
    return {name: target.unicode + text(value) for name, value in values.items()}


def _where(target: Target) -> str:
    return " AND ".join(f"{q(name)} = {value}" for name, value in _ours(target).items())


def last(target: Target) -> Mark | None:
    rows = target.ask(
        f"SELECT {target.listed(('log', 'version', 'deletes'))} FROM {target.named(NAME)} WHERE {_where(target)}"
    )
    return Mark(Position(rows[0][0], int(rows[0][1])), rows[0][2]) if rows else None


def forget(target: Target) -> None:
    """After an export that noted no version: what was noted before may be of another policy for deletes."""
    if target.find(NAME) is not None:
        target.run(f"DELETE FROM {target.named(NAME)} WHERE {_where(target)}")


def note(target: Target, now: Position) -> None:
    forget(target)
    values = [
        *_ours(target).values(),
        text(now.log),
        str(now.version),
        text(target.wanted.export.deletes),
        target.now,
    ]
    target.run(f"INSERT INTO {target.named(NAME)} ({target.listed(_COLUMNS)}) VALUES ({', '.join(values)})")
