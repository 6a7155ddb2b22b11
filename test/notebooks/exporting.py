"""What the tests of the export share: histories of given rows, settings of targets, exports and their failures."""

from __future__ import annotations

import traceback
from typing import Any, Protocol

import pyarrow as pa
import pytest

from headwater_history import tables
from headwater_history.export import ExportFailed, export
from headwater_history.names import PLAIN, spec_of
from headwater_history.run import apply
from headwater_history.wanted import Credentials
from support import Lake, change, write_changes

PASSWORD = "corrért hörse's \\battery"  # whatever breaks where texts are put together
EXPORTER = "exporter"
LOGIN = Credentials(EXPORTER, PASSWORD)
_TYPES = {"id": pa.int64(), "line": pa.string(), "name": pa.string()}


class Server(Protocol):
    """A database to export into."""

    kind: str
    database: str
    schema: str

    @property
    def port(self) -> int: ...

    def query(self, text: str) -> list[tuple[Any, ...]]: ...

    def execute(self, text: str) -> object: ...


def target(server: Server, **changes: Any) -> dict[str, Any]:
    return {
        "kind": server.kind, "mode": "upsert", "deletes": "delete", "host": "127.0.0.1", "port": server.port,
        "database": server.database, "schema": server.schema, "tls": "disable", "secretScope": "shop-dev",
        "userKey": "user", "passwordKey": "password", "numConnections": 2, **changes,
    }  # fmt: skip


def hold(lake: Lake, table: str, rows: str) -> None:
    """Makes a log, all of it folded, whose current rows are these, and which has a row that is past; the views over it."""
    spec = spec_of(lake.pipeline(), next(each for each in lake.pipeline().tables if each.name == table))
    event = "'run' AS __run, 'I' AS __op, timestamp'2020-01-01' AS __commit_time, '' AS __change_seq, true AS __load"
    ended = "CAST(timestamp'2021-01-01' AS TIMESTAMP) AS __end, 'file' AS __file"
    lake.spark.sql(f"DROP TABLE IF EXISTS {spec.log}")
    lake.spark.sql(
        f"CREATE TABLE {spec.log} USING DELTA PARTITIONED BY (__part, __run)"
        " TBLPROPERTIES ('delta.columnMapping.mode' = 'name') AS"
        f" WITH now AS ({rows})"
        f" SELECT 'base' AS __part, {event}, timestamp'2021-01-01' AS __start, CAST(NULL AS TIMESTAMP) AS __end,"
        " 'file' AS __file, * FROM now"
        f" UNION ALL SELECT 'closed' AS __part, {event}, timestamp'2020-01-01' AS __start, {ended}, * FROM now"
    )
    tables.make_views(lake.spark, spec, tables.stored_columns(lake.spark, spec), PLAIN)


def bring(lake: Lake, number: int, *events: dict[str, Any], fold: str = "auto") -> None:
    """A file of captured changes, applied; the first is the load."""
    name = "LOAD00000001" if number == 0 else f"20260301-1201{number:05}"
    if events:
        write_changes(lake.incoming() / f"{name}.parquet", list(events), _TYPES)
    apply(lake.spark, lake.files, lake.pipeline(), ask=fold)


def row(op: str, second: int, key: int, line: str, name: str | None = None) -> dict[str, Any]:
    return change(op, second, second or None, id=key, line=line, name=name)


def push(lake: Lake, server: Server, **changes: Any) -> dict[str, tuple[int, int, int]]:
    told = tell(lake, server, **changes)
    return {name: (t["rows"], t["upserted"], t["deleted"]) for name, t in told.items()}


def tell(lake: Lake, server: Server, **changes: Any) -> dict[str, dict[str, Any]]:
    """What an export says of each table."""
    told = export(lake.spark, lake.pipeline(export=target(server, **changes)), LOGIN)
    return {each["table"]: each for each in told["tables"]}


def failure(lake: Lake, server: Server, **changes: Any) -> str:
    """The message of an export that fails; nothing that is printed with it holds the password."""
    with pytest.raises(ExportFailed) as caught:
        push(lake, server, **changes)
    everything = "".join(traceback.format_exception(caught.value)) + repr(LOGIN)
    assert PASSWORD not in everything and "battery" not in everything
    return str(caught.value)


VALUES = """
  SELECT CAST(id AS BIGINT) AS id, CAST(name AS STRING) AS `Full Name`, CAST(price AS DECIMAL(38, 18)) AS price,
    CAST(weight AS DOUBLE) AS weight, CAST(seen AS TIMESTAMP) AS seen, CAST(placed AS TIMESTAMP_NTZ) AS placed,
    CAST(born AS DATE) AS born, CAST(picture AS BINARY) AS picture, CAST(active AS BOOLEAN) AS active,
    CAST(small AS SMALLINT) AS small
  FROM VALUES
    (1, 'quote '' and "double", tab \\t, line\\nbreak, back\\\\slash, \\\\N, 😀', '12345678901234567890.123456789012345678',
     '0.1', '2026-03-08 05:29:59.999999Z', '2026-03-08 02:30:00.000001', '1900-02-28', X'00FF5C', true, 32767),
    (2, '', '-0.000000000000000001', 'NaN', '1901-01-01 00:00:00Z', '0001-01-01 00:00:00', '9999-12-31', X'', false, -1),
    (3, NULL, NULL, '-Infinity', NULL, NULL, NULL, NULL, NULL, NULL),
    (4, 'é', '0', '4.9E-324', '2026-11-01 04:30:00Z', '2026-01-01 00:00:00', '2026-01-01', NULL, NULL, NULL)
  AS t(id, name, price, weight, seen, placed, born, picture, active, small)"""
