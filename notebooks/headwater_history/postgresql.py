"""PostgreSQL: rows come by COPY, and all of an export is one transaction."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from pyspark.sql import types as T
from pyspark.sql.types import BinaryType, DataType, StringType

from .changes import GONE
from .config import Export
from .names import q as spark_q
from .rows import Chunk
from .target import Target, plain_type, text_of
from .wanted import CONNECT_SECONDS, Credentials, Found, Refusal, q, text

# As format_type() spells them, so that they compare with what a table has.
_TYPES: dict[type[DataType], str] = {
    T.BinaryType: "bytea",
    T.BooleanType: "boolean",
    T.ByteType: "smallint",
    T.DateType: "date",
    T.DecimalType: "numeric",
    T.DoubleType: "double precision",
    T.FloatType: "real",
    T.IntegerType: "integer",
    T.LongType: "bigint",
    T.ShortType: "smallint",
    T.StringType: "text",
    T.TimestampNTZType: "timestamp without time zone",
    T.TimestampType: "timestamp with time zone",
}


class PostgreSql(Target):
    product = "PostgreSQL"
    longest_name = (63, "bytes")  # it cuts longer ones off without an error
    growing = (("smallint", "integer", "bigint"), ("real", "double precision"))
    now = "clock_timestamp()"
    true = "true"
    needs = "CONNECT and TEMPORARY on the database, USAGE and CREATE on the schema, and to own the table"

    @staticmethod
    def connect(export: Export, credentials: Credentials, application: str) -> Any:
        import psycopg  # only the job that exports has it

        # `system`: the certificates this machine trusts. A database with a private authority names its file in
        # PGSSLROOTCERT.
        tls = {"sslmode": export.tls}
        if export.tls == "verify-full":
            tls["sslrootcert"] = os.environ.get("PGSSLROOTCERT") or "system"
        return psycopg.connect(
            host=export.host, port=export.port, dbname=export.database, user=credentials.user,
            password=credentials.password, connect_timeout=CONNECT_SECONDS, application_name=application,
            options="-c TimeZone=UTC -c DateStyle=ISO -c lock_timeout=60s -c standard_conforming_strings=on", **tls,
        )  # fmt: skip

    @staticmethod
    def driver_error() -> type[Exception]:
        import psycopg

        return psycopg.Error

    @staticmethod
    def told(error: Any) -> str:
        said = error.diag.message_primary or str(error).strip() or type(error).__name__
        return f"{said} (SQLSTATE {error.sqlstate})" if error.sqlstate else said

    def type_name(self, kind: DataType, length: int | None = None) -> str | None:
        return plain_type(_TYPES, kind)

    def value(self, kind: DataType, name: str) -> str:
        value = text_of(kind, spark_q(name))
        if isinstance(kind, BinaryType):
            return f"concat('\\\\\\\\x', {value})"
        if isinstance(kind, StringType):
            for character, letter in (("\\\\", "\\\\"), ("\\t", "t"), ("\\n", "n"), ("\\r", "r")):
                value = f"replace({value}, '{character}', '\\\\{letter}')"
        return value

    def line(self, values: Iterable[str]) -> str:
        cells = (f"coalesce({value}, '\\\\N')" for value in values)
        return "concat(" + ", '\\t', ".join(cells) + ", '\\n')"

    def texts(self, changes: bool) -> str:
        """Few rows hold anything to escape or refuse. Looking for it in all texts of a row at once, and for nothing more in
        the others, saves Spark a quarter of all work."""
        careful = super().texts(changes)
        strings = [spark_q(name) for name, kind in self.columns.items() if isinstance(kind, StringType)]
        if not strings:
            return careful
        plain = self.line(
            spark_q(name) if isinstance(kind, StringType) else self.value(kind, name)
            for name, kind in self.shape(changes).items()
        )
        special = f"concat_ws('', {', '.join(strings)}) RLIKE '[\\\\\\\\\\t\\n\\r\\u0000]'"
        return f"CASE WHEN {special} THEN {careful} ELSE {plain} END"

    def refusals(self) -> list[Refusal]:
        why = "a text holds the character NUL, which PostgreSQL cannot store"
        return [
            Refusal(name, f"contains({spark_q(name)}, char(0))", why)
            for name, kind in self.columns.items()
            if isinstance(kind, StringType)
        ]

    def find(self, name: str) -> Found | None:
        found = self.ask(
            "SELECT c.oid, obj_description(c.oid, 'pg_class') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            f" WHERE n.nspname = {text(self.wanted.export.schema)} AND c.relname = {text(name)}"
        )
        if not found:
            return None
        oid, mark = found[0]
        keys = self.ask(
            "SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)"
            f" WHERE i.indrelid = {oid} AND i.indisprimary"
        )
        columns = self.ask(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
            f" WHERE attrelid = {oid} AND attnum > 0 AND NOT attisdropped"
        )
        return Found(mark, {key for (key,) in keys}, dict(columns))

    def set_mark(self, table: str) -> None:
        self.run(f"COMMENT ON TABLE {self.named(table)} IS {text(self.wanted.mark)}")

    def grow(self, names: list[str]) -> None:
        changes = ", ".join(f"ALTER COLUMN {q(name)} TYPE {self.types[name]}" for name in names)
        self.run(f"ALTER TABLE {self.table} {changes}")

    def make_stage(self, body: str) -> None:
        self.into = f"pg_temp.{q('headwater_stage')}"
        self.run(f"CREATE TEMPORARY TABLE {self.into} ({body}) ON COMMIT DROP")

    def insert(self, chunks: Iterable[Chunk], columns: list[str]) -> int:
        # Rows of a table that this very transaction made can be written as they will be for good, frozen.
        count = 0
        with (
            self.connection.cursor() as cursor,
            cursor.copy(f"COPY {self.into} ({self.listed(columns)}) FROM STDIN WITH (FREEZE)") as copy,
        ):
            for rows, lines in chunks:
                copy.write(lines)
                count += rows
        return count

    def lock(self) -> None:
        self.run(f"ANALYZE {self.into}")
        self.run(f"LOCK TABLE {self.table} IN SHARE ROW EXCLUSIVE MODE")

    def write(self, changes: bool) -> int:
        names, update = self.listed(self.columns), "NOTHING"
        if self.rest:
            pairs = self.listed(self.rest, "{} = EXCLUDED.{}")
            old, new = self.listed(self.rest, "t.{}"), self.listed(self.rest, "EXCLUDED.{}")
            update = f"UPDATE SET {pairs} WHERE ({old}) IS DISTINCT FROM ({new})"
        here = f" WHERE NOT {q(GONE)}" if changes else ""
        return self.run(
            f"INSERT INTO {self.table} AS t ({names}) SELECT {names} FROM {self.into}{here}"
            f" ON CONFLICT ({self.listed(self.keys)}) DO {update}"
        )

    def swap(self) -> None:
        self.run(f"ALTER TABLE {self.into} ADD PRIMARY KEY ({self.listed(self.keys)})")
        self.run(f"ANALYZE {self.into}")
        self.set_mark(self.aside)
        if not self.new:
            for (statement,) in self.ask(_RIGHTS.format(old=text(self.table), new=text(self.into))):
                self.run(statement)
            self.run(f"DROP TABLE {self.table}")
        self.run(f"ALTER TABLE {self.into} RENAME TO {q(self.wanted.name)}")


# What gives a new table the owner and the rights that the old one has.
_RIGHTS = """
    SELECT format('ALTER TABLE %s OWNER TO %I', {new}, pg_get_userbyid(relowner)) FROM pg_class WHERE oid = {old}::regclass
    UNION ALL
    SELECT format('GRANT %s%s ON %s TO %s%s', privilege, '(' || quote_ident(attname) || ')', {new},
      CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
      CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
    FROM (
      SELECT NULL AS attname, (aclexplode(relacl)).* FROM pg_class WHERE oid = {old}::regclass
      UNION ALL
      SELECT attname, (aclexplode(attacl)).* FROM pg_attribute WHERE attrelid = {old}::regclass AND NOT attisdropped
    ) AS rights (attname, grantor, grantee, privilege, is_grantable)
    WHERE grantee IS DISTINCT FROM (SELECT relowner FROM pg_class WHERE oid = {old}::regclass)"""
