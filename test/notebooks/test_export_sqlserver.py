"""SQL Server, which no test can run: the statements of an export, read by SQL Server's grammar, over a connection that only
listens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pymssql
import pytest
import sqlglot

from conftest import free_port
from exporting import LOGIN, VALUES, bring, hold, row
from headwater_history import sqlserver
from headwater_history.export import ExportFailed, export
from headwater_history.sqlserver import SqlServer
from support import Lake

Make = Callable[..., Lake]
MADE = [
    ("id", "bigint", 8, 19, 0, None), ("Full Name", "nvarchar", -1, 0, 0, "Latin1_General_100_BIN2"),
    ("price", "decimal", 17, 38, 18, None), ("weight", "float", 8, 53, 0, None), ("seen", "datetime2", 8, 26, 6, None),
    ("placed", "datetime2", 8, 26, 6, None), ("born", "date", 3, 10, 0, None), ("picture", "varbinary", -1, 0, 0, None),
    ("active", "bit", 1, 1, 0, None), ("small", "smallint", 2, 5, 0, None),
]  # fmt: skip


class Listener:
    """A DB-API connection and its cursor: writes down every statement, and answers questions by what they begin with."""

    def __init__(self, answers: dict[str, list[Any]]) -> None:
        self.answers, self.said, self.rowcount, self.answer = answers, list[str](), 1, list[Any]()

    def cursor(self) -> Listener:
        return self

    def execute(self, statement: str) -> None:
        self.said.append(statement)
        self.answer = next((rows for begin, rows in self.answers.items() if begin in statement), [])

    def fetchall(self) -> list[Any]:
        return self.answer

    def commit(self) -> None:
        self.said.append("COMMIT")

    def close(self) -> None:
        pass


def run(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, answers: dict[str, list[Any]], **changes: Any
) -> tuple[Any, list[str]]:
    """What an export says and the statements it has made, all of which SQL Server's grammar knows."""
    listener = Listener(answers)
    monkeypatch.setattr(SqlServer, "connect", staticmethod(lambda *_: listener))
    settings = {
        "kind": "sqlserver", "mode": "upsert", "deletes": "delete", "host": "db", "port": 1433, "database": "d",
        "schema": "shop", "tls": "require", "secretScope": "s", "userKey": "u", "passwordKey": "p", "numConnections": 2, **changes,
    }  # fmt: skip
    told = export(lake.spark, lake.pipeline(export=settings), LOGIN)["tables"][0]
    for statement in listener.said:
        (parsed,) = sqlglot.parse(statement, dialect="tsql")
        assert (
            parsed is not None and not isinstance(parsed, sqlglot.exp.Command) or statement.startswith("EXEC")
        ), statement
    return told, [
        statement
        for statement in listener.said
        if not statement.lstrip().startswith("SELECT") and "exports" not in statement
    ]


THERE = {
    "sys.tables t": [("headwater shop-dev",)], "sys.indexes": [("id",)], "sys.columns WHERE": MADE,
    "database_permissions": [("GRANT SELECT ON \"shop\".\"headwater_x\" TO [reader]",)],
}  # fmt: skip


