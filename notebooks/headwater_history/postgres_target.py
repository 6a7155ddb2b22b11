"""One table of the target database: made or checked, filled beside, then brought in line, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyspark.sql.types import DataType

from .errors import HeadwaterError
from .postgres_types import holds, type_name

_NAME_BYTES = 63  # PostgreSQL cuts longer names off without an error
_STAGE = "headwater_stage"


class Target:
    """`prepare`, `stage` and `finish`, in this order; nothing is seen by others before `finish` has committed.

    A table that Headwater did not make for this pipeline and environment is refused: rows that are not in the history
    are deleted, so that a wrong schema in the settings would empty somebody's table. The table's comment tells."""

    def __init__(
        self, connection: Any, schema: str, name: str, owner: str, columns: dict[str, DataType],
        keys: tuple[str, ...], where: str,
    ) -> None:  # fmt: skip
        self.connection, self.schema, self.name, self.where = connection, schema, name, where
        self.types = {column: type_name(kind, where, column) for column, kind in columns.items()}
        self.keys, self.mark, self.committing = keys, f"headwater {owner}", False
        for each in (schema, name, *columns):
            if len(each.encode()) > _NAME_BYTES:
                raise HeadwaterError(
                    "export/name-too-long", "a name is too long for PostgreSQL", where=where, found=each,
                    allowed=f"{_NAME_BYTES} bytes", remedy="rename it in the pipeline's definition",
                )  # fmt: skip

    def _run(self, template: str, values: tuple[Any, ...] = (), **parts: Any) -> Any:
        from psycopg import sql

        known = {"table": sql.Identifier(self.schema, self.name), "stage": sql.Identifier("pg_temp", _STAGE)}
        return self.connection.execute(sql.SQL(template).format(**known, **parts), values or None)

    def _names(self, names: Iterable[str], template: str = "{}", joint: str = ", ") -> Any:
        from psycopg import sql

        return sql.SQL(joint).join(
            sql.SQL(template.replace("{}", "{0}")).format(sql.Identifier(n)) for n in names
        )

    def _typed(self, names: Iterable[str], template: str) -> Any:
        """Each name with its type, by a template like `ADD COLUMN {} {}`."""
        from psycopg import sql

        return sql.SQL(", ").join(
            sql.SQL(template).format(sql.Identifier(name), sql.SQL(self.types[name])) for name in names
        )

    def prepare(self) -> None:
        """Makes the table if it is missing, else checks it; columns that came or grew are added and widened."""
        from psycopg import sql

        found = self.connection.execute(
            "SELECT c.oid, obj_description(c.oid, 'pg_class') FROM pg_class c"
            " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s",
            (self.schema, self.name),
        ).fetchone()
        if found is None:
            body = self._typed(self.types, "{} {}")
            self._run(
                "CREATE TABLE {table} ({body}, PRIMARY KEY ({keys}))", body=body, keys=self._names(self.keys)
            )
            self._run("COMMENT ON TABLE {table} IS {mark}", mark=sql.Literal(self.mark))
        else:
            self._adapt(*found)
        self._run(
            "CREATE TEMPORARY TABLE {stage} ({body}) ON COMMIT DROP", body=self._typed(self.types, "{} {}")
        )

    def _adapt(self, oid: int, comment: str | None) -> None:
        if comment != self.mark:
            raise HeadwaterError(
                "export/foreign-table", "the table exists and was not made by this pipeline's export", where=self.where,
                field="comment", found=comment, allowed=self.mark,
                remedy="export into another schema, drop the table, or give it this comment: its rows are then"
                " replaced by the history's current ones",
            )  # fmt: skip
        key = self.connection.execute(
            "SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)"
            " WHERE i.indrelid = %s AND i.indisprimary",
            (oid,),
        ).fetchall()
        if {name for (name,) in key} != set(self.keys):
            raise self._differs(
                "primary key", ", ".join(name for (name,) in key) or "none", ", ".join(self.keys)
            )
        has = dict(
            self.connection.execute(
                "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
                " WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped",
                (oid,),
            ).fetchall()
        )
        added = [name for name in self.types if name not in has]
        grown = [name for name, kind in self.types.items() if name in has and not holds(has[name], kind)]
        for name in grown:
            if not holds(self.types[name], has[name]):
                raise self._differs(name, has[name], self.types[name])
        if added:
            self._run("ALTER TABLE {table} {body}", body=self._typed(added, "ADD COLUMN {} {}"))
        if grown:
            self._run("ALTER TABLE {table} {body}", body=self._typed(grown, "ALTER COLUMN {} TYPE {}"))

    def _differs(self, what: str, found: str, allowed: str) -> HeadwaterError:
        return HeadwaterError(
            "export/table-differs", "the table exists and does not fit the history", where=self.where, field=what,
            found=found, allowed=allowed, remedy="change it, or drop the table: the next export makes it again",
        )  # fmt: skip

    def stage(self, rows: Iterable[tuple[str | None, ...]]) -> int:
        """Copies rows of texts beside the table as they come and returns how many there were."""
        import psycopg
        from psycopg import sql

        count = 0
        statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
            sql.Identifier("pg_temp", _STAGE), self._names(self.types)
        )
        with self.connection.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                try:
                    copy.write_row(row)
                except psycopg.DataError as error:
                    raise self._bad_value(row) or error from error
                count += 1
        return count

    def _bad_value(self, row: tuple[str | None, ...]) -> HeadwaterError | None:
        """PostgreSQL's text holds every character but one. The row is told by its key, not by its values."""
        for name, value in zip(self.types, row, strict=True):
            if value is not None and "\0" in value:
                cells = dict(zip(self.types, row, strict=True))
                return HeadwaterError(
                    "export/nul-character", "a text holds the character NUL, which PostgreSQL cannot store",
                    where=self.where, field=name,
                    found=", ".join(f"{key} = {cells[key]!r}" for key in self.keys),
                    remedy="remove it at the source; the table there is as it was",
                )  # fmt: skip
        return None

    def finish(self) -> tuple[int, int]:
        """Brings the table in line with what was staged and commits. Returns rows written and rows deleted."""
        self._run("ANALYZE {stage}")
        self._run("LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")  # readers go on, another writer waits
        same = self._names(self.keys, "t.{} = s.{}", " AND ")
        deleted = self._run(
            "DELETE FROM {table} t WHERE NOT EXISTS (SELECT FROM {stage} s WHERE {same})", same=same
        ).rowcount
        rest = [name for name in self.types if name not in self.keys]
        names = self._names(self.types)
        update = "DO NOTHING"
        if rest:
            update = "DO UPDATE SET {assign} WHERE ({old}) IS DISTINCT FROM ({new})"
        upserted = self._run(
            "INSERT INTO {table} AS t ({names}) SELECT {names} FROM {stage} ON CONFLICT ({keys}) " + update,
            names=names, keys=self._names(self.keys), assign=self._names(rest, "{} = EXCLUDED.{}"),
            old=self._names(rest, "t.{}"), new=self._names(rest, "EXCLUDED.{}"),
        ).rowcount  # fmt: skip
        self.committing = True
        self.connection.commit()
        return upserted, deleted
