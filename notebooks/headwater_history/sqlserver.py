"""SQL Server: rows come as JSON, many in a statement, which the server takes apart; all of an export is one transaction.

Never run against a real one: tests read its statements by their grammar only."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from typing import Any

from pyspark.sql import types as T
from pyspark.sql.types import BinaryType, DataType, StringType

from .config import Export
from .names import q as spark_q
from .rows import Chunk
from .target import Target, not_finite, plain_type, text_of
from .wanted import CONNECT_SECONDS, Credentials, Found, Refusal, q, unquoted
from .wanted import text as quoted

_TYPES: dict[type[DataType], str] = {
    T.BinaryType: "varbinary(max)",
    T.BooleanType: "bit",
    T.ByteType: "smallint",
    T.DateType: "date",
    T.DecimalType: "decimal",
    T.DoubleType: "float",
    T.FloatType: "real",
    T.IntegerType: "int",
    T.LongType: "bigint",
    T.ShortType: "smallint",
    T.TimestampNTZType: "datetime2(6)",
    T.TimestampType: "datetime2(6)",
}
# The usual ones take 'A' for 'a'.
_COLLATED = " COLLATE Latin1_General_100_BIN2"


def text(value: str) -> str:
    return "N" + quoted(value)


class SqlServer(Target):
    product = "SQL Server"
    longest_key = 400  # of 900 bytes; a character takes 2
    growing = (("smallint", "int", "bigint"), ("real", "float"))
    now = "SYSUTCDATETIME()"
    unicode = "N"
    needs = "CREATE TABLE on the database, ALTER and SELECT, INSERT, UPDATE, DELETE on the schema"

    @staticmethod
    def connect(export: Export, credentials: Credentials, application: str) -> Any:
        import pymssql  # only the job that exports has it

        # FreeTDS looks at certificates only where its settings say so; `system`: those that this machine trusts. A
        # database with a private authority needs settings of its own, named in FREETDSCONF.
        if export.tls == "verify-full" and "FREETDSCONF" not in os.environ:
            with tempfile.NamedTemporaryFile("w", suffix=".conf", delete=False) as settings:
                settings.write("[global]\nca file = system\ncheck certificate hostname = yes\n")
            os.environ["FREETDSCONF"] = settings.name
        connection = pymssql.connect(
            server=export.host, port=str(export.port), database=export.database, user=credentials.user,
            password=credentials.password, login_timeout=CONNECT_SECONDS, charset="UTF-8", appname=application,
            tds_version="7.4", encryption="off" if export.tls == "disable" else "require",
        )  # fmt: skip
        with connection.cursor() as cursor:
            cursor.execute("SET XACT_ABORT ON; SET LOCK_TIMEOUT 60000")
        return connection

    @staticmethod
    def driver_error() -> type[Exception]:
        import pymssql

        return pymssql.Error

    @staticmethod
    def told(error: Any) -> str:
        code, said = (*error.args, "", "")[:2]
        said = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        said = said.split("DB-Lib error")[0].split("The duplicate key value is")[0].strip()
        return f"{unquoted(said)} (error {code})"

    def type_name(self, kind: DataType, length: int | None = None) -> str | None:
        if isinstance(kind, StringType):
            return f"nvarchar({length or 'max'}){_COLLATED}"
        return f"varbinary({length or 'max'})" if isinstance(kind, BinaryType) else plain_type(_TYPES, kind)

    def value(self, kind: DataType, name: str) -> str:
        return text_of(kind, spark_q(name))

    def line(self, values: Iterable[str]) -> str:
        return f"concat(to_json(array({', '.join(values)})), ',')"

    def refusals(self) -> list[Refusal]:
        found, length = not_finite(self.columns, self.product), self.key_length
        for name in self.keys:
            kind, column = self.columns[name], spark_q(name)
            if isinstance(kind, StringType | BinaryType):
                size = column if isinstance(kind, BinaryType) else f"encode({column}, 'UTF-16LE')"
                most = length if isinstance(kind, BinaryType) else 2 * length
                why = f"a key is longer than the {length} characters that SQL Server can index"
                found.append(Refusal(name, f"octet_length({size}) > {most}", why))
            if isinstance(kind, StringType):
                why = "a key ends with a space, which SQL Server takes for the key without it"
                found.append(Refusal(name, f"endswith({column}, ' ')", why))
        return found

    def find(self, name: str) -> Found | None:
        here = f"object_id = OBJECT_ID({text(self.named(name))})"
        tables = self.ask(
            "SELECT CAST(p.value AS nvarchar(4000)) FROM sys.tables t LEFT JOIN sys.extended_properties p"
            f" ON p.class = 1 AND p.major_id = t.object_id AND p.minor_id = 0 AND p.name = {text('headwater')} WHERE t.{here}"
        )
        if not tables:
            return None
        keys = self.ask(
            "SELECT c.name FROM sys.indexes i JOIN sys.index_columns k ON k.object_id = i.object_id AND k.index_id = i.index_id"
            " JOIN sys.columns c ON c.object_id = k.object_id AND c.column_id = k.column_id"
            f" WHERE i.is_primary_key = 1 AND i.{here}"
        )
        columns = self.ask(
            "SELECT name, TYPE_NAME(user_type_id), max_length, precision, scale, collation_name FROM sys.columns"
            f" WHERE {here} ORDER BY column_id"
        )
        return Found(
            tables[0][0], {key for (key,) in keys}, {column: _spelled(*kind) for column, *kind in columns}
        )

    def set_mark(self, table: str) -> None:
        self.run(
            f"EXEC sys.sp_addextendedproperty @name = {text('headwater')}, @value = {text(self.wanted.mark)},"
            f" @level0type = {text('SCHEMA')}, @level0name = {text(self.wanted.export.schema)},"
            f" @level1type = {text('TABLE')}, @level1name = {text(table)}"
        )

    def grow(self, names: list[str]) -> None:
        for name in names:
            if name in self.keys:
                raise self.differs(name, "a narrower type, which a key cannot change", self.types[name])
            self.run(f"ALTER TABLE {self.table} ALTER COLUMN {self.definition(name)}")

    def make_stage(self, body: str) -> None:
        self.into = q("#headwater_stage")
        self.run(f"CREATE TABLE {self.into} ({body})")

    def insert(self, chunks: Iterable[Chunk], columns: list[str]) -> int:
        count, cells, shapes = 0, [], []
        for number, name in enumerate(columns):
            kind = self.types.get(name, "bit").removesuffix(_COLLATED)
            binary = kind.startswith("varbinary")
            cells.append(f"CONVERT({kind}, {q(name)}, 2)" if binary else q(name))
            shapes.append(f"{q(name)} {'nvarchar(max)' if binary else kind} '$[{number}]'")
        for rows, lines in chunks:
            self.run(
                f"INSERT INTO {self.into} ({self.listed(columns)}) SELECT {', '.join(cells)}"
                f" FROM OPENJSON({text(f'[{lines[:-1].decode()}]')}) WITH ({', '.join(shapes)})"
            )
            count += rows
        return count

    def swap(self) -> None:
        self.run(f"ALTER TABLE {self.into} ADD PRIMARY KEY ({self.listed(self.keys)})")
        self.set_mark(self.aside)
        if not self.new:
            for (statement,) in self.ask(
                _RIGHTS.format(old=text(self.table), new=text(f" ON {self.into} TO "))
            ):
                self.run(statement)
            self.run(f"DROP TABLE {self.table}")
        self.run(f"EXEC sp_rename @objname = {text(self.into)}, @newname = {text(self.wanted.name)}")

    def write(self, changes: bool) -> int:
        updated = self.run(self._update(self.present(changes))) if self.rest else 0
        return updated + self.insert_missing(changes)

    def _update(self, here: str) -> str:
        # A text equals itself with spaces at its end; its bytes do not.
        exact = [
            f"CONVERT(varbinary(max), {{}}.{q(name)})"
            if isinstance(self.columns[name], StringType)
            else f"{{}}.{q(name)}"
            for name in self.rest
        ]
        old, new = (", ".join(cell.format(side) for cell in exact) for side in ("t", "s"))
        return (
            f"UPDATE t SET {self.listed(self.rest, '{} = s.{}')} FROM {self.table} t JOIN {self.into} s"
            f" ON {self.same('t', 's')} WHERE EXISTS (SELECT {old} EXCEPT SELECT {new}){here}"
        )


def _spelled(name: str, length: int, precision: int, scale: int, collation: str | None) -> str:
    """A column's type as `type_name` spells it."""
    if name == "decimal":
        return f"decimal({precision},{scale})"
    if name == "datetime2":
        return f"datetime2({scale})"
    if name in ("nvarchar", "varbinary"):
        count = "max" if length < 0 else str(length // 2 if name == "nvarchar" else length)
        return f"{name}({count})" + (f" COLLATE {collation}" if collation else "")
    return name


# What gives a new table the rights that the old one has.
_RIGHTS = """
    SELECT CASE WHEN p.state = 'D' THEN N'DENY ' ELSE N'GRANT ' END + p.permission_name
      + CASE WHEN c.name IS NULL THEN N'' ELSE N' (' + QUOTENAME(c.name) + N')' END
      + {new} + QUOTENAME(USER_NAME(p.grantee_principal_id))
      + CASE WHEN p.state = 'W' THEN N' WITH GRANT OPTION' ELSE N'' END COLLATE DATABASE_DEFAULT
    FROM sys.database_permissions p
    LEFT JOIN sys.columns c ON c.object_id = p.major_id AND c.column_id = p.minor_id AND p.minor_id > 0
    WHERE p.class = 1 AND p.major_id = OBJECT_ID({old})"""
