"""pipeline.json: read strictly; every error names the file and the field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from headwater_history.config import load_pipeline, parse_pipeline
from headwater_history.errors import HeadwaterError
from support import RULE

EXPORT = {
    "kind": "postgresql", "mode": "upsert", "deletes": "delete", "host": "db.example.com", "port": 5432, "database": "shop", "schema": "lake",
    "tls": "require", "secretScope": "shop", "userKey": "user", "passwordKey": "password", "numConnections": 2,
}  # fmt: skip


def valid() -> dict[str, Any]:
    tables = [
        {
            "source": {"schema": "shop", "table": name}, "name": name, "keys": keys,
            "incoming": f"/Volumes/c/s/{name}_incoming", "processed": f"/Volumes/c/s/{name}_processed/",
            **RULE,
        }
        for name, keys in (("customers", ["id"]), ("lines", ["order_id", "line_no"]))
    ]  # fmt: skip
    columns = {
        "op": "Op",
        "commitTime": "tx_commit_time",
        "changeSeq": "change_seq",
        "beforeImagePrefix": "BI_",
    }
    return {
        "version": 1, "pipeline": "shop", "environment": "dev", "release": "abc",
        "target": {"catalog": "c", "schema": "s"}, "columns": columns, "historyColumns": "paper", "latenessSeconds": 604_800,
        "tables": tables, "export": EXPORT,
    }  # fmt: skip


def test_a_valid_file_is_read() -> None:
    pipeline = parse_pipeline(json.dumps(valid()))
    assert [(table.source, table.keys) for table in pipeline.tables] == [
        ("shop.customers", ("id",)),
        ("shop.lines", ("order_id", "line_no")),
    ]
    assert pipeline.tables[0].processed == "/Volumes/c/s/customers_processed"
    assert pipeline.export is not None
    assert pipeline.export.num_connections == 2
    assert parse_pipeline(json.dumps({**valid(), "export": None})).export is None


def changed(path: str, value: Any) -> dict[str, Any]:
    """The valid file with one field set, or taken out (value ...)."""
    content = json.loads(json.dumps(valid()))
    place: Any = content
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in way:
        place = place[part]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return content


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("version", 2, "version"),
        ("version", True, "version"),
        ("pipeline", ..., "pipeline"),
        ("pipeline", "", "pipeline"),
        ("surprise", 1, "surprise"),
        ("target.schema", ..., "target.schema"),
        ("target.extra", 1, "target.extra"),
        ("columns.op", 3, "columns.op"),
        ("historyColumns", "mine", "historyColumns"),
        ("tables", {}, "tables"),
        ("tables", [], "tables"),
        ("tables.1.name", "customers", "tables"),
        ("tables.0.keys", [], "tables[0].keys"),
        ("tables.1.keys", ["a", "a"], "tables[1].keys"),
        ("tables.1.incoming", ..., "tables[1].incoming"),
        ("tables.1.source.table", ..., "tables[1].source.table"),
        ("tables.0", "customers", "tables[0]"),
        ("export", ..., "export"),
        ("export.kind", "oracle", "export.kind"),
        ("export.mode", ..., "export.mode"),
        ("export.deletes", "some", "export.deletes"),
        ("export", EXPORT | {"mode": "replace", "deletes": "keep"}, "export.deletes"),
        ("export", EXPORT | {"kind": "mysql"}, "export.schema"),
        ("export.tls", "maybe", "export.tls"),
        ("export.port", "5432", "export.port"),
        ("export.numConnections", 0, "export.numConnections"),
        ("export.password", "secret", "export.password"),
    ],
)
def test_a_wrong_field_is_named(path: str, value: Any, field: str) -> None:
    with pytest.raises(HeadwaterError) as caught:
        parse_pipeline(json.dumps(changed(path, value)), "notebooks/pipeline.json")
    assert str(caught.value).startswith(f"notebooks/pipeline.json: {field}: ")
    assert "secret" not in str(caught.value)


def test_what_is_no_json_or_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(HeadwaterError, match=r"pipeline\.json: is not JSON"):
        parse_pipeline("{", "pipeline.json")
    with pytest.raises(HeadwaterError, match=r"nowhere\.json: cannot be read: No such file"):
        load_pipeline(str(tmp_path / "nowhere.json"))


def test_tables_are_chosen_by_name() -> None:
    pipeline = parse_pipeline(json.dumps(valid()))
    assert [table.name for table in pipeline.select(" lines ,").tables] == ["lines"]
    assert [table.name for table in pipeline.select("").tables] == ["customers", "lines"]
    with pytest.raises(HeadwaterError, match="found: order\n  allowed: customers, lines"):
        pipeline.select("lines,order")
