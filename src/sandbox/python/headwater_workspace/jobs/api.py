"""Jobs API 2.1 and 2.2."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool

from ..clock import now_ms
from ..context import Here, Workspace
from ..errors import ApiError, invalid, unsupported
from ..principals import ADMIN
from ..store import Document
from . import states
from .settings import checked
from .views import job_view, output_view, page, run_view

router = APIRouter(tags=["jobs"])
_PREFIXES = ("/api/2.1/jobs", "/api/2.2/jobs")


def _route(method: str, path: str) -> Any:
    """The same handler under both versions: what differs between them (paging of tasks) begins at 100
    tasks.
    """

    def add(handler: Any) -> Any:
        for prefix in _PREFIXES:
            router.add_api_route(prefix + path, handler, methods=[method])
        return handler

    return add


def _number(body: Document, field: str) -> int:
    value = body.get(field)
    try:
        return int(str(value))
    except ValueError as error:
        raise invalid(f"Missing or invalid field: {field}") from error


async def _store_job(here: Workspace, before: Document | None, job: Document) -> None:
    await run_in_threadpool(here.triggers.changed, before, job)
    here.store.put("job", str(job["job_id"]), job)


@_route("POST", "/create")
async def create(here: Here, body: dict[str, Any]) -> Document:
    """Makes a job. `access_control_list` is set through the permissions API."""
    if body.get("access_control_list"):
        raise unsupported("The sandbox sets job permissions through /api/2.0/permissions/jobs only")
    settings = checked(here, body)
    job = {
        "job_id": here.jobs.new_id(),
        "created_time": now_ms(),
        "creator_user_name": ADMIN,
        "settings": settings,
    }
    await _store_job(here, None, job)
    return {"job_id": job["job_id"]}


@_route("GET", "/get")
async def get(here: Here, job_id: int = Query(...)) -> Document:
    """One job."""
    return job_view(here.jobs.job(job_id))


@_route("GET", "/list")
async def list_jobs(
    here: Here,
    name: str | None = Query(None),
    limit: int = Query(20),
    page_token: str | None = Query(None),
    expand_tasks: bool = Query(False),
) -> Document:
    """Jobs, newest first; names are compared without case."""
    jobs = sorted(here.store.all("job"), key=lambda job: -job["job_id"])
    if name is not None:
        jobs = [job for job in jobs if job["settings"]["name"].lower() == name.lower()]
    return page("jobs", [job_view(job, expand_tasks) for job in jobs], limit, page_token, 100)


@_route("POST", "/update")
async def update(here: Here, body: dict[str, Any]) -> Document:
    """Replaces the given top-level settings (arrays with keys too) and removes `fields_to_remove`."""
    before = here.jobs.job(_number(body, "job_id"))
    settings = {**before["settings"], **(body.get("new_settings") or {})}
    for field in body.get("fields_to_remove") or []:
        if "/" in field or "." in field:
            raise unsupported(f"The sandbox removes top-level fields of a job only, not {field}")
        settings.pop(field, None)
    await _store_job(here, before, before | {"settings": checked(here, settings)})
    return {}


@_route("POST", "/reset")
async def reset(here: Here, body: dict[str, Any]) -> Document:
    """Replaces all settings."""
    before = here.jobs.job(_number(body, "job_id"))
    if not body.get("new_settings"):
        raise invalid("Missing required field: new_settings")
    await _store_job(here, before, before | {"settings": checked(here, body["new_settings"])})
    return {}


@_route("POST", "/delete")
async def delete(here: Here, body: dict[str, Any]) -> Document:
    """Deletes the job; its active runs are cancelled, its past ones stay readable."""
    job = here.jobs.job(_number(body, "job_id"))
    for run in here.jobs.runs():
        if run["job_id"] == job["job_id"]:
            here.jobs.cancel(run)
    for kind in ("job", "arrival"):
        here.store.delete(kind, str(job["job_id"]))
    here.store.delete("permission", f"jobs/{job['job_id']}")
    return {}


def _repeated(here: Workspace, body: Document, job_id: int) -> Document | None:
    """The answer given before to the same idempotency token."""
    token = body.get("idempotency_token")
    return here.store.get("idempotency", f"{job_id}/{token}") if token else None


def _answer(here: Workspace, body: Document, job_id: int, run: Document) -> Document:
    answer = {"run_id": run["run_id"], "number_in_job": run["number_in_job"]}
    if body.get("idempotency_token"):
        here.store.put("idempotency", f"{job_id}/{body['idempotency_token']}", answer)
    return answer


@_route("POST", "/run-now")
async def run_now(here: Here, body: dict[str, Any]) -> Document:
    """Starts a run with job_parameters or, for jobs without parameters, notebook_params."""
    job = here.jobs.job(_number(body, "job_id"))
    if repeated := _repeated(here, body, job["job_id"]):
        return repeated
    unknown = [
        field
        for field in (
            "jar_params",
            "python_params",
            "python_named_params",
            "sql_params",
            "dbt_commands",
            "only",
        )
        if body.get(field)
    ]
    if unknown or body.get("pipeline_params") or body.get("spark_submit_params"):
        raise unsupported(
            f"The sandbox runs whole jobs of notebooks; it does not take {', '.join(unknown) or 'these'}"
        )
    settings = dict(job["settings"])
    defined = settings.get("parameters") or []
    given = body.get("job_parameters") or {}
    if defined and body.get("notebook_params"):
        raise invalid("notebook_params cannot be given to a job that has job parameters; use job_parameters")
    names = {one["name"] for one in defined}
    for name in given:
        if name not in names:
            raise invalid(f"Job parameter '{name}' is not defined by job {job['job_id']}")
    fields: Document = {
        "job_parameters": [{**one, "value": str(given.get(one["name"], one["default"]))} for one in defined]
    }
    if body.get("notebook_params"):
        fields["overriding_parameters"] = {"notebook_params": body["notebook_params"]}
    if body.get("queue"):
        settings["queue"] = body["queue"]
    run = here.jobs.begin(settings, job["job_id"], "ONE_TIME", **fields)
    return _answer(here, body, job["job_id"], run)


@_route("POST", "/runs/submit")
async def submit(here: Here, body: dict[str, Any]) -> Document:
    """Runs tasks once, without a job."""
    if repeated := _repeated(here, body, 0):
        return repeated
    fields = ("tasks", "environments", "run_as", "timeout_seconds", "queue", "git_source")
    settings = {key: body[key] for key in fields if body.get(key)} | {
        "name": body.get("run_name") or "Untitled"
    }
    run = here.jobs.begin(checked(here, settings), here.jobs.new_id(), "ONE_TIME", run_type="SUBMIT_RUN")
    return _answer(here, body, 0, run)


@_route("GET", "/runs/get")
async def get_run(here: Here, run_id: int = Query(...)) -> Document:
    """A run, or a single task's run."""
    run, task = here.jobs.run_and_task(run_id)
    return run_view(run, task)


