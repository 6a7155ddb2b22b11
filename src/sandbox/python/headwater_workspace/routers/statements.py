"""SQL statements: /api/2.0/sql/statements, run on the Spark host, each in a session of its own.

Format JSON_ARRAY, disposition INLINE. Results come in chunks of 10,000 rows. The 500 last statements are
kept.
"""

from __future__ import annotations

import re
import threading
import uuid
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter
from pyspark.errors import PySparkException
from pyspark.sql.connect.dataframe import DataFrame
from pyspark.sql.connect.functions import lit
from pyspark.sql.connect.plan import SQL
from pyspark.sql.connect.session import SparkSession
from pyspark.sql.types import StructType

from .. import sql_values
from ..context import Here, Workspace
from ..errors import ApiError, invalid, missing, unsupported
from ..principals import ADMIN
from ..spark_sessions import open_session, plan_session
from ..store import Document
from ..uc.tables import type_name
from .warehouses import require_warehouse

router = APIRouter(prefix="/api/2.0/sql/statements", tags=["statements"])
_CHUNK_ROWS = 10_000
_INLINE_BYTES = 25 * 1024 * 1024
_KEPT = 500


@dataclass
class Statement:
    """One statement and what became of it."""

    identity: str
    body: Document
    state: str = "PENDING"
    error: Document | None = None
    schema: StructType | None = None
    rows: list[list[str | None]] = field(default_factory=list)
    truncated: bool = False
    session: SparkSession | None = None
    work: Future[None] | None = None

    @property
    def user(self) -> str:
        """Its user on the Spark host, by which it can be cancelled."""
        return f"statement-{self.identity}"


