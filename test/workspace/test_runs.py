"""Runs of notebooks, through Databricks' SDK."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from conftest import Lake, ended, name, notebook_task, parquet, put_notebook, run_once, wait_for
from databricks.sdk import WorkspaceClient
from databricks.sdk.service import jobs

PIPELINE = """
# MAGIC %md
# MAGIC # Loads what arrived

# COMMAND ----------

import json
from rules import double
from pyspark.sql import functions as F

dbutils.widgets.text("tables", "none")
config = json.load(open("pipeline.json"))
catalog = config["catalog"]

# COMMAND ----------

# MAGIC %run ./helpers

# COMMAND ----------

files = [f.path for f in dbutils.fs.ls(config["incoming"])]
frame = spark.read.parquet(config["incoming"])
paths = sorted(r[0] for r in frame.select("_metadata.file_path").distinct().collect())
spark.sql(f"CREATE TABLE IF NOT EXISTS {catalog}.crm.t (id BIGINT, v STRING)")
frame.createOrReplaceTempView("arrived")
spark.sql(f"MERGE INTO {catalog}.crm.t t USING arrived s ON t.id = s.id "
          "WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT *")
spark.sql(f"CREATE OR REPLACE VIEW {catalog}.crm.t_current AS "
          f"SELECT * FROM {catalog}.crm.t WHERE v IS NOT NULL")
for path in files:
    dbutils.fs.mv(path, config["processed"] + "/" + path.rsplit("/", 1)[-1])
dbutils.notebook.exit(json.dumps({
    "tables": dbutils.widgets.get("tables"), "all": sorted(dbutils.widgets.getAll()),
    "doubled": double(helper()),
    "rows": [list(r) for r in spark.table(f"{catalog}.crm.t_current").orderBy("id").collect()],
    "files": files, "paths": paths,
    "left": len(dbutils.fs.ls(config["incoming"])),
}))
"""


def test_a_job_runs_a_notebook_with_library_parameters_and_volumes(
    w: WorkspaceClient, aws: Callable[[str], Any], lake: Lake
) -> None:
    folder = f"/Shared/{name('pipeline')}"
    put_notebook(w, f"{folder}/apply", PIPELINE)
    put_notebook(w, f"{folder}/helpers", "def helper():\n    return 21\n")
    w.workspace.mkdirs(f"{folder}/rules")
    config = {"catalog": lake.catalog, "incoming": lake.incoming, "processed": lake.processed}
    w.workspace.upload(f"{folder}/pipeline.json", json.dumps(config).encode(), format=_auto())
    w.workspace.upload(f"{folder}/rules/__init__.py", b"def double(n):\n    return 2 * n\n", format=_auto())
    body = parquet([{"id": 1, "v": "one"}, {"id": 2, "v": "two\n\U0001f600"}, {"id": 3, "v": None}])
    aws("s3").put_object(Bucket=lake.bucket, Key="incoming/shop/t/LOAD00000001.parquet", Body=body)
    job = w.jobs.create(
        name=name("apply"),
        tasks=[
            notebook_task(f"{folder}/apply", parameters={"mode": "{{job.parameters.tables}}!", "tables": "x"})
        ],
        parameters=[jobs.JobParameterDefinition(name="tables", default="all")],
        run_as=jobs.JobRunAs(service_principal_name=lake.principal),
    )
    run = w.jobs.run_now(job.job_id or 0, job_parameters={"tables": "t"}).result()
    assert run.state and run.state.result_state == jobs.RunResultState.SUCCESS
    assert run.tasks
    output = w.jobs.get_run_output(run.tasks[0].run_id or 0)
    assert output.notebook_output and output.notebook_output.result
    told = json.loads(output.notebook_output.result)
    assert told["rows"] == [[1, "one"], [2, "two\n\U0001f600"]]
    assert (told["tables"], told["all"], told["doubled"], told["left"]) == ("t", ["mode", "tables"], 42, 0)
    path = f"dbfs:{lake.incoming}/LOAD00000001.parquet"
    assert told["files"] == [path] and told["paths"] == [path]
    moved = aws("s3").list_objects_v2(Bucket=lake.bucket, Prefix="processed/")["Contents"]
    assert [one["Key"] for one in moved] == ["processed/shop/t/LOAD00000001.parquet"]
    table = w.tables.get(f"{lake.catalog}.crm.t")
    assert [column.type_text for column in table.columns or []] == ["bigint", "string"]
    assert {one.name for one in w.tables.list(lake.catalog, "crm")} == {"t", "t_current"}


def _auto() -> Any:
    from databricks.sdk.service.workspace import ImportFormat

    return ImportFormat.AUTO


def test_a_failing_notebook_reports_error_trace_and_output(w: WorkspaceClient) -> None:
    run, output = run_once(w, "print('before')\n\n# COMMAND ----------\n\ndef f():\n    return 1 / 0\nf()\n")
    assert run.state and run.state.result_state == jobs.RunResultState.FAILED
    expected = "Task main failed with message: Workload failed, see run output for details."
    assert run.state.state_message == expected
    assert run.status and run.status.termination_details
    assert run.status.termination_details.code == jobs.TerminationCodeCode.RUN_EXECUTION_ERROR
    assert output.error == "ZeroDivisionError: division by zero"
    assert output.error_trace and "return 1 / 0" in output.error_trace
    assert "headwater_workspace" not in output.error_trace
    assert output.logs and output.logs.startswith("before\n")


def test_spark_errors_read_as_sparks_own(w: WorkspaceClient, lake: Lake) -> None:
    _, output = run_once(w, f"spark.table('{lake.catalog}.crm.nothing').show()")
    assert output.error and output.error.startswith("AnalysisException: [TABLE_OR_VIEW_NOT_FOUND]")
    _, output = run_once(w, f"spark.read.parquet('{lake.incoming}/nothing.parquet').show()")
    assert output.error and "[PATH_NOT_FOUND]" in output.error


def test_dbutils_fs_has_databricks_answers(w: WorkspaceClient, lake: Lake) -> None:
    source = f"""
