"""One table of the target database, whatever its kind: made or checked, filled beside, then brought in line.

`prepare`, `open`, `fill`, `finish` and `commit`, in this order; no row is seen by others before the last. What differs
by kind is in `postgresql`, `mysql` and `sqlserver`. All of them take SQL's own quotes: see `q` and `text`."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import closing
from hashlib import sha256
from typing import Any, ClassVar

from pyspark.sql.types import (
    BinaryType,
    BooleanType,
    DataType,
    DecimalType,
    DoubleType,
    FloatType,
    StringType,
)

from .changes import GONE
from .config import Export
from .errors import HeadwaterError
from .names import q as spark_q
from .rows import Chunk
from .wanted import Credentials, Found, Refusal, Wanted, q

_DECIMAL = re.compile(r"(?:numeric|decimal)\((\d+),(\d+)\)")


class Target(ABC):
    product: ClassVar[str]
    # Longest name, and what counts its length.
    longest_name: ClassVar[tuple[int, str]] = (128, "characters")
    # Characters, or bytes, of texts in a key; a little less than what its index can hold, for the other columns.
    longest_key: ClassVar[int] = 0
    # Types of which each holds every value of those before it.
    growing: ClassVar[tuple[tuple[str, ...], ...]]
    now: ClassVar[str]
    true: ClassVar[str] = "1"
    # What a text begins with.
    unicode: ClassVar[str] = ""
    needs: ClassVar[str]
    # Most bytes of rows in a statement.
    piece = 1 << 20
    # Whether CREATE TABLE and the like can be undone.
    transactional = True

    @staticmethod
    @abstractmethod
    def connect(export: Export, credentials: Credentials, application: str) -> Any:
        """A connection whose session has UTC, SQL's quotes and a bound on how long it waits for locks."""

    @staticmethod
    @abstractmethod
    def driver_error() -> type[Exception]: ...

    @staticmethod
    @abstractmethod
    def told(error: Any) -> str:
        """What the database says, without what it quotes of rows."""

    @abstractmethod
    def type_name(self, kind: DataType, length: int | None = None) -> str | None:
        """The database's type for one of Spark's, spelled as `find` does; None if there is none. `length`: that of a text or
        of bytes in a key, where keys have a limit."""

    @abstractmethod
    def value(self, kind: DataType, name: str) -> str:
        """A Spark expression for the text of a column's value; NULL if it is."""

    @abstractmethod
    def line(self, values: Iterable[str]) -> str:
        """A Spark expression for the text of a row."""

    @abstractmethod
    def refusals(self) -> list[Refusal]: ...

    @abstractmethod
    def find(self, name: str) -> Found | None: ...

    @abstractmethod
    def set_mark(self, table: str) -> None: ...

    @abstractmethod
    def make_stage(self, body: str) -> None: ...

    @abstractmethod
    def insert(self, chunks: Iterable[Chunk], columns: list[str]) -> int:
        """Puts rows into `self.into` and returns how many there were."""

    @abstractmethod
    def grow(self, names: list[str]) -> None:
        """Gives columns of the table their wanted types, which hold more than they have."""

    @abstractmethod
    def swap(self) -> None:
        """Puts the table that was filled, `self.into`, in the place of the one there is."""

    def __init__(self, connection: Any, wanted: Wanted) -> None:
        self.connection, self.wanted, self.columns, self.keys = (
            connection,
            wanted,
            wanted.columns,
            wanted.keys,
        )
        self.where, self.state = wanted.where, "the table is as it was"
        self.types = {name: self._type(name) for name in self.columns}
        self.rest = [name for name in self.columns if name not in self.keys]
        self.table, self.into, self.new = self.named(wanted.name), "", True
        # Its own for each table, since several are filled at once.
        self.aside = f"headwater_{sha256(wanted.name.encode()).hexdigest()[:16]}"
        most, unit = self.longest_name
        for each in (wanted.export.schema, wanted.name, *self.columns):
            if (len(each.encode()) if unit == "bytes" else len(each)) > most:
                raise HeadwaterError(
                    "export/name-too-long", f"a name is too long for {self.product}", where=self.where, found=each,
                    allowed=f"{most} {unit}", remedy="rename it in the pipeline's definition",
                )  # fmt: skip

    @property
    def key_length(self) -> int:
        """What each text or binary column of the key gets of the length that an index can hold."""
        return self.longest_key // max(
            1, sum(isinstance(self.columns[key], StringType | BinaryType) for key in self.keys)
        )

    def named(self, name: str) -> str:
        return f"{q(self.wanted.export.schema)}.{q(name)}"

    def run(self, statement: str | bytes) -> int:
        """Rows that the statement changed."""
        with closing(self.connection.cursor()) as cursor:
            cursor.execute(statement)
            return cursor.rowcount

    def ask(self, query: str) -> list[Any]:
        with closing(self.connection.cursor()) as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    def _type(self, column: str) -> str:
        kind = self.columns[column]
        name = self.type_name(kind, self.key_length if column in self.keys else None)
        if name is None:
            raise HeadwaterError(
                "export/unsupported-type", f"a column's type has no counterpart in {self.product}", where=self.where,
                field=column, found=kind.simpleString(), allowed="numbers, text, binary, boolean, dates and times",
            )  # fmt: skip
        return name

    def definition(self, name: str, kind: str = "") -> str:
        """The column in CREATE and ALTER TABLE. What a key holds is never NULL, and some databases want to be told."""
        return f"{q(name)} {kind or self.types[name]} {'NOT NULL' if name in self.keys else 'NULL'}"

    def body(self, key: bool) -> str:
        ends = [f"PRIMARY KEY ({self.listed(self.keys)})"] if key else []
        return ", ".join([*map(self.definition, self.types), *ends])

    @staticmethod
    def listed(names: Iterable[str], template: str = "{}", joint: str = ", ") -> str:
        return joint.join(template.replace("{}", q(name)) for name in names)

    def same(self, left: str, right: str) -> str:
        return self.listed(self.keys, f"{left}.{{}} = {right}.{{}}", " AND ")

    # -- the table ---------------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Makes the table if it is missing, else checks it; columns that came or grew are added and widened."""
        found, replacing = self.find(self.wanted.name), self.wanted.export.mode == "replace"
        self.new = found is None
        if found is None and not replacing:
            self.run(f"CREATE TABLE {self.table} ({self.body(key=True)})")
            self.set_mark(self.wanted.name)
        elif found is not None:
            self._check(found, replacing)

    def _check(self, found: Found, replacing: bool) -> None:
        if found.mark != self.wanted.mark:
            raise HeadwaterError(
                "export/foreign-table", "the table exists and was not made by this pipeline's export", where=self.where,
                field="comment", found=found.mark, allowed=self.wanted.mark,
                remedy="export into another schema, drop the table, or give it this comment: its rows are then"
                " replaced by the history's current ones",
            )  # fmt: skip
        own = [name for name in found.columns if name not in self.types]
        if replacing and own:
            raise HeadwaterError(
                "export/own-columns", "the table has columns of its own, which would go with the table", where=self.where,
                found=", ".join(own), remedy='drop them, or export in the mode "upsert", which leaves them alone',
            )  # fmt: skip
        if replacing:
            return
        if found.keys != set(self.keys):
            raise self.differs("primary key", ", ".join(sorted(found.keys)) or "none", ", ".join(self.keys))
        grown = [
            name
            for name, kind in self.types.items()
            if name in found.columns and not self.holds(found.columns[name], kind)
        ]
        for name in grown:
            if not self.holds(self.types[name], found.columns[name]):
                raise self.differs(name, found.columns[name], self.types[name])
        for name in self.types:
            if name not in found.columns:
                self.run(f"ALTER TABLE {self.table} ADD {self.definition(name)}")
        if grown:
            self.grow(grown)

    def differs(self, what: str, found: str, allowed: str) -> HeadwaterError:
        return HeadwaterError(
            "export/table-differs", "the table exists and does not fit the history", where=self.where, field=what,
            found=found, allowed=allowed, remedy="change it, or drop the table: the next export makes it again",
        )  # fmt: skip

    @classmethod
    def holds(cls, has: str, wanted: str) -> bool:
        """Whether a column of type `has` keeps every value of type `wanted` as it is."""
        if has == wanted or (has == "numeric" and wanted.startswith("numeric(")):
            return True
        for types in cls.growing:
            if has in types and wanted in types:
                return types.index(has) > types.index(wanted)
        left, right = _DECIMAL.fullmatch(has), _DECIMAL.fullmatch(wanted)
        if left and right:
            (p, s), (p2, s2) = map(int, left.groups()), map(int, right.groups())
            return s >= s2 and p - s >= p2 - s2
        return False

    # -- its rows ----------------------------------------------------------------------------------------------------

    def open(self, changes: bool) -> None:
        """Makes what the rows are put into: a new table if it is to replace the old one, else a stage."""
        if self.wanted.export.mode == "replace":
            self.into = self.named(self.aside)
            self.make_new()
        else:
            gone = [f"{q(GONE)} {self.type_name(BooleanType())} NOT NULL"] if changes else []
            self.make_stage(", ".join([self.body(key=False), *gone]))

    def make_new(self) -> None:
        self.run(f"CREATE TABLE {self.into} ({self.body(key=False)})")

    def shape(self, changes: bool) -> dict[str, DataType]:
        """The columns that are filled in."""
        return self.columns | {GONE: BooleanType()} if changes else self.columns

    def texts(self, changes: bool) -> str:
        """A Spark expression for a row's text, NULL where the database cannot store the row."""
        line = self.line(self.value(kind, name) for name, kind in self.shape(changes).items())
        bad = " OR ".join(refusal.condition for refusal in self.refusals())
        return f"CASE WHEN {bad} THEN NULL ELSE {line} END" if bad else line

    def fill(self, chunks: Iterable[Chunk], changes: bool) -> int:
        return self.insert(chunks, list(self.shape(changes)))

    def finish(self, changes: bool, rows: int) -> tuple[int, int]:
        """Brings the table in line with the rows that were filled in. Returns rows written and rows deleted."""
        if self.wanted.export.mode == "replace":
            self.swap()
            return rows, 0
        self.lock()
        deleted = self.delete(changes) if self.wanted.export.deletes == "delete" else 0
        return self.write(changes), deleted

    def lock(self) -> None:
        """Lets readers go on and another writer wait, where there is such a lock."""

    def delete(self, changes: bool) -> int:
        gone = f"EXISTS (SELECT 1 FROM {self.into} s WHERE {self.same('s', self.table)}"
        if changes:
            return self.run(f"DELETE FROM {self.table} WHERE {gone} AND s.{q(GONE)} = {self.true})")
        return self.run(f"DELETE FROM {self.table} WHERE NOT {gone})")

    @abstractmethod
    def write(self, changes: bool) -> int:
        """Updates what differs and inserts what is missing. Returns how many rows that were."""

    def present(self, changes: bool) -> str:
        """A further condition on a row of the stage, `s`: that it is no key which has gone."""
        return f" AND s.{q(GONE)} <> {self.true}" if changes else ""

    def insert_missing(self, changes: bool) -> int:
        return self.run(
            f"INSERT INTO {self.table} ({self.listed(self.columns)}) SELECT {self.listed(self.columns, 's.{}')}"
            f" FROM {self.into} s WHERE NOT EXISTS (SELECT 1 FROM {self.table} t WHERE {self.same('t', 's')})"
            f"{self.present(changes)}"
        )

    def commit(self) -> None:
        self.state = "the commit's answer was lost: the table is as it was, or complete"
        self.connection.commit()


def text_of(kind: DataType, name: str) -> str:
    """A Spark expression for a value as text: exact; times in the session's zone, which `export` makes UTC."""
    return f"hex({name})" if isinstance(kind, BinaryType) else f"CAST({name} AS STRING)"


def plain_type(
    types: dict[type[DataType], str], kind: DataType, most: tuple[int, int] = (38, 38)
) -> str | None:
    """A type by a dialect's table of them; decimals with their precision and scale, if the database has so many digits."""
    if isinstance(kind, DecimalType):
        fits = kind.precision <= most[0] and kind.scale <= most[1]
        return f"{types[DecimalType]}({kind.precision},{kind.scale})" if fits else None
    return types.get(type(kind))


def not_finite(columns: dict[str, DataType], product: str) -> list[Refusal]:
    """Numbers that only some databases have."""
    return [
        Refusal(
            name, f"NOT abs({spark_q(name)}) < double('Infinity')",
            f"a number is NaN or infinite, which {product} cannot store",
        )
        for name, kind in columns.items()
        if isinstance(kind, DoubleType | FloatType)
    ]  # fmt: skip
