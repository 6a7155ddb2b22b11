"""The export into a real PostgreSQL: values arrive exactly, only differences are written, failures change nothing."""

from __future__ import annotations

import json
import runpy
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from conftest import free_port
from exporting import EXPORTER, LOGIN, PASSWORD, VALUES, failure, hold, push, target
from headwater_history.errors import HeadwaterError
from headwater_history.export import ExportFailed, export
from headwater_history.postgresql import PostgreSql
from headwater_history.wanted import Credentials
from postgres_server import Server
from support import Dbutils, Lake

Make = Callable[..., Lake]
NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def test_values_arrive_exactly_and_only_differences_are_written(make_lake: Make, shop: Server) -> None:
    lake = make_lake()
    hold(lake, "customers", VALUES)
    assert push(lake, shop) == {"customers": (4, 4, 0)}
    kinds = shop.query(
        "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute"
        " WHERE attrelid = 'shop.customers'::regclass AND attnum > 0 ORDER BY attnum"
    )
    assert kinds == [
        ("id", "bigint"), ("Full Name", "text"), ("price", "numeric(38,18)"), ("weight", "double precision"),
        ("seen", "timestamp with time zone"), ("placed", "timestamp without time zone"), ("born", "date"),
        ("picture", "bytea"), ("active", "boolean"), ("small", "smallint"),
    ]  # fmt: skip
    rows = shop.query("SELECT * FROM shop.customers ORDER BY id")
    assert rows[0] == (
        1, "quote ' and \"double\", tab \t, line\nbreak, back\\slash, \\N, 😀",
        Decimal("12345678901234567890.123456789012345678"), 0.1, datetime(2026, 3, 8, 5, 29, 59, 999999, UTC),
        datetime(2026, 3, 8, 2, 30, 0, 1), date(1900, 2, 28), b"\x00\xff\\", True, 32767,
    )  # fmt: skip
    assert repr(rows[1][3]) == "nan" and rows[1][1] == ""
    assert rows[1][4:] == (
        datetime(1901, 1, 1, tzinfo=UTC),
        datetime(1, 1, 1),
        date(9999, 12, 31),
        b"",
        False,
        -1,
    )
    assert rows[2] == (3, None, None, float("-inf"), None, None, None, None, None, None)
    assert (rows[3][3], rows[3][4]) == (5e-324, datetime(2026, 11, 1, 4, 30, tzinfo=UTC))

    assert push(lake, shop) == {"customers": (4, 0, 0)}

    # One row goes, one comes, one changes to NULL, one to another text; a column is new and one is wider.
    kept = f"SELECT if(id = 2, 9L, id) AS id, * EXCEPT (id) FROM ({VALUES})"
    changed = (
        "CASE id WHEN 4 THEN 'e' ELSE `Full Name` END AS `Full Name`, CAST(small AS BIGINT) AS small,"
        " if(id = 1, NULL, price) AS price, CAST(NULL AS STRING) AS note"
    )
    hold(lake, "customers", f"SELECT * EXCEPT (`Full Name`, small, price), {changed} FROM ({kept})")
    assert push(lake, shop) == {"customers": (4, 3, 1)}
    assert shop.query('SELECT id, "Full Name" IS NULL, price IS NULL, note FROM shop.customers ORDER BY id') == [
        (1, False, True, None), (3, True, True, None), (4, False, False, None), (9, False, False, None),
    ]  # fmt: skip
    assert shop.query("SELECT pg_typeof(small)::text FROM shop.customers LIMIT 1") == [("bigint",)]


