"""SQL statements, through Databricks' SDK."""

from __future__ import annotations

import time

import pytest
from conftest import Lake
from databricks.sdk import WorkspaceClient, errors
from databricks.sdk.service import sql
from headwater_workspace.routers.warehouses import WAREHOUSE_ID


def _run(w: WorkspaceClient, statement: str, **more: object) -> sql.StatementResponse:
    return w.statement_execution.execute_statement(statement, WAREHOUSE_ID, wait_timeout="50s", **more)  # type: ignore[arg-type]


def test_values_come_as_databricks_writes_them(w: WorkspaceClient) -> None:
    done = _run(
        w,
        "SELECT 1 i, 9007199254740993L l, CAST('12345678901234567890.1200' AS DECIMAL(38,4)) d, 1.5D f, "
        "1e10D g, true b, DATE'2024-02-29' day, TIMESTAMP'2024-02-29T12:00:00.123456Z' t, "
        "TIMESTAMP_NTZ'2024-02-29T12:00:00' n, X'00ff' bin, CAST(NULL AS STRING) nothing, "
        "array(1, NULL) a, map('k', 1) m, named_struct('x', 1, 'y', 'z') s, 'a\"b\\n\U0001f600' text",
    )
    assert done.status and done.status.error is None, done.status
    assert done.result and done.result.data_array and done.manifest and done.manifest.schema
    assert done.result.data_array[0] == [
        "1",
        "9007199254740993",
        "12345678901234567890.1200",
        "1.5",
        "1.0E10",
        "true",
        "2024-02-29",
        "2024-02-29T12:00:00.123456Z",
        "2024-02-29T12:00:00.000",
        "AP8=",
        None,
        '["1",null]',
        '{"k":"1"}',
        '{"x":"1","y":"z"}',
        'a"b\n\U0001f600',
    ]
    columns = done.manifest.schema.columns or []
    assert [column.type_text for column in columns[:4]] == ["INT", "BIGINT", "DECIMAL(38,4)", "DOUBLE"]
    assert (columns[2].type_precision, columns[2].type_scale) == (38, 4)
    assert columns[1].type_name == sql.ColumnInfoTypeName.LONG


def test_parameters_catalog_and_schema(w: WorkspaceClient, lake: Lake) -> None:
    parameters = [
        sql.StatementParameterListItem(name="n", value="7", type="INT"),
        sql.StatementParameterListItem(name="none"),
    ]
    done = _run(
        w,
        "SELECT :n + 1, :none IS NULL, current_catalog(), current_schema()",
        parameters=parameters,
        catalog=lake.catalog,
        schema="crm",
    )
    assert done.result and done.result.data_array == [["8", "true", lake.catalog, "crm"]], done.status


def test_a_statement_without_a_result_is_run_once(w: WorkspaceClient, lake: Lake) -> None:
    table = f"{lake.catalog}.crm.once"
    for statement in (f"CREATE TABLE {table} (id INT)", f"INSERT INTO {table} VALUES (1)"):
        done = _run(w, statement)
        assert done.status and done.status.state == sql.StatementState.SUCCEEDED, done.status
    found = _run(w, f"SELECT * FROM {table}")
    assert found.result and found.result.data_array == [["1"]]


def test_a_hundred_thousand_rows_come_in_chunks(w: WorkspaceClient) -> None:
    done = _run(w, "SELECT id, 'row ' || id FROM range(100000) ORDER BY id")
    assert (
        done.manifest and done.manifest.total_row_count == 100_000 and done.manifest.total_chunk_count == 10
    )
    assert done.result and done.result.data_array
    rows = list(done.result.data_array)
    chunk = done.result
    while chunk.next_chunk_index is not None:
        chunk = w.statement_execution.get_statement_result_chunk_n(
            done.statement_id or "", chunk.next_chunk_index
        )
        rows += chunk.data_array or []
    assert len(rows) == 100_000 and rows[99_999] == ["99999", "row 99999"]
    limited = _run(w, "SELECT id FROM range(10)", row_limit=3)
    assert limited.manifest and limited.manifest.truncated and limited.manifest.total_row_count == 3


def test_errors_and_cancelling(w: WorkspaceClient) -> None:
    failed = _run(w, "SELECT * FROM nothing_here")
    assert failed.status and failed.status.state == sql.StatementState.FAILED and failed.status.error
    assert "[TABLE_OR_VIEW_NOT_FOUND]" in (failed.status.error.message or "")
    begun = time.monotonic()
    slow = w.statement_execution.execute_statement(
        "SELECT count(*) FROM range(10000000000) WHERE hash(uuid()) = id",
        WAREHOUSE_ID,
        wait_timeout="5s",
        on_wait_timeout=sql.ExecuteStatementRequestOnWaitTimeout.CANCEL,
    )
    assert slow.status and slow.status.state == sql.StatementState.CANCELED
    assert time.monotonic() - begun < 15
    with pytest.raises(errors.InvalidParameterValue, match="wait_timeout"):
        w.statement_execution.execute_statement("SELECT 1", WAREHOUSE_ID, wait_timeout="3s")
    with pytest.raises(errors.NotFound, match="SQL warehouse nope does not exist"):
        w.statement_execution.execute_statement("SELECT 1", "nope")
