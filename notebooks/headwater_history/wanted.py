"""What the export is asked for, and what it finds: in words that every kind of database shares."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from pyspark.sql.types import DataType

from .config import Export

CONNECT_SECONDS = 15


def q(name: str) -> str:
    """An identifier in SQL's own quotes, which sessions of every kind are told to take."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """A text in SQL's own quotes, with no other escape."""
    return "'" + value.replace("'", "''") + "'"


def unquoted(said: str) -> str:
    """A database's message without what it quotes, from the first quote to the last: names, but values of rows as well."""
    return re.sub("'.*'", "'...'", said, flags=re.DOTALL)


@dataclass(frozen=True)
class Credentials:
    """Never part of a text: repr, which tracebacks with locals show, leaves them out."""

    user: str = field(repr=False)
    password: str = field(repr=False)

    def scrub(self, said: str) -> str:
        return said.replace(self.password, "[REDACTED]") if self.password else said


class Wanted(NamedTuple):
    """What the table is to be. A table that Headwater did not make for this pipeline and environment is refused, since rows
    that are not in the history are deleted: a wrong schema in the settings would empty somebody's table. Its mark tells."""

    export: Export
    name: str
    owner: str
    columns: dict[str, DataType]
    keys: tuple[str, ...]

    @property
    def mark(self) -> str:
        return f"headwater {self.owner}"

    @property
    def where(self) -> str:
        return f"{self.export.place} {self.export.schema}.{self.name}"


class Found(NamedTuple):
    """What the database says of a table: its mark, the columns of its primary key, and all columns with their types."""

    mark: str | None
    keys: set[str]
    columns: dict[str, str]


class Refusal(NamedTuple):
    """A condition on rows of Spark's: the database cannot store them as they are."""

    column: str
    condition: str
    why: str
