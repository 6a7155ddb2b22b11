"""The workspace as a process: authentication, restarts, and what a kill leaves behind."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from conftest import (
    PYTHON_ROOT,
    TOKEN,
    Started,
    client,
    ended,
    free_port,
    name,
    notebook_task,
    put_notebook,
    start_workspace,
    wait_for,
)
from databricks.sdk import WorkspaceClient
from databricks.sdk.service import jobs, sql
from headwater_workspace.routers.warehouses import WAREHOUSE_ID


def _status(url: str, token: str | None) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(f"{url}/api/2.2/jobs/list", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, ""
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)["message"]


def test_every_call_needs_the_token(started: Started) -> None:
    assert _status(started.url, TOKEN)[0] == 200
    assert _status(started.url, "wrong") == (403, "Invalid access token.")
    assert _status(started.url, None)[0] == 401


def _children(parent: int) -> list[int]:
    """Descendants of a process, by /proc."""
    found = [parent]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            found += [int(child) for child in task.read_text().split()]
    return found[1:]


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _sql(w: WorkspaceClient, statement: str) -> list[list[str]]:
    done = w.statement_execution.execute_statement(statement, WAREHOUSE_ID, wait_timeout="50s")
    assert done.status and done.status.state == sql.StatementState.SUCCEEDED, done.status
    return list(done.result.data_array or []) if done.result else []


def test_killed_and_started_again(tmp_path: Path, moto: str, spark_jars: str) -> None:
    state = tmp_path / "state"
    first = start_workspace(state, moto, spark_jars)
    w = client(first.url)
    catalog = name("kept")
    w.catalogs.create(name=catalog)
    w.schemas.create(name="s", catalog_name=catalog)
    _sql(w, f"CREATE TABLE {catalog}.s.t AS SELECT 41 + 1 AS answer")
    _sql(w, f"CREATE VIEW {catalog}.s.v AS SELECT answer FROM {catalog}.s.t")
    group = w.groups.create(display_name=name("kept")).display_name
    w.secrets.create_scope("kept")
    w.secrets.put_secret("kept", "k", string_value="correct horse battery staple")
    path = put_notebook(w, "/Shared/kept/main", "print('started', flush=True)\nimport time\ntime.sleep(300)")
    job = w.jobs.create(name="kept", tasks=[notebook_task(path)]).job_id or 0
    run_id = w.jobs.run_now(job).run_id
    task = (w.jobs.get_run(run_id).tasks or [])[0].run_id or 0
    wait_for(lambda: "started" in (w.jobs.get_run_output(task).logs or ""), 60, "the notebook's start")

    children = _children(first.process.pid)
    assert len(children) >= 3  # the JVM, the run, the spare
    os.kill(first.process.pid, signal.SIGKILL)
    first.process.wait()
    wait_for(lambda: not any(_alive(pid) for pid in children), 15, "the end of every child")

    stored = sqlite3.connect(state / "workspace.sqlite").execute("SELECT group_concat(body) FROM documents")
    assert "correct horse" not in stored.fetchone()[0]

    second = start_workspace(state, moto, spark_jars)
    try:
        w = client(second.url)
        run = w.jobs.get_run(run_id)
        assert run.state and run.state.life_cycle_state == jobs.RunLifeCycleState.INTERNAL_ERROR
        assert run.state.result_state == jobs.RunResultState.FAILED
        assert "restarted" in (run.state.state_message or "")
        assert _sql(w, f"SELECT * FROM {catalog}.s.v") == [["42"]]
        assert [one.name for one in w.tables.list(catalog, "s")] == ["t", "v"]
        assert group in [one.display_name for one in w.groups.list()]
        assert w.secrets.get_secret("kept", "k").value == "Y29ycmVjdCBob3JzZSBiYXR0ZXJ5IHN0YXBsZQ=="
        _spark_dies_once(w, second, catalog)
    finally:
        children = _children(second.process.pid)
        assert second.stop() == 0
    assert not any(_alive(pid) for pid in children)


def _spark_dies_once(w: WorkspaceClient, started: Started, catalog: str) -> None:
    """The host comes back by itself, with its tables; a run in the meantime fails and says why."""
    path = put_notebook(
        w,
        "/Shared/dies/main",
        "print('started', flush=True)\nspark.range(10**10).where('hash(uuid()) = id').count()",
    )
    job = w.jobs.create(name="dies", tasks=[notebook_task(path)]).job_id or 0
    run_id = w.jobs.run_now(job).run_id
    task = (w.jobs.get_run(run_id).tasks or [])[0].run_id or 0
    wait_for(lambda: "started" in (w.jobs.get_run_output(task).logs or ""), 60, "the notebook's start")
    (jvm,) = (
        pid
        for pid in _children(started.process.pid)
        if b"headwater.sandbox.SparkHost" in Path(f"/proc/{pid}/cmdline").read_bytes()
    )
    os.kill(jvm, signal.SIGKILL)
    run = ended(w, run_id)
    assert run.state and run.state.result_state == jobs.RunResultState.FAILED

    def back() -> bool:
        return any(one.state and one.state.value == "RUNNING" for one in w.warehouses.list())

    wait_for(back, 60, "Spark's return")
    assert _sql(w, f"SELECT * FROM {catalog}.s.t") == [["42"]]
    log = (started.state.parent / f"{started.state.name}.log").read_text()
    assert "Restarting it once; runs fail meanwhile" in log and "the Spark host is back" in log


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tokn": "x"}, "unknown field tokn"),
        ({"token": ""}, "token is missing"),
        ({"clockScale": 0}, "clockScale is 0"),
        ({"sparkJars": "/nowhere"}, "run `python -m headwater_workspace.jars <folder>` first"),
    ],
)
def test_bad_options_are_told(
    tmp_path: Path, spark_jars: str, change: dict[str, object], message: str
) -> None:
    options = {
        "token": "t",
        "stateDir": str(tmp_path / "state"),
        "aws": {"endpoint": "http://127.0.0.1:9", "region": "eu-west-1"},
        "sparkJars": spark_jars,
    }
    assert message in _start_badly(tmp_path, options | change)


def test_a_taken_port_is_told(tmp_path: Path, spark_jars: str, started: Started) -> None:
    port = int(started.url.rsplit(":", 1)[1])
    aws = {"endpoint": f"http://127.0.0.1:{free_port()}", "region": "eu-west-1"}
    options = {
        "token": "t",
        "stateDir": str(tmp_path / "state"),
        "aws": aws,
        "sparkJars": spark_jars,
        "port": port,
    }
    assert f"port {port} of 127.0.0.1 cannot be had" in _start_badly(tmp_path, options)


def _start_badly(folder: Path, options: dict[str, object]) -> str:
    file = folder / "options.json"
    file.write_text(json.dumps(options))
    done = subprocess.run(
        [sys.executable, "-m", "headwater_workspace", "--options", str(file)],
        env=os.environ | {"PYTHONPATH": str(PYTHON_ROOT)},
        stdin=subprocess.PIPE,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    return done.stderr