root = "{lake.processed}/fs"
dbutils.fs.put(root + "/a/one.txt", "hello")
dbutils.fs.cp(root + "/a", root + "/b", recurse=True)
assert dbutils.fs.head("dbfs:" + root + "/b/one.txt", 4) == "hell"
info = dbutils.fs.ls(root + "/b")[0]
assert (info.name, info.size, info.isDir()) == ("one.txt", 5, False) and info.modificationTime > 0
assert [f.name for f in dbutils.fs.ls(root)] == ["a/", "b/"]
assert dbutils.fs.rm(root + "/nothing") is False
errors = []
for attempt in (
    lambda: dbutils.fs.ls(root + "/nothing"),
    lambda: dbutils.fs.put(root + "/a/one.txt", "x"),
    lambda: dbutils.fs.rm(root + "/a"),
    lambda: dbutils.fs.mount("x", "y"),
    lambda: dbutils.widgets.get("no"),
):
    try:
        attempt()
        errors.append("none")
    except Exception as error:
        errors.append(type(error).__name__ + ": " + str(error))
dbutils.fs.rm(root, recurse=True)
dbutils.notebook.exit("\\n".join(errors))
"""
    run, output = run_once(w, source)
    assert run.state and run.state.result_state == jobs.RunResultState.SUCCESS, output.error_trace
    assert output.notebook_output and output.notebook_output.result
    errors = output.notebook_output.result.split("\n")
    assert errors[0].startswith("ExecutionError: (java.io.FileNotFoundException)")
    assert "file already exists" in errors[1] and "not empty" in errors[2]
    assert "UnsupportedOperationException" in errors[3]
    assert errors[4] == "InputWidgetNotDefined: No input widget named no is defined"


def test_pandas_and_python_functions_work(w: WorkspaceClient) -> None:
    source = """
