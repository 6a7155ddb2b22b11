"""File-arrival triggers and schedules, with the sandbox's clock 60 times faster."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from conftest import Lake, ended, make_lake, name, notebook_task, put_notebook, wait_for
from databricks.sdk import WorkspaceClient
from databricks.sdk.service import jobs

POLLS = 3.5  # seconds; at scale 60 the trigger looks once a second


@pytest.fixture(scope="module")
def pond(w: WorkspaceClient, aws: Callable[[str], Any]) -> Lake:
    """A lake nobody else writes to."""
    return make_lake(w, aws)


def _job(w: WorkspaceClient, url: str, paused: bool = False, **times: int) -> int:
    path = put_notebook(w, f"/Shared/{name('trigger')}/main", "print('ran')")
    arrival = jobs.FileArrivalTriggerConfiguration(url=url, **times)
    status = jobs.PauseStatus.PAUSED if paused else jobs.PauseStatus.UNPAUSED
    job = w.jobs.create(
        name=name("trigger"),
        tasks=[notebook_task(path)],
        queue=jobs.QueueSettings(enabled=True),
        trigger=jobs.TriggerSettings(file_arrival=arrival, pause_status=status),
    )
    assert job.job_id
    return job.job_id


def _runs(w: WorkspaceClient, job: int) -> list[jobs.BaseRun]:
    return list(w.jobs.list_runs(job_id=job))


def _await_runs(w: WorkspaceClient, job: int, count: int) -> list[jobs.BaseRun]:
    found: list[jobs.BaseRun] = wait_for(
        lambda: runs if len(runs := _runs(w, job)) >= count else None, 30, f"{count} runs of job {job}"
    )
    return found


def test_only_new_files_below_the_path_start_one_run_a_batch(
    w: WorkspaceClient, aws: Callable[[str], Any], pond: Lake
) -> None:
    s3 = aws("s3")

    def put(key: str) -> None:
        s3.put_object(Bucket=pond.bucket, Key=key, Body=b"x")

    put("incoming/shop/t/before.parquet")
    job = _job(w, f"s3://{pond.bucket}/incoming/")
    time.sleep(POLLS)
    assert _runs(w, job) == []  # what was there does not count
    for number in range(5):
        put(f"incoming/shop/t/deep/{number}.parquet")
        time.sleep(0.15)
    runs = _await_runs(w, job, 1)
    assert runs[0].trigger == jobs.TriggerType.FILE_ARRIVAL
    ended(w, runs[0].run_id or 0)
    time.sleep(POLLS)
    assert len(_runs(w, job)) == 1  # what is written within a second is one batch, though the clock is scaled
    put("incoming/shop/t/before.parquet")  # an overwrite
    put("processed/shop/t/new.parquet")  # not below the path
    put("incoming-other/new.parquet")  # a path that only begins alike
    time.sleep(POLLS)
    assert len(_runs(w, job)) == 1
    put("incoming/shop/other/new.parquet")
    assert len(_await_runs(w, job, 2)) == 2
    w.jobs.delete(job)


def test_waiting_for_the_last_change_and_between_triggers(
    w: WorkspaceClient, aws: Callable[[str], Any], pond: Lake
) -> None:
    minutes = {"wait_after_last_change_seconds": 180, "min_time_between_triggers_seconds": 480}
    job = _job(w, f"{pond.incoming}/sub", **minutes)
    s3 = aws("s3")
    last = 0.0
    for number in range(4):  # the wait of 180/60 s begins anew at each
        s3.put_object(Bucket=pond.bucket, Key=f"incoming/shop/t/sub/{number}", Body=b"x")
        last = time.time()
        time.sleep(1.2)
    first = _await_runs(w, job, 1)[0]
    assert (first.start_time or 0) / 1000 >= last + 2
    s3.put_object(Bucket=pond.bucket, Key="incoming/shop/t/sub/later", Body=b"x")
    second = _await_runs(w, job, 2)[0]
    assert (second.start_time or 0) - (first.start_time or 0) >= 480_000 / 60 - 100
    w.jobs.delete(job)


def test_a_paused_trigger_does_not_fire(w: WorkspaceClient, aws: Callable[[str], Any], pond: Lake) -> None:
    job = _job(w, f"{pond.processed}/paused", paused=True)
    aws("s3").put_object(Bucket=pond.bucket, Key="processed/shop/t/paused/1", Body=b"x")
    time.sleep(POLLS)
    assert _runs(w, job) == []
    w.jobs.delete(job)


def test_a_schedule_fires_on_the_scaled_clock(w: WorkspaceClient) -> None:
    path = put_notebook(w, f"/Shared/{name('schedule')}/main", "print('ran')")
    schedule = jobs.CronSchedule(quartz_cron_expression="0 0/5 * * * ?", timezone_id="Europe/Berlin")
    job = w.jobs.create(name=name("schedule"), tasks=[notebook_task(path)], schedule=schedule).job_id or 0
    runs = _await_runs(w, job, 2)  # every 5 minutes, that is 5 seconds
    assert {run.trigger for run in runs} == {jobs.TriggerType.PERIODIC}
    assert abs((runs[0].start_time or 0) - (runs[1].start_time or 0) - 5000) < 2500
    w.jobs.update(
        job,
        new_settings=jobs.JobSettings(
            schedule=jobs.CronSchedule(
                quartz_cron_expression="0 0/5 * * * ?",
                timezone_id="Europe/Berlin",
                pause_status=jobs.PauseStatus.PAUSED,
            )
        ),
    )
    count = len(_runs(w, job))
    time.sleep(7)
    assert len(_runs(w, job)) == count
    w.jobs.delete(job)
