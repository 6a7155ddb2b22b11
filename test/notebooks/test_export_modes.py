"""The ways of an export, in every database that can run here: upsert, replace, changes; rows that are gone deleted or kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from exporting import EXPORTER, Server, bring, failure, hold, push, row, tell
from headwater_history.export import KINDS
from postgres_server import Server as PostgreSql
from support import Lake

Make = Callable[..., Lake]
SHOWN = "SELECT id, line, name FROM shop.customers ORDER BY id, line"


def told(lake: Lake, database: Server, **changes: Any) -> tuple[Any, ...]:
    each = tell(lake, database, mode="changes", **changes)["customers"]
    return each["way"], each.get("reason"), each["rows"], each["upserted"], each["deleted"]


def as_it_is(lake: Lake, database: Server) -> bool:
    return database.query(SHOWN) == lake.rows(
        "SELECT id, line, name FROM {customers_current} ORDER BY id, line"
    )


def noted(database: Server) -> list[tuple[Any, ...]]:
    return database.query("SELECT owner, table_name, log, version, exported_at FROM shop.headwater_exports")


def test_changes_are_the_keys_that_events_came_for(make_lake: Make, database: Server) -> None:
    lake = make_lake(customers=["id", "line"])
    bring(lake, 0, *(row("I", 0, n, "a", f"n{n}") for n in range(6)))
    assert told(lake, database) == ("snapshot", "the table was not there", 6, 6, 0)
    assert as_it_is(lake, database)
    first = noted(database)
    assert told(lake, database) == ("changes", None, 0, 0, 0)
    assert noted(database) == first and first[0][:2] == ("shop-dev", "customers")

    # One row changes twice, one goes, one comes, one comes and goes, one is told again as it was; folded in between.
    bring(
        lake,
        1,
        row("U", 1, 0, "a", "x"),
        row("D", 2, 1, "a"),
        row("I", 3, 7, "a", "n7"),
        row("I", 4, 0, "A", "other"),
    )
    bring(
        lake,
        2,
        row("U", 5, 0, "a", "y"),
        row("I", 6, 8, "a"),
        row("D", 7, 8, "a"),
        row("U", 8, 2, "a", "n2"),
        fold="now",
    )
    assert told(lake, database) == ("changes", None, 6, 3, 1)
    assert (
        as_it_is(lake, database)
        and (0, "a", "y") in database.query(SHOWN)
        and len(database.query(SHOWN)) == 7
    )

    bring(lake, 3, fold="now")
    assert told(lake, database) == ("changes", None, 0, 0, 0)
    # A row that was gone is back, and one that came late, of a time that is folded already, is seen at once.
    bring(lake, 4, row("I", 9, 1, "a", "back"), row("U", 4, 3, "a", "late"))
    assert told(lake, database) == ("changes", None, 2, 2, 0)
    assert as_it_is(lake, database) and (3, "a", "late") in database.query(SHOWN)
    bring(lake, 5, row("D", 10, 4, "a"))
    assert told(lake, database) == ("changes", None, 1, 0, 1)
    assert as_it_is(lake, database) and len(noted(database)) == 1


def test_where_changes_cannot_be_told_all_is_pushed_and_the_result_says_why(
    make_lake: Make, database: Server
) -> None:
    lake = make_lake(customers=["id", "line"])
    bring(lake, 0, *(row("I", 0, n, "a", f"n{n}") for n in range(3)))
    assert push(lake, database) == {"customers": (3, 3, 0)}  # which notes nothing
    assert told(lake, database) == ("snapshot", "no earlier export is noted", 3, 0, 0)
    assert told(lake, database) == ("changes", None, 0, 0, 0)
    database.execute("DELETE FROM shop.customers WHERE id = 2")
    database.execute("UPDATE shop.headwater_exports SET log = 'another'")
    assert told(lake, database)[0] == "snapshot"
    assert as_it_is(lake, database)

    lake.spark.sql(
        f"ALTER TABLE spark_catalog.{lake.schema}.customers__log SET TBLPROPERTIES ('delta.enableChangeDataFeed' = 'false')"
    )
    bring(lake, 1, row("D", 1, 0, "a"), row("U", 1, 1, "a", "x"))
    way, reason, *counts = told(lake, database)
    assert (way, counts) == ("snapshot", [2, 1, 1])
    assert reason.startswith("the log's change feed cannot be read: ")
    assert as_it_is(lake, database)

    way, reason, *_ = told(lake, database, deletes="keep")
    assert (way, reason) == ("snapshot", "rows that are gone were kept until now, or are from now on")
    push(lake, database)  # and what was noted before is not taken for its own
    assert told(lake, database)[:2] == ("snapshot", "no earlier export is noted")


def test_rows_that_are_gone_may_be_kept(make_lake: Make, database: Server) -> None:
    lake = make_lake(customers=["id", "line"])
    bring(lake, 0, *(row("I", 0, n, "a", f"n{n}") for n in range(3)))
    push(lake, database, deletes="keep")
    bring(lake, 1, row("D", 1, 0, "a"))
    assert push(lake, database, deletes="keep") == {"customers": (2, 0, 0)}
    assert told(lake, database, deletes="keep")[0] == "snapshot"
    bring(lake, 2, row("D", 2, 1, "a"), row("U", 2, 2, "a", "x"))
    assert told(lake, database, deletes="keep") == ("changes", None, 2, 1, 0)
    assert database.query(SHOWN) == [(0, "a", "n0"), (1, "a", "n1"), (2, "a", "x")]
    assert push(lake, database) == {"customers": (1, 0, 2)}


def test_a_table_is_replaced(make_lake: Make, database: Server) -> None:
    lake = make_lake()
    hold(lake, "customers", "SELECT id, 'old' AS name FROM range(3)")
    assert tell(lake, database, mode="replace")["customers"] | {"seconds": 0} == {
        "table": "customers", "way": "replace", "rows": 3, "upserted": 3, "deleted": 0, "seconds": 0,
    }  # fmt: skip
    hold(
        lake, "customers", "SELECT CAST(id AS STRING) AS id, 'new' AS name FROM range(1, 6)"
    )  # not even its key's type
    assert push(lake, database, mode="replace") == {"customers": (5, 5, 0)}
    assert database.query("SELECT id, name FROM shop.customers ORDER BY id") == [
        (f"{n}", "new") for n in range(1, 6)
    ]
    assert push(lake, database) == {"customers": (5, 0, 0)}  # it has its key and its mark
    names = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'shop' ORDER BY table_name"
    assert database.query(names) == [("customers",)]

    database.execute("ALTER TABLE shop.customers ADD own int")
    assert "the table has columns of its own" in failure(lake, database, mode="replace")
    database.execute("DROP TABLE shop.customers")
    database.execute("CREATE TABLE shop.customers (id int)")
    assert "was not made by this pipeline's export" in failure(lake, database, mode="replace")


def test_a_replacement_that_breaks_off_leaves_the_table(
    make_lake: Make, database: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = make_lake()
    hold(lake, "customers", "SELECT id, 'old' AS name FROM range(3)")
    push(lake, database, mode="replace")
    hold(lake, "customers", "SELECT id, 'private' AS name FROM range(5000)")
    kind = KINDS[database.kind]
    insert = kind.insert

    def killed(self: Any, chunks: Iterator[Any], columns: list[str]) -> int:
        done = insert(self, chunks, columns)
        (session,) = self.ask(
            "SELECT " + ("pg_backend_pid()" if database.kind == "postgresql" else "connection_id()")
        )
        kill = (
            f"SELECT pg_terminate_backend({session[0]}, 5000)"
            if database.kind == "postgresql"
            else f"KILL {session[0]}"
        )
        database.execute(kill)
        return done

    with monkeypatch.context() as patch:
        patch.setattr(kind, "insert", killed)
        message = failure(lake, database, mode="replace")
    assert "as it was" in message or "as they were" in message
    assert "private" not in message
    assert database.query("SELECT id, name FROM shop.customers ORDER BY id") == [(n, "old") for n in range(3)]
    assert push(lake, database, mode="replace") == {"customers": (5000, 5000, 0)}


def test_what_depends_on_a_table_keeps_it_from_being_replaced(make_lake: Make, database: Server) -> None:
    lake = make_lake()
    hold(lake, "customers", "SELECT id FROM range(3)")
    push(lake, database)
    database.execute(
        "CREATE TABLE shop.child (id bigint PRIMARY KEY, FOREIGN KEY (id) REFERENCES shop.customers (id))"
    )
    hold(lake, "customers", "SELECT id FROM range(5)")
    message = failure(lake, database, mode="replace")
    assert "depend" in message and ("as it was" in message or "as they were" in message)
    assert len(database.query("SELECT id FROM shop.customers")) == 3
    assert push(lake, database) == {"customers": (5, 2, 0)}


def test_a_replaced_table_keeps_its_owner_and_grants(make_lake: Make, shop: PostgreSql) -> None:
    lake = make_lake()
    hold(lake, "customers", "SELECT id, 'a' AS `Full \"Name` FROM range(3)")
    push(lake, shop)
    shop.execute(
        'DROP ROLE IF EXISTS reader; DROP ROLE IF EXISTS "the owner"; CREATE ROLE reader; CREATE ROLE "the owner"'
    )
    shop.execute(f'GRANT "the owner" TO {EXPORTER}; GRANT CREATE, USAGE ON SCHEMA shop TO "the owner"')
    shop.execute('ALTER TABLE shop.customers OWNER TO "the owner"; GRANT SELECT ON shop.customers TO PUBLIC')
    shop.execute(
        'GRANT INSERT ON shop.customers TO reader WITH GRANT OPTION; GRANT UPDATE ("Full ""Name") ON shop.customers TO reader'
    )
    rights = (
        "SELECT relowner::regrole::text, relacl::text, (SELECT array_agg(attacl::text) FROM pg_attribute WHERE attrelid = c.oid)"
        " FROM pg_class c WHERE oid = 'shop.customers'::regclass"
    )
    before = shop.query(rights)
    assert push(lake, shop, mode="replace") == {"customers": (3, 3, 0)}
    after = shop.query(rights)
    assert after[0][0] == before[0][0] == '"the owner"'
    assert sorted(after[0][1].strip("{}").split(",")) == sorted(before[0][1].strip("{}").split(","))
    assert [acl for acl in after[0][2] if acl] == [acl for acl in before[0][2] if acl]
    shop.execute('DROP SCHEMA shop CASCADE; CREATE SCHEMA shop; DROP ROLE reader; DROP ROLE "the owner"')