class Statements:
    """Runs statements on threads of its own."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(8, thread_name_prefix="statement")
        self._kept: OrderedDict[str, Statement] = OrderedDict()
        self._lock = threading.Lock()

    def submit(self, here: Workspace, body: Document) -> Statement:
        """Starts it."""
        statement = Statement(str(uuid.uuid4()), body)
        with self._lock:
            self._kept[statement.identity] = statement
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        statement.work = self._pool.submit(self._run, here, statement)
        return statement

    def require(self, identity: str) -> Statement:
        """Databricks' 404 for one that is unknown or no longer kept."""
        found = self._kept.get(identity)
        if found is None:
            raise missing(f"The statement {identity} was not found.", "NOT_FOUND")
        return found

    def cancel(self, here: Workspace, statement: Statement) -> None:
        """Interrupts it; a finished one stays as it is."""
        with self._lock:
            if statement.state not in ("PENDING", "RUNNING"):
                return
            statement.state = "CANCELED"
        here.loop.call_soon_threadsafe(here.spark.cancel, statement.user)
        if statement.session is not None:
            statement.session.interruptAll()

    def close(self) -> None:
        """No statement starts after this."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _settle(self, statement: Statement, state: str) -> None:
        with self._lock:
            if statement.state != "CANCELED":
                statement.state = state

    def _run(self, here: Workspace, statement: Statement) -> None:
        self._settle(statement, "RUNNING")
        try:
            self._execute(here, statement)
            self._settle(statement, "SUCCEEDED")
        except PySparkException as error:
            statement.error = {"error_code": "BAD_REQUEST", "message": str(error)}
            self._settle(statement, "FAILED")
        except ApiError as error:
            statement.error = {"error_code": error.error_code, "message": error.message}
            self._settle(statement, "FAILED")
        except Exception as error:  # noqa: BLE001 - whatever gRPC raises when Spark dies must end the statement
            statement.error = {"error_code": "INTERNAL_ERROR", "message": f"The Spark host failed: {error}"}
            self._settle(statement, "FAILED")
        finally:
            session, statement.session = statement.session, None
            if session is not None and here.spark.url is not None:
                session.stop()

    def _execute(self, here: Workspace, statement: Statement) -> None:
        if here.spark.url is None:
            raise ApiError("TEMPORARILY_UNAVAILABLE", "The sandbox's Spark host is not running", 503)
        body = statement.body
        parameters = {
            str(item.get("name")): sql_values.parameter(item) for item in body.get("parameters") or []
        }
        plan = plan_session(here, ADMIN)
        statement.session = session = open_session(f"{here.spark.url}/;user_id={statement.user}", plan.conf)
        if statement.state == "CANCELED":
            return
        if body.get("catalog"):
            session.sql(f"USE CATALOG `{body['catalog']}`")
        if body.get("schema"):
            session.sql(f"USE SCHEMA `{body['schema']}`")
        # Not session.sql().toArrow(): the server would analyse a query three times, most of its work.
        frame = DataFrame(
            SQL(str(body["statement"]), named_args={name: lit(value) for name, value in parameters.items()}),
            session,
        )
        limit = body.get("row_limit")
        if limit:
            frame = frame.limit(int(limit) + 1)
        table, statement.schema = frame._to_table()
        rows = sql_values.rows(table, statement.schema) if statement.schema else []
        if limit and len(rows) > int(limit):
            rows, statement.truncated = rows[: int(limit)], True
        size = sum(len(value or "") + 3 for row in rows for value in row)
        if size > _INLINE_BYTES:
            raise ApiError(
                "BAD_REQUEST",
                "Inline byte limit exceeded. Statements executed with disposition=INLINE can have a result "
                f"size of at most {_INLINE_BYTES} bytes. Please execute the statement with "
                "disposition=EXTERNAL_LINKS if you want to download the full result.",
            )
        statement.rows = rows


def _chunk(statement: Statement, index: int) -> Document:
    start = index * _CHUNK_ROWS
    part = statement.rows[start : start + _CHUNK_ROWS]
    if index and not part:
        raise invalid(f"Invalid chunk index {index}")
    chunk: Document = {"chunk_index": index, "row_offset": start, "row_count": len(part), "data_array": part}
    if start + _CHUNK_ROWS < len(statement.rows):
        chunk["next_chunk_index"] = index + 1
        path = f"/api/2.0/sql/statements/{statement.identity}/result/chunks/{index + 1}"
        chunk["next_chunk_internal_link"] = f"{path}?row_offset={start + _CHUNK_ROWS}"
    return chunk


def _manifest(statement: Statement) -> Document:
    assert statement.schema is not None
    columns = []
    for position, one in enumerate(statement.schema.fields):
        column: Document = {
            "name": one.name,
            "position": position,
            "type_name": type_name(one.dataType),
            "type_text": one.dataType.simpleString().upper(),
        }
        if hasattr(one.dataType, "precision") and hasattr(one.dataType, "scale"):
            column |= {"type_precision": one.dataType.precision, "type_scale": one.dataType.scale}
        columns.append(column)
    total = len(statement.rows)
    chunks = [
        {"chunk_index": index, "row_offset": offset, "row_count": min(_CHUNK_ROWS, total - offset)}
        for index, offset in enumerate(range(0, total, _CHUNK_ROWS))
    ]
    return {
        "format": "JSON_ARRAY",
        "schema": {"column_count": len(columns), "columns": columns},
        "total_chunk_count": len(chunks),
        "total_row_count": total,
        "truncated": statement.truncated,
        "chunks": chunks,
    }


def _answer(statement: Statement) -> Document:
    status: Document = {"state": statement.state}
    if statement.error and statement.state == "FAILED":
        status["error"] = statement.error
    answer: Document = {"statement_id": statement.identity, "status": status}
    if statement.state == "SUCCEEDED":
        answer |= {"manifest": _manifest(statement), "result": _chunk(statement, 0)}
    return answer


def _wait_seconds(body: Document) -> float:
    wait = str(body.get("wait_timeout") or "10s")
    match = re.fullmatch(r"(\d+)s", wait)
    seconds = int(match.group(1)) if match else -1
    if seconds != 0 and not 5 <= seconds <= 50:
        raise invalid(f"wait_timeout is '{wait}'; it must be 0s or between 5s and 50s")
    return seconds


@router.post("")
def execute(here: Here, body: dict[str, Any]) -> Document:
    """Runs a statement; answers when it is done or after wait_timeout, whichever comes first."""
    require_warehouse(str(body.get("warehouse_id") or ""))
    if not body.get("statement"):
        raise invalid("Missing required field: statement")
    if body.get("disposition", "INLINE") != "INLINE" or body.get("format", "JSON_ARRAY") != "JSON_ARRAY":
        raise unsupported(
            "The sandbox answers SQL statements with disposition INLINE and format JSON_ARRAY only"
        )
    if body.get("byte_limit"):
        raise unsupported("The sandbox does not take byte_limit; use row_limit")
    wait = _wait_seconds(body)
    after = body.get("on_wait_timeout", "CONTINUE")
    if after not in ("CONTINUE", "CANCEL") or (wait == 0 and after == "CANCEL"):
        raise invalid(f"on_wait_timeout '{after}' is not valid with wait_timeout {wait:.0f}s")
    statement = here.statements.submit(here, body)
    assert statement.work
    if wait:
        try:
            statement.work.result(timeout=wait)
        except TimeoutError:
            if after == "CANCEL":
                here.statements.cancel(here, statement)
    return _answer(statement)


@router.get("/{identity}")
def get(here: Here, identity: str) -> Document:
    """State, and the first chunk once it succeeded."""
    return _answer(here.statements.require(identity))


@router.get("/{identity}/result/chunks/{index}")
def get_chunk(here: Here, identity: str, index: int) -> Document:
    """One chunk of the result."""
    statement = here.statements.require(identity)
    if statement.state != "SUCCEEDED":
        raise invalid(f"The statement {identity} has no result: it is {statement.state}")
    return _chunk(statement, index)


@router.post("/{identity}/cancel")
def cancel(here: Here, identity: str) -> Document:
    """Asks to stop; its state tells when it did."""
    here.statements.cancel(here, here.statements.require(identity))
    return {}