import json, os
import pandas as pd
from pyspark.sql import SparkSession, functions as F
frame = SparkSession.builder.getOrCreate().createDataFrame(pd.DataFrame({"a": [1, 2], "t": ["x", None]}))
double = F.udf(lambda a: (a or 0) * 2, "long")
rows = frame.select(double("a").alias("b"), "t").orderBy("b").toPandas()
leaked = [key for key in os.environ if key.startswith(("DATABRICKS", "AWS", "PULUMI"))]
dbutils.notebook.exit(json.dumps([rows.b.tolist(), rows.t.isna().tolist(), leaked]))
"""
    _, output = run_once(w, source)
    assert output.notebook_output and output.notebook_output.result, output.error_trace
    assert json.loads(output.notebook_output.result) == [[2, 4], [False, True], []]


def test_cancel_ends_the_process_and_what_spark_does(w: WorkspaceClient) -> None:
    slow = "print('started')\nspark.range(10**10).where('hash(uuid()) = id').count()"
    path = put_notebook(w, f"/Shared/{name('slow')}/main", slow)
    job = w.jobs.create(name=name("slow"), tasks=[notebook_task(path)])
    run_id = w.jobs.run_now(job.job_id or 0).run_id

    def started() -> bool:
        run = w.jobs.get_run(run_id)
        assert run.tasks
        return "started" in (w.jobs.get_run_output(run.tasks[0].run_id or 0).logs or "")

    wait_for(started, 60, "the notebook's output")
    w.jobs.cancel_run(run_id)
    run = ended(w, run_id, 20)
    assert run.state and run.state.result_state == jobs.RunResultState.CANCELED
    assert run.state.user_cancelled_or_timedout is True
    begun = time.monotonic()
    run_once(w, "spark.range(10).count()")  # two cores: this waits if the cancelled query still ran
    assert time.monotonic() - begun < 30


def test_retries_timeouts_and_dependent_tasks(w: WorkspaceClient, lake: Lake) -> None:
    flag = f"{lake.processed}/{name('flag')}.txt"
    flaky = f"""
try:
    dbutils.fs.ls("{flag}")
except Exception:
    dbutils.fs.put("{flag}", "seen")
    raise ValueError("first time")
dbutils.jobs.taskValues.set("answer", 42)
"""
    folder = f"/Shared/{name('tasks')}"
    put_notebook(w, f"{folder}/flaky", flaky)
    put_notebook(w, f"{folder}/after", "dbutils.notebook.exit(dbutils.widgets.get('answer'))")
    put_notebook(w, f"{folder}/slow", "import time\ntime.sleep(60)")
    depends = [jobs.TaskDependency(task_key="flaky")]
    job = w.jobs.create(
        name=name("tasks"),
        tasks=[
            notebook_task(f"{folder}/flaky", "flaky", max_retries=1, min_retry_interval_millis=1000),
            notebook_task(
                f"{folder}/after",
                "after",
                depends_on=depends,
                parameters={"answer": "{{tasks.flaky.values.answer}}"},
            ),
            notebook_task(f"{folder}/slow", "slow", depends_on=depends, timeout_seconds=3, max_retries=2),
            notebook_task(f"{folder}/after", "never", depends_on=[jobs.TaskDependency(task_key="slow")]),
        ],
    )
    run = ended(w, w.jobs.run_now(job.job_id or 0).run_id)
    tasks = {task.task_key: task for task in run.tasks or []}
    results = {
        key: task.state.result_state.value
        for key, task in tasks.items()
        if task.state and task.state.result_state
    }
    assert results == {
        "flaky": "SUCCESS",
        "after": "SUCCESS",
        "slow": "TIMEDOUT",
        "never": "UPSTREAM_FAILED",
    }
    assert tasks["flaky"].attempt_number == 1 and tasks["slow"].attempt_number == 0
    output = w.jobs.get_run_output(tasks["after"].run_id or 0)
    assert output.notebook_output and output.notebook_output.result == "42"
    assert run.state and run.state.result_state == jobs.RunResultState.FAILED
    assert "all downstream tasks to get skipped" in (run.state.state_message or "")


def _result(task: jobs.RunTask) -> str | None:
    return task.state.result_state.value if task.state and task.state.result_state else None


def test_runs_over_the_limit_are_queued_or_skipped(w: WorkspaceClient) -> None:
    path = put_notebook(w, f"/Shared/{name('limit')}/main", "import time\ntime.sleep(4)")
    job = w.jobs.create(name=name("limit"), tasks=[notebook_task(path)])
    first = w.jobs.run_now(job.job_id or 0).run_id
    skipped = w.jobs.get_run(w.jobs.run_now(job.job_id or 0).run_id)
    assert skipped.state and skipped.state.life_cycle_state == jobs.RunLifeCycleState.SKIPPED
    assert skipped.state.state_message == (
        "Skipping this run because the limit of 1 maximum concurrent runs has been reached."
    )
    w.jobs.update(job.job_id or 0, new_settings=jobs.JobSettings(queue=jobs.QueueSettings(enabled=True)))
    second = w.jobs.run_now(job.job_id or 0).run_id
    waiting = w.jobs.get_run(second)
    assert waiting.state and waiting.state.life_cycle_state == jobs.RunLifeCycleState.QUEUED
    one, two = ended(w, first), ended(w, second)
    assert two.state and two.state.result_state == jobs.RunResultState.SUCCESS
    assert (two.queue_duration or 0) > 0 and (two.end_time or 0) >= (one.end_time or 0) + 3500
    w.jobs.update(job.job_id or 0, new_settings=jobs.JobSettings(max_concurrent_runs=0))
    none = w.jobs.get_run(w.jobs.run_now(job.job_id or 0).run_id)
    assert none.state and none.state.life_cycle_state == jobs.RunLifeCycleState.SKIPPED


def test_secrets_are_read_by_acl_and_never_shown(w: WorkspaceClient, lake: Lake) -> None:
    scope, value = name("scope"), "s3cr3t/Värde"
    w.secrets.create_scope(scope)
    w.secrets.put_secret(scope, "password", string_value=value)
    source = f"""
