"""MySQL and MariaDB: rows come by INSERTs of many rows. A statement that makes or changes a table commits, so that all of
these come before the transaction with the rows."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable
from typing import Any

from pyspark.sql import types as T
from pyspark.sql.types import BinaryType, BooleanType, DataType, StringType

from .config import Export
from .errors import HeadwaterError
from .names import q as spark_q
from .rows import Chunk
from .target import Target, not_finite, plain_type, text_of
from .wanted import CONNECT_SECONDS, Credentials, Found, Refusal, q, text, unquoted

# As information_schema spells them, widths of integers aside. A column of the type timestamp ends in 2038.
_TYPES: dict[type[DataType], str] = {
    T.BinaryType: "longblob",
    T.BooleanType: "tinyint",
    T.ByteType: "smallint",
    T.DateType: "date",
    T.DecimalType: "decimal",
    T.DoubleType: "double",
    T.FloatType: "float",
    T.IntegerType: "int",
    T.LongType: "bigint",
    T.ShortType: "smallint",
    T.TimestampNTZType: "datetime(6)",
    T.TimestampType: "datetime(6)",
}
# Sessions take SQL's own quotes, and refuse what they would cut off otherwise.
_SESSION = (
    "SET time_zone = '+00:00', lock_wait_timeout = 60, innodb_lock_wait_timeout = 60, sql_mode ="
    " 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'"
)


class MySql(Target):
    product = "MySQL"
    longest_name = (64, "characters")
    longest_key = 720  # of 3072 bytes; a character takes up to 4
    growing = (("smallint", "int", "bigint"), ("float", "double"))
    now = "UTC_TIMESTAMP(6)"
    needs = "CREATE, ALTER, DROP, SELECT, INSERT, UPDATE, DELETE and CREATE TEMPORARY TABLES on the database"
    # The usual ones take 'A' for 'a', and most take 'a' for 'a '.
    collation = "utf8mb4_0900_bin"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.state = (
            "its rows are as they were, the table may have got columns that the next export would add"
        )
        self.piece = min(4 << 20, int(self.ask("SELECT @@max_allowed_packet")[0][0]) - 65_536)

    @staticmethod
    def connect(export: Export, credentials: Credentials, application: str) -> Any:
        import pymysql  # only the job that exports has it

        tls: ssl.SSLContext | None = None
        if export.tls != "disable":
            # The certificates this machine trusts. A private authority's file is named in SSL_CERT_FILE.
            tls = ssl.create_default_context()
            if export.tls == "require":
                tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        # As bytes, since the driver would take a text's characters for Latin-1.
        return pymysql.connect(
            host=export.host, port=export.port, database=export.database, user=credentials.user,
            password=credentials.password.encode(), connect_timeout=CONNECT_SECONDS, charset="utf8mb4",
            program_name=application, ssl=tls, ssl_disabled=tls is None, init_command=_SESSION,
        )  # fmt: skip

    @staticmethod
    def driver_error() -> type[Exception]:
        import pymysql

        return pymysql.MySQLError

    @staticmethod
    def told(error: Any) -> str:
        code, said = (*error.args, "", "")[:2]
        return f"{unquoted(str(said))} (error {code})"

    def type_name(self, kind: DataType, length: int | None = None) -> str | None:
        collated = f" CHARACTER SET utf8mb4 COLLATE {self.collation}"
        if isinstance(kind, StringType):
            return (f"varchar({length})" if length else "longtext") + collated
        if isinstance(kind, BinaryType) and length:
            return f"varbinary({length})"
        return plain_type(_TYPES, kind, most=(65, 30))

    def value(self, kind: DataType, name: str) -> str:
        value = spark_q(name)
        if isinstance(kind, BinaryType):
            return f"concat('X\\'', hex({value}), '\\'')"
        value = text_of(kind, f"CAST({value} AS INT)" if isinstance(kind, BooleanType) else value)
        if isinstance(kind, StringType):
            value = f"replace({value}, '\\'', '\\'\\'')"
        return f"concat('\\'', {value}, '\\'')"

    def line(self, values: Iterable[str]) -> str:
        cells = (f"coalesce({value}, 'NULL')" for value in values)
        return "concat('(', " + ", ',', ".join(cells) + ", '),')"

    def refusals(self) -> list[Refusal]:
        found = not_finite(self.columns, self.product)
        length = self.key_length
        for name in self.keys:
            if isinstance(self.columns[name], StringType | BinaryType):
                why = f"a key is longer than the {length} characters that {self.product} can index"
                found.append(Refusal(name, f"length({spark_q(name)}) > {length}", why))
        return found

    def find(self, name: str) -> Found | None:
        here = f"table_schema = {text(self.wanted.export.schema)} AND table_name = {text(name)}"
        tables = self.ask(f"SELECT table_comment FROM information_schema.tables WHERE {here}")
        if not tables:
            return None
        columns = self.ask(
            "SELECT column_name, column_type, column_key, character_set_name, collation_name"
            f" FROM information_schema.columns WHERE {here} ORDER BY ordinal_position"
        )
        kinds: dict[str, str] = {}
        for column, kind, _, charset, collation in columns:
            kind = re.sub(r"(int)\(\d+\)", r"\1", kind)
            kinds[column] = f"{kind} CHARACTER SET {charset} COLLATE {collation}" if charset else kind
        return Found(tables[0][0], {column for column, _, key, *_ in columns if key == "PRI"}, kinds)

    def set_mark(self, table: str) -> None:
        self.run(f"ALTER TABLE {self.named(table)} COMMENT = {text(self.wanted.mark)}")

    def grow(self, names: list[str]) -> None:
        changes = ", ".join(f"MODIFY COLUMN {self.definition(name)}" for name in names)
        self.run(f"ALTER TABLE {self.table} {changes}")

    def make_stage(self, body: str) -> None:
        # With its key, as a join without an index looks at every row for every row.
        self.into = q("headwater_stage")
        self.run(f"CREATE TEMPORARY TABLE {self.into} ({body}, PRIMARY KEY ({self.listed(self.keys)}))")

    def insert(self, chunks: Iterable[Chunk], columns: list[str]) -> int:
        head, count = f"INSERT INTO {self.into} ({self.listed(columns)}) VALUES ".encode(), 0
        for rows, lines in chunks:
            self.run(head + lines[:-1])
            count += rows
        return count

    def make_new(self) -> None:
        """With its key from the start: a table is kept in the order of its key, and adding one writes it all again."""
        self._free_for_swap()
        self.run(
            f"DROP TABLE IF EXISTS {self.into}, {self.named(self._old)}"
        )  # what a run that died has left
        self.run(f"CREATE TABLE {self.into} ({self.body(key=True)}) COMMENT = {text(self.wanted.mark)}")

    @property
    def _old(self) -> str:
        return f"{self.aside}_old"

    def _free_for_swap(self) -> None:
        """Foreign keys would follow the old table, and it could not be dropped."""
        found = self.ask(
            "SELECT DISTINCT table_schema, table_name FROM information_schema.key_column_usage WHERE"
            f" referenced_table_schema = {text(self.wanted.export.schema)} AND referenced_table_name = {text(self.wanted.name)}"
        )
        if found:
            raise HeadwaterError(
                "export/dependents", f"foreign keys depend on the table, so that it cannot be replaced; {self.state}",
                where=self.where, found=", ".join(".".join(names) for names in found),
                remedy='drop them, or export in the mode "upsert"',
            )  # fmt: skip

    def swap(self) -> None:
        """The one statement that changes both names is what others see."""
        self.connection.commit()
        moved = f"{self.into} TO {self.table}"
        if not self.new:
            moved = f"{self.table} TO {self.named(self._old)}, {moved}"
        self.run(f"RENAME TABLE {moved}")
        self.state = "the table is complete; the next export cleans up what is left of the old one"
        self.run(f"DROP TABLE IF EXISTS {self.named(self._old)}")

    def write(self, changes: bool) -> int:
        updated = self.run(self._update(self.present(changes))) if self.rest else 0
        return updated + self.insert_missing(changes)

    def _update(self, here: str) -> str:
        equal = self.listed(self.rest, "t.{} <=> s.{}", " AND ")
        return (
            f"UPDATE {self.table} t JOIN {self.into} s ON {self.same('t', 's')}"
            f" SET {self.listed(self.rest, 't.{} = s.{}')} WHERE NOT ({equal}){here}"
        )


class MariaDb(MySql):
    product = "MariaDB"
    collation = "utf8mb4_nopad_bin"