def test_a_first_export(make_lake: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = make_lake()
    hold(lake, "customers", VALUES.replace("'NaN'", "'0'").replace("'-Infinity'", "'0'"))
    told, said = run(lake, monkeypatch, {}, mode="changes")
    assert (told["way"], told["rows"]) == ("snapshot", 4)
    body = (
        '"id" bigint NOT NULL, "Full Name" nvarchar(max) COLLATE Latin1_General_100_BIN2 NULL, "price" decimal(38,18) NULL,'
        ' "weight" float NULL, "seen" datetime2(6) NULL, "placed" datetime2(6) NULL, "born" date NULL,'
        ' "picture" varbinary(max) NULL, "active" bit NULL, "small" smallint NULL'
    )
    names = '"id", "Full Name", "price", "weight", "seen", "placed", "born", "picture", "active", "small"'
    staged = names.replace('"picture"', 'CONVERT(varbinary(max), "picture", 2)')
    assert said[1] == f'CREATE TABLE "shop"."customers" ({body}, PRIMARY KEY ("id"))'
    assert said[2] == (
        "EXEC sys.sp_addextendedproperty @name = N'headwater', @value = N'headwater shop-dev', @level0type = N'SCHEMA',"
        " @level0name = N'shop', @level1type = N'TABLE', @level1name = N'customers'"
    )
    assert said[3] == f'CREATE TABLE "#headwater_stage" ({body})'
    assert said[4].startswith(
        f'INSERT INTO "#headwater_stage" ({names}) SELECT {staged} FROM OPENJSON(N\'[["'
    )
    assert said[4].endswith(
        ']\') WITH ("id" bigint \'$[0]\', "Full Name" nvarchar(max) \'$[1]\', "price" decimal(38,18) \'$[2]\', "weight" float'
        " '$[3]', \"seen\" datetime2(6) '$[4]', \"placed\" datetime2(6) '$[5]', \"born\" date '$[6]', \"picture\" nvarchar(max)"
        " '$[7]', \"active\" bit '$[8]', \"small\" smallint '$[9]')"
    )
    rows = "".join(each for each in said if "OPENJSON" in each)
    assert "quote '' and \\\"double\\\", tab \\t, line\\nbreak, back\\\\slash" in rows and "😀" in rows
    assert (
        '"2026-03-08 05:29:59.999999"' in rows
        and '"00FF5C","true","32767"' in rows
        and '["3",null,null' in rows
    )
    same, rest = 's."id" = "shop"."customers"."id"', names.split(", ")[1:]
    delete, update, insert = said[-4:-1]
    assert (
        delete
        == f'DELETE FROM "shop"."customers" WHERE NOT EXISTS (SELECT 1 FROM "#headwater_stage" s WHERE {same})'
    )
    exact = [f"CONVERT(varbinary(max), {{}}.{rest[0]})", *(f"{{}}.{name}" for name in rest[1:])]
    old, new = (", ".join(cell.format(side) for cell in exact) for side in ("t", "s"))
    assert update == (
        f'UPDATE t SET {", ".join(f"{name} = s.{name}" for name in rest)} FROM "shop"."customers" t JOIN "#headwater_stage" s'
        f' ON t."id" = s."id" WHERE EXISTS (SELECT {old} EXCEPT SELECT {new})'
    )
    assert insert == (
        f'INSERT INTO "shop"."customers" ({names}) SELECT {", ".join(f"s.{name}" for name in names.split(", "))} FROM'
        ' "#headwater_stage" s WHERE NOT EXISTS (SELECT 1 FROM "shop"."customers" t WHERE t."id" = s."id")'
    )
    assert said[-1] == "COMMIT"


def test_a_table_that_is_there_fits_and_is_replaced_with_its_rights(
    make_lake: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = make_lake()
    hold(lake, "customers", VALUES.replace("'NaN'", "'0'").replace("'-Infinity'", "'0'"))
    _, said = run(lake, monkeypatch, THERE, deletes="keep")
    assert not any(statement.startswith(("ALTER", "DELETE")) for statement in said)
    told, said = run(lake, monkeypatch, THERE, mode="replace")
    assert told["way"] == "replace"
    new = said[1].split(" ")[2]
    assert new.startswith('"shop"."headwater_') and "PRIMARY KEY" not in said[1]
    assert said[-6] == f'ALTER TABLE {new} ADD PRIMARY KEY ("id")'
    assert said[-4:] == [
        'GRANT SELECT ON "shop"."headwater_x" TO [reader]', 'DROP TABLE "shop"."customers"',
        f"EXEC sp_rename @objname = N'{new}', @newname = N'customers'", "COMMIT",
    ]  # fmt: skip


def test_changes_delete_the_keys_that_are_gone(make_lake: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = make_lake(customers=["id", "line"])
    bring(lake, 0, row("I", 0, 1, "a", "x"), row("I", 0, 2, "a", "y"))
    log = lake.spark.sql(f"DESCRIBE DETAIL spark_catalog.{lake.schema}.customers__log").collect()[0]["id"]
    bring(lake, 1, row("D", 1, 1, "a"), row("U", 2, 2, "a", "z"))
    there = {
        "sys.tables t": [("headwater shop-dev",)], "sys.indexes": [("id",), ("line",)],
        "sys.columns WHERE": [
            ("id", "bigint", 8, 19, 0, None), ("line", "nvarchar", 800, 0, 0, "Latin1_General_100_BIN2"),
            ("name", "nvarchar", 20, 0, 0, "Latin1_General_100_BIN2"),
        ],
        '"log", "version"': [(log, 1, "delete")],
    }  # fmt: skip
    with pytest.raises(ExportFailed, match="name: the table exists and does not fit the history"):
        run(lake, monkeypatch, there, mode="changes")
    there["sys.columns WHERE"][2] = ("name", "nvarchar", -1, 0, 0, "Latin1_General_100_BIN2")
    told, said = run(lake, monkeypatch, there, mode="changes")
    assert (told["way"], told["rows"]) == ("changes", 2)
    assert '"headwater_gone" bit NOT NULL' in said[1] and "\"headwater_gone\" bit '$[3]'" in said[2]
    assert '["1","a",null,"true"]' in said[2] and '["2","a","z","false"]' in said[2]
    assert said[3] == (
        'DELETE FROM "shop"."customers" WHERE EXISTS (SELECT 1 FROM "#headwater_stage" s WHERE s."id" = "shop"."customers"."id"'
        ' AND s."line" = "shop"."customers"."line" AND s."headwater_gone" = 1)'
    )
    assert all(statement.endswith('s."headwater_gone" <> 1') for statement in said[4:6])


def test_its_queries_are_of_its_grammar() -> None:
    for query in (sqlserver._RIGHTS.format(old="N'a'", new="N' ON b TO '"),):
        assert not isinstance(sqlglot.parse_one(query, dialect="tsql"), sqlglot.exp.Command)


def test_an_error_quotes_no_row() -> None:
    said = b"Violation of PRIMARY KEY constraint 'x'. Cannot insert duplicate key in object 'y'. The duplicate key value is (1, private)."
    assert (
        SqlServer.told(pymssql.IntegrityError(2627, said))
        == "Violation of PRIMARY KEY constraint '...'. (error 2627)"
    )
    assert "private" not in SqlServer.told(
        pymssql.Error(245, b"Conversion failed when converting the value 'private' to int.")
    )


def test_a_database_that_cannot_be_reached_is_named(make_lake: Make) -> None:
    lake = make_lake()
    hold(lake, "customers", "SELECT 1 AS id")
    settings = {
        "kind": "sqlserver", "mode": "upsert", "deletes": "delete", "host": "127.0.0.1", "port": free_port(), "database": "d",
        "schema": "shop", "tls": "verify-full", "secretScope": "s", "userKey": "u", "passwordKey": "p", "numConnections": 2,
    }  # fmt: skip
    with pytest.raises(ExportFailed, match="the target database cannot be connected to") as caught:
        export(lake.spark, lake.pipeline(export=settings), LOGIN)
    assert "Connection refused" in str(caught.value)