value = dbutils.secrets.get("{scope}", "password")
print("got", value, len(value), [s.key for s in dbutils.secrets.list("{scope}")])
if dbutils.widgets.getAll():
    raise RuntimeError("wrong password: " + value)
dbutils.notebook.exit("exit " + value)
"""
    run_as = jobs.JobRunAs(service_principal_name=lake.principal)
    _, output = run_once(w, source, run_as=run_as)
    assert output.error and "PERMISSION_DENIED" in output.error and "does not have READ" in output.error
    w.secrets.put_acl(scope, lake.principal, _read())
    _, output = run_once(w, source, run_as=run_as)
    assert output.notebook_output and output.notebook_output.result == "exit [REDACTED]"
    assert output.logs and "got [REDACTED] 12 ['password']" in output.logs
    _, output = run_once(w, source, task={"parameters": {"fail": "1"}})
    assert output.error == "RuntimeError: wrong password: [REDACTED]"
    assert value not in (output.error_trace or "") + (output.logs or "")


def _read() -> Any:
    from databricks.sdk.service.workspace import AclPermission

    return AclPermission.READ


def test_a_principal_without_rights_sees_neither_volume_nor_notebook(w: WorkspaceClient, lake: Lake) -> None:
    stranger = w.service_principals.create(display_name=name("stranger")).application_id
    run_as = jobs.JobRunAs(service_principal_name=stranger)
    _, output = run_once(w, f"dbutils.fs.ls('{lake.incoming}')", run_as=run_as)
    assert output.error and "does not have READ VOLUME" in output.error
    assert "does not have USE CATALOG" in (output.logs or "")
    path = put_notebook(w, f"/Users/{name('private')}/main", "print(1)")
    job = w.jobs.create(name=name("private"), tasks=[notebook_task(path)], run_as=run_as)
    run = ended(w, w.jobs.run_now(job.job_id or 0).run_id)
    assert run.state and run.state.life_cycle_state == jobs.RunLifeCycleState.INTERNAL_ERROR
    assert f'Unable to access the notebook "{path}"' in (run.state.state_message or "")