@_route("GET", "/runs/list")
async def list_runs(
    here: Here,
    job_id: int | None = Query(None),
    active_only: bool = Query(False),
    completed_only: bool = Query(False),
    run_type: str | None = Query(None),
    start_time_from: int | None = Query(None),
    start_time_to: int | None = Query(None),
    limit: int = Query(20),
    page_token: str | None = Query(None),
    expand_tasks: bool = Query(False),
) -> Document:
    """Runs, newest first."""
    if active_only and completed_only:
        raise invalid("Only one of active_only and completed_only may be true")
    runs = [
        run
        for run in here.jobs.runs()
        if (job_id is None or run["job_id"] == job_id)
        and (not active_only or states.is_active(run))
        and (not completed_only or not states.is_active(run))
        and (run_type is None or run["run_type"] == run_type)
        and (start_time_from is None or run["start_time"] >= start_time_from)
        and (start_time_to is None or run["start_time"] <= start_time_to)
    ]
    return page("runs", [run_view(run, None, expand_tasks) for run in runs], limit, page_token, 25)


@_route("GET", "/runs/get-output")
async def get_output(here: Here, run_id: int = Query(...)) -> Document:
    """Exit value, error and trace of a task's run. Beyond Databricks: `logs` of a notebook task too."""
    run, task = here.jobs.run_and_task(run_id)
    if task is None:
        if len(run["tasks"]) > 1:
            raise invalid(
                "Retrieving the output of runs with multiple tasks is not supported. Please retrieve the "
                "output of each individual task run instead."
            )
        task = run["tasks"][0]
    output = here.store.get("output", str(task["run_id"])) or {}
    attempt = here.jobs.attempt(task["run_id"])
    if attempt:
        output = {"logs": attempt.output.text, "logs_truncated": attempt.output.truncated}
    return output_view(run, task, output)


@_route("POST", "/runs/cancel")
async def cancel(here: Here, body: dict[str, Any]) -> Document:
    """Asks a run to end; its state tells when it did."""
    here.jobs.cancel(here.jobs.run(_number(body, "run_id")))
    return {}


@_route("POST", "/runs/cancel-all")
async def cancel_all(here: Here, body: dict[str, Any]) -> Document:
    """Every active run of a job; with all_queued_runs only those that wait."""
    job_id = body.get("job_id")
    if job_id is None and not body.get("all_queued_runs"):
        raise invalid("One of job_id and all_queued_runs is required")
    for run in here.jobs.runs():
        queued = states.life_cycle(run) == "QUEUED"
        if (job_id is None or run["job_id"] == int(job_id)) and (queued or not body.get("all_queued_runs")):
            here.jobs.cancel(run)
    return {}


@_route("POST", "/runs/delete")
async def delete_run(here: Here, body: dict[str, Any]) -> Document:
    """Forgets a run that has ended."""
    run = here.jobs.run(_number(body, "run_id"))
    if states.is_active(run):
        raise ApiError("INVALID_STATE", f"Run {run['run_id']} is active and cannot be deleted", 400)
    here.jobs.forget(run)
    return {}