def test_composite_keys_and_tables_without_other_columns(make_lake: Make, shop: Server) -> None:
    lake = make_lake(lines=["order_id", "line_no"], later=["id"])
    hold(lake, "lines", "SELECT * FROM VALUES (1, 1), (1, 2), (2, 1) AS t(order_id, line_no)")
    assert push(lake, shop) == {"lines": (3, 3, 0)}
    hold(lake, "lines", "SELECT * FROM VALUES (1, 2), (2, 1), (2, 2) AS t(order_id, line_no)")
    pipeline = lake.pipeline(export=target(shop))
    told = export(lake.spark, pipeline, LOGIN)
    assert [(t["rows"], t["upserted"], t["deleted"]) for t in told["tables"]] == [(3, 1, 1)]
    assert told["withoutHistory"] == ["later"]  # no file has come yet: not an error, and nothing is made
    assert shop.query("SELECT * FROM shop.lines ORDER BY 1, 2") == [(1, 2), (2, 1), (2, 2)]
    assert shop.query("SELECT to_regclass('shop.later') IS NULL") == [(True,)]


def test_a_failure_midway_leaves_the_table_and_does_the_others(
    make_lake: Make, shop: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session is killed while rows are copied, killed before they are merged, and a statement fails."""
    lake = make_lake(customers=["id"], orders=["id"])
    for table in lake.tables:
        hold(lake, table, "SELECT id, 'old' AS name FROM range(3)")
    push(lake, shop)
    for table in lake.tables:
        hold(lake, table, "SELECT id + 1 AS id, 'private' AS name FROM range(5000)")

    def kill(connection: Any) -> None:
        shop.query(f"SELECT pg_terminate_backend({connection.info.backend_pid}, 5000)")

    insert, finish = PostgreSql.insert, PostgreSql.finish

    def killed_insert(self: PostgreSql, chunks: Iterator[Any], columns: list[str]) -> int:
        def stream() -> Iterator[Any]:
            for chunk in chunks:
                yield chunk
                kill(self.connection)
                yield chunk

        return insert(self, stream() if self.wanted.name == "customers" else chunks, columns)

    def killed_finish(self: PostgreSql, changes: bool, rows: int) -> tuple[int, int]:
        if self.wanted.name == "customers":
            kill(self.connection)
        return finish(self, changes, rows)

    def fails(*because: str) -> None:
        message = failure(lake, shop)
        assert "1 of 2 tables were not exported (done: orders)" in message
        assert f"postgresql://127.0.0.1:{shop.port}/postgres shop.customers" in message
        assert "the table is as it was" in message and any(each in message for each in because)
        assert "private" not in message  # no row is quoted
        assert shop.query("SELECT * FROM shop.customers ORDER BY id") == [(n, "old") for n in range(3)]
        assert shop.query("SELECT count(*), min(name) FROM shop.orders") == [(5000, "private")]

    with monkeypatch.context() as patch:
        patch.setattr(PostgreSql, "insert", killed_insert)
        fails("terminating connection due to administrator command", "closed the connection unexpectedly")
    with monkeypatch.context() as patch:
        patch.setattr(PostgreSql, "finish", killed_finish)
        fails("terminating connection due to administrator command")
    shop.execute("ALTER TABLE shop.customers ADD CONSTRAINT small CHECK (id < 4000)")
    fails('violates check constraint "small" (SQLSTATE 23514)')
    shop.execute("ALTER TABLE shop.customers DROP CONSTRAINT small")
    assert push(lake, shop) == {"customers": (5000, 5000, 1), "orders": (5000, 0, 0)}


def test_a_database_that_cannot_be_reached_is_named(make_lake: Make, shop: Server) -> None:
    lake = make_lake()
    hold(lake, "customers", "SELECT 1 AS id")
    port = free_port()
    refused = failure(lake, shop, port=port)
    assert f"postgresql://127.0.0.1:{port}/postgres: the target database cannot be connected to" in refused
    assert "refused" in refused and "remedy: check that host, port, database and tls" in refused
    assert 'database "nosuch" does not exist' in failure(lake, shop, database="nosuch")
    assert "SSL" in failure(lake, shop, tls="require")  # the server has none: never in clear by accident
    with pytest.raises(ExportFailed, match="password authentication failed") as caught:
        export(lake.spark, lake.pipeline(export=target(shop)), Credentials(EXPORTER, PASSWORD[::-1]))
    assert PASSWORD[::-1] not in "".join(traceback.format_exception(caught.value))


def test_a_table_that_does_not_fit_is_refused_and_left_alone(make_lake: Make, shop: Server) -> None:
    lake = make_lake()
    hold(lake, "customers", "SELECT CAST(1 AS BIGINT) AS id, 'text' AS name")
    shop.execute("CREATE TABLE shop.customers (id bigint PRIMARY KEY, name integer)")
    shop.execute("INSERT INTO shop.customers VALUES (77, 7)")
    shop.execute(f"ALTER TABLE shop.customers OWNER TO {EXPORTER}")
    assert "was not made by this pipeline's export" in failure(lake, shop)
    shop.execute("COMMENT ON TABLE shop.customers IS 'headwater shop-dev'")
    assert "shop.customers: name: the table exists and does not fit the history" in failure(lake, shop)
    shop.execute("ALTER TABLE shop.customers ALTER COLUMN name TYPE text, DROP CONSTRAINT customers_pkey")
    assert "shop.customers: primary key: the table exists and does not fit" in failure(lake, shop)
    assert shop.query("SELECT * FROM shop.customers") == [(77, "7")]
    shop.execute("ALTER TABLE shop.customers ADD PRIMARY KEY (id), ADD COLUMN own text DEFAULT 'kept'")
    assert push(lake, shop) == {"customers": (1, 1, 1)}  # columns of the table's own are left alone
    assert shop.query("SELECT * FROM shop.customers") == [(1, "text", "kept")]


def test_a_character_postgresql_cannot_hold_is_named_by_its_row(make_lake: Make, shop: Server) -> None:
    lake = make_lake()
    hold(lake, "customers", "SELECT id, if(id = 2, concat('private', char(0)), 'fine') AS name FROM range(4)")
    message = failure(lake, shop)
    assert "shop.customers: name: a text holds the character NUL" in message and "id = '2'" in message
    assert "private" not in message
    assert shop.query("SELECT to_regclass('shop.customers') IS NULL") == [(True,)]


def test_the_notebook_reads_the_login_from_the_secret_scope(
    make_lake: Make, shop: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = make_lake()
    hold(lake, "customers", "SELECT 1 AS id")
    (tmp_path / "pipeline.json").write_text(json.dumps(lake.config(export=target(shop))))
    monkeypatch.chdir(tmp_path)
    notebook = str(NOTEBOOKS / "export.py")
    dbutils = Dbutils(secrets={("shop-dev", "user"): EXPORTER, ("shop-dev", "password"): PASSWORD})
    runpy.run_path(notebook, {"spark": lake.spark, "dbutils": dbutils})
    assert [set(told) for told in dbutils.exits[0]["tables"]] == [
        {"table", "way", "rows", "upserted", "deleted", "seconds"}
    ]
    with pytest.raises(HeadwaterError, match="secret scope shop-dev: password: .* cannot be read"):
        runpy.run_path(
            notebook, {"spark": lake.spark, "dbutils": Dbutils(secrets={("shop-dev", "user"): EXPORTER})}
        )
    (tmp_path / "pipeline.json").write_text(json.dumps(lake.config()))
    with pytest.raises(HeadwaterError, match="pipeline.json: export: the pipeline has no export"):
        runpy.run_path(notebook, {"spark": lake.spark, "dbutils": dbutils})


def test_which_types_hold_which() -> None:
    holds = PostgreSql.holds
    assert holds("bigint", "smallint") and not holds("integer", "bigint")
    assert holds("numeric", "numeric(38,18)") and holds("numeric(14,4)", "numeric(12,4)")
    assert not holds("numeric(12,2)", "numeric(12,4)") and not holds("numeric(12,4)", "numeric(12,2)")
    assert not holds("timestamp with time zone", "timestamp without time zone")
    assert not holds("text", "integer") and holds("double precision", "real")
