"""What MySQL and MariaDB do with values and keys, in a real MariaDB."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal

from exporting import VALUES, failure, hold, push
from headwater_history.mysql import MariaDb, MySql
from mariadb_server import Server
from support import Lake

Make = Callable[..., Lake]


def test_values_arrive_exactly(make_lake: Make, maria: Server) -> None:
    lake = make_lake()
    finite = VALUES.replace("'NaN'", "'1.5E300'")
    finite = finite.replace("'-Infinity'", "'-2.5'").replace("'0001-01-01 00:00:00'", "'1000-01-01 00:00:00'")
    hold(lake, "customers", finite)
    assert push(lake, maria) == {"customers": (4, 4, 0)}
    rows = maria.query("SELECT * FROM shop.customers ORDER BY id")
    assert rows[0] == (
        1, "quote ' and \"double\", tab \t, line\nbreak, back\\slash, \\N, 😀",
        Decimal("12345678901234567890.123456789012345678"), 0.1, datetime(2026, 3, 8, 5, 29, 59, 999999),
        datetime(2026, 3, 8, 2, 30, 0, 1), date(1900, 2, 28), b"\x00\xff\\", 1, 32767,
    )  # fmt: skip
    assert rows[1][1:5] == ("", Decimal("-0.000000000000000001"), 1.5e300, datetime(1901, 1, 1))
    assert rows[1][5:] == (datetime(1000, 1, 1), date(9999, 12, 31), b"", 0, -1)
    assert rows[2] == (3, None, None, -2.5, None, None, None, None, None, None)
    assert push(lake, maria) == {"customers": (4, 0, 0)}

    changed = "if(id = 1, NULL, price) AS price, CAST(small AS BIGINT) AS small, concat(`Full Name`, ' ') AS `Full Name`"
    hold(
        lake,
        "customers",
        f"SELECT * EXCEPT (price, small, `Full Name`), {changed}, 'x' AS note FROM ({finite}) WHERE id < 4",
    )
    assert push(lake, maria) == {"customers": (3, 3, 1)}  # a space at a text's end is a difference
    assert maria.query("SELECT id, price IS NULL, note, `Full Name` = ' ' FROM shop.customers ORDER BY id") == [
        (1, 1, "x", 0), (2, 0, "x", 1), (3, 1, "x", None),
    ]  # fmt: skip


def test_keys_differ_by_case_and_spaces_and_have_a_length(make_lake: Make, maria: Server) -> None:
    lake = make_lake(customers=["code", "part"])
    keys = "SELECT * FROM VALUES ('A', X'00', 1), ('a', X'00', 2), ('a ', X'00', 3), ('ä', X'01', 4) AS t(code, part, n)"
    hold(lake, "customers", keys)
    assert push(lake, maria, mode="replace") == {"customers": (4, 4, 0)}
    hold(lake, "customers", f"SELECT code, part, if(code = 'a', 9, n) AS n FROM ({keys}) WHERE code <> 'A'")
    assert push(lake, maria) == {"customers": (3, 1, 1)}
    assert sorted(maria.query("SELECT code, n FROM shop.customers")) == [("a", 9), ("a ", 3), ("ä", 4)]
    hold(lake, "customers", f"SELECT repeat('é', 361) AS code, part, n FROM ({keys}) LIMIT 1")
    message = failure(lake, maria)
    assert "shop.customers: code: a key is longer than the 360 characters that MariaDB can index" in message
    assert "its rows are as they were" in message
    assert len(maria.query("SELECT code FROM shop.customers")) == 3


def test_what_cannot_be_stored_is_named_by_its_row(make_lake: Make, maria: Server) -> None:
    lake = make_lake()
    for value, kind in (("NaN", "DOUBLE"), ("-Infinity", "FLOAT")):
        hold(
            lake, "customers", f"SELECT id, if(id = 2, CAST('{value}' AS {kind}), 1) AS weight FROM range(4)"
        )
        message = failure(lake, maria)
        assert "shop.customers: weight: a number is NaN or infinite, which MariaDB cannot store" in message
        assert "found: id = '2'" in message
    hold(lake, "customers", "SELECT id, CAST(1 AS DECIMAL(38, 31)) AS price FROM range(1)")
    assert "price: a column's type has no counterpart in MariaDB" in failure(lake, maria)


def test_a_connection_is_as_secret_as_the_settings_say(make_lake: Make, maria: Server) -> None:
    lake = make_lake()
    hold(lake, "customers", "SELECT id FROM range(2)")
    assert push(lake, maria, tls="require") == {"customers": (2, 2, 0)}  # the server's certificate is its own
    assert "certificate verify failed" in failure(lake, maria, tls="verify-full")
    assert "Access denied" in failure(lake, maria, database="other", schema="other")


def test_an_error_of_the_database_quotes_no_row(make_lake: Make, maria: Server) -> None:
    lake = make_lake()
    hold(lake, "customers", "SELECT id, 'old' AS name FROM range(3)")
    push(lake, maria)
    maria.execute("ALTER TABLE shop.customers ADD CONSTRAINT small CHECK (id < 4000)")
    hold(lake, "customers", "SELECT id, concat('private', id) AS name FROM range(5000)")
    message = failure(lake, maria)
    assert "CONSTRAINT `small` failed" in message and "(error 4025)" in message
    assert "private" not in message and "its rows are as they were" in message
    assert maria.query("SELECT id, name FROM shop.customers ORDER BY id") == [(n, "old") for n in range(3)]


def test_which_types_hold_which() -> None:
    assert MySql.holds("bigint", "smallint") and not MySql.holds("int", "bigint")
    assert MariaDb.holds("decimal(14,4)", "decimal(12,4)") and not MariaDb.holds(
        "decimal(12,2)", "decimal(12,4)"
    )
    assert not MySql.holds("longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", "longtext")
